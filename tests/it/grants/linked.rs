//! The same in the linked client, over real sockets that are cut.

use std::time::Duration;

use capshare::__internal::ambient::Ambient;
use capshare::Client;
use capshare::client::{ClientError, Items, Restored, Share, View, Watch, WatchFrom, Writer};
use capshare::share::error::Refusal;
use capshare::share::grant::{GrantToken, Label, Right};
use capshare::share::time::Timestamp;

use crate::support::door::{ANNS_KEY, BOBS_KEY, Served};
use crate::support::items::{held, part};
use crate::support::relay::Relay;

fn items(text: &str) -> Items {
    part("p", text)
}

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn unauthorized<T: std::fmt::Debug>(answer: Result<T, ClientError>) {
    assert!(matches!(answer, Err(ClientError::Refused(Refusal::Unauthorized { .. }))), "{answer:?}");
}

async fn restored(client: &Client, token: &GrantToken) -> (Option<Share>, Option<Writer>, Option<View>) {
    match client.restore(token).await.unwrap() {
        Restored::Share(share) => (Some(share), None, None),
        Restored::Writer(writer) => (None, Some(writer), None),
        Restored::View(view) => (None, None, Some(view)),
        other => panic!("{other:?}"),
    }
}

async fn watched_until(watch: &mut Watch, sync_count: u64) {
    while watch.next().await.unwrap().unwrap().sync_count < sync_count {}
}

/// S38: a producer narrows its share and saves what it narrowed as tokens; another account restores what was saved, and no
/// more; the producer sees them in a list.
#[tokio::test]
async fn what_a_producer_narrows_and_saves_another_account_restores() {
    let served = Served::with_keys().await;
    let (ann, bob) = (served.client(Some(ANNS_KEY)), served.client(Some(BOBS_KEY)));
    let share = ann.create(&"ses_1".parse().unwrap(), Some(items("0"))).await.unwrap();
    let soon = Timestamp(Ambient::system().clock.now().0 + 60_000);

    let writer = share.narrow_to_write().await.unwrap();
    assert_eq!(writer.progress().borrow().sync_count, 1);
    assert_eq!(writer.sync(items("1")).await.unwrap().sync_count, 2);
    let view = share.narrow_to_read(Some(soon));
    assert_eq!((view.info().await.unwrap().sync_count, view.snapshot().await.unwrap().len()), (2, 1));
    unauthorized(share.narrow_to_read(Some(Timestamp(1))).info().await);

    let full = share.save(&label("full"), None).await.unwrap();
    let writes = writer.save(&label("writes"), Some(soon)).await.unwrap();
    let reads = view.save(&label("reads"), None).await.unwrap();
    let listed = share.grants().await.unwrap();
    let listed: Vec<_> = listed.iter().map(|it| (&it.id, it.label.as_str(), it.right, it.expires_at)).collect();
    assert_eq!(
        listed,
        [
            (full.grant(), "full", Right::Full, None),
            (writes.grant(), "writes", Right::Write, Some(soon)),
            (reads.grant(), "reads", Right::Read, Some(soon)),
        ],
        "what is saved of a view that ends ends with it"
    );

    let (Some(bobs), None, None) = restored(&bob, &full).await else { panic!("not the share") };
    assert_eq!((bobs.id(), bobs.url()), (share.id(), share.url()));
    assert_eq!(bobs.sync(items("2")).await.unwrap().sync_count, 3);
    let (None, Some(bobs_writer), None) = restored(&bob, &writes).await else { panic!("not the writer") };
    bobs_writer.queue(items("3")).await.unwrap();
    bobs_writer.flush().await.unwrap();
    assert_eq!((bobs_writer.id(), bobs_writer.progress().borrow().sync_count), (share.id(), 4));
    assert!(bobs_writer.set_expiry(Some(Duration::from_secs(600))).await.unwrap().is_some());
    let (None, None, Some(bobs_view)) = restored(&bob, &reads).await else { panic!("not the view") };
    assert_eq!(bobs_view.info().await.unwrap().sync_count, 4);
    assert!(held(&bobs_view.snapshot().await.unwrap())[0].1.contains(r#""3""#));

    // A full token is as good as a secret, and only a full one is.
    assert_eq!(bob.open(share.id(), bobs.secret().unwrap()).await.unwrap().grants().await.unwrap().len(), 3);
    unauthorized(bob.open(share.id(), writes.secret()).await);
    unauthorized(bob.delete(share.id(), reads.secret()).await);
    let printed = format!("{bobs:?} {bobs_writer:?} {bobs_view:?} {writer:?} {view:?}");
    for token in [&full, &writes, &reads] {
        assert!(!printed.contains(token.reveal()) && !printed.contains(share.secret().unwrap().reveal()), "{printed}");
    }
    bobs.delete().await.unwrap();
    let gone = bobs_view.info().await;
    assert!(matches!(gone, Err(ClientError::Refused(Refusal::NotFound { .. }))), "{gone:?}");
}

/// S38: what was narrowed and what was restored works on after its connection was lost: queues lose nothing and apply
/// nothing twice, watches go on.
#[tokio::test]
async fn narrowed_and_restored_handles_outlive_their_connection() {
    let served = Served::open().await;
    let relay = Relay::to(served.address).await;
    let client = Client::builder(format!("ws://{}", relay.address)).build().unwrap();
    let share = client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let narrowed = (share.narrow_to_write().await.unwrap(), share.narrow_to_read(None));
    let tokens = [
        share.save(&label(""), None).await.unwrap(),
        narrowed.0.save(&label(""), None).await.unwrap(),
        narrowed.1.save(&label(""), None).await.unwrap(),
    ];
    let (Some(full), ..) = restored(&client, &tokens[0]).await else { panic!("not the share") };
    let (_, Some(writer), _) = restored(&client, &tokens[1]).await else { panic!("not the writer") };
    let (.., Some(view)) = restored(&client, &tokens[2]).await else { panic!("not the view") };
    let mut watches = [narrowed.1.watch(WatchFrom::WholeState), view.watch(WatchFrom::WholeState)];
    let mut count = 0;
    for round in 0..3 {
        assert_eq!(relay.connections(), 1 + round, "a cut for each round");
        // What is on its way when the connection goes is applied, and once.
        relay.lose_answers(true);
        for (n, queue) in [&narrowed.0, &writer].into_iter().enumerate() {
            queue.queue(items(&format!("{round} {n}"))).await.unwrap();
        }
        full.queue(items(&format!("{round} full"))).await.unwrap();
        count += 3;
        let hub = served.host.hub();
        let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        while hub.rooms().info(&room).unwrap().sync_count < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        relay.lose_answers(false);
        relay.cut();
        for queue in [&narrowed.0, &writer] {
            queue.flush().await.unwrap();
        }
        full.flush().await.unwrap();
        for watch in &mut watches {
            watched_until(watch, count).await;
        }
        assert_eq!((view.info().await.unwrap().sync_count, full.grants().await.unwrap().len()), (count, 3));
    }
}

/// S38: a token that is revoked takes with it what was restored from it, also what was queued or is watched, and nothing else;
/// a revocation whose answer was lost is done all the same.
#[tokio::test]
async fn a_revoked_token_ends_what_was_restored_from_it_and_nothing_else() {
    let served = Served::open().await;
    let relay = Relay::to(served.address).await;
    let owner = Client::builder(format!("ws://{}", relay.address)).build().unwrap();
    let client = served.client(None);
    let share = owner.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let writes = share.narrow_to_write().await.unwrap().save(&label("writes"), None).await.unwrap();
    let reads = share.narrow_to_read(None).save(&label("reads"), None).await.unwrap();
    let stays = share.narrow_to_read(None).save(&label("stays"), None).await.unwrap();
    let (_, Some(writer), _) = restored(&client, &writes).await else { panic!("not the writer") };
    let (.., Some(view)) = restored(&client, &reads).await else { panic!("not the view") };
    let (.., Some(other)) = restored(&client, &stays).await else { panic!("not the view") };
    let (mut watch, mut goes_on) = (view.watch(WatchFrom::WholeState), other.watch(WatchFrom::WholeState));
    writer.sync(items("1")).await.unwrap();
    watched_until(&mut watch, 1).await;
    watched_until(&mut goes_on, 1).await;

    share.revoke_grant(writes.grant()).await.unwrap();
    relay.lose_answers(true);
    let revoking = tokio::spawn({
        let (share, grant) = (share.clone(), reads.grant().clone());
        async move { share.revoke_grant(&grant).await }
    });
    let ended = watch.next().await.unwrap();
    unauthorized(ended);
    assert!(watch.next().await.is_none() && !revoking.is_finished());
    relay.lose_answers(false);
    relay.cut();
    revoking.await.unwrap().unwrap();
    assert_eq!(relay.connections(), 2);

    unauthorized(writer.sync(items("2")).await);
    let _taken = writer.queue(items("2")).await;
    unauthorized(writer.flush().await);
    unauthorized(view.info().await);
    for token in [&writes, &reads] {
        unauthorized(client.restore(token).await);
    }
    let again = share.revoke_grant(writes.grant()).await;
    assert!(matches!(again, Err(ClientError::Refused(Refusal::InvalidInput { .. }))), "{again:?}");
    assert_eq!(share.sync(items("3")).await.unwrap().sync_count, 2);
    watched_until(&mut goes_on, 2).await;
    assert_eq!(share.grants().await.unwrap().len(), 1);
}
