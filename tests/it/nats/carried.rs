//! What is carried, and to whom.

use super::*;
use crate::support::nats::NatsServer;

/// Hints go to the hosts that follow the share, control messages to all or to the one that they are for, and nothing comes back to
/// its sender.
#[tokio::test]
async fn hints_go_to_those_who_follow_the_share_and_control_messages_to_all_or_to_one() {
    let server = NatsServer::start().await;
    let url = server.url();
    let (a, b, c) = (Member::at(1, &url).await, Member::at(2, &url).await, Member::at(3, &url).await);
    b.follow(&share(1)).await;
    c.follow(&share(2)).await;
    a.hints.wrote(&share(1), 7);
    b.until("the hint", |told| told.contains(&Told::Hint(7))).await;
    a.hints.tell("for-b", Some(HostId::from_bits(2)), "{}").unwrap();
    a.hints.tell("for-all", None, "{}").unwrap();
    let control = |name: &str| Told::Control(name.to_owned());
    b.until("what is for it", |told| told.contains(&control("for-b")) && told.contains(&control("for-all"))).await;
    // What A sent before has come to C by now, if it comes.
    c.until("what is for all", |told| told.contains(&control("for-all"))).await;
    assert_eq!(c.told(), [Told::Connected(true), Told::Look(share(2), Why::Begin), control("for-all")]);
    b.hints.tell("back", None, "{}").unwrap();
    a.until("what another sent", |told| told.contains(&control("back"))).await;
    assert!(!a.told().contains(&control("for-all")), "{:?}", a.told());
    assert_eq!((c.ears.told.receiver_count(), a.hints.is_connected()), (0, true));
}

/// Two deployments on one server do not hear each other.
#[tokio::test]
async fn hosts_over_another_store_hear_nothing() {
    let server = NatsServer::start().await;
    let (a, b) = (Member::at(1, &server.url()).await, Member::at(2, &server.url()).await);
    let hints = Hints::new(HostId::from_bits(3), Arc::new(SystemClock), Arc::new(Metrics::new()));
    let nats = Nats::new(quick(&server.url()), &hints).unwrap();
    assert!(hints.attach(Arc::clone(&nats) as _));
    let tending = tokio::spawn(async move { nats.tend(&StoreId::from_bits(8)).await });
    let ears = Ears::new(None);
    hints.listen(Arc::downgrade(&ears) as _);
    hints.listen_to_controls(Arc::downgrade(&ears) as _);
    let mut told = ears.told.subscribe();
    drop(within("a connection", told.wait_for(|told| told.contains(&Told::Connected(true)))).await.unwrap());
    let stranger = Member { hints, ears, tending };
    stranger.follow(&share(1)).await;
    b.follow(&share(1)).await;
    a.hints.wrote(&share(1), 7);
    a.hints.tell("for-all", None, "{}").unwrap();
    b.until("both", |told| told.contains(&Told::Hint(7)) && told.contains(&Told::Control("for-all".into()))).await;
    // What is for it comes, and all that was sent before has come by then.
    stranger.hints.attend(&share(2));
    let begun = Told::Look(share(2), Why::Begin);
    stranger.until("the server's answer", |told| told.contains(&begun)).await;
    assert_eq!(stranger.told(), [Told::Connected(true), Told::Look(share(1), Why::Begin), begun]);
}

/// What is not followed any more is not subscribed to any more.
#[tokio::test]
async fn a_share_that_is_left_is_heard_no_more() {
    let server = NatsServer::start().await;
    let (a, b) = (Member::at(1, &server.url()).await, Member::at(2, &server.url()).await);
    b.follow(&share(1)).await;
    a.write_until_heard(&share(1), 1, &b).await;
    b.hints.leave(&share(1));
    // In the order in which they were asked for.
    b.follow(&share(2)).await;
    let before = b.told().len();
    a.hints.wrote(&share(1), 1_000);
    a.hints.wrote(&share(2), 1_001);
    b.until("the hint of the other", |told| told.contains(&Told::Hint(1_001))).await;
    assert_eq!(b.told()[before..], [Told::Hint(1_001)]);
}

/// In a cluster hosts at different servers hear each other. A server that is about to leave closes its connections after its time
/// of grace: hosts go to the other, and look.
#[tokio::test]
async fn hosts_at_two_servers_of_a_cluster_hear_each_other_and_move_when_one_leaves() {
    let lame_duck = "lame_duck_grace_period: \"1s\"\nlame_duck_duration: \"30s\"";
    let [one, two] = NatsServer::two([lame_duck; 2]).await;
    let (a, b) = (Member::at(1, &one.url()).await, Member::at(2, &two.url()).await);
    b.follow(&share(1)).await;
    a.write_until_heard(&share(1), 1, &b).await;
    // B was told of the other server by the one that it is at.
    two.signal("-USR2");
    a.write_until_heard(&share(1), 1_000, &b).await;
    b.until("a look after the move", |told| {
        told.contains(&Told::LookAll(Why::Reconnect))
            || told.iter().filter(|told| **told == Told::Connected(true)).count() == 2
    })
    .await;
    a.write_until_heard(&share(1), 2_000, &b).await;
}
