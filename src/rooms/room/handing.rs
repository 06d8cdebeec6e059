//! Handing a round's entries to another host, which appends them with its own, where two hosts write one share.
//!
//! The bucket is asked all the same: an entry counts as appended when this host has read it in the log. What the other host did not
//! append, in time or at all, this host appends; the log takes each batch once, by its stamp.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use super::driver::{Driver, Waiting};
use super::job::NotCommitted;
use super::rounds::ANSWERS_AT_ONCE;
use crate::metrics::ReasonLabel;
use crate::share::change::Stamp;
use crate::share::entry::Entry;
use crate::share::id::{HostId, ProducerId};
use crate::share::limits::hosts::HANDED_BYTES_MAX;
use crate::share::state::Outcome;
use crate::store::WriterId;

/// How long another host may take to append what it was handed: what its own round takes that is under way, and one more. Over S3 each is
/// some 50 ms.
const HANDED_WITHIN: Duration = Duration::from_secs(2);

/// A race that took less than this cost less than handing over does: 0.75 of one host's rate either way, in a directory.
const HANDED_WORTH: Duration = Duration::from_millis(5);

/// A stamp, to look it up by.
type Stamped = (ProducerId, u64, u64);

fn stamped(stamp: &Stamp) -> Stamped {
    (stamp.producer.clone(), stamp.epoch, stamp.sequence)
}

impl Driver {
    /// Has a round's entries appended, by another host where that is faster. Says whether the room has all of the log by that. `is_looked_for`:
    /// somebody asked for a look, which only an append by this host stands for.
    pub(super) async fn commit_or_hand(
        &mut self,
        waiting: Vec<Waiting>,
        is_looked_for: bool,
    ) -> Result<bool, NotCommitted> {
        let host = if is_looked_for { None } else { self.hands_to(&waiting) };
        let Some(host) = host else { return self.commit(waiting).await.map(|()| true) };
        // Boxed, as what is done seldom.
        let left = Box::pin(self.hand(&host, waiting)).await;
        if left.is_empty() { Ok(false) } else { self.commit(left).await.map(|()| true) }
    }

    /// An append was too late, because this writer was first. `took`: how long it was under way.
    pub(super) fn lost_to(&self, winner: Option<WriterId>, took: Duration) {
        let (room, Some(WriterId(winner))) = (&self.room, winner) else { return };
        if took >= HANDED_WORTH && room.context.hands_over.get().is_some() {
            let own = room.context.hints.host();
            room.lock().rivalry.lost(own, HostId::from_bits(winner), Instant::now());
        }
    }

    /// The host that is to append these; `None`: this host is.
    fn hands_to(&self, waiting: &[Waiting]) -> Option<HostId> {
        let host = self.room.lock().rivalry.appends(Instant::now()).cloned()?;
        // What has no stamp could be appended twice.
        let may_go = waiting.iter().all(|one| !one.handed && one.entry.stamp().is_some());
        let bytes: usize = waiting.iter().map(|one| one.byte_count).sum();
        (may_go && bytes <= HANDED_BYTES_MAX).then_some(host)
    }

    /// Hands entries to another host and answers those that are in the log by that. Gives the others.
    async fn hand(&mut self, host: &HostId, waiting: Vec<Waiting>) -> Vec<Waiting> {
        let begun = Instant::now();
        let entries: Vec<_> = waiting.iter().map(|one| one.entry.clone()).collect();
        let appended = self.appended_by(host, &entries).await;
        let metrics = &self.room.context.metrics;
        let reason = if appended.is_some() { "appended" } else { "failed" };
        metrics.handed.get_or_create(&ReasonLabel { reason }).inc_by(entries.len() as u64);
        let Some((logged, outcomes)) = appended else {
            self.room.lock().rivalry.failed(Instant::now());
            return waiting;
        };
        let mut came: HashMap<Stamped, Outcome> = HashMap::with_capacity(logged.len());
        for (entry, outcome) in logged.iter().zip(outcomes) {
            if let Some(stamp) = entry.stamp() {
                // Of one that is there twice, the first.
                came.entry(stamped(stamp)).or_insert(outcome);
            }
        }
        let (mut left, mut answered) = (Vec::new(), 0);
        for one in waiting {
            let outcome = one.entry.stamp().and_then(|stamp| came.remove(&stamped(stamp)));
            match outcome.or_else(|| self.known(&one.entry)) {
                Some(outcome) => {
                    answered += 1;
                    if answered % ANSWERS_AT_ONCE == 0 {
                        yield_now().await;
                    }
                    one.reply.give(Ok(outcome));
                }
                None => left.push(one),
            }
        }
        self.room.lock().agenda.appended(answered, begun.elapsed());
        left
    }

    /// Hands entries to another host. Gives what the room read in the log afterwards, and what that came to; `None`: the host did not
    /// append them, or the bucket could not be read.
    async fn appended_by(&mut self, host: &HostId, entries: &[Entry]) -> Option<(Vec<Entry>, Vec<Outcome>)> {
        let (room, log) = (&self.room, self.log.as_mut()?);
        let parcel = room.context.store.pack(&room.id, entries);
        let handing = room.context.hands_over.get()?.hand_over(host, &room.id, parcel);
        let up_to = timeout(HANDED_WITHIN, handing).await.ok()??;
        if room.context.believes_hosts {
            let mut foreseen = room.lock().state.clone();
            let outcomes = entries.iter().map(|entry| foreseen.apply(entry)).collect();
            return Some((entries.to_vec(), outcomes));
        }
        match log.catch_up_to(up_to).await {
            Ok((news, _)) => Some(room.learn(news)),
            // The append that follows meets the same bucket, and says so.
            Err(_unread) => None,
        }
    }

    /// What a batch came to that was folded into a state before the room read its entry.
    fn known(&self, entry: &Entry) -> Option<Outcome> {
        let Entry::Sync { batch, .. } = entry else { return None };
        let foreseen = self.room.lock().state.foresee(batch);
        foreseen.filter(|outcome| matches!(outcome, Outcome::Duplicate { .. }))
    }
}
