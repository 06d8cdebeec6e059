//! The declarations for TypeScript: that they compile, and that they describe what is served.

use std::collections::BTreeSet;
use std::process::Command;

use capshare::__internal::web::typescript::declarations;
use capshare::testing::{Scene, run};
use serde_json::json;

use super::peer::Peer;
use super::real::packages;
use crate::support::install;

/// S98: what the host serves compiles under `strict` with the real package, and a program that uses all of it; what it does not have is
/// an error of the compiler.
#[test]
fn the_declarations_compile_with_the_real_package() {
    let folder = packages();
    std::fs::write(folder.join("share.ts"), declarations()).unwrap();
    install::run(Command::new("node").arg(folder.join("node_modules/typescript/bin/tsc")).arg("-p").arg(folder));
}

/// S98: each method that is declared is there, and none that is declared elsewhere only.
#[test]
fn what_is_declared_is_what_is_served() {
    run(async {
        let scene = Scene::new();
        let mut peer = Peer::within(scene.host(), None).await;
        let made = peer.create("ses_1").await;
        let writer = peer.begin(made.share, "narrowToWrite", json!([])).await;
        let view = peer.begin(made.share, "narrowToRead", json!([])).await;
        let (writes, reads) = (methods("ShareWriter"), methods("ShareView"));
        let full = methods("Share").into_iter().chain(writes.clone()).chain(reads.clone()).collect();
        let all: BTreeSet<String> = [methods("ShareRpc"), writes.clone(), reads.clone()]
            .into_iter()
            .flatten()
            .chain(methods("Share"))
            .collect();
        assert!(all.len() > 25, "{all:?}");
        for (object, declared) in [(0, methods("ShareRpc")), (writer, writes), (view, reads), (made.share, full)] {
            for method in &all {
                // Too many arguments, so that nothing is done.
                let wrong = json!(std::iter::repeat_n(json!({"no": 1}), 9).collect::<Vec<_>>());
                let refused = peer.ask_of(object, method, wrong).await.unwrap_err();
                let is_there = refused["code"] == "InvalidInput";
                assert_eq!(is_there, declared.contains(method), "{object} {method}: {refused}");
            }
        }
    });
}

/// The methods that an interface declares itself.
fn methods(interface: &str) -> BTreeSet<String> {
    let text = declarations();
    let after = text.split(&format!("export interface {interface} extends ")).nth(1).unwrap();
    let body = after.split("\n}").next().unwrap();
    let lines = body.lines().filter_map(|line| line.strip_prefix("  ")?.split_once('('));
    lines.map(|(name, _)| name.to_owned()).filter(|name| name.chars().all(char::is_alphanumeric)).collect()
}
