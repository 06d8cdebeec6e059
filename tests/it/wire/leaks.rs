//! What a connection leaves behind: nothing.

use std::rc::Rc;

use capshare::__internal::share_capnp::share_rpc;
use tokio::task::spawn_local;

use super::scene::{Echo, Facts, hello, local, over_duplex, roomy, root};
use crate::support::memory::resident_bytes;

/// The pages that may come and go between the two looks at the resident memory: allocator slack, not connections. One
/// leaked connection is some 9 KiB, so a leak in every twentieth of the 8,000 cycles would show.
const TOLERANCE_BYTES: u64 = 3 << 20;

#[tokio::test(start_paused = true)]
async fn ten_thousand_connections_leave_no_object_and_no_memory() {
    local(async {
        let facts = Rc::new(Facts::default());
        let mut warm = 0;
        for cycle in 0..10_000 {
            let budget = roomy();
            let (rpc, vat, host) = over_duplex(root(&facts, &budget).client);
            let view = rpc.view_share_request().send().promise.await.unwrap();
            assert_eq!(facts.live.get(), 2);
            // Each end is left in its own way: by an abort with a call and a callback open, or by the peer's going.
            let hanging = spawn_local({
                let rpc = rpc.clone();
                async move { hello(&rpc, "hang").await }
            });
            facts.until(|facts| facts.hanging.get() == 1).await;
            call_back(&rpc).await;
            if cycle % 2 == 0 {
                vat.abort()
            } else {
                host.abort()
            }
            hanging.await.unwrap().unwrap_err();
            drop((rpc, view));
            let _ends = (vat.await, host.await);
            assert_eq!((facts.live.get(), facts.hanging.get(), budget.calls_in_flight()), (0, 0, 0), "cycle {cycle}");
            assert_eq!(Rc::strong_count(&facts), 1);
            assert_eq!(Rc::strong_count(&budget), 1);
            if cycle == 2_000 {
                warm = resident_bytes();
            }
        }
        let grown = resident_bytes().saturating_sub(warm);
        assert!(grown <= TOLERANCE_BYTES, "{grown} bytes more after 8,000 further connections");
    })
    .await;
}

async fn call_back(rpc: &share_rpc::Client) {
    let mut request = rpc.probe_callback_request();
    request.get().set_callback(capnp_rpc::new_client(Echo));
    request.send().promise.await.unwrap();
}
