//! One client, several threads and runtimes.

use std::sync::Arc;

use capshare::client::{Builder, ConnectionState, WatchFrom};
use capshare::share::revision::Revision;

use super::queue::items;
use super::relay::{Pipe, Relay};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_serves_a_multi_thread_runtime() {
    let relay = Relay::new();
    let client = Builder::over(Arc::new(Pipe(relay.clone()))).build().unwrap();
    let share = client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (client, share) = (client.clone(), share.clone());
        tasks.spawn(async move {
            share.queue(items(&[&format!("n{n} {n}")])).await.unwrap();
            client.ping().await.unwrap();
            share.flush().await.unwrap();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(client.snapshot(share.id()).await.unwrap().len(), 20);
    let mut state = client.state();
    drop((client, share));
    state.wait_for(|state| matches!(state, ConnectionState::Closed(_))).await.unwrap();
    relay.until_host_is_empty().await;
}

#[test]
fn a_client_serves_two_runtimes_and_outlives_the_one_that_made_it() {
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    // Neither runtime has a clock or I/O: the client has its own.
    let (one, two) = (runtime(), runtime());
    let (relay, client) = one.block_on(async {
        let relay = Relay::new();
        (relay.clone(), Builder::over(Arc::new(Pipe(relay))).build().unwrap())
    });
    let share = one.block_on(client.create(&"ses_1".parse().unwrap(), None)).unwrap();
    one.block_on(share.queue(items(&["a 1"]))).unwrap();
    drop(one);
    two.block_on(share.sync(items(&["b 1"]))).unwrap();
    assert_eq!(two.block_on(client.snapshot(share.id())).unwrap().len(), 2);
    let mut watch = client.watch(share.id(), WatchFrom::WholeState);
    assert_eq!(two.block_on(watch.next()).unwrap().unwrap().revision, Revision(2));
    two.block_on(client.close());
    drop(two);
    let three = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    three.block_on(relay.until(|facts| facts.connections == 0));
}
