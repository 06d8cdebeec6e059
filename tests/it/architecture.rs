//! The shape of the code: who imports whom, what is absent, and what each feature brings in.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

mod circles;
mod sources;

use sources::{root, sources, uses};

/// The table of ARCHITECTURE.md.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("src/ARCHITECTURE.md")).unwrap();
    let section = text.split("## Who may import whom").nth(1).unwrap().split("\n## ").next().unwrap();
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|');
        (names(cells.next().unwrap()).pop_first().unwrap(), names(cells.next().unwrap()))
    })
    .collect()
}

#[test]
fn every_import_is_one_that_the_table_allows() {
    let table = table();
    assert_eq!(table.len(), 27, "{table:?}");
    let mut wrong = Vec::new();
    for (module, used) in uses(&sources()) {
        let top = &module[0];
        let Some(allowed) = table.get(top) else {
            assert!(["lib", "main"].contains(&top.as_str()), "{top} is not in the table");
            continue;
        };
        for name in used.iter().map(|used| &used[0]) {
            if table.contains_key(name) && name != top && !allowed.contains(name) {
                wrong.push(format!("{}: {top} imports {name}", module.join("/")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a row allows and no file does would pass unseen on the day that somebody does it.
#[test]
fn every_import_that_the_table_allows_is_there() {
    let mut surplus = table();
    for (module, used) in uses(&sources()) {
        if let Some(allowed) = surplus.get_mut(&module[0]) {
            allowed.retain(|name| !used.iter().any(|used| used[0] == *name));
        }
    }
    surplus.retain(|_, allowed| !allowed.is_empty());
    assert!(surplus.is_empty(), "no file uses these, so take them out of the table: {surplus:?}");
}

#[test]
fn the_ground_floor_knows_no_machinery() {
    for source in sources() {
        let code = source.code();
        let absent: &[&str] = match source.top() {
            "share" => {
                &["async ", "tokio", "serde", "capnp", "object_store", "getrandom", "Instant", "SystemTime::now"]
            }
            "capnweb" => &["async ", "tokio", "serde", "getrandom", "Instant", "SystemTime", "crate::", "std::net"],
            "store" | "ambient" | "health" | "access" | "audit" | "metrics" | "hints" | "rooms" | "connections"
            | "deployment" | "nats" | "peers" | "hub" => {
                &["capnp", "tungstenite", "axum", "hyper", "Rc<", "RefCell", "spawn_local"]
            }
            "contract" | "viewer" | "http" | "web" => &["Rc<", "RefCell", "spawn_local"],
            "transcripts" => &["async ", "tokio", "std::fs", "std::net", "SystemTime", "Instant", "std::env"],
            _ => &[],
        };
        for word in absent {
            assert!(!code.contains(word), "{} has {word}", source.name());
        }
    }
}

/// Where a secret is a field though viewers are near: what a producer or an owner sends, and what a producer is answered.
const WITH_SECRETS: [&str; 4] = [
    "src/http/opencode.rs",
    "src/http/opencode/intake.rs",
    "src/http/opencode_state/creates.rs",
    "src/viewer/command.rs",
];

#[test]
fn nothing_that_a_viewer_can_read_has_a_secret_as_a_field() {
    let has_secret = |code: &str| code.contains("SecretHash") || code.contains(" secret: ");
    let near: BTreeSet<String> = sources()
        .into_iter()
        .filter(|source| ["viewer", "http"].contains(&source.top()) || source.name() == "src/share/view.rs")
        .filter(|source| has_secret(&source.code()))
        .map(|source| source.name())
        .collect();
    assert_eq!(near, WITH_SECRETS.map(str::to_owned).into());
}

#[test]
fn shares_and_connections_do_not_name_each_other() {
    let table = table();
    for (one, other) in [("rooms", "connections"), ("connections", "rooms")] {
        assert!(!table[one].contains(other) && !table[one].contains("hub"), "{one}: {:?}", table[one]);
    }
}

#[test]
fn the_hub_is_send_and_sync() {
    const fn is<T: Send + Sync>() {}
    const { is::<capshare::__internal::hub::Hub>() };
    const { is::<capshare::__internal::rooms::Rooms>() };
    const { is::<capshare::__internal::connections::Connections>() };
    const { is::<capshare::host::Host>() };
    const { is::<capshare::__internal::rooms::feed::Feed>() };
}

#[test]
fn a_service_that_links_the_default_gets_no_host_and_no_command_line() {
    let crates = |features: &[&str]| {
        let mut tree = Command::new(env!("CARGO"));
        tree.args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
        let output = tree.args(features).current_dir(root()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect::<BTreeSet<_>>()
    };
    let command_line = ["regex", "rusqlite", "clap", "indicatif", "tracing-subscriber", "toml", "etcetera"];
    let server =
        ["object_store", "axum", "hyper", "hyper-util", "governor", "prometheus-client", "reqwest", "async-nats"];
    let default = crates(&[]);
    for name in command_line.iter().chain(&server) {
        assert!(!default.contains(*name), "the default brings in {name}");
    }
    let embedded = crates(&["--no-default-features", "--features", "server"]);
    for name in command_line.iter().chain(&["reqwest", "backon", "rustls-platform-verifier", "async-nats"]) {
        assert!(!embedded.contains(*name), "server brings in {name}");
    }
    assert!(embedded.contains("object_store") && default.contains("capnp-rpc"), "the trees are read");
}
