//! Hints that are sent again. The last hint of a share may get lost, and then no later one makes good for it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::message::Hint;
use crate::share::id::ShareId;
use crate::share::limits::HINTS_REPEATED_MAX;

/// How long after it was first sent a hint is sent again, while nothing newer was written.
const AGAIN_AFTER: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(25)];

/// The last hint of each share that this host wrote lately.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// At most [`HINTS_REPEATED_MAX`]; past it a hint is sent once.
    last: HashMap<ShareId, Last>,
    /// When which of them is next: each stands here once.
    queue: BTreeSet<(Instant, ShareId)>,
    /// Until when the task that sends them sleeps; `None`: until it is woken.
    asleep_until: Option<Instant>,
}

/// A hint that is sent again.
#[derive(Debug)]
struct Last {
    hint: Hint,
    sent: Instant,
    /// How often it was sent again.
    times: usize,
    /// Where it stands in the queue.
    queued: Instant,
}

impl Repeats {
    /// A hint was sent now. Says whether it will be sent again.
    pub(super) fn wrote(&mut self, hint: &Hint, now: Instant) -> bool {
        if let Some(last) = self.last.get_mut(&hint.share) {
            (last.hint, last.sent, last.times) = (hint.clone(), now, 0);
            let again = now + AGAIN_AFTER[0];
            // In an earlier place it finds that it is too early, so a share that is written all the time is moved once a second.
            if last.queued > again {
                self.queue.remove(&(last.queued, hint.share.clone()));
                last.queued = again;
                self.queue.insert((again, hint.share.clone()));
            }
            return true;
        }
        if self.last.len() >= HINTS_REPEATED_MAX {
            return false;
        }
        let queued = now + AGAIN_AFTER[0];
        self.queue.insert((queued, hint.share.clone()));
        self.last.insert(hint.share.clone(), Last { hint: hint.clone(), sent: now, times: 0, queued });
        true
    }

    /// The task that sends them goes to sleep.
    pub(super) fn sleeps(&mut self, until: Option<Instant>) {
        self.asleep_until = until;
    }

    /// Whether the task has to be woken for a hint that was sent now.
    pub(super) fn oversleeps(&self, now: Instant) -> bool {
        self.asleep_until.is_none_or(|until| until > now + AGAIN_AFTER[0])
    }

    /// Another host wrote: what is older than that need not be sent again.
    pub(super) fn heard(&mut self, hint: &Hint) {
        if self.last.get(&hint.share).is_some_and(|last| last.hint.seq < hint.seq)
            && let Some(last) = self.last.remove(&hint.share)
        {
            self.queue.remove(&(last.queued, hint.share.clone()));
        }
    }

    /// What is to be sent again now, and when the next one is.
    pub(super) fn due(&mut self, now: Instant) -> (Vec<Hint>, Option<Instant>) {
        let mut due = Vec::new();
        while let Some((at, share)) = self.queue.pop_first() {
            if at > now {
                self.queue.insert((at, share));
                return (due, Some(at));
            }
            let Some(last) = self.last.get_mut(&share) else { continue };
            if last.sent + AGAIN_AFTER[last.times] <= now {
                due.push(last.hint.clone());
                last.times += 1;
            }
            match AGAIN_AFTER.get(last.times) {
                Some(after) => {
                    last.queued = last.sent + *after;
                    self.queue.insert((last.queued, share));
                }
                None => drop(self.last.remove(&share)),
            }
        }
        (due, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::id::HostId;
    use crate::share::time::Timestamp;

    const SECOND: Duration = Duration::from_secs(1);

    fn hint(share: u128, seq: u64) -> Hint {
        Hint { share: ShareId::from_bits(share), seq, host: HostId::from_bits(1), at: Timestamp(0) }
    }

    /// What is sent again, second by second.
    fn seconds(repeats: &mut Repeats, start: Instant, within: std::ops::RangeInclusive<u32>) -> Vec<(u32, u64)> {
        within.flat_map(|n| repeats.due(start + n * SECOND).0.into_iter().map(move |hint| (n, hint.seq))).collect()
    }

    #[test]
    fn the_last_hint_is_sent_again_three_times() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        assert!(repeats.wrote(&hint(1, 7), start));
        assert_eq!(seconds(&mut repeats, start, 0..=60), [(1, 7), (5, 7), (25, 7)]);
        assert!(repeats.last.is_empty() && repeats.queue.is_empty());
    }

    #[test]
    fn what_came_after_it_takes_its_place() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        repeats.wrote(&hint(1, 7), start);
        assert_eq!(seconds(&mut repeats, start, 0..=2), [(1, 7)]);
        repeats.wrote(&hint(1, 8), start + 2 * SECOND);
        assert_eq!(seconds(&mut repeats, start, 3..=60), [(3, 8), (7, 8), (27, 8)]);
        repeats.wrote(&hint(1, 9), start);
        repeats.heard(&hint(1, 9));
        assert_eq!(repeats.last.len(), 1, "its own");
        repeats.heard(&hint(1, 10));
        assert!(repeats.last.is_empty() && repeats.queue.is_empty());
    }

    #[test]
    fn so_many_shares_wait_and_no_more() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let taken = (0..=HINTS_REPEATED_MAX).filter(|n| repeats.wrote(&hint(*n as u128, 1), start)).count();
        assert_eq!((taken, repeats.queue.len()), (HINTS_REPEATED_MAX, HINTS_REPEATED_MAX));
        assert!(repeats.wrote(&hint(0, 2), start), "one that waits already");
    }
}
