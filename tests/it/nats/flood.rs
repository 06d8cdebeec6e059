//! More hints than a host takes.

use super::*;
use crate::support::nats::NatsServer;
use capshare::share::limits::nats::NATS_WAITING_MAX;

/// What waits for the connection to the server has a bound. What finds no place is dropped and said to be, and nobody waits.
#[tokio::test]
async fn so_many_messages_wait_for_the_connection_and_no_more() {
    let server = NatsServer::start().await;
    let (a, b) = (Member::at(1, &server.url()).await, Member::at(2, &server.url()).await);
    // Nothing is sent in between: one thread has all of it.
    let taken = (0..NATS_WAITING_MAX + 100).filter(|_| a.hints.tell("close", None, "{}").is_ok()).count();
    assert_eq!(taken, NATS_WAITING_MAX);
    let heard = |told: &[Told]| told.iter().filter(|told| **told == Told::Control("close".into())).count();
    b.until("the first and the last that were taken", |told| heard(told) > 0).await;
    within("a place", async {
        while a.hints.tell("end", None, "{}").is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    b.until("what was sent when there was room", |told| told.contains(&Told::Control("end".into()))).await;
    assert!(heard(&b.told()) <= taken, "what comes faster than it is taken may be lost at the other end as well");
}

/// S100: of what a subscription has no room for the newest is lost. The host takes what there is, and looks, so that nothing is missed;
/// its memory does not grow.
#[test]
fn a_host_that_does_not_keep_up_looks_once_for_what_it_missed() {
    const HINTS: u64 = 70_000;
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let here = runtime();
    let server = here.block_on(NatsServer::with("write_deadline: \"60s\""));
    let url = server.url();
    // The one that does not keep up has a thread of its own, which the first hint holds until all were sent.
    let (all_sent, held) = std::sync::mpsc::channel();
    let (ears, given) = std::sync::mpsc::channel();
    let slow = std::thread::spawn({
        let url = url.clone();
        move || {
            runtime().block_on(async {
                let b = Member::held_by(2, NatsSettings::at(&url).unwrap(), Some(held));
                b.until_connected(1).await;
                b.follow(&share(1)).await;
                ears.send(()).unwrap();
                let looked = Told::Look(share(1), Why::Reconnect);
                // The last is heard, or the look came when it was in the bucket.
                b.until("the end", |told| told.contains(&Told::Hint(HINTS + 1))).await;
                (b.told().contains(&looked), b.told().len())
            })
        }
    });
    here.block_on(async {
        let a = Member::at(1, &url).await;
        given.recv().unwrap();
        for seq in 1..=HINTS {
            a.hints.wrote(&share(1), seq);
            if seq % 500 == 0 {
                // The client sends what it was given.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        drop(all_sent);
        let ends = async {
            loop {
                a.hints.wrote(&share(1), HINTS + 1);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let looks = async {
            while !slow.is_finished() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = ends => {}
            () = within("the one that does not keep up", looks) => {}
        }
    });
    let (looked, told) = slow.join().unwrap();
    assert!(looked, "it was told {told} times and did not look");
    assert!(told < 20_000, "{told}");
}
