//! Segments: which syncs share one, and how those who brought them are answered. By bare Cap'n Proto.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::contract::convert::read_synced;
use capshare::__internal::share_capnp::share;
use capshare::testing::{Scene, run};
use object_store::memory::InMemory;
use tokio::time::Instant;

use crate::support::bucket::{Fault, TestBucket};
use crate::support::raw::{Raw, change, sync_request};

/// A share that was synced once, and the bucket that it is in, whose requests are counted from here on.
struct Synced {
    bucket: Arc<TestBucket>,
    share: share::Client,
    _scene: Scene,
    _raw: Raw,
}

impl Synced {
    async fn over(bucket: Arc<TestBucket>) -> Self {
        let scene = Scene::builder().store(Arc::clone(&bucket) as _).build();
        let raw = Raw::connect(scene.host(), None).await;
        let mut request = raw.root.create_share_request();
        request.get().set_session_id("ses_1");
        let share = request.send().pipeline.get_share();
        sync_request(&share, &change("p", "first")).send().promise.await.unwrap();
        bucket.counts.reset();
        Self { bucket, share, _scene: scene, _raw: raw }
    }

    fn segments(&self) -> u64 {
        let [puts, ..] = self.bucket.counts.all();
        puts
    }
}

/// Syncs that come one right after the other share segments, though the bucket answers at once: what is on its way is gathered
/// before a segment is begun.
#[test]
fn syncs_in_flight_together_share_their_segments() {
    run(async {
        let synced = Synced::over(TestBucket::over(Arc::new(InMemory::new()))).await;
        let mut syncs = Vec::new();
        for n in 0..64 {
            syncs.push(tokio::task::spawn_local(
                sync_request(&synced.share, &change("p", &n.to_string())).send().promise,
            ));
            // The host gets it before the next is sent.
            tokio::task::yield_now().await;
        }
        for answer in syncs {
            let answer = answer.await.unwrap().unwrap();
            assert!(read_synced(answer.get().unwrap().get_result().unwrap()).unwrap().sync_count > 1);
        }
        assert!(synced.segments() <= 40, "{} segments of 64 syncs", synced.segments());
    });
}

/// Callers that come again when they were answered share one segment, though they come one after the other: whoever is first
/// waits for the others, a small part of what a write takes.
#[test]
fn callers_that_are_answered_together_wait_for_each_other() {
    run(async {
        const CALLERS: usize = 24;
        const CALLS: usize = 8;
        let write = Duration::from_millis(20);
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        bucket.roll(move || Some(Fault::Slow(write)));
        let synced = Synced::over(bucket).await;
        let begun = Instant::now();
        let callers = (0..CALLERS).map(|caller| {
            let share = synced.share.clone();
            tokio::task::spawn_local(async move {
                for n in 0..CALLS {
                    // As many turns as others take to come.
                    for _ in 0..caller {
                        tokio::task::yield_now().await;
                    }
                    sync_request(&share, &change("p", &n.to_string())).send().promise.await.unwrap();
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.unwrap();
        }
        // The first call of the first caller found nobody to wait for.
        assert_eq!(synced.segments() as usize, CALLS + 1);
        // A twentieth of each write, on a clock of milliseconds.
        let most = write * (CALLS as u32 + 1) + Duration::from_millis(2) * CALLS as u32;
        assert!(begun.elapsed() <= most, "{:?}", begun.elapsed());
    });
}

/// Of many who share a segment the first have their answers while others are still given theirs, and work on.
#[test]
fn callers_of_one_segment_are_not_all_answered_at_once() {
    run(async {
        let synced = Synced::over(TestBucket::over(Arc::new(InMemory::new()))).await;
        let turns = Rc::new(Cell::new(0));
        let answered = Rc::new(RefCell::new(Vec::new()));
        let callers = (0..64).map(|n| {
            let sync = sync_request(&synced.share, &change("p", &n.to_string())).send().promise;
            let (turns, answered) = (Rc::clone(&turns), Rc::clone(&answered));
            tokio::task::spawn_local(async move {
                sync.await.unwrap();
                answered.borrow_mut().push(turns.get());
            })
        });
        let callers: Vec<_> = callers.collect();
        while !callers.iter().all(tokio::task::JoinHandle::is_finished) {
            turns.set(turns.get() + 1);
            assert!(turns.get() < 10_000, "{answered:?}");
            tokio::task::yield_now().await;
        }
        let answered = answered.borrow();
        assert_eq!(synced.segments(), 1);
        assert!(answered[63] - answered[0] >= 7, "{answered:?}");
    });
}
