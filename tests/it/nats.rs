//! NATS as the carrier, with real servers: what hosts hear, and what their viewers see while it fails.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use capshare::__internal::ambient::SystemClock;
use capshare::__internal::hints::{Control, ControlListener, Heard, Hint, Hints, Listener, Why};
use capshare::__internal::metrics::Metrics;
use capshare::__internal::nats::{Nats, NatsSettings};
use capshare::share::id::{HostId, ShareId, StoreId};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::patience::within;

mod carried;
mod cluster;
mod credentials;
mod failures;
mod flood;
mod revoked;
mod signed;
mod viewers;

/// What a host was told.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Hint(u64),
    Look(ShareId, Why),
    LookAll(Why),
    Connected(bool),
    Control(String),
}

/// Who hears what NATS brings.
#[derive(Debug)]
struct Ears {
    told: watch::Sender<Vec<Told>>,
    /// Each hint holds the thread until something comes here, or nothing can.
    held: Option<Mutex<Receiver<()>>>,
}

impl Ears {
    fn new(held: Option<Receiver<()>>) -> Arc<Self> {
        Arc::new(Self { told: watch::Sender::new(Vec::new()), held: held.map(Mutex::new) })
    }

    fn hear(&self, told: Told) {
        self.told.send_modify(|all| all.push(told));
    }
}

impl Listener for Ears {
    fn hinted(&self, hint: &Hint) -> Heard {
        if let Some(held) = &self.held {
            let _released = held.lock().unwrap().recv();
        }
        self.hear(Told::Hint(hint.seq));
        Heard::Useful
    }

    fn look(&self, share: &ShareId, why: Why) {
        self.hear(Told::Look(share.clone(), why));
    }

    fn look_all(&self, why: Why) {
        self.hear(Told::LookAll(why));
    }

    fn connected(&self, connected: bool) {
        self.hear(Told::Connected(connected));
    }
}

impl ControlListener for Ears {
    fn told(&self, control: &Control) {
        self.hear(Told::Control(control.name.to_string()));
    }
}

/// What one host has of the carrier, without the rest of a host.
struct Member {
    hints: Arc<Hints>,
    ears: Arc<Ears>,
    tending: JoinHandle<()>,
}

impl Member {
    fn new(n: u128, settings: NatsSettings) -> Self {
        Self::held_by(n, settings, None)
    }

    fn held_by(n: u128, settings: NatsSettings, held: Option<Receiver<()>>) -> Self {
        Self::with(n, settings, StoreId::from_bits(7), held)
    }

    /// A host over another store.
    fn over(n: u128, settings: NatsSettings, store: StoreId) -> Self {
        Self::with(n, settings, store, None)
    }

    fn with(n: u128, settings: NatsSettings, store: StoreId, held: Option<Receiver<()>>) -> Self {
        let hints = Hints::new(HostId::from_bits(n), Arc::new(SystemClock), Arc::new(Metrics::new()));
        let ears = Ears::new(held);
        hints.listen(Arc::downgrade(&ears) as _);
        hints.listen_to_controls(Arc::downgrade(&ears) as _);
        let nats = Nats::new(settings, &hints).unwrap();
        assert!(hints.attach(Arc::clone(&nats) as _));
        let tending = tokio::spawn(async move { nats.tend(&store).await });
        Self { hints, ears, tending }
    }

    /// One that reaches the server.
    async fn at(n: u128, url: &str) -> Self {
        let member = Self::new(n, quick(url));
        member.until("a connection", |told| told.contains(&Told::Connected(true))).await;
        member
    }

    /// Follows a share until its hints come.
    async fn follow(&self, share: &ShareId) {
        self.hints.attend(share);
        let begun = Told::Look(share.clone(), Why::Begin);
        self.until("a look at what came before", |told| told.contains(&begun)).await;
    }

    /// Waits until it was told so.
    async fn until(&self, what: &str, is: impl Fn(&[Told]) -> bool) {
        let mut told = self.ears.told.subscribe();
        drop(within(what, told.wait_for(|told| is(told))).await.unwrap());
    }

    fn told(&self) -> Vec<Told> {
        self.ears.told.borrow().clone()
    }

    /// How often it was told that it is connected.
    async fn until_connected(&self, times: usize) {
        let connected = |told: &[Told]| told.iter().filter(|told| **told == Told::Connected(true)).count();
        self.until("a new connection", |told| connected(told) == times).await;
    }

    async fn until_alone(&self) {
        self.until("the end of a connection", |told| told.last() == Some(&Told::Connected(false))).await;
    }

    /// Writes segments of these numbers until another host heard of one of them.
    async fn write_until_heard(&self, share: &ShareId, from: u64, by: &Self) {
        let mut seq = from;
        let writes = async {
            loop {
                self.hints.wrote(share, seq);
                seq += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let heard = |told: &Told| matches!(told, Told::Hint(seq) if *seq >= from);
        tokio::select! {
            () = writes => {}
            () = by.until("a hint", |told| told.iter().any(heard)) => {}
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.tending.abort();
    }
}

/// Settings with which a server that hangs is left after half a second.
fn quick(urls: &str) -> NatsSettings {
    let mut settings = NatsSettings::at(urls).unwrap();
    settings.ping_every = Duration::from_millis(150);
    settings
}

fn share(n: u128) -> ShareId {
    ShareId::from_bits(n)
}
