//! A system that runs: a process and its children, what the kernel says of them, and their end.
//!
//! Dropping a [`Running`] ends the whole tree: first by SIGTERM to the root and to what descends from it, after two seconds by
//! SIGKILL; then the folder it worked in goes. Standard input is held open, and ends with it: the peers of this package live
//! just as long.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::context::Context;

/// Until when a system must listen.
const LISTENS_WITHIN: Duration = Duration::from_secs(60);
/// How long a system may take to end by itself.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// A started system.
#[derive(Debug)]
pub(crate) struct Running {
    /// Its name in tables.
    pub(crate) name: String,
    /// Its main door.
    pub(crate) address: SocketAddr,
    /// Further doors, by name.
    pub(crate) doors: BTreeMap<&'static str, SocketAddr>,
    /// What it keeps on disk; removed with it.
    pub(crate) folder: Option<TempDir>,
    /// What it prints.
    pub(crate) log: PathBuf,
    child: Child,
}

impl Running {
    /// Starts a command that will listen on `address`, and waits until it does. What it prints goes to `target/bench/logs`.
    ///
    /// # Errors
    ///
    /// It cannot be started, ends, or does not listen within a minute; with the end of what it printed.
    pub(crate) fn start(
        context: &Context,
        name: &str,
        command: &mut Command,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let mut running = Self::spawn(context, name, command, address)?;
        running.wait_for(address)?;
        Ok(running)
    }

    /// The same without waiting.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub(crate) fn spawn(
        context: &Context,
        name: &str,
        command: &mut Command,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let file_name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let log = context.out.join("logs").join(format!("{file_name}.log"));
        let out = File::create(&log).with_context(|| log.display().to_string())?;
        let child = command
            .stdin(Stdio::piped())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        Ok(Self { name: name.to_owned(), address, doors: BTreeMap::new(), folder: None, log, child })
    }

    /// Keeps a folder as long as the system runs.
    pub(crate) fn with_folder(mut self, folder: TempDir) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Names a further door, once it listens.
    ///
    /// # Errors
    ///
    /// It does not listen within a minute.
    pub(crate) fn with_door(mut self, name: &'static str, address: SocketAddr) -> anyhow::Result<Self> {
        self.wait_for(address)?;
        self.doors.insert(name, address);
        Ok(self)
    }

    /// Waits until something listens there.
    ///
    /// # Errors
    ///
    /// The process ended, or it takes more than a minute.
    pub(crate) fn wait_for(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}): {}", self.name, self.last_words());
            }
            if began.elapsed() > LISTENS_WITHIN {
                bail!("{} does not listen on {address}: {}", self.name, self.last_words());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// The process that was started.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// It and everything that descends from it now.
    pub(crate) fn pids(&self) -> Vec<u32> {
        tree(self.pid())
    }

    /// The processor time, user's and kernel's, of the tree so far. Its unit is the kernel's tick, 10 ms as a rule.
    pub(crate) fn cpu(&self) -> Duration {
        self.pids().into_iter().map(cpu_of).sum()
    }

    fn last_words(&self) -> String {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pids = self.pids();
        drop(self.child.stdin.take());
        signal(&pids, Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < ENDS_WITHIN && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Whoever has ended has given its number back; within seconds nobody else has it.
        signal(&pids, Signal::KILL);
        let _status = self.child.wait();
    }
}

/// An address of the loopback that is free now.
///
/// # Errors
///
/// There is none.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn signal(pids: &[u32], signal: Signal) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(i32::try_from(*pid).ok()?)) {
        // Gone already, as it should.
        let _gone = kill_process(pid, signal);
    }
}

fn tree(root: u32) -> Vec<u32> {
    let mut pids = vec![root];
    let mut at = 0;
    while at < pids.len() {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", pids[at]));
        for task in tasks.into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        at += 1;
    }
    pids
}

fn cpu_of(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    ticks_of(&stat).map_or(Duration::ZERO, |ticks| {
        Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    })
}

/// User's and kernel's ticks of a line of `/proc/PID/stat`: the 14th and 15th word, where the second one, the program's name
/// in brackets, may hold spaces and brackets.
fn ticks_of(stat: &str) -> Option<u64> {
    let mut words = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(words.next()?.parse::<u64>().ok()? + words.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::ticks_of;

    #[test]
    fn ticks_are_read_behind_a_name_with_brackets() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 31 11 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks_of(stat), Some(42));
        assert_eq!(ticks_of("7 (a) S 1"), None);
    }
}
