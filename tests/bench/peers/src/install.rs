//! Getting peers: from npm, crates.io and Debian, into `target/bench/peers/`.
//!
//! Whatever is there already in the version that is wanted costs a look. Nothing here runs when capshare is built, and nothing
//! is installed into the system: Debian's packages are unpacked, not set up.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::context::Context;
use crate::report;

/// A folder with these packages of npm, each as `NAME@VERSION`; gives the folder that holds `node_modules`.
///
/// # Errors
///
/// There is no npm, or it does not succeed.
pub(crate) fn npm(context: &Context, name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = context.peer_folder(name);
    once(&folder, &packages.join(" "), || {
        std::fs::write(folder.join("package.json"), "{\"private\":true,\"type\":\"module\"}\n")?;
        run(Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund", "--save-exact"])
            .args(packages)
            .current_dir(&folder))
    })?;
    Ok(folder)
}

/// A program of crates.io, as `(program, package, version)`; gives its path. Building it takes minutes.
///
/// # Errors
///
/// It does not build here.
pub(crate) fn cargo(context: &Context, (program, package, version): (&str, &str, &str)) -> anyhow::Result<PathBuf> {
    let folder = context.peer_folder(package);
    once(&folder, version, || {
        report::say(&format!("building {package} {version} of crates.io: minutes"));
        run(Command::new("cargo")
            .args(["install", "--quiet", "--locked", package, "--version", version, "--root"])
            .arg(&folder)
            .env("CARGO_TARGET_DIR", context.out.join("build-peers")))
    })?;
    Ok(folder.join("bin").join(program))
}

/// Debian packages, downloaded and unpacked; gives the folder that stands for `/`.
///
/// # Errors
///
/// This is no Debian, or it has no such package.
pub(crate) fn debian(context: &Context, name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = context.peer_folder(name);
    let root = folder.join("root");
    once(&folder, &packages.join(" "), || {
        let mut download = Command::new("apt-get");
        download.args(["-qq", "download"]).args(packages).current_dir(&folder);
        // A machine that never asked for the lists of packages has none.
        if run(&mut download).is_err() {
            run(Command::new("apt-get").args(["-qq", "update"]))?;
            run(&mut download)?;
        }
        for file in std::fs::read_dir(&folder)? {
            let file = file?.path();
            if file.extension().is_some_and(|extension| extension == "deb") {
                run(Command::new("dpkg").arg("-x").arg(&file).arg(&root))?;
                std::fs::remove_file(&file)?;
            }
        }
        Ok(())
    })?;
    Ok(root)
}

/// Runs a command that must succeed.
///
/// # Errors
///
/// It is not there, or fails; with the end of what it said.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{:?} cannot be run", command.get_program()))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        bail!("{command:?}: {}: {}", output.status, lines[lines.len().saturating_sub(5)..].join(" | "));
    }
    Ok(())
}

/// Does it unless the folder says that this was done before.
fn once(folder: &Path, what: &str, install: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let done = folder.join("installed");
    if std::fs::read_to_string(&done).is_ok_and(|said| said == what) {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    install()?;
    std::fs::write(done, what)?;
    Ok(())
}
