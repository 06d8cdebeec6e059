//! One connection to another host: what waits to be sent over it, and what the other host follows.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::Peers;
use super::ask::Asked;
use crate::hints::Message;
use crate::share::id::{HostId, ShareId};
use crate::share::limits::hosts::{
    PEER_ASKS_MAX, PEER_FOLLOWED_MAX, PEER_FOLLOWS_MAX, PEER_NEWS_MAX, PEER_QUEUE_BYTES_MAX,
};

/// What is to be sent over a link next.
#[derive(Debug)]
pub enum Outgoing {
    /// What this host follows from now on, or follows no more: at most [`PEER_FOLLOWS_MAX`] shares.
    Follow {
        /// The shares.
        shares: Vec<ShareId>,
        /// Whether they are followed.
        wanted: bool,
    },
    /// Messages, at most [`PEER_NEWS_MAX`].
    News(Vec<Bytes>),
    /// A question, to be answered.
    Ask(Asked),
}

/// A connection to another host, as the task that serves it has it. Dropping it takes it out of [`Peers`].
#[derive(Debug)]
pub struct Link {
    peers: Arc<Peers>,
    number: u64,
    wire: Arc<Wire>,
}

impl Link {
    pub(super) fn new(peers: Arc<Peers>, number: u64, wire: Arc<Wire>) -> Self {
        Self { peers, number, wire }
    }

    /// The other host.
    #[must_use]
    pub fn host(&self) -> &HostId {
        &self.wire.host
    }

    /// What is to be sent next. Dropping the future loses nothing.
    pub async fn next(&self) -> Outgoing {
        loop {
            let stirred = self.wire.stirred.notified();
            if let Some(outgoing) = self.wire.queue().next() {
                return outgoing;
            }
            stirred.await;
        }
    }

    /// Resolves when the connection is to end, because this host says so.
    pub async fn closing(&self) {
        loop {
            let ended = self.wire.ended.notified();
            if self.wire.queue().is_over {
                return;
            }
            ended.await;
        }
    }

    /// The other host follows these shares, or follows them no more.
    pub fn followed(&self, shares: impl IntoIterator<Item = ShareId>, wanted: bool) {
        let mut interest = self.wire.interest();
        for share in shares {
            match wanted {
                true if interest.shares.len() >= PEER_FOLLOWED_MAX => interest.is_all = true,
                true => drop(interest.shares.insert(share)),
                false => drop(interest.shares.remove(&share)),
            }
        }
    }

    /// A message has come from the other host. What is no message, or none that this host knows, is passed over.
    pub fn heard(&self, bytes: &[u8]) {
        match Message::decode(bytes) {
            // Nobody speaks for another host.
            Ok(Some(message)) if message.host() == self.host() => self.peers.heard(&message),
            Ok(_) => {}
            Err(error) => tracing::debug!(host = %self.host(), %error, "a host sent what is no message"),
        }
    }

    /// The other host knows by now that these shares are followed here.
    pub fn took_effect(&self, shares: &[ShareId]) {
        self.peers.took_effect(shares);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.wire.end();
        self.peers.left(self.number);
    }
}

/// What a link is to those who have something to send.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) host: HostId,
    queue: Mutex<Queue>,
    interest: Mutex<Interest>,
    stirred: Notify,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    /// Bound: [`PEER_QUEUE_BYTES_MAX`]; what finds no place is dropped.
    news: VecDeque<Bytes>,
    news_bytes: usize,
    /// What the other host is to be told of what is followed here; the last word of each share. Bound: one for each share that is
    /// followed here, or was when the other host was told last.
    follows: BTreeMap<ShareId, bool>,
    /// Bound: [`PEER_ASKS_MAX`], with those that are on their way; past it a question is refused.
    asks: VecDeque<Asked>,
    is_over: bool,
}

/// What the other host follows.
#[derive(Debug, Default)]
struct Interest {
    /// Bound: [`PEER_FOLLOWED_MAX`]; past it `is_all` is set, for as long as the link is there.
    shares: HashSet<ShareId>,
    is_all: bool,
}

impl Wire {
    /// A link whose other end is to be told that these shares are followed.
    pub(super) fn new(host: HostId, followed: impl Iterator<Item = ShareId>) -> Self {
        let queue = Queue { follows: followed.map(|share| (share, true)).collect(), ..Queue::default() };
        let (queue, interest) = (Mutex::new(queue), Mutex::default());
        Self { host, queue, interest, stirred: Notify::new(), ended: Notify::new() }
    }

    /// Whether a message is for the other host.
    pub(super) fn wants(&self, message: &Message) -> bool {
        match message {
            Message::Share(hint) => {
                let interest = self.interest();
                interest.is_all || interest.shares.contains(&hint.share)
            }
            Message::Control(control) => control.to.as_ref().is_none_or(|to| *to == self.host),
        }
    }

    /// Puts a message into the queue, if there is room.
    pub(super) fn send(&self, bytes: Bytes) -> bool {
        let mut queue = self.queue();
        if queue.is_over || queue.news_bytes + bytes.len() > PEER_QUEUE_BYTES_MAX {
            return false;
        }
        queue.news_bytes += bytes.len();
        queue.news.push_back(bytes);
        drop(queue);
        self.stirred.notify_one();
        true
    }

    /// Notes that a share is followed here, or is not any more.
    pub(super) fn follows(&self, share: &ShareId, wanted: bool) {
        self.queue().follows.insert(share.clone(), wanted);
        self.stirred.notify_one();
    }

    /// Puts a question into the queue; gives it back if there are too many.
    pub(super) fn ask(&self, asked: Asked) -> Result<(), Asked> {
        let mut queue = self.queue();
        queue.asks.retain(|asked| !asked.is_given_up());
        if queue.is_over || queue.asks.len() >= PEER_ASKS_MAX {
            return Err(asked);
        }
        queue.asks.push_back(asked);
        drop(queue);
        self.stirred.notify_one();
        Ok(())
    }

    /// Ends the link. What waits is gone.
    pub(super) fn end(&self) {
        let mut queue = self.queue();
        *queue = Queue { is_over: true, ..Queue::default() };
        drop(queue);
        self.ended.notify_waiters();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interest(&self) -> MutexGuard<'_, Interest> {
        self.interest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// What is followed comes first: until the other host knows it, it tells nothing of it.
    fn next(&mut self) -> Option<Outgoing> {
        if let Some(wanted) = self.follows.values().next().copied() {
            let alike = self.follows.iter().filter(|(_, other)| **other == wanted).map(|(share, _)| share.clone());
            let shares: Vec<_> = alike.take(PEER_FOLLOWS_MAX).collect();
            self.follows.retain(|share, _| shares.binary_search(share).is_err());
            return Some(Outgoing::Follow { shares, wanted });
        }
        if let Some(asked) = self.asks.pop_front() {
            return Some(Outgoing::Ask(asked));
        }
        let news: Vec<_> = self.news.drain(..self.news.len().min(PEER_NEWS_MAX)).collect();
        self.news_bytes -= news.iter().map(Bytes::len).sum::<usize>();
        (!news.is_empty()).then_some(Outgoing::News(news))
    }
}
