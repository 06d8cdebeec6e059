//! What a machine that loses power leaves: what was synced to the disk. Seen in the system calls of the real program.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Place;
use crate::cli::program::files;
use crate::support::install::{debian, run};

/// S21, for a machine: a file gets its name when its content is on the disk, and the name is on the disk when that is
/// answered. The host goes on after that `fsync` only, so nothing is acknowledged before it.
#[test]
fn an_object_is_on_the_disk_by_file_and_by_folder() {
    debian(&["strace", "-V"], &["strace"]);
    let place = Place::directory();
    let traces = place.home.path("traces");
    std::fs::create_dir(&traces).unwrap();
    run(Command::new("strace")
        // A file for each thread, so that no call is torn apart; with paths beside the numbers of open files.
        .args(["-ff", "-y", "-e", "trace=fsync,fdatasync,linkat,rename,renameat,renameat2", "-o"])
        .arg(traces.join("thread"))
        .args([env!("CARGO_BIN_EXE_capshare"), "demo", "--exit", "--speed", "1000000", "--store", &place.location])
        .stdin(Stdio::null()));

    let mut named = 0;
    for trace in files(&traces) {
        let text = std::fs::read_to_string(trace).unwrap();
        let calls: Vec<_> = text.lines().filter(|call| call.ends_with("= 0")).collect();
        for (at, call) in calls.iter().enumerate() {
            let Some((from, to)) = naming(call).filter(|(_, to)| to.starts_with(&place.location)) else { continue };
            let synced = |call: &&str, path: &str| call.contains("sync(") && call.contains(&format!("<{path}>"));
            let folder = Path::new(to).parent().unwrap().to_str().unwrap();
            assert!(at > 0 && synced(&calls[at - 1], from), "{to} has its name before its content:\n{text}");
            assert!(
                calls.get(at + 1).is_some_and(|next| synced(next, folder)),
                "the name of {to} may be lost:\n{text}"
            );
            named += 1;
        }
    }
    let objects = files(Path::new(&place.location)).len();
    assert!(named >= objects && objects >= 3, "{named} files were seen to get a name, and {objects} have one");
}

/// From which name to which, if this call gives a file a name.
fn naming(call: &str) -> Option<(&str, &str)> {
    let call = call.strip_prefix("linkat").or_else(|| call.strip_prefix("rename"))?;
    let mut paths = call.split('"').skip(1).step_by(2);
    Some((paths.next()?, paths.next()?))
}
