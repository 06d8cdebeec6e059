//! What following costs the bucket.

use super::*;

/// How many requests 100 shares cost in a minute that rest and are followed, and who follows them.
async fn a_minute_of_rest(pair: &Pair) -> (u64, Vec<Feed>) {
    let client = pair.one.client();
    let mut feeds = Vec::new();
    for n in 0..100 {
        let share = client.create(&format!("ses_{n}").parse().unwrap(), Some(part("p", "0"))).await.unwrap();
        feeds.push(pair.follow(share.id()).await);
    }
    // They are folded, and what is superseded is freed.
    sleep(Duration::from_secs(600)).await;
    pair.line.counts.reset();
    sleep(Duration::from_secs(60)).await;
    (pair.line.counts.all().iter().sum(), feeds)
}

/// S101: while a carrier is connected, a share that rests and is followed costs one request a minute.
#[test]
fn resting_shares_that_are_followed_cost_a_request_a_minute_with_a_carrier() {
    run(async {
        let pair = Pair::new();
        let (requests, _feeds) = a_minute_of_rest(&pair).await;
        assert!((95..=110).contains(&requests), "{requests} requests");
        // They are spread.
        pair.line.counts.reset();
        sleep(Duration::from_secs(6)).await;
        let requests: u64 = pair.line.counts.all().iter().sum();
        assert!((2..=25).contains(&requests), "{requests} requests in a tenth of a minute");
        assert_eq!(pair.looks("hint"), 0);
    });
}

#[test]
fn without_one_they_cost_a_request_a_second_or_as_few_as_was_set_for_rested_ones() {
    for (poll_rested, expected) in [(None, 5_900..=6_000), (Some(Duration::from_secs(5)), 1_150..=1_250)] {
        run(async move {
            let objects = Arc::new(InMemory::new());
            let line = TestBucket::over(Arc::clone(&objects) as _);
            let one = Scene::builder().store(objects).build();
            let set = |settings: &mut capshare::host::HostSettings| {
                (settings.hub.probe_every, settings.hub.poll_rested) = (None, poll_rested);
            };
            let two = Scene::builder().store(Arc::clone(&line) as _).settings(set).seed(2).build();
            let pair = Pair { news: Arc::default(), line, one, two };
            let (requests, _feeds) = a_minute_of_rest(&pair).await;
            assert!(expected.contains(&requests), "{requests} requests, {poll_rested:?}");
        });
    }
}

/// A carrier that comes back makes every room look that is followed, spread over a second, and no other.
#[test]
fn after_a_cut_every_room_that_is_followed_looks_once() {
    run(async {
        let pair = Pair::new();
        let client = pair.one.client();
        let mut feeds = Vec::new();
        for n in 0..50 {
            let share = client.create(&format!("ses_{n}").parse().unwrap(), Some(part("p", "0"))).await.unwrap();
            let feed = pair.follow(share.id()).await;
            feeds.extend((n % 2 == 0).then_some(feed));
        }
        sleep(Duration::from_secs(7)).await;
        let hints = pair.two.host().hub().hints();
        hints.connected(false);
        hints.connected(true);
        pair.line.counts.reset();
        sleep(Duration::from_millis(500)).await;
        let half = pair.looks("reconnect");
        sleep(Duration::from_millis(510)).await;
        let all = pair.looks("reconnect");
        assert!((5..=20).contains(&half) && all == 25, "{half} of {all}");
    });
}
