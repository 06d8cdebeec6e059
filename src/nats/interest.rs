//! What is subscribed to: for each followed share, and for control messages, a task that hands on what comes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_nats::Subscriber;
use futures::{FutureExt as _, StreamExt as _};
use tokio::task::{AbortHandle, JoinSet, unconstrained};
use tokio::time::timeout;

use super::Link;
use crate::hints::{Hint, Hints, Message, Why};
use crate::share::id::ShareId;
use crate::share::limits::nats::NATS_HEARD_MAX;

/// How long a place in the client's queue may take. While there is a connection it takes no time.
const QUEUED_WITHIN: Duration = Duration::from_millis(500);

/// The subscriptions. They end when this is dropped.
pub(super) struct Interest {
    link: Link,
    hints: Arc<Hints>,
    tasks: JoinSet<()>,
    shares: HashMap<ShareId, AbortHandle>,
    /// What is followed and not subscribed to yet.
    pending: BTreeSet<ShareId>,
}

impl Interest {
    pub(super) fn new(link: Link, hints: Arc<Hints>) -> Self {
        Self { link, hints, tasks: JoinSet::new(), shares: HashMap::new(), pending: BTreeSet::new() }
    }

    /// Subscribes to control messages.
    pub(super) async fn begin(&mut self) {
        for subject in [self.link.subjects.hosts(), self.link.subjects.own()] {
            if let Some(subscriber) = self.subscribe(subject).await {
                self.tasks.spawn(hand_on_controls(subscriber, Arc::clone(&self.hints)));
            }
        }
    }

    /// Makes these changes: whether each of these shares is followed. Gives those that are subscribed to from now on. A subscription
    /// outlives a connection: the client makes it again over the next.
    pub(super) async fn suit(&mut self, changes: BTreeMap<ShareId, bool>) -> Vec<ShareId> {
        for (share, is_followed) in changes {
            if is_followed {
                self.pending.insert(share);
            } else if !self.pending.remove(&share)
                && let Some(task) = self.shares.remove(&share)
            {
                task.abort();
            }
        }
        let mut begun = Vec::new();
        while let Some(share) = self.pending.pop_first() {
            let Some(subscriber) = self.subscribe(self.link.subjects.share(&share)).await else {
                self.pending.insert(share);
                break;
            };
            let task = self.tasks.spawn(hand_on_hints(subscriber, share.clone(), Arc::clone(&self.hints)));
            self.shares.insert(share.clone(), task);
            begun.push(share);
        }
        // Those that have ended need no room any more.
        while self.tasks.try_join_next().is_some() {}
        begun
    }

    /// `None`: the client's queue is full, as it is after a while without a connection, or the client is gone.
    async fn subscribe(&self, subject: String) -> Option<Subscriber> {
        timeout(QUEUED_WITHIN, self.link.client.subscribe(subject)).await.ok()?.ok()
    }
}

/// Hands on the newest of what has gathered of a share. Of a subscription that is full the client keeps what came first; what it dropped
/// is newer, and told of segments that are in the bucket by now: so the room looks.
async fn hand_on_hints(mut subscriber: Subscriber, share: ShareId, hints: Arc<Hints>) {
    while let Some(first) = subscriber.next().await {
        let (mut newest, mut number) = (hint(&first, &share), 1);
        while number < NATS_HEARD_MAX
            // What has come is here, whatever turn the task would have to wait for.
            && let Some(Some(message)) = unconstrained(subscriber.next()).now_or_never()
        {
            number += 1;
            newest = [newest, hint(&message, &share)].into_iter().flatten().max_by_key(|hint| hint.seq);
        }
        if let Some(hint) = newest {
            hints.receive(&Message::Share(hint));
        }
        if number == NATS_HEARD_MAX {
            hints.look(&share, Why::Reconnect);
        }
    }
}

async fn hand_on_controls(mut subscriber: Subscriber, hints: Arc<Hints>) {
    while let Some(message) = subscriber.next().await {
        if let Some(message @ Message::Control(_)) = read(&message) {
            hints.receive(&message);
        }
    }
}

/// The hint that a message is, if it is about this share: the subject counts, and whoever may publish may write anything.
fn hint(message: &async_nats::Message, of: &ShareId) -> Option<Hint> {
    match read(message)? {
        Message::Share(hint) if hint.share == *of => Some(hint),
        Message::Share(_) | Message::Control(_) => None,
    }
}

fn read(message: &async_nats::Message) -> Option<Message> {
    Message::decode(&message.payload)
        .inspect_err(|error| tracing::debug!(%error, "what came by NATS is no message of a host"))
        .ok()?
}
