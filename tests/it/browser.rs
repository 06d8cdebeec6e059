//! The web page and the client module: in a real Chromium against the built program, and in Node.
//!
//! What is done there is in `tests/real/browser`, with its packages in a lockfile; here it gets its parts. A scene ends with
//! code 0 if all held, and no line of a browser's console but those it names is an error.

mod assets;
mod build;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::install::{self, debian};
use crate::support::npm;

/// The folder of this package.
const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// S71: after five attempts in a row without a frame it follows by SSE and calls by POST, with the listeners it had; one
/// handle holds one socket, whatever is called and heard on it.
#[test]
fn the_client_module_keeps_one_connection_and_finds_its_way() {
    node(Path::new("client.test.mjs"), &["--test", "--test-timeout=60000"], &[]);
}

/// S102: with several hosts it goes to the next at once when its host refuses, is killed or drains, with nothing skipped or doubled and
/// at most a second of silence.
#[test]
fn the_client_module_goes_on_at_another_host() {
    node(Path::new("hosts.test.mjs"), &["--test", "--test-timeout=120000"], &[]);
}

/// S73: the recorded session grows on the page as it is sent; the newest stays in view unless the reader scrolled away.
#[test]
fn the_page_grows_with_the_session() {
    scene("grows");
}

/// S73: after a reload, a network that was gone and a host that was killed the page holds what the store holds.
#[test]
fn no_reload_cut_or_restart_leaves_a_gap_on_the_page() {
    scene("gaps");
}

/// S102: a page whose host is killed goes on at another one that its host had named, and comes back without a pause when that one drains.
#[test]
fn the_page_goes_on_at_another_host() {
    scene("hosts");
}

/// S126: whatever a proxy answers in the host's place, on either transport and once or for long, the page comes back and holds
/// what the store holds. Under another name than the host's it follows at once, and says why a command is refused.
#[test]
fn the_page_comes_back_whatever_a_proxy_answers() {
    scene("away");
}

/// S73: text, reasoning, tool calls of every kind, diffs, cost and model.
#[test]
fn the_page_shows_each_kind_of_part_as_what_it_is() {
    scene("kinds");
}

/// S112, S114: each input of the table comes out on the page as in the documents; long texts are there to their ends; print, text that is
/// read from right to left, and terminal output come out right.
#[test]
fn what_people_reported_comes_out_right_on_the_page() {
    scene("field");
}

/// S73: what a share holds runs nowhere and breaks no layout.
#[test]
fn hostile_content_is_shown_and_does_nothing() {
    scene("hostile");
}

/// An accessibility check finds nothing serious, in light, dark and on a phone; all of it is there by the keyboard.
#[test]
fn the_page_is_for_everybody() {
    scene("access");
}

/// S114: words are found in all of a session, by kind, in what is folded too, and marked on the slider; the outline has every prompt; what is
/// copied is what was written; three densities, in which the reader stays where they were.
#[test]
fn a_reader_finds_their_way_in_a_long_session() {
    scene("search");
}

/// A replay begins with nothing and ends with everything; a link points at a revision, a message or a part.
#[test]
fn the_page_replays_a_session_from_its_beginning() {
    scene("replay");
}

/// A private share is shown to who has its link with the grant, which no URL that is asked for ever has, and until it is revoked.
#[test]
fn a_private_share_is_shown_by_the_grant_in_its_link() {
    scene("private");
}

/// Who watches is counted and named; a question of the producer is answered on the page, by as many as it needs.
#[test]
fn those_who_watch_are_counted_and_asked() {
    scene("asks");
}

/// Of 5,000 parts the document holds what is in view, wherever the reader is.
#[test]
fn a_long_session_is_shown_as_quickly_as_a_short_one() {
    scene("large");
}

/// S113: of a large session the newest is there first and live, and what a link points at before that, though the rest is held up; texts
/// that came short are whole where they are shown, and none is kept for long.
#[test]
fn a_large_session_is_there_before_all_of_it_is_loaded() {
    scene("loads");
}

/// The pictures of the README can be drawn; `SCREENSHOTS=folder` keeps them.
#[test]
fn the_pictures_can_be_drawn() {
    scene("pictures");
}

fn scene(name: &str) {
    debian(&["chromium", "--version"], &["chromium"]);
    let screenshots = std::env::var("SCREENSHOTS").unwrap_or_default();
    node(Path::new("scenes.mjs"), &[], &[("SCENE", name), ("SCREENSHOTS", &screenshots)]);
}

/// Runs a program of `tests/real/browser`, with its packages.
fn node(program: &Path, flags: &[&str], variables: &[(&str, &str)]) {
    let folder = packages();
    install::run(
        Command::new("node")
            .args(flags)
            .arg(folder.join(program))
            .env("CAPSHARE", env!("CARGO_BIN_EXE_capshare"))
            .env("CLIENT", format!("file://{PACKAGE}/src/viewer/page/dist/client.js"))
            .env("DATA", format!("{PACKAGE}/tests/data"))
            .envs(variables.iter().copied()),
    );
}

/// The programs beside their installed packages, under the target folder: nothing is installed among the sources.
fn packages() -> PathBuf {
    debian(&["node", "--version"], &["nodejs"]);
    debian(&["npm", "--version"], &["npm"]);
    let (folder, _lock) = install::folder("browser");
    npm::install(&Path::new(PACKAGE).join("tests/real/browser"), &folder);
    folder
}
