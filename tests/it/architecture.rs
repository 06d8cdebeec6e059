//! The shape of the code: who imports whom, what is absent, and what each feature brings in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust source below `src`, with the module of the house that it belongs to.
fn sources() -> Vec<(String, PathBuf, String)> {
    let mut folders = vec![root().join("src")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(root().join("src")).unwrap();
                let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push((module, path, text));
            }
        }
    }
    assert!(sources.len() > 50, "{}", sources.len());
    sources
}

/// The code of a file: without comments, and without its unit tests, which may use anything.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

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

/// The modules of the house that a source names by `crate::`, or in the binary by `capshare::`.
fn named(code: &str) -> BTreeSet<String> {
    let words = code.split("crate::").skip(1).chain(code.split("capshare::").skip(1));
    words.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}

#[test]
fn every_import_is_one_that_the_table_allows() {
    let table = table();
    assert_eq!(table.len(), 21, "{table:?}");
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        let Some(allowed) = table.get(&module) else {
            assert!(["lib", "main"].contains(&module.as_str()), "{module} is not in the table");
            continue;
        };
        for name in named(&code(&text)) {
            if table.contains_key(&name) && name != module && !allowed.contains(&name) {
                wrong.push(format!("{}: {module} imports {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_ground_floor_knows_no_machinery() {
    for (module, path, text) in sources() {
        let code = code(&text);
        let absent: &[&str] = match module.as_str() {
            "share" => &["async ", "tokio", "serde", "capnp", "object_store", "getrandom", "Instant", "SystemTime"],
            "capnweb" => &["async ", "tokio", "serde", "getrandom", "Instant", "SystemTime", "crate::", "std::net"],
            "store" | "ambient" | "health" | "access" | "audit" | "metrics" | "rooms" | "connections" | "hub" => {
                &["capnp", "tungstenite", "axum", "hyper", "Rc<", "RefCell", "spawn_local"]
            }
            "contract" | "viewer" | "http" => &["Rc<", "RefCell", "spawn_local"],
            "transcripts" => &["async ", "tokio", "std::fs", "std::net", "SystemTime", "Instant", "std::env"],
            _ => &[],
        };
        for word in absent {
            assert!(!code.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn nothing_that_a_viewer_can_read_has_a_secret_as_a_field() {
    let read = [
        "src/share/view.rs",
        "src/viewer/frame.rs",
        "src/viewer/shapes.rs",
        "src/viewer/sse.rs",
        "src/viewer/ws.rs",
        "src/viewer/render",
        "src/http/page",
    ];
    for (_, path, text) in sources() {
        if read.iter().any(|one| path.starts_with(root().join(one))) {
            let code = code(&text);
            assert!(!code.contains("SecretHash") && !code.contains("secret:"), "{}", path.display());
        }
    }
}

#[test]
fn the_hub_is_send_and_sync() {
    const fn is<T: Send + Sync>() {}
    const { is::<capshare::hub::Hub>() };
    const { is::<capshare::host::Host>() };
    const { is::<capshare::rooms::feed::Feed>() };
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
    let server = ["object_store", "axum", "hyper", "hyper-util", "governor", "prometheus-client", "reqwest"];
    let default = crates(&[]);
    for name in command_line.iter().chain(&server) {
        assert!(!default.contains(*name), "the default brings in {name}");
    }
    let embedded = crates(&["--no-default-features", "--features", "server"]);
    for name in command_line.iter().chain(&["reqwest", "backon", "rustls-platform-verifier"]) {
        assert!(!embedded.contains(*name), "server brings in {name}");
    }
    assert!(embedded.contains("object_store") && default.contains("capnp-rpc"), "the trees are read");
}
