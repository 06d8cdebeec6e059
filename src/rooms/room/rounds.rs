//! What the driver of a room does in a round: it appends what it took, or reads what other hosts appended, and answers.

use tokio::task::yield_now;
use tokio::time::Instant;

use super::agenda::Look;
use super::driver::{Driver, Waiting};
use super::job::NotCommitted;
use crate::hints::Why;
use crate::metrics::ReasonLabel;
use crate::share::entry::Entry;
use crate::share::error::{StorageTrouble, StoreOperation, chain};
use crate::share::state::Outcome;
use crate::store::{Appended, StoreError};

/// How often an append may find others' entries in its way before it is given up. Each time means that another host got
/// on, so this many in a row mean that this host is too slow for the others.
const BEHIND_MAX: usize = 64;

/// So many are answered before their answers are on their way, which is what a connection sends in one: a caller that has its
/// answer works on while the others are still given theirs. Answered all in one, 64 callers of a share in memory and their host
/// work in turn, and make 60,000 calls a second instead of 105,000 on two cores.
pub(super) const ANSWERS_AT_ONCE: usize = 8;

impl Driver {
    /// Reads what other hosts appended. Says whether it came to the log's end.
    pub(super) async fn catch_up(&mut self, look: Look) -> Result<bool, NotCommitted> {
        let Some(log) = &mut self.log else { return Err(NotCommitted::NOW) };
        let room = &self.room;
        room.context.metrics.looks.get_or_create(&ReasonLabel { reason: look.why.as_str() }).inc();
        let looked = match look.up_to {
            Some(seq) => log.catch_up_to(seq).await,
            None => log.catch_up().await.map(|news| (news, true)),
        };
        if room.context.follows_late && look.why == Why::Begin {
            room.context.hints.attend(&room.id);
        }
        match looked {
            Ok((news, is_whole)) => {
                room.learn(news);
                if look.why == Why::Hint {
                    room.note_lag(log.segments());
                }
                Ok(is_whole)
            }
            Err(error) => Err(self.failed("read", &error)),
        }
    }

    pub(super) async fn commit(&mut self, waiting: Vec<Waiting>) -> Result<(), NotCommitted> {
        let (entries, mut replies): (Vec<_>, Vec<_>) = waiting.into_iter().map(|job| (job.entry, job.reply)).unzip();
        if self.room.context.answers_early {
            let mut foreseen = self.room.lock().state.clone();
            replies.drain(..).zip(&entries).for_each(|(reply, entry)| reply.give(Ok(foreseen.apply(entry))));
        }
        let outcomes = match self.append(&entries).await {
            Ok(outcomes) => outcomes,
            Err(failed) => {
                replies.into_iter().for_each(|reply| reply.give(Err(failed)));
                return Err(failed);
            }
        };
        // A deletion is answered when the content is gone, also if an earlier attempt got only half way.
        let deletes = entries.iter().any(|entry| matches!(entry, Entry::Delete { .. }));
        let erased = if deletes { Box::pin(self.erase()).await } else { Ok(false) };
        let finished_earlier = erased.is_ok_and(|erased| erased) && !outcomes.contains(&Outcome::Deleted);
        for (n, ((reply, outcome), entry)) in replies.into_iter().zip(outcomes).zip(&entries).enumerate() {
            if n > 0 && n.is_multiple_of(ANSWERS_AT_ONCE) {
                yield_now().await;
            }
            let is_delete = matches!(entry, Entry::Delete { .. });
            reply.give(match erased {
                Err(failed) if is_delete => Err(failed),
                Ok(_) if is_delete && finished_earlier => Ok(Outcome::Deleted),
                Ok(_) | Err(NotCommitted(_)) => Ok(outcome),
            });
        }
        Ok(())
    }

    async fn append(&mut self, entries: &[Entry]) -> Result<Vec<Outcome>, NotCommitted> {
        let begun = Instant::now();
        for _ in 0..BEHIND_MAX {
            if self.room.lock().state.is_deleted() {
                return Ok(entries.iter().map(|_| Outcome::Void).collect());
            }
            let Some(log) = &mut self.log else { return Err(NotCommitted::NOW) };
            let slim = {
                let mut inner = self.room.lock();
                inner.agenda.appends(Instant::now());
                inner.state.without_known(entries)
            };
            match log.append(&slim).await {
                Ok(Appended::Written) => {
                    // What answering takes says nothing of the bucket.
                    let took = begun.elapsed();
                    self.room.context.health.written();
                    self.room.context.metrics.commit_seconds.observe(took.as_secs_f64());
                    let mut inner = self.room.lock();
                    inner.written = log.segments();
                    inner.agenda.appended(entries.len(), took);
                    drop(inner);
                    self.wrote = true;
                    return Ok(self.room.fold(&slim));
                }
                Ok(Appended::Behind(others)) => {
                    let winner = log.last_writer();
                    self.room.learn(others);
                    self.lost_to(winner, begun.elapsed());
                }
                Err(error) => {
                    self.room.context.health.failed(StoreOperation::Sync, &error);
                    return Err(self.failed("append", &error));
                }
            }
        }
        tracing::warn!(share = %self.room.id, tries = BEHIND_MAX, "other hosts write this share faster than this one");
        Err(NotCommitted::NOW)
    }

    /// Clears away the content of a share whose deletion is in the log, if that was not done: the content before the
    /// answer, its empty keys later and in the background. Says whether there was anything to do. A host that stops in
    /// between leaves what the next host that opens the share mends, or empty objects, which are harmless.
    async fn erase(&self) -> Result<bool, NotCommitted> {
        let (opened, erased) = {
            let inner = self.room.lock();
            (inner.state.opened().cloned(), inner.erased)
        };
        let (Some(log), Some(opened), false) = (&self.log, opened, erased) else { return Ok(false) };
        match log.erase(&opened.account, &opened.session).await {
            Ok(Some(freeing)) => {
                self.room.lock().erased = true;
                let share = self.room.id.clone();
                drop(tokio::spawn(async move {
                    if let Err(error) = freeing.run().await {
                        tracing::warn!(%share, error = %chain(&error), "empty objects are left in the bucket");
                    }
                }));
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) => Err(self.failed("erase", &error)),
        }
    }

    fn failed(&self, operation: &'static str, error: &StoreError) -> NotCommitted {
        self.room.context.metrics.storage_failures.inc();
        let trouble = error.trouble();
        if trouble != StorageTrouble::Unconditional {
            // That is said once, when it is found out.
            tracing::error!(share = %self.room.id, operation, error = %chain(error), "the bucket failed");
        }
        NotCommitted(trouble)
    }
}
