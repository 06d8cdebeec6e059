//! Packages of Node, installed beside what uses them.

use std::path::Path;
use std::process::Command;

use crate::support::install;

/// Copies the sources of a Node package, as they are now, into `folder`, which the caller has [locked](install::folder), and installs
/// there what its lockfile names. A file that is there already is not touched: another process may be running it.
pub(crate) fn install(sources: &Path, folder: &Path) {
    copy(sources, folder);
    let lockfile = std::fs::read(sources.join("package-lock.json")).expect("there is a lockfile");
    let done = folder.join("installed");
    if std::fs::read(&done).is_ok_and(|installed| installed == lockfile) {
        return;
    }
    install::run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder));
    std::fs::write(&done, lockfile).expect("the target folder can be written");
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("the sources can be read") {
        let path = entry.expect("the sources can be read").path();
        let name = path.file_name().expect("an entry has a name");
        if path.is_dir() {
            if name != "node_modules" && name != "dist" {
                std::fs::create_dir_all(to.join(name)).expect("the target folder can be written");
                copy(&path, &to.join(name));
            }
        } else {
            let text = std::fs::read(&path).expect("the sources can be read");
            if std::fs::read(to.join(name)).ok().as_ref() != Some(&text) {
                std::fs::write(to.join(name), text).expect("the target folder can be written");
            }
        }
    }
}
