//! A batch whose answer is lost, sent again by the client.

use super::{Place, client, kill};
use crate::support::items::{held, part};
use capshare::client::WatchFrom;

use super::way::Way;

/// Which host the batch is sent to again.
#[derive(Debug, Clone, Copy)]
enum Again {
    /// The one that applied it, over a new connection.
    TheSame,
    /// One that is started where the first was killed.
    Successor,
    /// Another that was there all along, and has the share open.
    Another,
}

/// S22: whoever gets it the second time, it is applied once, is told its first count, and undoes nothing that came since.
async fn a_sync_whose_answer_was_lost_is_sent_again_and_applied_once(place: &Place) {
    for again in [Again::TheSame, Again::Successor, Again::Another] {
        let ((first, first_url), (other, other_url)) = (place.serve(0), place.serve(0));
        let way = Way::to(&first_url).await;
        let producer = client(&way.url);
        let session = format!("{again:?}").parse().unwrap();
        let share = producer.create(&session, None).await.unwrap();
        assert_eq!(share.sync(part("a", "first")).await.unwrap().sync_count, 1);

        way.lose_answers();
        let unanswered = tokio::spawn({
            let share = share.clone();
            async move { share.sync(part("b", "sent twice")).await.unwrap() }
        });
        // It is applied when somebody sees it there.
        let beside = client(&first_url);
        let mut seen = beside.watch(share.id(), WatchFrom::WholeState);
        while seen.next().await.unwrap().unwrap().sync_count < 2 {}
        // Meanwhile another producer, at the other host, replaces what it wrote.
        let elsewhere = client(&other_url);
        let overtaking = elsewhere.open(share.id(), share.secret().unwrap()).await.unwrap();
        let synced = overtaking.sync(part("b", "newer")).await.unwrap();
        assert_eq!((synced.sync_count, synced.duplicate), (3, false), "{again:?}");
        assert!(!unanswered.is_finished(), "its answer came through");

        let mut hosts = vec![other];
        match again {
            Again::TheSame => {
                hosts.push(first);
                way.lead_to(&first_url);
            }
            Again::Successor => {
                kill(first);
                let (successor, url) = place.serve(0);
                hosts.push(successor);
                way.lead_to(&url);
            }
            Again::Another => {
                kill(first);
                way.lead_to(&other_url);
            }
        }
        let synced = unanswered.await.unwrap();
        assert_eq!((synced.sync_count, synced.duplicate), (2, true), "{again:?}");
        let synced = share.sync(part("c", "last")).await.unwrap();
        assert_eq!((synced.sync_count, synced.duplicate), (4, false), "{again:?}");
        let replica = producer.snapshot(share.id()).await.unwrap();
        assert_eq!(replica.sync_count(), 4, "{again:?}");
        let texts = held(&replica);
        for (n, text) in ["first", "newer", "last"].into_iter().enumerate() {
            assert!(texts[n].1.contains(&format!("{text:?}")), "{again:?}: {texts:?}");
        }
        assert_eq!(texts.len(), 3, "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_sent_again_is_applied_once_over_a_directory() {
    a_sync_whose_answer_was_lost_is_sent_again_and_applied_once(&Place::directory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_sent_again_is_applied_once_over_an_s3_server() {
    a_sync_whose_answer_was_lost_is_sent_again_and_applied_once(&Place::s3()).await;
}
