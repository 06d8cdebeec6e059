//! The real client: OpenCode from npm, unmodified, in homes of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

use super::model::Model;
use crate::cli::program::Home;
use crate::support::install;

const VERSION: &str = "1.18.33";

/// How long it may be silent while it works, on a machine that has other work: its first start makes its database.
const WITHIN: Duration = Duration::from_secs(120);

/// A user of OpenCode: a home, and a project with a settings file.
pub(crate) struct User {
    /// Where our own program runs as this user, in the project.
    pub(crate) home: Home,
    program: PathBuf,
}

/// A process of OpenCode, ended when dropped, and what it says.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<Receiver>>,
    said: String,
}

impl User {
    /// One who shares to this host, with this model. The file is the README's, and a provider on loopback.
    pub(crate) fn new(host: &str, model: &Model) -> Self {
        Self::with(model, json!({ "enterprise": { "url": host }, "share": "auto" }))
    }

    /// One whose OpenCode shares nothing by itself.
    pub(crate) fn who_does_not_share(model: &Model) -> Self {
        Self::with(model, json!({ "share": "disabled" }))
    }

    fn with(model: &Model, sharing: Value) -> Self {
        let mut settings = json!({
            "$schema": "https://opencode.ai/config.json",
            "autoupdate": false,
            "permission": "allow",
            "model": "scripted/scripted",
            "small_model": "scripted/scripted",
            "provider": { "scripted": {
                "npm": "@ai-sdk/openai-compatible",
                "options": { "baseURL": format!("http://{}/v1", model.address), "apiKey": "none" },
                "models": { "scripted": {} },
            } },
        });
        settings.as_object_mut().unwrap().extend(sharing.as_object().unwrap().clone());
        let home = Home::new().working_in("project");
        home.write("project/opencode.json", &settings.to_string());
        Self { home, program: program() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.home.path("project"))
            // Without the environment, which may have settings of its own.
            .env_clear()
            .env("HOME", self.home.path(""))
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("OPENCODE_DISABLE_AUTOUPDATE", "1")
            .env("OPENCODE_DISABLE_MODELS_FETCH", "1")
            .env("OPENCODE_DISABLE_LSP_DOWNLOAD", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Begins a command.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        // Some of what it says goes to one output, some to the other.
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = self.command(arguments);
        let child = command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
        let lines = BufReader::new(Receiver::from_owned_fd(reader.into()).unwrap()).lines();
        Running { child, lines, said: String::new() }
    }

    /// Runs a command that must succeed, and gives what it printed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        // To a file: of what it prints to a pipe it loses what the pipe does not hold when it ends.
        let path = self.home.path("stdout");
        let file = std::fs::File::create(&path).unwrap();
        let output = self.command(arguments).stdout(file).stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().await.unwrap();
        let printed = std::fs::read_to_string(&path).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {printed}{said}");
        printed
    }

    /// Starts the server that sessions run in, and gives its address: one that outlives them, so that what they send last is
    /// sent.
    pub(crate) async fn serve(&self) -> (Running, SocketAddr) {
        let mut server = self.start(&["serve", "--hostname", "127.0.0.1", "--port", "0"]);
        let line = server.wait_for("listening on http://").await;
        (server, line.rsplit("http://").next().unwrap().trim().parse().unwrap())
    }

    /// A session, as the client exports it.
    pub(crate) async fn export(&self, session: &str) -> Value {
        serde_json::from_str(&self.run(&["export", session]).await).unwrap()
    }
}

impl Running {
    /// The next line that has this in it.
    pub(crate) async fn wait_for(&mut self, what: &str) -> String {
        loop {
            match self.next_line().await {
                Some(line) if line.contains(what) => return line,
                Some(_) => {}
                None => panic!("it ended without saying {what}:\n{}", self.said),
            }
        }
    }

    /// Waits until it has ended well.
    pub(crate) async fn end(mut self) {
        while self.next_line().await.is_some() {}
        let status = self.child.wait().await.unwrap();
        assert!(status.success(), "{status}:\n{}", self.said);
    }

    async fn next_line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(WITHIN, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("it says nothing more:\n{}", self.said)).unwrap()?;
        self.said.push_str(&format!("{line}\n"));
        Some(line)
    }
}

/// The program, installed from npm under the target folder if it is missing. Scripts of packages are not run.
fn program() -> PathBuf {
    let (folder, _lock) = install::folder("opencode");
    let done = folder.join(format!("opencode-{VERSION}"));
    if !done.exists() {
        install::debian(&["npm", "--version"], &["npm"]);
        let mut npm = std::process::Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error", "--prefix"]);
        install::run(npm.arg(&folder).arg(format!("opencode-ai@{VERSION}")));
        std::fs::write(&done, "").expect("the target folder can be written");
    }
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => panic!("OpenCode is not made for {other}"),
    };
    // What is named baseline needs fewer instructions than some machines have.
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let baseline = if flags.contains("flags") && !flags.contains(" avx2") { "-baseline" } else { "" };
    let program = folder.join(format!("node_modules/opencode-linux-{machine}{baseline}/bin/opencode"));
    assert!(program.exists(), "{}", program.display());
    program
}
