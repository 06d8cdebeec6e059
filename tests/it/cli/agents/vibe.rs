//! Sessions of Mistral Vibe: folders, of which the newest generation counts.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Scene, id_of};

/// A recorded session.
fn recorded(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/agents/mistral-vibe-3.0.2")).join(name)
}

/// Copies a folder, and the files of an earlier copy stay. What names the newest state is written last, as the program does it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let mut paths: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort_by_key(|path| path.ends_with("CURRENT"));
    for path in paths {
        let inside = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &inside);
        } else {
            let text = fs::read(&path).unwrap();
            fs::write(inside.with_extension("new"), text).unwrap();
            fs::rename(inside.with_extension("new"), &inside).unwrap();
        }
    }
}

/// Makes the generation that a session began with the newest one: how its folder was while the first run went on.
fn while_it_ran(folder: &Path) {
    let current = fs::read_to_string(folder.join("CURRENT")).unwrap();
    let current = current.replace("\"0000000000000030\"", "\"0000000000000001\"");
    fs::write(folder.join("CURRENT"), current).unwrap();
}

/// S107: when a run ends, the journal that was followed is dead, and the follower goes on with the next generation.
#[test]
fn a_follower_of_vibe_goes_on_with_the_next_generation() {
    let scene = Scene::new();
    let folder = scene.home.path("session");
    copy(&recorded("after-the-first-run"), &folder);
    while_it_ran(&folder);
    let journal = folder.join("journal/0000000000000001.jsonl");
    let all = fs::read_to_string(&journal).unwrap();
    let lines: Vec<_> = all.split_inclusive('\n').collect();
    fs::write(&journal, lines[..10].concat()).unwrap();
    let mut push = scene.home.start(&["push", "--json", "--follow", folder.to_str().unwrap()]);
    let id = id_of(&mut push);
    let mut watch = scene.home.start(&["watch", &id]);
    let mut sees = |words: &str| watch.stdout.wait_for(|line| line.contains(words));
    sees("\"running\"");
    fs::write(&journal, &all).unwrap();
    sees("Both came back.");
    // The first run is over, and then the second.
    copy(&recorded("after-the-first-run"), &folder);
    fs::remove_file(&journal).unwrap();
    copy(&recorded("after-the-second-run"), &folder);
    sees("Second answer.");
    push.signal("-INT");
    push.wait().ends_with(0);
    let fresh = scene.push(&[folder.to_str().unwrap(), "--session", "fresh"]).held;
    assert_eq!(scene.held(&id), fresh);
}

/// Whichever of the folder's files is named, the session is read from its newest generation; pushed twice, it is the same share.
#[test]
fn any_file_of_a_session_of_vibe_stands_for_its_folder() {
    let scene = Scene::new();
    let folder = scene.home.path("session");
    copy(&recorded("after-the-second-run"), &folder);
    let first = scene.push(&[folder.to_str().unwrap()]);
    assert_eq!(first.said["agent"], "vibe");
    for file in ["CURRENT", "meta.json", "journal/0000000000000031.jsonl", "generations/0000000000000030/manifest.json"]
    {
        let again = scene.push(&[folder.join(file).to_str().unwrap()]);
        assert_eq!((again.said["existed"].as_bool(), &again.held), (Some(true), &first.held), "{file}");
    }
}

/// A path in the manifest does not lead out of the folder.
#[test]
fn a_session_of_vibe_reads_nothing_outside_its_folder() {
    let scene = Scene::new();
    let folder = scene.home.path("session");
    copy(&recorded("after-the-second-run"), &folder);
    let manifest = folder.join("generations/0000000000000038/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("journal/0000000000000039.jsonl", "../other.jsonl")).unwrap();
    let refused = scene.home.run(&["push", folder.to_str().unwrap()]).ends_with(1).stderr;
    assert!(refused.contains("no name of a file"), "{refused}");
}
