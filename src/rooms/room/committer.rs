//! The committer: takes what waits, appends it, folds it, answers. One at a time for each room.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::job::{Job, NotCommitted, Reply};
use super::{Inner, Room, SEGMENT_BYTES_MAX};
use crate::ambient::Moment;
use crate::share::entry::Entry;
use crate::share::error::{StorageTrouble, StoreOperation, chain};
use crate::share::state::Outcome;
use crate::store::{Appended, Log, StoreError};

/// How often an append may find others' entries in its way before it is given up. Each time means that another host got
/// on, so this many in a row mean that this host is too slow for the others.
const BEHIND_MAX: usize = 64;

/// Turns of its runtime that a committer waits before each segment: one in which what sockets have is read, one in which it is
/// taken for calls and queued.
const TURNS: usize = 2;

/// So many are answered before their answers are on their way, which is what a connection sends in one: a caller that has its
/// answer works on while the others are still given theirs. Answered all in one, 64 callers of a share in memory and their host
/// work in turn, and make 60,000 calls a second instead of 105,000 on two cores.
const ANSWERS_AT_ONCE: usize = 8;

/// The part of a write's time that the next one waits for as many calls as the last one answered: a twentieth.
const BATCHING_PART: u32 = 20;

/// It waits no shorter than this, which is what the runtime's timers tell apart, ...
const BATCHING_TIME_MIN: Duration = Duration::from_millis(1);

/// ... no longer than this, however slow the bucket is, ...
const BATCHING_TIME_MAX: Duration = Duration::from_millis(10);

/// ... and not at all where a write takes less than this: then waiting costs more than a segment.
const BATCHING_WORTH: Duration = Duration::from_millis(5);

/// What the last segment was: how many it answered at once, who may well all come again at once, and how long it took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Batching {
    count: usize,
    took: Duration,
}

impl Batching {
    /// How long to wait for as many again.
    fn patience(self) -> Option<Duration> {
        let worth_it = self.count > 1 && self.took >= BATCHING_WORTH;
        worth_it.then(|| (self.took / BATCHING_PART).clamp(BATCHING_TIME_MIN, BATCHING_TIME_MAX))
    }
}

/// Owns the room's log while it runs; dropping it puts the log back and lets everybody who waits know.
pub(super) struct Committer {
    room: Arc<Room>,
    log: Option<Log>,
}

/// What is done in one round.
struct Work {
    waiting: Vec<Waiting>,
    catch_ups: Vec<oneshot::Sender<Result<(), NotCommitted>>>,
    /// The room has been idle: see to what is left to do of it.
    upkeep: bool,
}

struct Waiting {
    entry: Entry,
    reply: Reply,
}

impl Committer {
    pub(super) fn new(room: Arc<Room>, log: Log) -> Self {
        Self { room, log: Some(log) }
    }

    pub(super) async fn run(mut self) {
        self.gather().await;
        while let Some(Work { waiting, catch_ups, upkeep }) = self.take_jobs() {
            let begun = Moment::now(self.room.clock());
            // What is done seldom is boxed: a committer is made for each batch where batches do not come at once.
            let result = if waiting.is_empty() { Box::pin(self.catch_up()).await } else { self.commit(waiting).await };
            if result.is_ok() {
                self.room.lock().fresh_at = begun;
            }
            for answer in catch_ups {
                // The caller that asked may be gone.
                let _ = answer.send(result);
            }
            if let Some(log) = &mut self.log {
                self.room.do_upkeep(log, upkeep.then_some(result));
            }
            self.gather().await;
        }
    }

    /// Lets more come before the next segment is begun.
    async fn gather(&self) {
        // What is in the sockets already costs no time to wait for, and a segment for each of them much: with 64 calls in flight
        // over memory, one turn makes 1.5 times as many calls, two 1.7 times, and more than two nothing.
        for _ in 0..TURNS {
            yield_now().await;
        }
        // From here on no notice to all is missed.
        let woken = self.room.wake_committer.notified();
        let until = self.wait_until();
        if let Some(until) = until {
            // Whichever comes first.
            let _ = tokio::time::timeout_at(until, woken).await;
            self.room.lock().awaited = None;
        }
    }

    /// Until when the next write is to wait, if one is waiting that need not go at once: where writes are paid for, for the
    /// linger; else for as many as the last segment answered. Callers that always have a call under way come back one after the
    /// other, and the first to do so would have a segment to itself, and the others wait for two.
    fn wait_until(&self) -> Option<Instant> {
        let linger = self.room.context.linger;
        let mut inner = self.room.lock();
        let at_once =
            inner.queued_bytes == 0 || inner.queued_bytes >= SEGMENT_BYTES_MAX || inner.jobs.iter().any(Job::is_urgent);
        if at_once {
            None
        } else if linger.is_zero() {
            let Batching { count, .. } = inner.batching;
            let patience = inner.batching.patience().filter(|_| inner.jobs.len() < count)?;
            inner.awaited = Some(count);
            Some(Instant::now() + patience)
        } else {
            inner.written_at.map(|written_at| written_at + linger)
        }
    }

    /// The next segment's worth of work; `None` when there is none, and then the log is back in the room.
    fn take_jobs(&mut self) -> Option<Work> {
        let mut inner = self.room.lock();
        if inner.jobs.is_empty() {
            inner.log = self.log.take();
            self.room.plan_upkeep(&mut inner);
            return None;
        }
        let (mut waiting, mut catch_ups, mut upkeep, mut bytes) = (Vec::new(), Vec::new(), false, 0);
        while let Some(job) = inner.jobs.pop_front() {
            match job {
                Job::Append { entry, byte_count, reply } => {
                    if bytes > 0 && bytes + byte_count > SEGMENT_BYTES_MAX {
                        inner.jobs.push_front(Job::Append { entry, byte_count, reply });
                        break;
                    }
                    bytes += byte_count;
                    inner.queued_bytes -= byte_count;
                    waiting.push(Waiting { entry, reply });
                }
                Job::CatchUp { answer } => catch_ups.push(answer),
                Job::Upkeep => upkeep = true,
            }
        }
        Some(Work { waiting, catch_ups, upkeep })
    }

    async fn catch_up(&mut self) -> Result<(), NotCommitted> {
        let Some(log) = &mut self.log else { return Err(NotCommitted::NOW) };
        match log.catch_up().await {
            Ok(news) => {
                self.room.learn(news);
                Ok(())
            }
            Err(error) => Err(self.failed("read", &error)),
        }
    }

    async fn commit(&mut self, waiting: Vec<Waiting>) -> Result<(), NotCommitted> {
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
                inner.written_at = Some(Instant::now());
                inner.state.without_known(entries)
            };
            match log.append(&slim).await {
                Ok(Appended::Written) => {
                    // What answering takes says nothing of the bucket.
                    let took = begun.elapsed();
                    self.room.context.health.written();
                    self.room.context.metrics.commit_seconds.observe(took.as_secs_f64());
                    self.room.lock().batching = Batching { count: entries.len(), took };
                    return Ok(self.room.fold(&slim));
                }
                Ok(Appended::Behind(others)) => self.room.learn(others),
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

impl Drop for Committer {
    fn drop(&mut self) {
        if let Some(log) = self.log.take() {
            let mut inner = self.room.lock();
            let Inner { jobs, queued_bytes, .. } = &mut *inner;
            // Dropping the jobs drops their answers, and a caller that waits for one learns that none will come.
            let left = std::mem::take(jobs);
            *queued_bytes = 0;
            inner.log = Some(log);
            drop(inner);
            drop(left);
        }
    }
}
