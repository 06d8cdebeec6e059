//! Vats: what becomes of calls and objects when one ends, however it ends.

use std::rc::Rc;

use capnp::ErrorKind;
use capshare::__internal::share_capnp::share_rpc;
use capshare::__internal::wire::duplex;
use capshare::__internal::wire::vat::{self, VatLimits};
use tokio::task::{LocalSet, spawn_local};

use super::scene::{
    Facts, LIMITS, bare_root, connect_end, disconnected, hang, hello, local, over_duplex, probe, roomy, root, serve_end,
};

#[tokio::test(start_paused = true)]
async fn aborting_the_clients_vat_fails_its_waiting_calls_at_once_and_drops_the_hosts_futures() {
    local(async {
        let facts = Rc::new(Facts::default());
        let (rpc, vat, host) = over_duplex(root(&facts, &roomy()).client);
        let (one, two) = (hang(&rpc, &facts).await, hang(&rpc, &facts).await);
        vat.abort();
        for waiting in [one, two] {
            assert!(disconnected(&waiting.await.unwrap().unwrap_err()));
        }
        assert!(disconnected(&probe(&rpc, 16).await.unwrap_err()), "and so does every later call");
        host.await.unwrap().unwrap();
        assert_eq!((facts.hanging.get(), facts.live.get()), (0, 0), "the client still holds its root capability");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn aborting_the_hosts_vat_drops_its_futures_and_fails_the_clients_calls() {
    local(async {
        let facts = Rc::new(Facts::default());
        let (rpc, vat, host) = over_duplex(root(&facts, &roomy()).client);
        let waiting = hang(&rpc, &facts).await;
        host.abort();
        assert!(host.await.unwrap_err().is_cancelled());
        assert_eq!((facts.hanging.get(), facts.live.get()), (0, 0), "before the client was even polled");
        assert!(disconnected(&waiting.await.unwrap().unwrap_err()));
        vat.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_vat_dropped_before_it_ever_ran_fails_its_calls() {
    local(async {
        let facts = Rc::new(Facts::default());
        let (host, client) = duplex::pair(1024);
        let host = serve_end(host, root(&facts, &roomy()).client);
        let (vat, rpc) = connect_end(client);
        let early = rpc.probe_value_request().send().promise;
        drop(vat);
        assert!(disconnected(&early.await.err().unwrap()));
        assert!(disconnected(&probe(&rpc, 16).await.unwrap_err()));
        drop(host);
        assert_eq!(facts.live.get(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_cut_inside_a_message_is_disconnected() {
    local(async {
        let (host, client) = duplex::pair(1024);
        let (vat, rpc) = connect_end(client);
        let vat = spawn_local(vat);
        // One segment of 8 words is announced, and one of them comes.
        tokio::io::AsyncWriteExt::write_all(&mut host.into_inner(), &[0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        let error = probe(&rpc, 16).await.unwrap_err();
        assert!(disconnected(&error), "{error}");
        vat.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_that_no_guard_caught_ends_its_vat_and_leaves_nothing() {
    local(async {
        let facts = Rc::new(Facts::default());
        let (rpc, vat, host) = over_duplex(bare_root(&facts, &roomy()).client);
        let waiting = hang(&rpc, &facts).await;
        assert!(disconnected(&hello(&rpc, "panic").await.unwrap_err()));
        assert!(disconnected(&waiting.await.unwrap().unwrap_err()));
        let error = host.await.expect("the task itself did not panic").unwrap_err();
        assert_eq!((error.kind, error.extra.as_str()), (ErrorKind::Failed, "internal error"));
        vat.await.unwrap().unwrap();
        assert_eq!((facts.hanging.get(), facts.live.get()), (0, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_promise_of_a_call_cancels_its_handler_only() {
    local(async {
        let facts = Rc::new(Facts::default());
        let (rpc, _vat, _host) = over_duplex(root(&facts, &roomy()).client);
        let (kept, dropped) = (hang(&rpc, &facts).await, hang(&rpc, &facts).await);
        drop(dropped);
        facts.until(|facts| facts.hanging.get() == 1).await;
        assert_eq!(probe(&rpc, 16).await.unwrap().len(), 16);
        assert_eq!(facts.hanging.get(), 1);
        assert!(!kept.is_finished());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_past_the_traversal_limit_ends_the_connection_as_failed() {
    local(async {
        let facts = Rc::new(Facts::default());
        let (host, client) = duplex::pair(1024);
        let (reader, writer) = host.split();
        let small = VatLimits { message_bytes_max: 1024, ..LIMITS };
        let host = spawn_local(vat::serve(reader, writer, root(&facts, &roomy()).client, small));
        let (vat, rpc) = connect_end(client);
        let _vat = spawn_local(vat);
        assert_eq!(probe(&rpc, 1024).await.unwrap().len(), 1024);
        probe(&rpc, 5 * 1024).await.unwrap_err();
        assert_eq!(host.await.unwrap().unwrap_err().kind, ErrorKind::Failed);
        assert_eq!(facts.live.get(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_written_out_before_a_vat_is_dropped_that_waited_for_room() {
    local(async {
        let facts = Rc::new(Facts::default());
        let (host, client) = duplex::pair(1024);
        let mut host = serve_end(host, root(&facts, &roomy()).client);
        let meter = host.meter();
        let (vat, rpc) = connect_end(client);
        let _vat = spawn_local(vat);
        let call = spawn_local(async move { probe(&rpc, 100_000).await });
        tokio::select! {
            biased;
            ended = &mut host => panic!("{ended:?}"),
            () = async { while meter.peak_bytes() < 100_000 { tokio::task::yield_now().await } } => {}
        }
        assert!(meter.queued_bytes() > 0, "the pipe holds only 1 KiB, so the answer is still on its way");
        tokio::select! { ended = &mut host => panic!("{ended:?}"), () = meter.until_at_most(0) => {} }
        drop(host);
        assert_eq!(call.await.unwrap().unwrap().len(), 100_000);
    })
    .await;
}

#[test]
fn host_and_client_may_sit_on_different_threads() {
    let (host, client) = duplex::pair(64 * 1024);
    let host = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let facts = Rc::new(Facts::default());
        let vat = serve_end(host, root(&facts, &roomy()).client);
        LocalSet::new().block_on(&runtime, vat).unwrap();
        assert_eq!(facts.live.get(), 0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async move {
        let (vat, rpc): (_, share_rpc::Client) = connect_end(client);
        let _vat = spawn_local(vat);
        assert_eq!(probe(&rpc, 200_000).await.unwrap().len(), 200_000);
    });
    drop(runtime);
    host.join().unwrap();
}

/// A worker of a host ends so: its connections are dropped with its tasks, when its runtime runs no longer.
#[test]
fn a_vat_that_is_dropped_outside_its_runtime_runs_its_calls_inside_it_all_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (facts, tasks) = (Rc::new(Facts::default()), LocalSet::new());
    let held = tasks.block_on(&runtime, async {
        let (rpc, _vat, _host) = over_duplex(root(&facts, &roomy()).client);
        let mut view = rpc.view_share_request();
        view.get().set_share_id("late");
        let view = view.send();
        // A call of what it gives keeps it alive while the vat disconnects.
        let info = view.pipeline.get_view().info_request().send();
        facts.until(|facts| facts.hanging.get() == 1).await;
        (rpc, view, info)
    });
    // The call goes on when it is polled next.
    facts.changed.notify_waiters();
    drop(tasks);
    assert_eq!((facts.made.get(), facts.live.get()), (1, 0));
    drop(held);
}
