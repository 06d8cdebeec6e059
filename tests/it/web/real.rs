//! The unmodified npm package `capnweb`, in Node and in a browser, against a host behind a port.
//!
//! What is called and what must come of it is in `tests/real/capnweb`, with its packages in a lockfile; a scene ends with code 0 if all
//! held.

use std::path::{Path, PathBuf};
use std::process::Command;

use capshare::__internal::connections::calls::{CallContext, CallFailure};
use capshare::__internal::connections::push::Action;
use serde_json::{Value, json};

use super::peer::PATH;
use crate::support::door::{ANNS_KEY, Served};
use crate::support::install::{self, debian};
use crate::support::npm;

/// S83, S93, S94, S95: the newest version, in Node.
#[tokio::test(flavor = "multi_thread")]
async fn capnweb_0_12_calls_everything_from_node() {
    in_node("0.12.0").await;
}

/// S93, S95: a version that drops the members of errors.
#[tokio::test(flavor = "multi_thread")]
async fn capnweb_0_6_calls_everything_from_node() {
    in_node("0.6.1").await;
}

/// S93, S95: the oldest version that is in use.
#[tokio::test(flavor = "multi_thread")]
async fn capnweb_0_4_calls_everything_from_node() {
    in_node("0.4.0").await;
}

/// S83, S93: the newest version, in a browser, on a page of the host's own origin.
#[tokio::test(flavor = "multi_thread")]
async fn capnweb_calls_everything_from_a_browser() {
    debian(&["chromium", "--version"], &["chromium"]);
    let served = served().await;
    let (url, chromium) = (served.url(PATH), which("chromium"));
    node("browser.mjs", &[&url, ANNS_KEY], &[("CHROMIUM", &chromium)]).await;
    ended(&served).await;
}

async fn in_node(version: &'static str) {
    let served = served().await;
    node("node.mjs", &[version, &served.url(PATH), ANNS_KEY], &[]).await;
    ended(&served).await;
}

/// A host that serves the procedures of the scene.
async fn served() -> Served {
    let served = Served::with_keys().await;
    served.host.on_call("double", |context: CallContext, data: Value| async move {
        let answer = context.push_back(Action::custom("double", data)).await;
        let answer = answer.map_err(|error| CallFailure::new("no-answer", error.to_string()))?;
        Ok(serde_json::from_str(answer.json().unwrap_or("null")).unwrap())
    });
    served.host.on_call("close me", |context: CallContext, _: Value| async move {
        context.connections().close_account(&context.principal().account);
        std::future::pending::<()>().await;
        Ok(json!(null))
    });
    served
}

/// Nothing of the client is left.
async fn ended(served: &Served) {
    let hub = served.host.hub();
    let gone = async {
        while hub.connections().registry().taken() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    crate::support::patience::within("all places", gone).await;
    let metrics = hub.metrics();
    assert_eq!((metrics.capabilities_held.get(), metrics.followers.get(), metrics.calls_panicked.get()), (0, 0, 0));
}

/// Runs a program of `tests/real/capnweb`.
async fn node(program: &'static str, arguments: &[&str], variables: &[(&str, &str)]) {
    let owned = |text: &&str| (*text).to_owned();
    let arguments: Vec<String> = arguments.iter().map(owned).collect();
    let variables: Vec<(String, String)> = variables.iter().map(|(name, value)| (owned(name), owned(value))).collect();
    let run = move || {
        let folder = packages();
        install::run(Command::new("node").arg(folder.join(program)).args(arguments).envs(variables));
    };
    tokio::task::spawn_blocking(run).await.expect("the client is content");
}

/// The programs beside their installed packages, under the target folder.
pub(crate) fn packages() -> PathBuf {
    debian(&["node", "--version"], &["nodejs"]);
    debian(&["npm", "--version"], &["npm"]);
    let (folder, _lock) = install::folder("capnweb");
    npm::install(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/capnweb"), &folder);
    folder
}

/// Where a program is.
fn which(program: &str) -> String {
    let path = install::run(Command::new("sh").args(["-c", &format!("command -v {program}")]));
    String::from_utf8(path).unwrap().trim().to_owned()
}
