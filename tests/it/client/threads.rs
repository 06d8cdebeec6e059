//! One client, several threads and runtimes.

use std::sync::Arc;

use capshare::client::{Builder, ConnectionState, WatchFrom};

use super::host::{Host, Pipe};
use super::queue::items;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_serves_a_multi_thread_runtime() {
    let host = Host::new();
    let client = Builder::over(Arc::new(Pipe(host.clone()))).build().unwrap();
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
    assert_eq!(host.items(share.id()).len(), 20);
    let mut state = client.state();
    drop((client, share));
    state.wait_for(|state| matches!(state, ConnectionState::Closed(_))).await.unwrap();
    host.until(|facts| facts.connections == 0 && facts.live == 0).await;
}

#[test]
fn a_client_serves_two_runtimes_and_outlives_the_one_that_made_it() {
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let host = Host::new();
    // Neither runtime has a clock or I/O: the client has its own.
    let (one, two) = (runtime(), runtime());
    let client = one.block_on(async { Builder::over(Arc::new(Pipe(host.clone()))).build().unwrap() });
    let share = one.block_on(client.create(&"ses_1".parse().unwrap(), None)).unwrap();
    one.block_on(share.queue(items(&["a 1"]))).unwrap();
    drop(one);
    two.block_on(share.sync(items(&["b 1"]))).unwrap();
    assert_eq!(host.items(share.id()).len(), 2);
    let mut watch = client.watch(share.id(), WatchFrom::WholeState);
    assert_eq!(two.block_on(watch.next()).unwrap().unwrap().revision, 2);
    two.block_on(client.close());
    two.block_on(host.until(|facts| facts.connections == 0));
}
