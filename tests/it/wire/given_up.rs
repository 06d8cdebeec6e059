//! Calls that their caller gives up: what they leave at either end.

use std::rc::Rc;

use capshare::__internal::share_capnp::share_rpc;
use capshare::__internal::wire::duplex;
use capshare::__internal::wire::vat::{self, VatLimits};
use tokio::task::spawn_local;

use super::scene::{Facts, LIMITS, connect_end, disconnected, hang, hello, local, probe, roomy, root, serve_end};
use crate::support::memory::resident_bytes;

/// Makes calls that hang in the host, a hundred at a time, and drops them there.
async fn give_up(rpc: &share_rpc::Client, facts: &Facts, calls: usize) {
    const AT_ONCE: usize = 100;
    for _ in 0..calls / AT_ONCE {
        let begun: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let mut request = rpc.hello_request();
                request.get().set_agent("hang");
                request.send().promise
            })
            .collect();
        facts.until(|facts| facts.hanging.get() == AT_ONCE as u32).await;
        drop(begun);
        facts.until(|facts| facts.hanging.get() == 0).await;
    }
}

/// S91: 100,000 calls that are given up, on one connection, leave nothing at the host and nothing at the client.
#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_calls_that_are_given_up_leave_nothing_at_either_end() {
    local(async {
        let facts = Rc::new(Facts::default());
        let (host, client) = duplex::pair(64 << 10);
        let host = serve_end(host, root(&facts, &roomy()).client);
        let (vat, rpc) = connect_end(client);
        let (hosts, clients) = (host.ledger(), vat.ledger());
        let _running = (spawn_local(host), spawn_local(vat));
        // What is allocated once.
        give_up(&rpc, &facts, 10_000).await;
        let before = resident_bytes();
        give_up(&rpc, &facts, 90_000).await;
        let grown = resident_bytes().saturating_sub(before);
        // The last returns are on their way before these answers.
        for _ in 0..10 {
            probe(&rpc, 1).await.unwrap();
        }
        assert_eq!((hosts.calls_open(), clients.calls_given_up()), (0, 0));
        // Kept, they would be some 20 MB.
        assert!(grown < 4 << 20, "{grown} bytes more");
    })
    .await;
}

/// S37, S91: the others of the connection go on, those that were made before and those after.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_takes_no_other_with_it() {
    local(async {
        let facts = Rc::new(Facts::default());
        let (rpc, _vat, host) = super::scene::over_duplex(root(&facts, &roomy()).client);
        let (stays, goes) = (hang(&rpc, &facts).await, hang(&rpc, &facts).await);
        drop(goes);
        facts.until(|facts| facts.hanging.get() == 1).await;
        assert_eq!(probe(&rpc, 16).await.unwrap().len(), 16);
        assert!(!stays.is_finished() && !host.is_finished());
        hello(&rpc, "").await.unwrap();
    })
    .await;
}

/// S91: a peer that never returns what this side gives up is left, in time.
#[tokio::test(start_paused = true)]
async fn a_vat_leaves_a_peer_that_returns_nothing_of_what_is_given_up() {
    local(async {
        let (host, client) = duplex::pair(64 << 10);
        // Whoever holds this end takes in everything and says nothing.
        let (mut reader, _writer) = host.split();
        spawn_local(async move { futures::io::copy(&mut reader, &mut futures::io::sink()).await });
        let (reader, writer) = client.split();
        let limits = VatLimits { calls_kept_max: 100, ..LIMITS };
        let (vat, rpc) = vat::connect::<_, _, share_rpc::Client>(reader, writer, limits);
        let ledger = vat.ledger();
        let ended = spawn_local(vat);
        let last = rpc.probe_value_request().send().promise;
        for _ in 0..100 {
            drop(rpc.probe_value_request().send());
            tokio::task::yield_now().await;
        }
        assert!(!ledger.is_full() && !ended.is_finished());
        drop(rpc.probe_value_request().send());
        ended.await.unwrap().unwrap();
        assert!(ledger.is_full() && disconnected(&last.await.err().unwrap()));
    })
    .await;
}
