//! A connection that ends while it is pushed to.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use capshare::__internal::ambient::{Entropy as _, SeededEntropy};
use capshare::__internal::connections::close::CloseReason;
use capshare::__internal::connections::outlet::PushError;
use capshare::__internal::connections::push::{Action, PushOptions};
use capshare::client::Answer;
use capshare::testing::{Scene, run};
use futures::future::join_all;
use tokio::task::{spawn_local, yield_now};
use tokio::time::Instant;

use crate::support::door::Served;
use crate::support::sink::{Does, Peer, named};

/// S31: closing a connection settles all its pending pushes as gone, once and at once: here by the host, before the
/// connection's own task has ended, and over a WebSocket.
#[tokio::test]
async fn a_close_by_the_host_settles_every_push_at_once() {
    let served = Served::open().await;
    let client = served.client(None);
    let (began, mut begun) = tokio::sync::watch::channel(0);
    let hang = move |_| {
        began.send_modify(|count| *count += 1);
        std::future::pending::<Result<Answer, String>>()
    };
    client.on_push(hang).await.unwrap();
    let id = named(&served.host, &client.hello().await.unwrap().connection_id);
    let pushes = (0..20).map(|n| served.host.push(&id, Action::custom("a", n), PushOptions::default()));
    let closing = async {
        begun.wait_for(|count| *count == 20).await.unwrap();
        let began = Instant::now();
        served.host.hub().connections().registry().end(&CloseReason::GOING_AWAY).await;
        began
    };
    let (pushed, began) = tokio::join!(join_all(pushes), closing);
    assert!(pushed.iter().all(|push| *push == Err(PushError::ConnectionGone)), "{pushed:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "long before their deadline: {:?}", began.elapsed());
    assert_eq!(served.host.push(&id, Action::Ping(1), PushOptions::default()).await, Err(PushError::ConnectionGone));
}

/// S31: whoever ends the connection, and whenever: each push ends once, with its own answer or as gone, and no later.
#[test]
fn a_close_during_pushes_leaves_none_without_an_end() {
    for seed in 0..200 {
        run(race(seed));
    }
}

async fn race(seed: u64) {
    let dice = Dice(SeededEntropy::new(seed));
    let scene = Scene::builder().seed(seed).build();
    let peer = Rc::new(Peer::connect(&scene, None, Does::Answers).await);
    let ended = Rc::new(RefCell::new(Vec::new()));
    let began = Instant::now();
    let mut tasks = Vec::new();
    for n in 0..1 + dice.below(12) {
        let (scene, id, ended) = (scene.clone(), peer.id.clone(), Rc::clone(&ended));
        let wait = dice.below(12);
        tasks.push(spawn_local(async move {
            for _ in 0..wait {
                yield_now().await;
            }
            let answer = scene.host().push(&id, Action::Ping(n), PushOptions::default()).await;
            ended.borrow_mut().push((n, answer));
        }));
    }
    if dice.below(2) == 0 {
        *peer.script.does.borrow_mut() = Does::Hangs;
    }
    for _ in 0..dice.below(24) {
        yield_now().await;
    }
    match dice.below(3) {
        0 => peer.raw.cut(),
        1 => scene.host().hub().connections().registry().end(&CloseReason::GOING_AWAY).await,
        // Not a close: the sink alone goes, and the connection after it.
        _ => {
            let entry = scene.host().hub().connections().registry().get(peer.id.as_str()).unwrap();
            entry.outlet.end();
        }
    }
    for task in &mut tasks {
        task.await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "seed {seed}");
    let mut ended = ended.take();
    ended.sort_by_key(|(n, _)| *n);
    assert_eq!(ended.len(), tasks.len());
    for (at, (n, answer)) in ended.iter().enumerate() {
        assert_eq!(at as u64, *n);
        assert!(
            *answer == Ok(Answer::Pong(*n)) || *answer == Err(PushError::ConnectionGone),
            "seed {seed}: {answer:?}"
        );
    }
}

struct Dice(SeededEntropy);

impl Dice {
    /// One of 0, 1, ... `bound` - 1.
    fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes) % bound
    }
}
