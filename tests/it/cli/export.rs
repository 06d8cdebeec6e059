//! `capshare export`: what a share is written as, and that pushing it again makes the same share.

use serde_json::{Value, json};

use super::program::{EXPORT, Home, RECORDING};

fn pushed(home: &Home, file: &str) -> String {
    home.run(&["push", file, "--json"]).ends_with(0).objects()[0]["id"].as_str().unwrap().to_owned()
}

/// What a share holds, by key, as `watch` says it.
fn held(home: &Home, id: &str) -> Vec<(String, Value)> {
    let mut watch = home.start(&["watch", id]);
    let first: Value = serde_json::from_str(&watch.stdout.wait_for(|line| line.contains("snapshot"))).unwrap();
    assert_eq!(first["payload"]["more"], false);
    let changes = first["payload"]["changes"].as_array().unwrap();
    let mut held: Vec<_> =
        changes.iter().map(|change| (change["key"].as_str().unwrap().to_owned(), change["value"].clone())).collect();
    held.sort_by(|(one, _), (other, _)| one.cmp(other));
    held
}

#[test]
fn what_was_imported_and_exported_again_is_the_same_part_by_part() {
    let host_home = Home::new();
    let host = host_home.serve(&[]);
    let home = Home::new().set("CAPSHARE_TO", &host.url);
    let id = pushed(&home, EXPORT);
    let exported = home.run(&["export", &id]).ends_with(0);
    let original: Value = serde_json::from_str(&std::fs::read_to_string(EXPORT).unwrap()).unwrap();
    let exported: Value = serde_json::from_str(&exported.stdout).unwrap();
    for (one, other) in exported["messages"].as_array().unwrap().iter().zip(original["messages"].as_array().unwrap()) {
        assert_eq!(one["info"], other["info"]);
        assert_eq!(one["parts"], other["parts"]);
    }
    assert_eq!(exported, original);
}

#[test]
fn a_recorded_session_comes_through_either_format_whole() {
    let host_home = Home::new();
    let host = host_home.serve(&[]);
    let home = Home::new().set("CAPSHARE_TO", &host.url);
    let more = home.write(
        "more.jsonl",
        "{\"type\":\"session\",\"data\":{\"id\":\"ses_more\"}}\n\
        {\"type\":\"part\",\"data\":{\"id\":\"p\",\"messageID\":\"nowhere\",\"a\":1}}\n\
        {\"type\":\"a new type\",\"data\":[1,{\"b\":null}]}\n\
        {\"type\":\"session_diff\",\"data\":[{\"file\":\"x\"}]}\n",
    );
    for (file, session) in [(RECORDING, None), (more.as_str(), Some("ses_more"))] {
        let id = pushed(&home, file);
        let before = held(&home, &id);
        assert!(before.len() > 3);
        for (n, format) in ["opencode", "jsonl"].into_iter().enumerate() {
            let to = home.path(&format!("again-{n}.json"));
            let to = to.to_str().unwrap();
            let done = home.run(&["export", &id, "--format", format, "-o", to, "--json"]).ends_with(0).objects();
            assert_eq!((&done[0]["event"], &done[0]["items"]), (&json!("exported"), &json!(before.len())));
            let said = std::fs::read_to_string(to).unwrap();
            assert!(!said.contains("capsec_"));
            let again =
                home.run(&["push", to, "--session", &format!("again-{n}-{}", session.unwrap_or("r")), "--json"]);
            let again = again.ends_with(0).objects()[0]["id"].as_str().unwrap().to_owned();
            assert_ne!(again, id);
            assert_eq!(held(&home, &again), before, "{format}");
        }
    }
}

#[test]
fn markdown_is_what_the_host_gives_and_has_nothing_that_a_terminal_would_obey() {
    let host_home = Home::new();
    let host = host_home.serve(&[]);
    let home = Home::new().set("CAPSHARE_TO", &host.url);
    let text = home.write("text.jsonl", "{\"type\":\"session\",\"data\":{\"id\":\"ses_1\",\"title\":\"A \\u001b[2J title\"}}\n\
        {\"type\":\"message\",\"data\":{\"id\":\"msg_1\",\"role\":\"user\"}}\n\
        {\"type\":\"part\",\"data\":{\"id\":\"prt_1\",\"messageID\":\"msg_1\",\"type\":\"text\",\"text\":\"red \\u001b[31m text\\u0007\\u009b\"}}\n");
    let id = pushed(&home, &text);
    let markdown = home.run(&["export", &id, "--format", "markdown"]).ends_with(0).stdout;
    assert!(
        markdown.starts_with("# A ") && markdown.contains("\n## User\n") && markdown.contains("red  text"),
        "{markdown}"
    );
    assert!(!markdown.contains(|c: char| c.is_control() && c != '\n'), "{markdown:?}");
}

#[test]
fn a_private_share_is_exported_by_a_token_and_what_cannot_be_says_why() {
    let home = Home::new();
    let host = home.serve(&[]);
    let home = home.set("CAPSHARE_TO", &host.url);
    let unknown = home.run(&["export", "abcdefghijklmnopqrstuvwxyz", "--json"]).ends_with(3);
    assert_eq!((unknown.error()["code"].as_str(), unknown.stdout.as_str()), (Some("NotFound"), ""));
    let id = pushed(&home, EXPORT);
    let link = home.run(&["link", &id, "--json"]).ends_with(0).objects().remove(0);
    home.run(&["visibility", &id, "grant"]).ends_with(0);
    let stranger = Home::new().set("CAPSHARE_TO", &host.url);
    let with_token = stranger.run(&["export", link["token"].as_str().unwrap()]).ends_with(0).stdout;
    assert_eq!(with_token, home.run(&["export", &id]).ends_with(0).stdout);
    let nowhere = home.run(&["export", &id, "-o", "no/such/folder/file.json"]).ends_with(1);
    assert!(nowhere.stderr.contains("no/such/folder/file.json cannot be written"), "{}", nowhere.stderr);
    home.run(&["export", &id, "--format", "word"]).ends_with(2);
}
