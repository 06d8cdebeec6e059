//! Recordings of terminals.

use serde_json::json;

use super::{Scene, TERMINAL};

#[test]
fn a_recorded_terminal_is_calls_without_escapes_and_without_what_was_typed() {
    let scene = Scene::new();
    let shared = scene.file("terminal.cast", TERMINAL);
    assert_eq!(shared.held["session"]["title"], "Empty lines (80×24)");
    let parts = shared.parts("recording");
    let outputs: Vec<_> = parts.iter().map(|part| part["state"]["output"].as_str().unwrap()).collect();
    assert_eq!(outputs, ["ann@parser:~$ shh\none\ntwothree\n", "a minute later\n", "ok\n$ exit"]);
    let titles: Vec<_> = parts.iter().map(|part| part["state"]["input"]["description"].as_str().unwrap()).collect();
    assert_eq!(titles, ["from 0:00", "from 2:10", "the tests"]);
    assert_eq!(shared.synced["left_out"], json!({ "typed input": 2 }));
    // Version 3: times since the event before, comments, an exit code.
    let third = scene.file(
        "third.cast",
        "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\n# a comment\n[1.5,\"o\",\"a\\r\\n\"]\n[70,\"o\",\"b\\r\\n\"]\n[0.5,\"x\",\"3\"]\n",
    );
    let parts = third.parts("recording");
    assert_eq!((parts.len(), &parts[1]["state"]["metadata"]["exit"]), (2, &json!(3)));
    assert_eq!(parts[1]["state"]["time"], json!({ "start": 71_500, "end": 72_000 }));
}

#[test]
fn a_long_recording_is_cut_at_line_ends_and_where_no_line_ends_at_a_blank() {
    let scene = Scene::new();
    let line = format!("{}\n", "x".repeat(99));
    let events = format!("[1.0,\"o\",{}]\n", json!(line)).repeat(400);
    let screen = format!("[2.0,\"o\",{}]\n", json!("word ".repeat(20_000)));
    let shared = scene.file("long.cast", &format!("{{\"version\":2,\"width\":80,\"height\":24}}\n{events}{screen}"));
    let parts = shared.parts("recording");
    let outputs: Vec<_> = parts.iter().map(|part| part["state"]["output"].as_str().unwrap()).collect();
    let sizes: Vec<_> = outputs.iter().map(|output| output.len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 40_000 + 100_000);
    assert_eq!((sizes[0], sizes[1]), (16_400, 16_400));
    assert!(sizes[2] > 60_000 && sizes[2] <= 64 << 10, "{sizes:?}");
    assert!(outputs[2].ends_with("word "));
}
