//! What is checked in as built is what the sources build.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PACKAGE, npm};
use crate::support::install::{self, debian};

/// The program has in it what the sources say, and nothing else that somebody built.
#[test]
fn the_page_is_built_from_its_sources() {
    let (folder, _lock) = sources();
    install::run(Command::new("npm").args(["run", "build", "--silent"]).current_dir(&folder));
    let kept = files(&Path::new(PACKAGE).join("src/viewer/page/dist"));
    let built = files(&folder.join("dist"));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    let mend = "run `npm ci && npm run build` in src/viewer/page and check in what changed";
    assert_eq!(names(&built), names(&kept), "{mend}");
    for (name, bytes) in built {
        assert!(kept.get(&name) == Some(&bytes), "{name} is not what its sources build: {mend}");
    }
}

/// What the page's sources make of texts and items is what the documents make of them.
#[test]
fn the_page_reads_texts_and_items_as_the_documents_do() {
    let (folder, _lock) = sources();
    super::node(
        Path::new("texts.test.mjs"),
        &["--test", "--test-timeout=60000"],
        &[("PAGE", folder.to_str().expect("the target folder has a name in UTF-8"))],
    );
}

/// The page's sources as they are now, with their packages, in a folder that is locked.
fn sources() -> (PathBuf, File) {
    debian(&["node", "--version"], &["nodejs"]);
    debian(&["npm", "--version"], &["npm"]);
    let (folder, lock) = install::folder("page");
    for sources in ["app", "client"] {
        // What was a source and is none any more.
        drop(std::fs::remove_dir_all(folder.join(sources)));
    }
    npm::install(&Path::new(PACKAGE).join("src/viewer/page"), &folder);
    (folder, lock)
}

/// Whoever builds takes packages from the registry that they use.
#[test]
fn no_lockfile_names_a_host_to_download_from() {
    for folder in ["src/viewer/page", "tests/real/browser"] {
        let text = std::fs::read_to_string(Path::new(PACKAGE).join(folder).join("package-lock.json")).unwrap();
        assert!(text.contains("\"integrity\""), "{folder}");
        for word in ["\"resolved\"", ".tgz"] {
            assert!(!text.contains(word), "{folder}: {word}");
        }
    }
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in std::fs::read_dir(&inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}
