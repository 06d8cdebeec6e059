//! What the official package said, client and server, and what our session says to its client.
//!
//! `tests/real/capnweb/record.mjs` makes the recordings.

use capshare::capnweb::Limits;

use super::app::App;

const RECORDINGS: [(&str, &str); 3] = [
    ("0.12.0", include_str!("../../data/capnweb/0.12.0.jsonl")),
    ("0.6.1", include_str!("../../data/capnweb/0.6.1.jsonl")),
    ("0.4.0", include_str!("../../data/capnweb/0.4.0.jsonl")),
];

/// Frames of the official server that ours does not send, and what it sends instead.
///
/// - An array is read by a text that is an index: clients send no other, and the official server takes it for undefined.
/// - A call that was given up is not answered.
/// - What is given to a method that is not there is released. Servers before 0.12 forget it.
fn difference(version: &str, scene: &str) -> (Vec<&'static str>, Vec<&'static str>) {
    match scene {
        "through_an_array" => (
            vec![r#"["reject",2,["error","TypeError","Cannot read properties of undefined (reading 'a')"]]"#],
            vec![r#"["resolve",2,1]"#],
        ),
        "given_up" => (vec![r#"["resolve",1,"late"]"#], vec![]),
        "refused" if version != "0.12.0" => (vec![], vec![r#"["release",-2,1]"#]),
        _ => (vec![], vec![]),
    }
}

/// A frame of the official server as ours writes it, whatever the version of the client: errors have their members, which
/// servers before 0.8 leave out, and base64 has no padding, which 0.4.0 writes.
fn as_ours(frame: &str) -> String {
    let mut frame = frame.replace("==\"]", "\"]").replace("=\"]", "\"]");
    for text in ["f", "g", "h"] {
        let bare = format!(r#"["error","RangeError","{text}"]"#);
        let whole = format!(r#"["error","RangeError","{text}",null,{{"code":"E_FAIL"}}]"#);
        frame = frame.replace(&bare, &whole);
    }
    frame
}

/// For what each version of the official client sends, the session sends the frames of the official server.
#[test]
fn the_frames_are_those_of_the_official_server() {
    for (version, recording) in RECORDINGS {
        let scenes: Vec<serde_json::Value> =
            recording.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(scenes.len(), 16, "{version}");
        for recorded in scenes {
            let scene = recorded["scene"].as_str().unwrap();
            let mut app = App::new(Limits::default());
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for frame in recorded["frames"].as_array().unwrap() {
                let text = frame[1].as_str().unwrap();
                if frame[0] == "->" {
                    ours.extend(app.frame(text));
                } else {
                    theirs.push(as_ours(text));
                }
            }
            let (without, with) = difference(version, scene);
            theirs.retain(|frame| !without.contains(&frame.as_str()));
            theirs.extend(with.into_iter().map(str::to_owned));
            // Answers come in any order.
            ours.sort_unstable();
            theirs.sort_unstable();
            assert_eq!(ours, theirs, "{version}, {scene}");
            assert_eq!(app.session.ended(), None, "{version}, {scene}");
        }
    }
}
