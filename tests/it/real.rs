//! Clients that share no code with capshare: pycapnp and the official C++ library, against the built program.
//!
//! The clients and their assertions are in `tests/real`; each ends with code 0 if all held. Here they get their hosts. The
//! program pings every 30 s; the scenes with a ping each second from both sides have an embedded host.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::SingleAccount;
use object_store::memory::InMemory;
use tempfile::TempDir;

use crate::support::door::{ANNS_KEY, BOBS_KEY, Served};
use crate::support::install::{self, debian};

const PYTHON_PACKAGES: [&str; 2] = ["pycapnp==2.2.4", "websockets==17.4"];

/// The folder of this package: the clients read the schema from there.
const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// S82: a Python client calls every method and passes callbacks; whole messages, or cut anywhere by its bridge.
#[test]
fn a_python_client_calls_every_method() {
    let host = Program::open();
    python(&host.address, &["--admin", &host.admin, "every_method", "large"]);
    python(&host.address, &["--admin", &host.admin, "--cut", "every_method", "large"]);
}

/// S82: by a token in the header, and in-band for clients that cannot set headers.
#[test]
fn a_python_client_shows_its_token() {
    let host = Program::with_keys();
    python(&host.address, &["--token", ANNS_KEY, "credentials", "every_method"]);
}

/// S82: null capabilities, our own handed back, observers that throw or never return, TCP cut in the middle: each costs at
/// most the connection it happens on.
#[test]
fn what_a_python_client_does_by_mistake_harms_nobody_else() {
    let host = Program::with_keys();
    python(&host.address, &["--token", BOBS_KEY, "accidents"]);
    python(&host.address, &["--token", BOBS_KEY, "--cut", "accidents"]);
}

/// S82: the C++ library over its own WebSocket stream calls every method and passes callbacks.
#[test]
fn a_cpp_client_calls_every_method() {
    let host = Program::open();
    cpp(&host.address, &["--admin", &host.admin]);
}

/// S82: the same with a token in the header.
#[test]
fn a_cpp_client_shows_its_token() {
    let host = Program::with_keys();
    cpp(&host.address, &["--token", ANNS_KEY]);
}

/// S82: both with pings every second, from both sides, in the middle of calls of both sides.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_clients_and_the_host_ping_each_other_every_second() {
    tokio::join!(
        pinged(|address| python(address, &["--ping-interval", "1", "pings"])),
        pinged(|address| python(address, &["--ping-interval", "1", "--cut", "pings"])),
        pinged(|address| cpp(address, &["--ping"])),
    );
}

/// Runs a client against a host that pings every second.
async fn pinged(client: impl FnOnce(&str) + Send + 'static) {
    let access = SingleAccount::of_this_machine("local".parse().expect("an account"));
    let host = Served::over(Arc::new(InMemory::new()), Arc::new(access), |settings| {
        settings.rpc.ping_interval = Duration::from_secs(1);
    })
    .await;
    let address = host.address.to_string();
    tokio::task::spawn_blocking(move || client(&address)).await.expect("the client is content");
    assert!(host.host.shutdown().await, "what they did ended with them");
}

/// The built program as a host on a free port; ended when dropped.
struct Program {
    process: Child,
    address: String,
    /// A token of its store that administers; empty where it has none.
    admin: String,
    _store: TempDir,
}

impl Program {
    /// For this machine, with a token of its store for whoever administers.
    fn open() -> Self {
        let store = tempfile::tempdir().expect("a folder");
        let made = Command::new(env!("CARGO_BIN_EXE_capshare"))
            .env_clear()
            .args(["token", "create", "--account", "ops", "--scope", "admin", "--store"])
            .arg(store.path())
            .output()
            .expect("the program starts");
        let admin = String::from_utf8(made.stdout).expect("a token is text").trim().to_owned();
        assert!(admin.starts_with("captok_"), "{}", String::from_utf8_lossy(&made.stderr));
        Self::start(store, admin, &[])
    }

    fn with_keys() -> Self {
        let store = tempfile::tempdir().expect("a folder");
        Self::start(store, String::new(), &[&format!("--key=ann={ANNS_KEY}"), &format!("--key=bob={BOBS_KEY}")])
    }

    fn start(store: TempDir, admin: String, arguments: &[&str]) -> Self {
        // Without the environment, which may have settings of its own.
        let mut process = Command::new(env!("CARGO_BIN_EXE_capshare"))
            .env_clear()
            .args(["serve", "--listen", "127.0.0.1:0", "--json", "--log", "warn", "--store"])
            .arg(store.path())
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("the program says a line");
        let said: serde_json::Value = serde_json::from_str(&line).expect("the line is JSON");
        let address = said["address"].as_str().expect("the line has the address").to_owned();
        Self { process, address, admin, _store: store }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn python(address: &str, arguments: &[&str]) {
    let programs = install::python("real", &PYTHON_PACKAGES);
    install::run(
        Command::new(programs.join("python"))
            .arg(format!("{PACKAGE}/tests/real/python/client.py"))
            .args(["--schema", &format!("{PACKAGE}/schema/share.capnp")])
            .args(["--url", &format!("ws://{address}/rpc/share")])
            .args(arguments)
            // Else it leaves compiled files beside the sources.
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    );
}

fn cpp(address: &str, arguments: &[&str]) {
    install::run(Command::new(cpp_client()).arg(address).args(arguments));
}

/// The C++ client, built if it is missing or older than its sources.
fn cpp_client() -> PathBuf {
    debian(&["capnp", "--version"], &["capnproto"]);
    debian(&["g++", "--version"], &["g++"]);
    debian(&["pkg-config", "--exists", "capnp-websocket", "capnp-rpc", "kj-http"], &["pkg-config", "libcapnp-dev"]);
    let (folder, _lock) = install::folder("real-cpp");
    install::run(
        Command::new(format!("{PACKAGE}/tests/real/cpp/build.sh"))
            .arg(format!("{PACKAGE}/schema/share.capnp"))
            .arg(&folder),
    );
    folder.join("client")
}
