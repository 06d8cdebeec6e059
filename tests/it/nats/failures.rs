//! Servers that are not there, are killed, or hang.

use super::*;
use crate::support::nats::NatsServer;

/// A host that starts without a server takes what it is told, drops what it would send, and is connected when there is one.
#[tokio::test]
async fn a_server_that_comes_later_is_found() {
    let mut server = NatsServer::start().await;
    server.kill();
    let (a, b) = (Member::new(1, quick(&server.url())), Member::new(2, quick(&server.url())));
    b.hints.attend(&share(1));
    a.hints.wrote(&share(1), 1);
    assert!(a.hints.tell("lost", None, "{}").is_err());
    server.begin().await;
    a.until_connected(1).await;
    b.until("a look at what came before", |told| told.contains(&Told::Look(share(1), Why::Begin))).await;
    a.write_until_heard(&share(1), 2, &b).await;
}

/// While a server is away nothing waits; when it is back, what was followed is followed without being asked for again.
#[tokio::test]
async fn a_server_that_was_killed_and_is_back_is_used_again() {
    let mut server = NatsServer::start().await;
    let (a, b) = (Member::at(1, &server.url()).await, Member::at(2, &server.url()).await);
    b.follow(&share(1)).await;
    server.kill();
    a.until_alone().await;
    b.until_alone().await;
    for seq in 1..=2_000 {
        a.hints.wrote(&share(1), seq);
    }
    b.hints.attend(&share(2));
    server.begin().await;
    a.until_connected(2).await;
    b.until_connected(2).await;
    a.write_until_heard(&share(1), 3_000, &b).await;
    b.until("the server's answer", |told| told.contains(&Told::Look(share(2), Why::Begin))).await;
    a.write_until_heard(&share(2), 4_000, &b).await;
}

/// A server that hangs closes nothing. It is left when it has not answered three questions, and used again when it answers.
#[tokio::test]
async fn a_server_that_hangs_is_left() {
    let server = NatsServer::start().await;
    let (a, b) = (Member::at(1, &server.url()).await, Member::at(2, &server.url()).await);
    b.follow(&share(1)).await;
    server.stop().await;
    b.hints.attend(&share(2));
    a.until_alone().await;
    b.until_alone().await;
    assert!(a.hints.tell("lost", None, "{}").is_err());
    let begun = Told::Look(share(2), Why::Begin);
    assert!(!b.told().contains(&begun), "a subscription counts when the server has answered");
    server.signal("-CONT");
    a.until_connected(2).await;
    b.until_connected(2).await;
    b.until("a look at what came before", |told| told.contains(&begun)).await;
    a.write_until_heard(&share(1), 10, &b).await;
}

/// Of a server that hangs and one that works, hosts go to the one that works.
#[tokio::test]
async fn hosts_leave_a_server_that_hangs_for_one_that_works() {
    let [one, two] = NatsServer::two(["", ""]).await;
    let both = format!("{},{}", one.url(), two.url());
    let (a, b) = (Member::at(1, &both).await, Member::at(2, &both).await);
    b.follow(&share(1)).await;
    one.stop().await;
    a.write_until_heard(&share(1), 1, &b).await;
    a.write_until_heard(&share(1), 1_000, &b).await;
    assert!(a.hints.is_connected() && b.hints.is_connected());
}

/// When nobody tends the carrier any more, nothing is left at the server.
#[tokio::test]
async fn a_carrier_that_is_not_tended_leaves() {
    let server = NatsServer::with("http: \"127.0.0.1:-1\"\ndebug: true").await;
    let member = Member::at(1, &server.url()).await;
    member.tending.abort();
    within("the end of the connection", async {
        while !server.log().contains("Client connection closed") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(member.hints.tell("late", None, "{}").is_err());
}
