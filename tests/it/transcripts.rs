//! The readers of transcripts as a library: what is fed, what comes out, what is refused, and that nothing makes them fail.

mod claude;
mod copilot;
mod documents;
mod exports;
mod kimi;
mod others;
mod pi;
mod recordings;
mod support;
mod vibe;

use capshare::client::Items;
use capshare::transcripts::{
    Agent, ExportError, Form, LeftOut, OpenCodeRows, Piece, Reader, read_export, read_item_line, recognise,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const CLAUDE: &str = include_str!("../data/transcripts/claude.jsonl");
const CODEX: &str = include_str!("../data/transcripts/codex.jsonl");
const GEMINI: &str = include_str!("../data/transcripts/gemini.jsonl");
const GEMINI_DOCUMENT: &str = include_str!("../data/transcripts/gemini.json");
const TERMINAL: &str = include_str!("../data/transcripts/terminal.cast");
const KIMI_CODE: &str = include_str!("../data/agents/kimi-code-2.1.0/undo-compaction/agents/main/wire.jsonl");
const KIMI_CLI: &str = include_str!("../data/agents/kimi-cli-1.51.0/wire.jsonl");
const QWEN: &str = include_str!("../data/agents/qwen-code-0.24.4/rewind-interrupt.jsonl");
const PI: &str = include_str!("../data/agents/pi-1.6.0/tree-bash-name-abort-compaction.jsonl");
const COPILOT: &str = include_str!("../data/agents/copilot-cli-1.0.102/full-continued.jsonl");
const VIBE: &str = include_str!("../data/agents/mistral-vibe-3.0.2/after-the-first-run/journal/0000000000000001.jsonl");

/// Each agent's transcript, by lines.
const TRANSCRIPTS: [(Agent, &str); 10] = [
    (Agent::Claude, CLAUDE),
    (Agent::Codex, CODEX),
    (Agent::Gemini, GEMINI),
    (Agent::Qwen, QWEN),
    (Agent::Pi, PI),
    (Agent::Copilot, COPILOT),
    (Agent::Vibe, VIBE),
    (Agent::KimiCode, KIMI_CODE),
    (Agent::KimiCli, KIMI_CLI),
    (Agent::Asciicast, TERMINAL),
];

/// What a whole transcript holds in the end, by key; and the session that its pieces name.
fn read(reader: &mut Reader, text: &[u8]) -> (Vec<(String, Value)>, Option<String>) {
    let mut pieces: Vec<Piece> = text.split(|byte| *byte == b'\n').filter_map(|line| reader.line(line)).collect();
    pieces.extend(reader.end());
    let session = pieces.iter().find_map(|piece| piece.session.clone());
    let changes = pieces.into_iter().flat_map(|piece| piece.changes);
    let values = changes.filter_map(|change| Some((change.key.to_string(), change.value?)));
    (values.map(|(key, value)| (key, serde_json::from_str(value.as_str()).unwrap())).collect(), session)
}

#[test]
fn each_agent_is_recognised_by_the_beginning_of_its_files() {
    for (agent, text) in TRANSCRIPTS {
        let found = text.lines().take(20).find_map(|line| recognise(line.as_bytes()));
        assert_eq!(found, Some((agent, Form::Lines)));
    }
    assert_eq!(recognise(GEMINI_DOCUMENT.as_bytes()), Some((Agent::Gemini, Form::Document)));
    assert_eq!(recognise(&GEMINI_DOCUMENT.as_bytes()[..400]), Some((Agent::Gemini, Form::Document)));
    for other in [
        "",
        "\n\n",
        "no transcript",
        "[1]",
        r#"{"type": "message", "data": {"id": "m"}}"#,
        r#"{"info": {}, "messages": []}"#,
    ] {
        assert_eq!(recognise(other.as_bytes()), None, "{other}");
    }
}

#[test]
fn a_transcript_becomes_changes_that_a_client_can_queue() {
    for (agent, text) in TRANSCRIPTS {
        let mut reader = Reader::new(agent, "/a");
        let (items, session) = read(&mut reader, text.as_bytes());
        assert_eq!(session.as_deref(), reader.session());
        let (key, about) = items.iter().rfind(|(key, _)| key == "session").unwrap();
        assert_eq!((key.as_str(), about["id"].as_str()), ("session", reader.session()));
        assert!(items.iter().any(|(key, _)| key.starts_with("part/")), "{agent:?}");
        // Fed once more, it makes the same items, in the same order.
        assert_eq!(read(&mut Reader::new(agent, "/a"), text.as_bytes()).0, items);
    }
    let mut reader = Reader::new(Agent::Gemini, "/a");
    let piece = reader.document(GEMINI_DOCUMENT.as_bytes()).unwrap();
    let items: Items = piece.changes.into();
    assert!(items.len() > 5);
    // A document that did not change makes nothing new.
    assert_eq!(reader.document(GEMINI_DOCUMENT.as_bytes()), None);
}

#[test]
fn a_recording_without_a_time_is_named_after_its_origin() {
    let session = |header: &str, origin: &str| {
        let mut reader = Reader::new(Agent::Asciicast, origin);
        reader.line(header.as_bytes()).unwrap().session.unwrap()
    };
    let bare = r#"{"version": 2, "width": 80, "height": 24}"#;
    assert_ne!(session(bare, "/a.cast"), session(bare, "/b.cast"));
    let timed = r#"{"version": 2, "width": 80, "height": 24, "timestamp": 1795216248}"#;
    assert_eq!(session(timed, "/a.cast"), session(timed, "/b.cast"));
}

/// A screen that is filled without a line break is cut at a blank, also at one of several bytes.
#[test]
fn a_long_line_of_a_terminal_is_cut_at_a_blank_of_any_width() {
    for blank in [" ", "\u{a0}", "\u{3000}"] {
        let said = format!("{}{blank}{}", "x".repeat(60 << 10), "y".repeat(8 << 10));
        let text = format!("{{\"version\": 2, \"width\": 80, \"height\": 24}}\n{}\n", json!([0.1, "o", said]));
        let (items, _) = read(&mut Reader::new(Agent::Asciicast, "/a"), text.as_bytes());
        let outputs: Vec<_> = items.iter().filter_map(|(_, item)| item["state"]["output"].as_str()).collect();
        assert_eq!(outputs.concat(), said);
        assert!(outputs.len() == 2 && outputs[1].starts_with('y'), "{}", outputs.len());
    }
}

/// A text that fills several calls is shown whole: at each line break, and where a line is too long for a call.
#[test]
fn a_text_of_a_terminal_that_fills_several_calls_is_shown_whole() {
    for said in ["x\n".repeat(100 << 10), "x ".repeat(150 << 10)] {
        let text = format!("{{\"version\": 2, \"width\": 80, \"height\": 24}}\n{}\n", json!([0.1, "o", said]));
        let (items, _) = read(&mut Reader::new(Agent::Asciicast, "/a"), text.as_bytes());
        let outputs: Vec<_> = items.iter().filter_map(|(_, item)| item["state"]["output"].as_str()).collect();
        assert!(outputs.len() > 2 && outputs.concat() == said, "{} of {}", outputs.concat().len(), said.len());
    }
}

/// Numbers at the end of what a number can be are read as others are.
#[test]
fn numbers_of_any_size_are_read() {
    let most = u64::MAX;
    let usage = json!({ "input_tokens": most, "output_tokens": most });
    let answer = |id: &str| json!({ "type": "assistant", "sessionId": "s", "uuid": id, "message": { "id": id, "usage": usage } });
    let text = format!("{}\n{}\n", answer("a"), answer("b"));
    let (items, _) = read(&mut Reader::new(Agent::Claude, "/a"), text.as_bytes());
    assert_eq!(items.last().unwrap().1["tokens"]["input"], most);

    let header = |at: i64| json!({ "version": 0, "width": 1, "height": 1, "timestamp": at });
    let text =
        format!("{}\n{}\n{}\n[9e300, \"o\", \"b\\n\"]\n", header(i64::MAX), json!([1.0, "o", "a\n"]), header(i64::MIN));
    let (items, _) = read(&mut Reader::new(Agent::Asciicast, "/a"), text.as_bytes());
    assert!(items.iter().any(|(key, _)| key == "session"));
}

#[test]
fn what_is_too_large_or_broken_is_counted_and_reading_goes_on() {
    let mut reader = Reader::new(Agent::Claude, "/a");
    assert_eq!(reader.line(&vec![b' '; 1 << 20]), None);
    assert_eq!(reader.line(&[b"{".as_slice(), &vec![b' '; 64 << 20]].concat()), None);
    assert_eq!(reader.line(b"{\"type\": "), None);
    assert_eq!(reader.line(b"\xff"), None);
    let left_out = &reader.report().left_out;
    assert_eq!((left_out[&LeftOut::TooLarge], left_out[&LeftOut::NotJson]), (1, 2));
    assert_eq!(reader.report().to_string(), "3 records are not in the share (2 not JSON, 1 larger than a limit)");
    let line = br#"{"type": "user", "uuid": "u", "sessionId": "s", "message": {"content": "hi"}}"#;
    assert_eq!(reader.line(line).unwrap().session.as_deref(), Some("s"));
}

/// Messages that are taken back a thousand times are looked for by their ids, and not through all that there are.
#[test]
fn a_message_that_is_taken_back_is_removed_with_those_after_it() {
    let mut reader = Reader::new(Agent::Gemini, "/a");
    reader.line(br#"{"sessionId": "s", "projectHash": "p"}"#);
    for id in ["a", "b", "c"] {
        reader.line(json!({ "id": id, "type": "user", "content": id }).to_string().as_bytes());
    }
    let piece = reader.line(br#"{"$rewindTo": "b"}"#).unwrap();
    let removed: Vec<_> = piece.changes.iter().map(|change| (change.key.as_str(), change.value.is_none())).collect();
    assert_eq!(removed, [("message/b", true), ("message/c", true)]);
    // Said again under the same id, it is there again, after what was kept.
    reader.line(json!({ "id": "b", "type": "user", "content": "again" }).to_string().as_bytes()).unwrap();
    let piece = reader.line(br#"{"$rewindTo": "b"}"#).unwrap();
    assert_eq!(piece.changes.len(), 1);
}

#[test]
fn an_export_is_read_whole_or_refused_with_its_place() {
    let export = |part: Value| {
        json!({ "info": { "id": "s" }, "messages": [{ "info": { "id": "m" }, "parts": [part] }] }).to_string()
    };
    let pieces = read_export(&export(json!({ "id": "p", "messageID": "m" }))).unwrap();
    let keys: Vec<_> = pieces.iter().flat_map(|(piece, _)| &piece.changes).map(|change| change.key.as_str()).collect();
    assert_eq!(keys, ["session", "message/m", "part/m/p"]);
    assert_eq!(pieces[0].0.session.as_deref(), Some("s"));

    let error = read_export(&export(json!({ "id": "p" }))).unwrap_err();
    assert!(matches!(error, ExportError::Message { number: 1, .. }) && error.refusal().is_some(), "{error}");
    assert!(error.to_string().starts_with("message 1: "), "{error}");
    assert!(matches!(read_export("{}"), Err(ExportError::NotAnExport { .. })));
}

#[test]
fn a_line_of_items_says_its_session() {
    let piece = read_item_line(r#"{"type": "part", "data": {"id": "p", "messageID": "m", "sessionID": "s"}}"#).unwrap();
    assert_eq!((piece.changes.len(), piece.session.as_deref()), (1, Some("s")));
    let recorded =
        r#"{"body": {"data": [{"type": "session", "data": {"id": "s"}}, {"type": "message", "data": {"id": "m"}}]}}"#;
    let piece = read_item_line(recorded).unwrap();
    assert_eq!((piece.changes.len(), piece.session.as_deref()), (2, Some("s")));
    assert!(read_item_line("no JSON").is_err() && read_item_line(r#"{"body": {"data": [7]}}"#).is_err());
}

#[test]
fn rows_of_opencode_become_items_with_their_ids() {
    let mut rows = OpenCodeRows::new("s");
    rows.message("m", r#"{"role": "user", "n": 1.50}"#);
    rows.part("m", "p", "{}");
    rows.part("m", "broken", "no JSON");
    let piece = rows.take();
    let texts: Vec<_> = piece.changes.iter().map(|change| change.value.as_ref().unwrap().as_str().to_owned()).collect();
    assert_eq!(
        texts,
        [r#"{"id":"m","sessionID":"s","role": "user", "n": 1.50}"#, r#"{"id":"p","sessionID":"s","messageID":"m"}"#]
    );
    assert_eq!(rows.report().left_out[&LeftOut::NotAnItem], 1);
    // A row that did not change makes nothing, one that is gone a removal.
    rows.part("m", "p", "{}");
    rows.remove_message("m");
    let piece = rows.take();
    assert_eq!((piece.changes.len(), piece.changes[0].value.is_none()), (1, true));
}

/// A line of a transcript in which some bytes are others, or a value is another.
fn bent() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let value = prop::sample::select(vec![
        "null",
        "[]",
        "{}",
        "\"\"",
        "-1",
        "1e308",
        "18446744073709551615",
        "\"\u{3000}\"",
        "[[[]]]",
        "true",
    ]);
    (0..TRANSCRIPTS.len(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), value, any::<bool>()).prop_map(
        |(which, line, place, value, is_whole)| {
            let lines: Vec<&str> = TRANSCRIPTS[which].1.lines().collect();
            let mut line = (*line.get(&lines)).to_owned();
            let values: Vec<_> = line.match_indices([':', ',']).map(|(at, _)| at + 1).collect();
            if !values.is_empty() {
                let from = *place.get(&values);
                let to = line[from..].find([',', '}', ']']).map_or(line.len(), |length| from + length);
                line.replace_range(from..if is_whole { to } else { from }, value);
            }
            (which, line.into_bytes())
        },
    )
}

proptest! {
    /// Lines of any agent, with values exchanged, are read by the reader of any agent without a panic, and what comes out is fit
    /// to be sent.
    #[test]
    fn no_line_makes_a_reader_fail(lines in prop::collection::vec(bent(), 1..40), stops in prop::collection::vec(0..3_u8, 40)) {
        for (agent, _) in TRANSCRIPTS {
            let mut reader = Reader::new(agent, "/a");
            for ((_, line), stop) in lines.iter().zip(&stops) {
                let _ = recognise(line);
                let mut pieces = vec![reader.line(line)];
                match stop {
                    0 => pieces.push(reader.pause()),
                    1 if line.len() % 5 == 0 => pieces.push(reader.restart(Some(line))),
                    1 => pieces.push(reader.document(line)),
                    _ => {}
                }
                for change in pieces.into_iter().flatten().flat_map(|piece| piece.changes) {
                    let is_json = change.value.is_none_or(|value| serde_json::from_str::<Value>(value.as_str()).is_ok());
                    prop_assert!(is_json, "{}", change.key);
                }
            }
            let _ = reader.end();
        }
    }
}
