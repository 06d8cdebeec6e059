//! A thousand connections at once.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::Scopes;
use futures::future::join_all;
use object_store::memory::InMemory;
use tokio::time::Instant;

use super::{rpc_socket, until};
use crate::support::desk::{Desk, token};
use crate::support::door::{Served, close_frame};

const ROUNDS: usize = 3;
const EACH: usize = 500;

/// With 1,000 RPC connections, 500 of them revoked by account: from the answer to the last Close frame in the hands of its
/// client, while nobody else is disturbed. How long that takes is said, and asked for where it can be measured: by
/// `tests/bench/connections.rs`, optimized and alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stderr, reason = "the figure is what it is for")]
async fn half_of_a_thousand_connections_are_cut_off_at_once() {
    let desk = Desk::of([("ann", token("ann", "t1", Scopes::SHARE)), ("bob", token("bob", "t2", Scopes::SHARE))]);
    let served = Served::over(Arc::new(InMemory::new()), Arc::new(desk), |settings| {
        settings.hub.account_connections_max = None;
        settings.doors.upgrades_per_minute = std::num::NonZeroU32::new(1_000_000).unwrap();
        settings.doors.account_upgrades_per_minute = settings.doors.upgrades_per_minute;
        let _cap_of_the_host: Option<NonZeroUsize> = NonZeroUsize::new(settings.hub.connections_max);
    })
    .await;
    let registry = served.host.hub().connections().registry();
    let mut others = join_all((0..EACH).map(|_| rpc_socket(&served, "bob"))).await;
    let mut slowest = Duration::ZERO;
    for round in 1..=rounds() {
        let sockets = join_all((0..EACH).map(|_| rpc_socket(&served, "ann"))).await;
        until(|| registry.count() == 2 * EACH).await;
        let listening = sockets.into_iter().map(|mut socket| {
            tokio::spawn(async move {
                let frame = close_frame(&mut socket).await;
                (frame.0, Instant::now())
            })
        });
        let listening: Vec<_> = listening.collect();
        tokio::task::yield_now().await;
        let closed = served.host.hub().connections().close_account(&"ann".parse().unwrap());
        let answered = Instant::now();
        assert_eq!(closed, EACH);
        let closed = join_all(listening).await;
        let last = closed.into_iter().map(|closed| closed.unwrap()).inspect(|(code, _)| assert_eq!(*code, 4001));
        let took = last.map(|(_, at)| at.saturating_duration_since(answered)).max().unwrap();
        eprintln!("round {round}: the last of {EACH} Close frames came {took:?} after the answer");
        slowest = slowest.max(took);
        assert_eq!(registry.count(), EACH, "nobody else was disturbed");
    }
    eprintln!("the slowest of all: {slowest:?}");
    for other in &mut others {
        other.send(async_tungstenite::tungstenite::Message::Ping("x".into())).await.unwrap();
    }
}

/// More of them by hand.
fn rounds() -> usize {
    std::env::var("CAPSHARE_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS)
}
