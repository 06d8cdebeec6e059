//! `capshare demo`.

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
