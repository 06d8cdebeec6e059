//! `capshare demo`.

use std::process::Command;

use super::program::Home;

#[test]
fn the_follower_holds_what_was_sent() {
    let home = Home::new();
    let ran = home.run(&["demo", "--speed", "1000", "--exit", "--json"]).ends_with(0);
    let events = ran.objects();
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names[..3], ["begin", "listening", "shared"]);
    let last = events.last().unwrap();
    assert_eq!((last["event"].as_str(), last["items"].as_u64()), (Some("same"), Some(138)));
    let counts: Vec<_> = events.iter().filter_map(|event| event["sync_count"].as_u64()).collect();
    assert!(counts.is_sorted() && counts[0] >= 1, "{counts:?}");
    // Its folder goes with it, and no secret is said.
    assert!(!std::path::Path::new(events[1]["store"].as_str().unwrap()).exists());
    assert!(!ran.everything().contains("capsec_"), "{}", ran.everything());
}

#[test]
fn it_serves_on_until_it_is_asked_to_stop() {
    let home = Home::new();
    let mut demo = home.start(&["demo", "--speed", "1000"]);
    demo.stdout.wait_for(|line| line.starts_with("the follower holds what was sent"));
    let line = demo.stdout.wait_for(|line| line.contains("capshare ls --to "));
    let listed = home.run(&["ls", "--json", "--to", line.split(' ').next_back().unwrap()]).ends_with(0).objects();
    assert_eq!(listed.len(), 1);
    demo.signal("-INT");
    demo.wait().ends_with(0);
}

/// `cargo demo` says what it is about to do before anything of capshare is compiled, and hands its arguments on.
#[test]
fn the_alias_says_what_it_does_before_it_builds_the_program() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = std::fs::read_to_string(root.join(".cargo/config.toml")).unwrap();
    let alias = config.lines().find_map(|line| line.strip_prefix("demo = \"")).unwrap().trim_end_matches('"');
    let mut words = alias.split(' ');
    assert_eq!(words.next(), Some("run"));
    // The runner alone, with a program that only repeats its arguments in the place of cargo.
    let mut build = Command::new(env!("CARGO"));
    build.arg("build").args(words.take_while(|word| *word != "--")).current_dir(root);
    assert!(build.status().unwrap().success());
    let ran = Command::new(root.join("target/demo/debug/demo"))
        .args(["--speed", "10"])
        .env("CARGO", "echo")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "run --features bin -- demo --speed 10\n");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("builds the program") && said.contains("54 seconds") && said.contains("temporary"), "{said}");
}
