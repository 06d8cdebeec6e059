//! What calls have in common: somebody who makes one, and the loop that keeps many in flight.

use std::cell::RefCell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::running::Running;
use crate::stats::percentile;

/// A system that leaves a call open for longer has failed.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// Parts that a share has after a while: each sync replaces one.
const PARTS: u64 = 500;

/// One connection to a system.
pub(crate) trait Caller {
    /// Sends one part, a JSON text, and returns with the answer's count. Of each lane one call is in flight at a time.
    async fn sync(&self, lane: usize, part: String) -> anyhow::Result<u64>;

    /// Has the system call this client back once.
    async fn callback(&self) -> anyhow::Result<()>;
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A sync of one part of so many bytes.
    Sync(usize),
    Callback,
}

/// What is driven for a while.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) work: Work,
    /// On each connection.
    pub(crate) in_flight: usize,
    /// How long it counts; before that a third of it is warm-up.
    pub(crate) time: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    /// Calls that were answered in all, also before the time that counts and after it.
    pub(crate) answered: usize,
    /// 0 when no call was answered in time, and so are the next two.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// The system's processor time for each call.
    pub(crate) cpu_us: f64,
}

impl Cell {
    /// Drives these connections.
    ///
    /// # Errors
    ///
    /// A call failed.
    pub(crate) async fn run<C: Caller>(&self, callers: &[C], running: &Running) -> anyhow::Result<Measured> {
        let begin = Instant::now() + self.time / 3;
        let end = begin + self.time;
        // Calls of at most 200,000 a second for two seconds.
        let times = RefCell::new(Vec::with_capacity(400_000));
        let all = std::cell::Cell::new(0);
        let lanes = callers.iter().flat_map(|caller| (0..self.in_flight).map(move |lane| (caller, lane)));
        let loops = lanes.map(|(caller, lane)| {
            let (times, all) = (&times, &all);
            async move {
                loop {
                    let called = Instant::now();
                    match self.work {
                        Work::Sync(bytes) => _ = caller.sync(lane, part(bytes, PARTS)).await?,
                        Work::Callback => caller.callback().await?,
                    }
                    let answered = Instant::now();
                    all.set(all.get() + 1);
                    if answered >= end {
                        return Ok::<(), anyhow::Error>(());
                    }
                    if answered >= begin {
                        times.borrow_mut().push(answered.duration_since(called).as_secs_f64() * 1_000.0);
                    }
                }
            }
        });
        let account = async {
            tokio::time::sleep_until(begin.into()).await;
            let before = running.cpu();
            tokio::time::sleep_until(end.into()).await;
            Ok(running.cpu().saturating_sub(before))
        };
        let driven = async { futures::try_join!(futures::future::try_join_all(loops), account) };
        let driven = tokio::time::timeout(ANSWERED_WITHIN + 2 * self.time, driven).await;
        let (_, cpu) = driven.with_context(|| format!("calls without an answer for {ANSWERED_WITHIN:?}"))??;
        let mut times = times.into_inner();
        Ok(Measured {
            per_second: times.len() as f64 / self.time.as_secs_f64(),
            answered: all.get(),
            cpu_us: cpu.as_secs_f64() * 1_000_000.0 / times.len().max(1) as f64,
            p50_ms: percentile(&mut times, 50.0),
            p99_ms: percentile(&mut times, 99.0),
        })
    }
}

/// A part that differs from every other of the run, with one of so many ids. Its text packs as badly as random letters do.
pub(crate) fn part(bytes: usize, ids: u64) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static LETTERS: LazyLock<String> = LazyLock::new(|| {
        let mut state = 1_u64;
        let mut letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ."[(state >> 58) as usize])
        };
        (0..LETTERS_COUNT).map(|_| letter()).collect()
    });
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let head = format!(r#"{{"id":"prt_{}","messageID":"msg_1","n":"{n:012}","text":""#, n % ids);
    let length = bytes.saturating_sub(head.len() + 2).min(LETTERS_COUNT);
    let from = n as usize * 7_919 % (LETTERS_COUNT - length + 1);
    let mut part = String::with_capacity(bytes);
    part.push_str(&head);
    part.push_str(&LETTERS[from..from + length]);
    part.push_str("\"}");
    part
}

/// From where parts take their texts: more than the largest part.
const LETTERS_COUNT: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn a_part_has_the_size_that_was_asked_for_and_is_json() {
        for bytes in [256, 65_536] {
            let part = part(bytes, 500);
            assert_eq!(part.len(), bytes);
            assert!(serde_json::from_str::<serde_json::Value>(&part).is_ok());
        }
    }
}
