//! What the kernel says of a system's processes, besides their processor time in ticks.

use std::time::Duration;

use anyhow::Context as _;

use crate::running::Running;

/// Memory that nobody else has a part in, of the whole tree, in bytes.
///
/// Of what `smaps_rollup` says, `Private_Dirty` and `Private_Clean`, and what was swapped out. It is what would be free if the
/// system ended: pages that it wrote, the program's own pages that it touched, none of the C library's that others use too. The
/// resident set would count those, and swings with what the page cache has of the program. A second process of the same program,
/// such as one that an interrupted run left behind, makes the program's own pages shared ones: there must be none.
///
/// # Errors
///
/// The process has ended.
pub(crate) fn private_bytes(running: &Running) -> anyhow::Result<u64> {
    sum_of(running, |field| matches!(field, "Private_Clean" | "Private_Dirty" | "Swap"))
}

/// Of that, what was written to and so cannot be read again from a file: what connections take. The program's own pages, which
/// the first connections bring in, are no part of it.
///
/// # Errors
///
/// The process has ended.
pub(crate) fn written_bytes(running: &Running) -> anyhow::Result<u64> {
    sum_of(running, |field| matches!(field, "Private_Dirty" | "Swap"))
}

fn sum_of(running: &Running, counts: impl Fn(&str) -> bool) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for pid in running.pids() {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
            .with_context(|| format!("{} has ended", running.name))?;
        bytes += fields(&rollup).filter(|(field, _)| counts(field)).map(|(_, kib)| kib * 1_024).sum::<u64>();
    }
    Ok(bytes)
}

/// The lines `Name:   12 kB` of a file.
fn fields(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (field, rest) = line.split_once(':')?;
        Some((field, rest.trim().strip_suffix(" kB")?.parse().ok()?))
    })
}

/// The resident set of the tree, in bytes.
pub(crate) fn resident_bytes(running: &Running) -> u64 {
    let pages = |pid: u32| {
        let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
        statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0)
    };
    running.pids().into_iter().map(pages).sum::<u64>() * rustix::param::page_size() as u64
}

/// Open file descriptors of the tree.
pub(crate) fn descriptors(running: &Running) -> usize {
    let open = |pid: u32| std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    running.pids().into_iter().map(open).sum()
}

/// Threads of the tree.
pub(crate) fn threads(running: &Running) -> usize {
    let live = |pid: u32| std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    running.pids().into_iter().map(live).sum()
}

/// Processor time of a tree so far, counted in two ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    /// In ticks of 10 ms, with the threads that have ended.
    ticked: Duration,
    /// In nanoseconds, of the threads that live.
    scheduled: Duration,
}

impl Cpu {
    /// Until now.
    pub(crate) fn of(running: &Running) -> Self {
        let mut nanoseconds = 0;
        for pid in running.pids() {
            for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let said = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
                nanoseconds += said.split(' ').next().and_then(|ran| ran.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        Self { ticked: running.cpu(), scheduled: Duration::from_nanos(nanoseconds) }
    }

    /// What was spent since then: the finer count, unless threads have ended that it lacks.
    pub(crate) fn since(self, before: Self) -> Duration {
        let ticked = self.ticked.saturating_sub(before.ticked);
        let scheduled = self.scheduled.saturating_sub(before.scheduled);
        if ticked > scheduled + Duration::from_millis(20) { ticked } else { scheduled }
    }
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn fields_are_read_with_their_unit() {
        let text = "55d-7ff ---p 0 0 [rollup]\nRss:    4 kB\nPrivate_Dirty:  12 kB\nTHPeligible: 0\n";
        assert_eq!(fields(text).collect::<Vec<_>>(), [("Rss", 4), ("Private_Dirty", 12)]);
    }
}
