//! A recorded session of the real client, many times at once: what it costs.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use capshare::__internal::access::SingleAccount;
use futures::stream::{self, StreamExt as _};
use object_store::memory::InMemory;
use serde_json::Value;

use super::http::Api;
use crate::cli::program::RECORDING;
use crate::support::bucket::TestBucket;
use crate::support::door::Served;

/// Shares that are written at once. `CAPSHARE_TEST_SHARES` asks for more.
const SHARES: usize = 10;

/// S23: the client sends again what it has sent; the bucket is written about once for each value that was new.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "figures, shown with --no-capture")]
async fn what_is_sent_again_is_not_written_again() {
    let shares = std::env::var("CAPSHARE_TEST_SHARES").map_or(SHARES, |text| text.parse().unwrap());
    let lines: Vec<Value> =
        std::fs::read_to_string(RECORDING).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let syncs: Vec<Value> = lines.iter().filter_map(|line| line["body"].get("data").cloned()).collect();
    let (mut sent, mut new, mut values) = (0, 0, HashSet::new());
    for item in syncs.iter().flat_map(|sync| sync.as_array().unwrap()) {
        let bytes = item.to_string();
        sent += bytes.len();
        if !values.contains(&bytes) {
            new += bytes.len();
            values.insert(bytes);
        }
    }
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    let served = Served::over(bucket.clone(), access, |_| {}).await;
    let api = Api::at(served.address);
    stream::iter(0..shares)
        .for_each_concurrent(None, async |at| {
            let share = api.create(&format!("ses_{at}")).await;
            for sync in &syncs {
                api.sync(&share, sync.clone()).await.ok();
            }
        })
        .await;
    assert!(served.host.shutdown().await);
    let written = bucket.counts.put_bytes.load(Ordering::Relaxed) as usize;
    eprintln!(
        "{shares} shares of {} syncs: {} bytes each were sent, {new} of them new, {} written",
        syncs.len(),
        sent,
        written / shares
    );
    assert!(written * 2 < new * shares * 3, "{written} bytes for {}", new * shares);
}
