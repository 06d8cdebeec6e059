//! A relay between the linked client and a real host, over the pipe within the process: it passes single messages on, notes what
//! clients send, and has single calls go wrong as a test asks for. What a host would not do it does in the host's place.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use capshare::__internal::hub::Hub;
use capshare::__internal::wire::duplex;
use capshare::client::{Connection, Dial, DialError, DialRequest, Replica, Share};
use capshare::share::change::Batch;
use capshare::share::error::Refusal;
use capshare::share::id::ShareId;
use capshare::share::secret::Secret;
use capshare::testing::Scene;
use futures::AsyncWriteExt as _;
use futures::future::LocalBoxFuture;
use futures::stream::{self, StreamExt as _};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::patience::within;

mod messages;

use messages::{Said, Sent};

/// Runs a scene where `spawn_local` works.
pub(crate) async fn local<T>(scene: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(scene).await
}

/// Calls of the client in which something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Hello,
    Sync,
    Probe,
    Own,
}

/// What becomes of a call.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// The connection is cut before the host hears of it.
    CutBefore,
    /// The host carries it out, and the connection is cut in place of the answer.
    CutAfter,
    /// It is answered so in the host's place.
    Refuse(Refusal),
    /// It is answered as a host of before this call answers.
    Unknown,
    /// The host hears of it when it is released, or never if the client gives it up.
    Hold,
}

/// What the relay noted, and what it is to do.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// For the next calls of each kind, in this order; after the last, all goes well.
    acts: VecDeque<(Kind, Act)>,
    /// For the next attempts at a connection.
    pub(crate) dials: VecDeque<DialError>,
    /// Each sync and each initial data, as the client sent it.
    pub(crate) seen: Vec<(Instant, Batch)>,
    pub(crate) dialled: Vec<Instant>,
    pub(crate) requests: Vec<DialRequest>,
    pub(crate) watched_from: Vec<u64>,
    /// Calls that the host made.
    pub(crate) host_calls: usize,
    /// Calls that are held now.
    pub(crate) held: usize,
    /// Connections alive.
    pub(crate) connections: usize,
    cut: CancellationToken,
}

/// The relay of one scene, which is the client's dialer too.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) scene: Scene,
    facts: Mutex<Facts>,
    /// Something in the facts is another.
    changed: Notify,
    released: Notify,
}

impl Relay {
    pub(crate) fn new() -> Arc<Self> {
        Self::before(Scene::new())
    }

    pub(crate) fn before(scene: Scene) -> Arc<Self> {
        let (facts, changed, released) = Default::default();
        Arc::new(Self { scene, facts, changed, released })
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().expect("no scene panics with the facts in hand")
    }

    /// Changes the facts and says so.
    pub(crate) fn set<T>(&self, change: impl FnOnce(&mut Facts) -> T) -> T {
        let result = change(&mut self.facts());
        self.changed.notify_waiters();
        result
    }

    /// What becomes of the next calls of this kind.
    pub(crate) fn next(&self, kind: Kind, acts: impl IntoIterator<Item = Act>) {
        self.facts().acts.extend(acts.into_iter().map(|act| (kind, act)));
    }

    /// Waits for a fact.
    pub(crate) async fn until(&self, fact: impl Fn(&Facts) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if fact(&self.facts()) {
                return;
            }
            within("a fact", changed).await;
        }
    }

    /// Lets one held call go on.
    pub(crate) fn release(&self) {
        self.released.notify_one();
    }

    /// Cuts the newest connection.
    pub(crate) fn cut(&self) {
        self.facts().cut.cancel();
    }

    /// Another producer of this share, by a client that the relay is not before.
    pub(crate) async fn other(&self, share: &Share) -> Share {
        let secret = share.secret().expect("the share was made or opened by its secret");
        self.scene.client().open(share.id(), secret).await.expect("the share is there")
    }

    /// What the host holds of a share.
    pub(crate) async fn state(&self, id: &ShareId) -> Replica {
        self.scene.client().snapshot(id).await.expect("the share is there")
    }

    fn act(&self, kind: Kind) -> Option<Act> {
        let mut facts = self.facts();
        let at = facts.acts.iter().position(|(of, _)| *of == kind)?;
        facts.acts.remove(at).map(|(_, act)| act)
    }

    /// Waits for a fact of the host.
    pub(crate) async fn until_host(&self, what: &str, fact: impl Fn(&Hub) -> bool) {
        within(what, async {
            while !fact(self.scene.host().hub()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// Waits until the host has nothing of any client: no connection, call, capability or follower.
    pub(crate) async fn until_host_is_empty(&self) {
        let is_empty = |hub: &Hub| {
            let metrics = hub.metrics();
            let gauges = [&metrics.calls_in_flight, &metrics.capabilities_held, &metrics.followers];
            hub.connections().registry().taken() == 0 && gauges.iter().all(|gauge| gauge.get() == 0)
        };
        self.until_host("an empty host", is_empty).await;
    }
}

/// The dialer of a scene: a way to the host by its relay, on the client's thread.
#[derive(Debug, Clone)]
pub(crate) struct Pipe(pub(crate) Arc<Relay>);

impl Dial for Pipe {
    fn dial<'a>(&'a self, request: &'a DialRequest) -> LocalBoxFuture<'a, Result<Connection, DialError>> {
        Box::pin(async move {
            let cut = CancellationToken::new();
            let error = self.0.set(|facts| {
                facts.dialled.push(Instant::now());
                facts.requests.push(request.clone());
                facts.cut = cut.clone();
                facts.dials.pop_front()
            });
            if let Some(error) = error {
                return Err(error);
            }
            let token = request.token.as_ref().map(|token| Secret::from(token.reveal()));
            let host = self.0.scene.host().connect(token.as_ref(), request.in_band).await?;
            let (ours, theirs) = duplex::pair(64 << 10);
            let relay = Arc::clone(&self.0);
            spawn_local(async move {
                relay.set(|facts| facts.connections += 1);
                // Counted down even if the client's thread ends with this on it.
                let _open = Open(Arc::clone(&relay));
                cut.run_until_cancelled(carry(&relay, theirs, host)).await;
            });
            let (reader, writer) = ours.split();
            Ok(Connection::of_stream(reader, writer))
        })
    }
}

struct Open(Arc<Relay>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(|facts| facts.connections -= 1);
    }
}

/// A call that waits.
struct Held<'a> {
    relay: &'a Relay,
    question: u32,
    message: Vec<u8>,
}

impl<'a> Held<'a> {
    fn new(relay: &'a Relay, question: u32, message: Vec<u8>) -> Self {
        relay.set(|facts| facts.held += 1);
        Self { relay, question, message }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.relay.set(|facts| facts.held -= 1);
    }
}

/// Carries messages until one of the ends is gone, or the connection is to be cut.
async fn carry(relay: &Relay, client: duplex::End, host: duplex::End) {
    let ((client_reads, mut to_client), (host_reads, mut to_host)) = (client.split(), host.split());
    let mut from_client = pin!(stream::unfold(client_reads, messages::next));
    let mut from_host = pin!(stream::unfold(host_reads, messages::next));
    let (mut held, mut answered, mut lost) = (VecDeque::<Held<'_>>::new(), Vec::new(), None);
    loop {
        let message = tokio::select! {
            biased;
            () = relay.released.notified(), if !held.is_empty() => {
                if let Some(call) = held.pop_front() {
                    write(&mut to_host, &call.message).await;
                }
                continue;
            }
            message = from_host.next() => {
                let Some(message) = message else { return };
                match messages::said(&message) {
                    Said::Return(of) if lost == Some(of) => return,
                    Said::Call { .. } => relay.set(|facts| facts.host_calls += 1),
                    Said::Return(_) | Said::Finish(_) | Said::Other => {}
                }
                write(&mut to_client, &message).await;
                continue;
            }
            message = from_client.next() => message,
        };
        let Some(message) = message else { return };
        let act = match messages::said(&message) {
            Said::Call { kind, question, sent } => {
                match sent {
                    Sent::Batch(batch) => relay.set(|facts| facts.seen.push((Instant::now(), batch))),
                    Sent::Since(since) => relay.set(|facts| facts.watched_from.push(since)),
                    Sent::Other => {}
                }
                kind.and_then(|kind| Some((kind, question, relay.act(kind)?)))
            }
            // The host never heard of the call.
            Said::Finish(of) if answered.contains(&of) || held.iter().any(|call| call.question == of) => {
                answered.retain(|question| *question != of);
                held.retain(|call| call.question != of);
                continue;
            }
            Said::Finish(_) | Said::Return(_) | Said::Other => None,
        };
        match act {
            None => write(&mut to_host, &message).await,
            Some((_, question, Act::CutAfter)) => {
                lost = Some(question);
                write(&mut to_host, &message).await;
            }
            Some((_, _, Act::CutBefore)) => return,
            Some((_, question, Act::Hold)) => held.push_back(Held::new(relay, question, message)),
            Some((kind, question, Act::Refuse(refusal))) => {
                answered.push(question);
                write(&mut to_client, &messages::refused(kind, question, &refusal)).await;
            }
            Some((_, question, Act::Unknown)) => {
                answered.push(question);
                write(&mut to_client, &messages::unknown(question)).await;
            }
        }
    }
}

/// A peer that is gone is noticed where it is read from.
async fn write(to: &mut duplex::Writer, message: &[u8]) {
    if to.write_all(message).await.is_ok() {
        let _gone = to.flush().await;
    }
}
