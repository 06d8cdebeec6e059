//! `capshare push --follow`, while somebody writes to the file.

use std::fs::OpenOptions;
use std::io::Write as _;

use serde_json::Value;

use super::program::Home;

fn message(id: &str) -> String {
    format!("{{\"type\":\"message\",\"data\":{{\"id\":\"{id}\",\"sessionID\":\"ses_1\"}}}}\n")
}

fn append(path: &str, text: &str) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn it_goes_on_as_the_file_grows_is_cut_and_is_rotated_and_ends_with_a_flush() {
    let home = Home::new();
    let host = home.serve(&[]);
    // The session is known from the second line on only.
    let file = home.write("live.jsonl", "{\"type\":\"note\",\"data\":1}\n");
    let mut push = home.start(&["push", "--follow", "--json", "--to", &host.url, &file]);
    append(&file, &message("msg_1"));
    let shared = push.stdout.wait_for(|line| line.contains("shared"));
    let id = serde_json::from_str::<Value>(&shared).unwrap()["id"].as_str().unwrap().to_owned();
    let mut watch = home.start(&["watch", "--to", &host.url, &id]);
    let mut sees = |key: &str| watch.stdout.wait_for(|line| line.contains(&format!("\"message/{key}\"")));
    sees("msg_1");

    // A line in two pieces, and one that is no item.
    let (begin, end) = (&message("msg_2")[..20], &message("msg_2")[20..]);
    append(&file, begin);
    append(&file, &format!("{end}{{\"type\":\"part\"}}\n{}", message("msg_3")));
    push.stderr.wait_for(|line| line.contains("line 4") && line.contains("skipped"));
    sees("msg_3");
    // Cut, and written anew.
    std::fs::write(&file, "").unwrap();
    push.stderr.wait_for(|line| line.contains("was cut"));
    append(&file, &message("msg_4"));
    sees("msg_4");
    // Rotated while its last line had no break yet.
    append(&file, message("msg_5").trim_end());
    std::fs::rename(&file, format!("{file}.1")).unwrap();
    std::fs::write(&file, message("msg_6")).unwrap();
    push.stderr.wait_for(|line| line.contains("another file"));
    sees("msg_6");

    append(&file, &message("msg_7"));
    push.signal("-INT");
    let ended = push.wait().ends_with(0);
    let synced: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((synced["event"].as_str(), synced["items"].as_u64()), (Some("synced"), Some(8)));
    sees("msg_7");
    let info = home.run(&["info", "--json", "--to", &host.url, &id]).ends_with(0).objects();
    assert_eq!(info[0]["item_count"], 8);
}
