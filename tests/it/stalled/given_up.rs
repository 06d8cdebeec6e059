//! Requests that are given up while the host works on them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use capshare::__internal::access::SingleAccount;
use capshare::share::id::ShareId;
use object_store::memory::InMemory;

use crate::support::bucket::TestBucket;
use crate::support::door::Served;
use crate::support::http::begin;

/// S90: who asks for shares that are not there and leaves before it is answered leaves nothing in the host's memory.
#[tokio::test]
async fn a_load_that_its_caller_gave_up_leaves_nothing() {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    let served = Served::over(Arc::clone(&bucket) as _, access, |_| {}).await;
    // No load of this test ends by itself.
    bucket.takes(Duration::from_secs(3_600));
    let (hub, asked) = (served.host.hub(), || bucket.counts.lists.load(Ordering::Relaxed));
    for n in 0..50 {
        let path = format!("/share/{}.json", ShareId::from_bits(n));
        let (before, one) = (asked(), begin(served.address, "GET", &path, &[]).await);
        let another = begin(served.address, "GET", &path, &[]).await;
        while asked() == before {
            tokio::task::yield_now().await;
        }
        assert!(hub.rooms().count() > 0, "it is being loaded");
        drop((one, another));
    }
    while hub.rooms().count() > 0 {
        tokio::task::yield_now().await;
    }
}
