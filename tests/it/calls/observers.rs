//! Observers: objects of the client that the host calls.

use std::time::Duration;

use capshare::testing::{Scene, run};
use tokio::time::Instant;

use crate::support::items::part;
use crate::support::raw::{Raw, observer};

/// S27: an observer that the host keeps still works after the call that passed it returned, and is released when the
/// watch is dropped and when the connection ends.
#[test]
fn an_observer_outlives_the_call_that_passed_it_and_is_released_at_the_end() {
    run(async {
        let scene = Scene::new();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let room = scene.host().hub().rooms().view(share.id().as_str()).await.unwrap();
        for end_by_dropping in [true, false] {
            let before = share.info().await.unwrap().revision.0;
            let raw = Raw::connect(scene.host(), None).await;
            let mut request = raw.root.view_share_request();
            request.get().set_share_id(share.id().as_str());
            let viewed = request.send().pipeline.get_view();
            let (client, told) = observer();
            let mut request = viewed.watch_request();
            request.get().set_observer(client);
            request.get().set_since(before);
            let watching = request.send().promise.await.unwrap();
            let watch = watching.get().unwrap().get_watch().unwrap();
            drop(watching);
            assert_eq!(room.followers(), 1);
            for n in 1..=3 {
                share.sync(part("p", &format!("{end_by_dropping} {n}"))).await.unwrap();
            }
            while told.steps.borrow().last().map_or(before, |step| step.revision.0) < before + 3 {
                tokio::task::yield_now().await;
            }
            assert!(!told.released.get());
            if end_by_dropping {
                drop(watch)
            } else {
                raw.cut()
            }
            while !told.released.get() || room.followers() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            share.sync(part("p", "nobody is told")).await.unwrap();
            assert!(told.steps.borrow().iter().all(|step| step.revision.0 <= before + 3));
            assert!(!told.ended.get());
        }
    });
}

/// An observer that is busy is told what it missed in one call, merged by key; one that never returns is dropped after 30 s.
#[test]
fn a_slow_observer_is_told_what_it_missed_in_one_and_a_stuck_one_is_dropped() {
    run(async {
        let scene = Scene::new();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let watch = async |delay: Option<Duration>| {
            let raw = Raw::connect(scene.host(), None).await;
            let mut request = raw.root.view_share_request();
            request.get().set_share_id(share.id().as_str());
            let (client, told) = crate::support::raw::slow_observer(delay);
            let mut request = request.send().pipeline.get_view().watch_request();
            request.get().set_observer(client);
            let watching = request.send().promise.await.unwrap();
            (raw, watching.get().unwrap().get_watch().unwrap(), told)
        };
        let (_raw, _watch, slow) = watch(Some(Duration::from_secs(1))).await;
        let (_other, _stuck_watch, stuck) = watch(None).await;
        // The observers are busy with the empty state meanwhile.
        for n in 1..=10 {
            share.sync(part("p", &n.to_string())).await.unwrap();
            share.sync(part(&format!("q{n}"), "x")).await.unwrap();
        }
        while slow.steps.borrow().last().is_none_or(|step| step.revision.0 < 20) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let steps: Vec<_> = slow.steps.borrow().iter().map(|s| (s.base.0, s.revision.0, s.changes.len())).collect();
        assert_eq!(steps, [(0, 0, 0), (0, 20, 11)]);
        let begun = Instant::now();
        while !stuck.released.get() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert_eq!(stuck.steps.borrow().len(), 1);
    });
}
