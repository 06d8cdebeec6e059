//! Shares that are not there.

use capshare::share::error::Refusal;

use super::*;

/// S101: viewers who come back to a share that is not there cost a listing each two seconds, however many they are.
#[test]
fn ids_that_are_not_there_cost_a_listing_each_two_seconds() {
    run(async {
        let pair = Pair::new();
        pair.line.counts.reset();
        let id = ShareId::from_bits(7);
        for _ in 0..50 {
            for _ in 0..10 {
                let entered = pair.two.host().hub().rooms().view(id.as_str()).await;
                assert!(matches!(entered, Err(Refusal::NotFound { .. })), "{entered:?}");
            }
            sleep(Duration::from_millis(200)).await;
        }
        let [puts, gets, lists, _] = pair.line.counts.all();
        assert!(puts == 0 && lists <= 5 && gets <= 5, "{gets} reads, {lists} listings");
        assert!(pair.two.host().hub().metrics().absent_hits.get() >= 495);
    });
}

/// A share that another host created after it was asked for here is found two seconds later, or when a hint of it comes.
#[test]
fn a_share_that_was_asked_for_too_early_is_found_soon() {
    for hinted in [false, true] {
        run(async move {
            let pair = Pair::new();
            let hub = pair.two.host().hub();
            // Ids are drawn at random: one that is not there yet can only be known of a host of the same seed.
            let twin = Scene::builder().build();
            let session = "ses_1".parse().unwrap();
            let foreseen = twin.client().create(&session, None).await.unwrap().id().clone();
            assert!(hub.rooms().view(foreseen.as_str()).await.is_err());
            let share = pair.one.client().create(&session, None).await.unwrap();
            assert_eq!(*share.id(), foreseen);
            assert!(hub.rooms().view(share.id().as_str()).await.is_err(), "it is remembered");
            if hinted {
                let host = pair.one.host().hub().hints().host().clone();
                let at = capshare::share::time::Timestamp(0);
                hub.hints().receive(&Message::Share(Hint { share: share.id().clone(), seq: 1, host, at }));
            } else {
                sleep(Duration::from_secs(2)).await;
            }
            hub.rooms().view(share.id().as_str()).await.unwrap();
        });
    }
}

#[test]
fn a_share_that_this_host_creates_is_found_at_once() {
    run(async {
        let pair = Pair::new();
        let session = "ses_1".parse().unwrap();
        let twin = Scene::builder().build();
        let foreseen = twin.client().create(&session, None).await.unwrap().id().clone();
        let rooms = pair.one.host().hub().rooms();
        assert!(rooms.view(foreseen.as_str()).await.is_err());
        let share = pair.one.client().create(&session, None).await.unwrap();
        assert_eq!(*share.id(), foreseen);
        rooms.view(share.id().as_str()).await.unwrap();
    });
}
