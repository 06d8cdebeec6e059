//! A process of the program, its home, and what it says.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before the scene has failed.
const WITHIN: Duration = Duration::from_secs(60);

pub(crate) const EXPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/opencode-export.json");
pub(crate) const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/opencode-recording.jsonl");

/// A user's home, with an environment that holds nothing of the machine's.
pub(crate) struct Home {
    folder: TempDir,
    /// Where inside programs are run.
    works_in: String,
    variables: Vec<(String, String)>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), works_in: String::new(), variables: Vec::new() }
    }

    /// Programs are run in a new folder inside.
    pub(crate) fn working_in(mut self, inside: &str) -> Self {
        std::fs::create_dir(self.path(inside)).unwrap();
        self.works_in = inside.to_owned();
        self
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    pub(crate) fn write(&self, inside: &str, text: &str) -> String {
        let path = self.path(inside);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_capshare"));
        command.args(arguments).env_clear().env("HOME", self.folder.path()).env("TMPDIR", self.folder.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).current_dir(self.path(&self.works_in));
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.start(arguments).wait()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_reading(arguments, Stdio::null())
    }

    /// Starts it with something on its standard input.
    pub(crate) fn start_reading(&self, arguments: &[&str], input: impl Into<Stdio>) -> Running {
        let mut command = self.command(arguments);
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = Said::of(child.stdout.take().unwrap());
        let stderr = Said::of(child.stderr.take().unwrap());
        Running { child, stdout, stderr }
    }

    /// Starts it with a terminal of its own for each of its outputs.
    pub(crate) fn start_on_terminals(&self, arguments: &[&str]) -> Running {
        let (stdout, stderr) = (Terminal::open(), Terminal::open());
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(stdout.inner).stderr(stderr.inner);
        let child = command.spawn().unwrap();
        // Else it would keep the inner ends of the terminals open, and what is said there would have no end.
        drop(command);
        Running { child, stdout: Said::of(stdout.outer), stderr: Said::of(stderr.outer) }
    }

    /// Starts it with a terminal for its input and its remarks, as one who types has. What is written to the file is typed.
    pub(crate) fn start_typing(&self, arguments: &[&str]) -> (Running, File) {
        let (stdin, stderr) = (Terminal::open(), Terminal::open());
        let mut command = self.command(arguments);
        command.stdin(stdin.inner).stdout(Stdio::piped()).stderr(stderr.inner);
        let mut child = command.spawn().unwrap();
        drop(command);
        let stdout = Said::of(child.stdout.take().unwrap());
        (Running { child, stdout, stderr: Said::of(stderr.outer) }, stdin.outer)
    }

    /// A host on a free port, over a directory in this home.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Served {
        let mut all = vec!["serve", "--json", "--listen", "127.0.0.1:0", "--log", "trace"];
        all.extend(arguments);
        let mut program = self.start(&all);
        let line = program.listens();
        Served { program, url: line["url"].as_str().unwrap().to_owned() }
    }
}

/// A terminal: what a program writes to its inner end is read from its outer one.
struct Terminal {
    inner: OwnedFd,
    outer: File,
}

impl Terminal {
    fn open() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let outer = openpt(flags).unwrap();
        grantpt(&outer).unwrap();
        unlockpt(&outer).unwrap();
        Self { inner: ioctl_tiocgptpeer(&outer, flags).unwrap(), outer: outer.into() }
    }
}

/// A host that listens.
pub(crate) struct Served {
    pub(crate) program: Running,
    pub(crate) url: String,
}

/// A process; ended when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdout: Said,
    pub(crate) stderr: Said,
}

impl Running {
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the line that says that a host listens.
    #[track_caller]
    pub(crate) fn listens(&mut self) -> Value {
        match self.stdout.next_that(|line| line.contains("listening")) {
            Ok(line) => serde_json::from_str(&line).unwrap(),
            Err(error) => {
                drop(self.child.kill());
                panic!("it does not listen, {error}:\n{}{}", self.stdout.rest(), self.stderr.rest());
            }
        }
    }

    /// Waits until both of its outputs are closed, which is when it has ended.
    pub(crate) fn wait(mut self) -> Ran {
        let stdout = self.stdout.rest();
        let stderr = self.stderr.rest();
        Ran { status: self.child.wait().unwrap(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a process said and how it ended.
pub(crate) struct Ran {
    status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{:?}\n{}\n{}", self.status, self.stdout, self.stderr);
        self
    }

    pub(crate) fn objects(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// The error object on stderr.
    pub(crate) fn error(&self) -> Value {
        let line = self.stderr.lines().find(|line| line.starts_with(r#"{"error""#)).expect(&self.stderr);
        serde_json::from_str::<Value>(line).unwrap()["error"].take()
    }

    /// Both outputs.
    pub(crate) fn everything(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The lines of one output as they come, all of which are kept.
pub(crate) struct Said {
    lines: Receiver<String>,
    all: String,
}

impl Said {
    fn of(output: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { lines, all: String::new() }
    }

    /// The next line that fits.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, fits: impl FnMut(&str) -> bool) -> String {
        let found = self.next_that(fits);
        found.unwrap_or_else(|error| panic!("no such line came, {error}:\n{}", self.all))
    }

    fn next_that(&mut self, mut fits: impl FnMut(&str) -> bool) -> Result<String, RecvTimeoutError> {
        loop {
            let line = self.lines.recv_timeout(WITHIN)?;
            self.all.push_str(&line);
            self.all.push('\n');
            if fits(&line) {
                return Ok(line);
            }
        }
    }

    fn rest(&mut self) -> String {
        loop {
            match self.lines.recv_timeout(WITHIN) {
                Ok(line) => self.all.push_str(&format!("{line}\n")),
                Err(RecvTimeoutError::Disconnected) => return std::mem::take(&mut self.all),
                Err(RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", self.all),
            }
        }
    }
}

/// The files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A port that stays ours while no host listens on it: below those that the system gives to whoever asks for any, which
/// the connections of this test do all the time. Another process of these tests begins elsewhere.
pub(crate) fn free_port() -> u16 {
    free_ports(1)[0]
}

/// So many of them, far from each other, so that a scene beside this one which looks a little further on meets none of them.
pub(crate) fn free_ports(count: u32) -> Vec<u16> {
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let one = |number| {
        let first = std::process::id() % 15_000 + number * (15_000 / count);
        (0..15_000).map(|n| 15_000 + ((first + n) % 15_000) as u16).find(is_free).unwrap()
    };
    (0..count).map(one).collect()
}
