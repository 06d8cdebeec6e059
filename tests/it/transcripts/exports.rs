//! OpenCode's exports as they are read while their text comes.

use capshare::share::limits::TRANSCRIPT_DOCUMENT_BYTES_MAX;
use capshare::transcripts::{ExportError, ExportReader, LeftOut, Piece, read_export};
use proptest::prelude::*;
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

/// The items of these pieces, in the order of their keys.
fn items(pieces: Vec<Piece>) -> Vec<(String, Option<String>)> {
    let changes = pieces.into_iter().flat_map(|piece| piece.changes);
    let mut items: Vec<_> =
        changes.map(|change| (change.key.to_string(), change.value.map(|value| value.as_str().to_owned()))).collect();
    items.sort();
    items
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

/// One piece after the other says the session, and then messages: a session that is said again comes too late, and would be another for
/// whoever took what came first.
#[test]
fn the_first_info_says_the_session_however_the_text_is_cut() {
    let text = format!(r#"{{"info": {{"id": "s"}}, "messages": [{}], "info": {{"id": "t"}}}}"#, message("m1"));
    for step in [1, 20, text.len()] {
        let (pieces, ended, reader) = read(text.as_bytes(), step);
        assert_eq!(
            (ended, &keys(&pieces)[..]),
            (Ok(true), &["session", "message/m1", "part/m1/p"].map(str::to_owned)[..])
        );
        assert_eq!(pieces[0].session.as_deref(), Some("s"), "{step}");
        assert_eq!(reader.report().left_out.get(&LeftOut::NotAnItem), Some(&1));
    }
}

#[test]
fn names_may_be_written_with_escapes() {
    let text = r#"{"\u0069nfo": {"id": "s"}, "messa\u0067es": []}"#;
    for step in 1..text.len() {
        assert_eq!(read(text.as_bytes(), step).1, Ok(true), "{step}");
    }
    assert!(read_export(text).is_ok());
}

/// What stands beside the messages may be as long as all of them, and is given out before its end.
#[test]
fn of_what_stands_beside_the_messages_no_more_is_held_than_a_piece() {
    let mut reader = ExportReader::default();
    reader.feed(br#"{"info": {"id": "s"}, "messages": [], "other": ["#);
    assert_eq!(keys(&[reader.take().unwrap().0]), ["session"]);
    let other =
        |n: usize, text: &str| json!({ "type": "x", "data": { "id": n.to_string(), "text": text } }).to_string();
    reader.feed(format!("{}, {}, ", other(1, "a"), other(2, &"b".repeat(1 << 20))).as_bytes());
    assert_eq!(keys(&[reader.take().unwrap().0]), ["other/x/1", "other/x/2"]);
    (3..=102).for_each(|n| reader.feed(format!("{}, ", other(n, "c")).as_bytes()));
    assert_eq!(reader.take().unwrap().0.changes.len(), 100);
    assert!(reader.take().is_none());
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

/// Any JSON that a member may have; texts have quotes, brackets, escapes and other alphabets in them.
fn any_json() -> impl Strategy<Value = Value> {
    let text = r#"[a-z:,"\\\n\u{0}\u{e9}\u{1f600}{}\[\]]{0,12}"#;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text, inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The members of an export in any order, with others among them.
fn any_export() -> impl Strategy<Value = String> {
    let messages = prop::collection::vec((any_json(), any_json()), 0..4).prop_map(|values| {
        let messages = values.into_iter().enumerate().map(|(n, (said, more))| {
            let mut message = message(&format!("m{n}"));
            message["info"]["said"] = said;
            message["more"] = more;
            message
        });
        Value::Array(messages.collect())
    });
    let other = any_json().prop_map(|value| json!([{ "type": "x", "data": { "id": "o", "value": value } }]));
    let members = (any_json(), messages, other, any_json()).prop_map(|(said, messages, other, unknown)| {
        vec![
            ("info", json!({ "id": "s", "said": said })),
            ("messages", messages),
            ("other", other),
            ("models", json!([])),
            ("unknown", unknown),
        ]
    });
    (members.prop_shuffle(), any::<bool>()).prop_map(|(members, is_spaced)| {
        let shown = |value: &Value| if is_spaced { format!("{value:#}") } else { value.to_string() };
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{}", shown(value))).collect();
        format!("{{{}}}", members.join(if is_spaced { " ,\n\t" } else { "," }))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// However a text is cut, within escapes, numbers and characters, it is read as it is when it is there at once; and up to where it ends
    /// early, as the whole of it is up to there.
    #[test]
    fn how_a_text_is_cut_changes_nothing(export in any_export(), step in 1..40_usize, end in any::<prop::sample::Index>()) {
        let whole: Vec<Piece> = read_export(&export).unwrap().into_iter().map(|(piece, _)| piece).collect();
        let whole = items(whole);
        let (pieces, ended, reader) = read(export.as_bytes(), step);
        prop_assert_eq!(ended, Ok(true));
        prop_assert!(reader.report().is_empty());
        prop_assert_eq!(pieces[0].session.as_deref(), Some("s"));
        prop_assert_eq!(&items(pieces), &whole);

        let begin = &export.as_bytes()[..end.index(export.len())];
        let (pieces, ended, _) = read(begin, step);
        let (at_once, ended_at_once, _) = read(begin, begin.len().max(1));
        prop_assert_eq!(&ended, &ended_at_once);
        prop_assert_eq!(ended.is_err(), pieces.is_empty());
        prop_assert!(ended != Ok(true));
        let pieces = items(pieces);
        prop_assert_eq!(&pieces, &items(at_once));
        prop_assert!(pieces.iter().all(|item| whole.contains(item)));
    }
}

/// An export of these messages, each with the ids of its parts; of a subagent's the session stands before a slash.
fn taken_back(revert: &Value, messages: &[(&str, &[Value])]) -> String {
    let message = |(id, parts): &(&str, &[Value])| {
        let (session, id) = id.split_once('/').unwrap_or(("s", id));
        let part = |part: &Value| {
            let mut part = part.clone();
            part["messageID"] = json!(id);
            part
        };
        json!({ "info": { "id": id, "sessionID": session }, "parts": parts.iter().map(part).collect::<Vec<_>>() })
    };
    let messages: Vec<_> = messages.iter().map(message).collect();
    json!({ "info": { "id": "s", "revert": revert }, "messages": messages }).to_string()
}

/// What an export leaves in a share, and what it takes out, by key.
fn left(text: &str, step: usize) -> (Vec<String>, Vec<String>) {
    let (pieces, ended, _) = read(text.as_bytes(), step);
    assert_eq!(ended, Ok(true));
    let whole: Vec<Piece> = read_export(text).unwrap().into_iter().map(|(piece, _)| piece).collect();
    assert_eq!(
        pieces.iter().flat_map(|it| &it.changes).collect::<Vec<_>>(),
        whole.iter().flat_map(|it| &it.changes).collect::<Vec<_>>()
    );
    let (put, removed): (Vec<_>, Vec<_>) =
        pieces.iter().flat_map(|piece| &piece.changes).partition(|change| change.value.is_some());
    let keys = |changes: Vec<&capshare::share::change::Change>| changes.iter().map(|it| it.key.to_string()).collect();
    (keys(put), keys(removed))
}

/// S108: what was taken back by `/undo` is not shared, and an earlier push's is removed.
#[test]
fn what_the_user_took_back_is_removed_from_the_message_or_the_part_on_that_it_was() {
    let part = |id: &str| json!({ "id": id });
    let (one, two) = ([part("p1"), part("p2")], [part("q1"), part("q2"), part("q3")]);
    let messages: &[(&str, &[Value])] = &[("u1", &one), ("a1", &two), ("u2", &[]), ("a2", &[])];
    for step in [1, 1_000] {
        let whole = taken_back(&json!({ "messageID": "a1", "snapshot": "x" }), messages);
        let (put, removed) = left(&whole, step);
        assert_eq!(put, ["session", "message/u1", "part/u1/p1", "part/u1/p2"]);
        assert_eq!(removed, ["message/a1", "message/u2", "message/a2"]);
        let (put, removed) = left(&taken_back(&json!({ "messageID": "a1", "partID": "q2" }), messages), step);
        assert_eq!(put, ["session", "message/u1", "part/u1/p1", "part/u1/p2", "message/a1", "part/a1/q1"]);
        assert_eq!(removed, ["part/a1/q2", "part/a1/q3", "message/u2", "message/a2"]);
        // OpenCode itself takes nothing back where the message is not there.
        for nowhere in [json!(null), json!({}), json!({ "messageID": "u3" }), json!({ "messageID": 3 })] {
            assert_eq!(left(&taken_back(&nowhere, messages), step).1.len(), 0, "{nowhere}");
        }
    }
}

/// The session's record comes first in what OpenCode writes; other programs may write it last.
#[test]
fn what_was_taken_back_is_known_also_when_the_messages_come_first() {
    let text = r#"{"messages": [{"info": {"id": "u1"}, "parts": []}, {"info": {"id": "u2"}, "parts": []}],
                   "info": {"id": "s", "revert": {"messageID": "u2"}}}"#;
    let (put, removed) = left(text, 3);
    assert_eq!((put, removed), (vec!["session".into(), "message/u1".into()], vec!["message/u2".into()]));
}

#[test]
fn a_subagent_goes_with_the_call_that_began_it_and_stays_with_it() {
    let call = |id: &str, session: &str| json!({ "id": id, "type": "tool", "tool": "task", "state": { "metadata": { "sessionId": session } } });
    let calls = [call("c1", "s-kept"), call("c2", "s-gone")];
    let deeper = [call("d1", "s-deep")];
    let messages: &[(&str, &[Value])] =
        &[("u1", &[]), ("a1", &calls), ("s-kept/k1", &deeper), ("s-deep/k2", &[]), ("s-gone/g1", &[]), ("u2", &[])];
    let (put, removed) = left(&taken_back(&json!({ "messageID": "a1", "partID": "c2" }), messages), 9);
    assert_eq!(put[2..], ["message/a1", "part/a1/c1", "message/k1", "part/k1/d1", "message/k2"]);
    assert_eq!(removed, ["part/a1/c2", "message/g1", "message/u2"]);
    // Where `capshare export` puts them.
    let export: Value = serde_json::from_str(&taken_back(&Value::Null, messages)).unwrap();
    let (own, below): (Vec<Value>, Vec<Value>) =
        export["messages"].as_array().unwrap().iter().cloned().partition(|message| message["info"]["sessionID"] == "s");
    let beside = json!({ "info": export["info"], "messages": own, "subagents": below }).to_string();
    let mut keys = [left(&beside, 4).0, left(&export.to_string(), 4).0];
    keys.iter_mut().for_each(|keys| keys.sort());
    assert_eq!(keys[0], keys[1]);
}
