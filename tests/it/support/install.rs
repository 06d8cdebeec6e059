//! What tests need beyond Rust, installed when it is missing: Python packages under the target folder, and Debian's.
//!
//! A part that is missing and cannot be had is a failure, never a skip. Several test processes may come here at once: one
//! installs, the others wait for it; and what is there already costs a look.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder for `name` under the target folder, locked for this process until the guard is dropped.
pub(crate) fn folder(name: &str) -> (PathBuf, File) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join(name);
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    let lock = File::create(folder.join("lock")).expect("the target folder can be written");
    lock.lock().expect("files can be locked");
    (folder, lock)
}

/// A virtual environment of its own for these packages of PyPI, each with its version; gives the folder of its programs.
pub(crate) fn python(name: &str, packages: &[&str]) -> PathBuf {
    let (folder, _lock) = folder(name);
    let (venv, done) = (folder.join("venv"), folder.join(packages.join(" ")));
    if !done.exists() {
        debian(&["python3", "-c", "import ensurepip, venv"], &["python3-venv"]);
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        run(Command::new(venv.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args(packages));
        std::fs::write(&done, "").expect("the target folder can be written");
    }
    venv.join("bin")
}

/// Makes sure that a command succeeds, if need be by installing Debian's packages for it (as root).
pub(crate) fn debian(needed: &[&str], packages: &[&str]) {
    let there = || Command::new(needed[0]).args(&needed[1..]).output().is_ok_and(|output| output.status.success());
    if there() {
        return;
    }
    let (_, _lock) = folder("debian");
    if there() {
        return;
    }
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(["-qq", "-y", "-o", "DPkg::Lock::Timeout=120"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    let install = [&["install", "--no-install-recommends"], packages].concat();
    // A machine that never asked for the lists of packages has none.
    if !apt(&install).output().is_ok_and(|output| output.status.success()) {
        run(&mut apt(&["update"]));
        run(&mut apt(&install));
    }
    assert!(there(), "{packages:?} were installed, and {needed:?} fails all the same");
}

/// Runs a command that must succeed, and gives what it said.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: install it"));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        said(&output.stdout),
        said(&output.stderr)
    );
    output.stdout
}
