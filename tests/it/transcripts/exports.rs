//! OpenCode's exports as they are read while their text comes.

use capshare::share::limits::TRANSCRIPT_DOCUMENT_BYTES_MAX;
use capshare::transcripts::{ExportError, ExportReader, LeftOut, Piece, read_export};
use serde_json::{Value, json};

const EXPORT: &str = include_str!("../../data/opencode-export.json");

/// What is read of a text that comes in pieces of so many bytes: the pieces, how it ended, and the reader.
fn read(text: &[u8], step: usize) -> (Vec<Piece>, Result<bool, ExportError>, ExportReader) {
    let mut reader = ExportReader::default();
    let mut pieces = Vec::new();
    for bytes in text.chunks(step) {
        reader.feed(bytes);
        pieces.extend(std::iter::from_fn(|| reader.take()).map(|(piece, _)| piece));
    }
    let ended = reader.end();
    pieces.extend(std::iter::from_fn(|| reader.take()).map(|(piece, _)| piece));
    (pieces, ended, reader)
}

fn keys(pieces: &[Piece]) -> Vec<String> {
    pieces.iter().flat_map(|piece| &piece.changes).map(|change| change.key.to_string()).collect()
}

fn message(id: &str) -> Value {
    json!({ "info": { "id": id }, "parts": [{ "id": "p", "messageID": id, "text": "a \"}]\\ b" }] })
}

#[test]
fn an_export_that_comes_in_pieces_is_read_as_one_that_is_there_at_once() {
    let whole: Vec<Piece> = read_export(EXPORT).unwrap().into_iter().map(|(piece, _)| piece).collect();
    for step in [1, 7, 64 << 10, EXPORT.len()] {
        let (pieces, ended, reader) = read(EXPORT.as_bytes(), step);
        assert_eq!(ended, Ok(true), "{step}");
        assert!(pieces == whole && reader.report().is_empty(), "{step}");
    }
}

#[test]
fn a_message_is_given_out_before_the_next_one_is_there() {
    let mut reader = ExportReader::default();
    reader.feed(br#"{"version": [1, {"a": "}"}], "info": {"id": "s"}"#);
    assert!(reader.take().is_none(), "it may still be something else");
    reader.feed(br#", "messages": ["#);
    assert_eq!(reader.take().unwrap().0.session.as_deref(), Some("s"));
    reader.feed(message("m1").to_string().as_bytes());
    assert_eq!(keys(&[reader.take().unwrap().0]), ["message/m1", "part/m1/p"]);
    assert!(reader.take().is_none());
    reader.feed(b"]}");
    assert_eq!(reader.end(), Ok(true));
    assert!(reader.take().is_none());
}

#[test]
fn what_is_no_item_is_left_out_and_counted_and_the_rest_is_given_out() {
    let text = format!(
        r#"{{"messages": [{}, {{"info": 1}}, {{"a" 2}}, 3, {}], "models": null, "other": [{{"type": "x", "data": {{"id": "o"}}}}, 4], "info": {{"id": "s"}}}}"#,
        message("m1"),
        message("m2"),
    );
    for step in [1, text.len()] {
        let (pieces, ended, reader) = read(text.as_bytes(), step);
        assert_eq!(ended, Ok(true));
        let all = ["session", "message/m1", "part/m1/p", "message/m2", "part/m2/p", "other/x/o"];
        assert_eq!(keys(&pieces), all, "{step}");
        assert_eq!(reader.report().left_out.get(&LeftOut::NotAnItem), Some(&4));
    }
}

#[test]
fn what_stands_before_the_place_where_an_export_ends_or_is_broken_is_given_out() {
    let begin = format!(r#"{{"info": {{"id": "s"}}, "messages": [{}, "#, message("m1"));
    for (name, rest) in [
        ("cut in a message", r#"{"info": {"id": "m2"}, "parts": [{"#),
        ("cut between messages", ""),
        ("no comma", &format!("{} {}", message("m2"), message("m3"))),
        ("a stray bracket", "}]}"),
    ] {
        let (pieces, ended, _) = read(format!("{begin}{rest}").as_bytes(), 5);
        assert_eq!(ended, Ok(false), "{name}");
        assert_eq!(&keys(&pieces)[..3], ["session", "message/m1", "part/m1/p"], "{name}");
    }
}

#[test]
fn nothing_is_given_out_of_what_is_no_export() {
    for (text, reason) in [
        ("", "it has no JSON object"),
        ("no braces", "it has no JSON object"),
        ("{}", "no member \"info\""),
        (r#"{"info": {}}"#, "no member \"messages\""),
        (r#"{"messages": [{"info": {"id": "m"}, "parts": []}]}"#, "no member \"info\""),
        (r#"{"info": {}, "messages": {}}"#, "at byte 25"),
        (r#"{"info": {"id": "s"}"#, "it ends early"),
        ("{a {b {c", "at byte 1"),
    ] {
        for step in [1, 100] {
            let (pieces, ended, _) = read(text.as_bytes(), step);
            let error = ended.unwrap_err();
            assert!(pieces.is_empty() && error.to_string().contains(reason), "{text}: {error}");
        }
    }
}

#[test]
fn what_is_printed_before_an_export_may_have_braces_but_not_too_many() {
    let export = format!(r#"{{"info": {{"id": "s"}}, "messages": [{}]}} and more }}"#, message("m1"));
    for before in ["Exporting {ses_1}... ", "{", "{}{\"a\": 1}", &"{".repeat(63)] {
        let (pieces, ended, _) = read(format!("{before}{export}").as_bytes(), 3);
        assert_eq!((ended, keys(&pieces).len()), (Ok(true), 3), "{before}");
    }
    let (pieces, ended, _) = read(format!("{}{export}", "{".repeat(64)).as_bytes(), 1_000);
    assert!(pieces.is_empty() && ended.is_err());
}

#[test]
fn an_export_has_as_many_bytes_as_any_share_may_have() {
    let mut reader = ExportReader::default();
    reader.feed(br#"{"info": {"id": "s"}, "messages": []}"#);
    let blank = vec![b' '; 1 << 20];
    let bytes = 37 + (TRANSCRIPT_DOCUMENT_BYTES_MAX >> 20 << 20);
    for _ in 0..TRANSCRIPT_DOCUMENT_BYTES_MAX >> 20 {
        reader.feed(&blank);
    }
    assert_eq!(reader.end(), Err(ExportError::TooLarge { bytes }));
    assert!(reader.take().is_some());
}
