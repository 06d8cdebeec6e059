//! The operations of a patch: applied to the old value they give the new one, whatever the two are, and they are few and small.

use capshare::__internal::viewer::patch::{OPERATIONS_MAX, PATCHED_BYTES_MIN, patch};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::patch::apply;

/// Names that mean something in a pointer, to a list or to JavaScript.
const NAMES: [&str; 12] = ["", "0", "1", "-", "a", "a/b", "~", "~1", "text", "é\"\\", "__proto__", "constructor"];

fn a_name() -> impl Strategy<Value = String> {
    prop::sample::select(&NAMES[..]).prop_map(str::to_owned)
}

fn a_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "(\\PC|[\"\\\\\n\u{1f600}]){0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(10, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((a_name(), inner), 0..6).prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

/// What a producer does to a value: text and lists grow, members come, go and change, here and there.
fn evolve(value: &mut Value, dice: &mut impl Iterator<Item = u8>, fresh: &Value) {
    let roll = dice.next().unwrap_or(255);
    match value {
        _ if roll == 0 => *value = fresh.clone(),
        Value::String(text) if roll < 128 => text.push_str(&format!(" and \"{roll}\"\n")),
        Value::Array(elements) => {
            elements.iter_mut().for_each(|element| evolve(element, dice, fresh));
            if roll < 64 {
                elements.push(fresh.clone());
            } else if roll < 72 {
                elements.pop();
            }
        }
        Value::Object(members) => {
            members.values_mut().for_each(|member| evolve(member, dice, fresh));
            let name = NAMES[usize::from(roll) % NAMES.len()];
            if roll < 64 {
                members.insert(name.to_owned(), fresh.clone());
            } else if roll < 96 {
                members.remove(name);
            }
        }
        _ => {}
    }
}

fn check(old: &Value, new: &Value) -> Result<(), TestCaseError> {
    let (old_text, new_text) = (old.to_string(), new.to_string());
    let Some(operations) = patch(&old_text, &new_text) else { return Ok(()) };
    prop_assert!(operations.len() * 4 <= new_text.len() * 3 + 4, "{} of {}", operations.len(), new_text.len());
    prop_assert!(new_text.len() >= PATCHED_BYTES_MIN);
    let operations: Vec<Value> = serde_json::from_str(&operations).unwrap();
    prop_assert!(operations.len() <= OPERATIONS_MAX);
    let mut value = old.clone();
    let applied = apply(&mut value, &operations);
    prop_assert!(applied.is_ok(), "{applied:?} {old} {operations:?}");
    prop_assert_eq!(&value, new, "{:?}", operations);
    Ok(())
}

proptest! {
    #[test]
    fn a_patch_makes_the_new_value_of_the_old_one(
        mut old in a_value(),
        fresh in a_value(),
        dice in vec(any::<u8>(), 0..60),
        filler in "[a-z]{200,600}",
    ) {
        if let Value::Object(members) = &mut old {
            members.insert("filler".to_owned(), filler.into());
        }
        let mut new = old.clone();
        evolve(&mut new, &mut dice.into_iter(), &fresh);
        check(&old, &new)?;
        check(&new, &old)?;
        check(&fresh, &old)?;
    }

    /// Text that only grew is told by what was added, wherever it is and whatever is in it.
    #[test]
    fn what_was_added_is_all_that_is_told(
        text in "(\\PC|[\"\\\\\n\u{1f600}]){300,400}",
        more in "(\\PC|[\"\\\\\n\u{1f600}]){1,20}",
        name in a_name(),
    ) {
        let value = |text: &str| json!([{ "before": 1, name.clone(): { "text": text, "list": [7] }, "~after": true }]);
        let (old, new) = (value(&text), value(&(text.clone() + &more)));
        let operations: Vec<Value> = serde_json::from_str(&patch(&old.to_string(), &new.to_string()).unwrap()).unwrap();
        let path = format!("/0/{}/text", name.replace('~', "~0").replace('/', "~1"));
        prop_assert_eq!(&operations, &[json!({ "path": path, "append": more })]);
        check(&old, &new)?;
    }
}

fn operations(old: &str, new: &str) -> Option<Value> {
    patch(old, new).map(|operations| serde_json::from_str(&operations).unwrap())
}

/// What a tool's part goes through with the real client: its output grows, and in the end its state is another.
#[test]
fn a_tool_is_told_by_what_its_output_gained_and_what_ended() {
    let output = "line of output\n".repeat(40);
    let part = |status: &str, output: &str, time: Value| {
        json!({
            "id": "prt_1", "type": "tool", "tool": "bash",
            "state": { "status": status, "input": { "command": "make" }, "metadata": { "output": output }, "time": time },
        })
    };
    let running = part("running", &output, json!({ "start": 1 }));
    let further = part("running", &format!("{output}one more\n"), json!({ "start": 1 }));
    let mut done = part("completed", &format!("{output}one more\n"), json!({ "start": 1, "end": 2 }));
    done["state"]["title"] = "make".into();
    assert_eq!(
        operations(&running.to_string(), &further.to_string()).unwrap(),
        json!([{ "path": "/state/metadata/output", "append": "one more\n" }])
    );
    let mut told = operations(&further.to_string(), &done.to_string()).unwrap();
    told.as_array_mut().unwrap().sort_by_key(|operation| operation["path"].to_string());
    assert_eq!(
        told,
        json!([
            { "path": "/state/status", "value": "completed" },
            { "path": "/state/time/end", "value": 2 },
            { "path": "/state/title", "value": "make" },
        ])
    );
    let mut less = running;
    less["state"].as_object_mut().unwrap().remove("time");
    assert_eq!(
        operations(&done.to_string(), &less.to_string()),
        None,
        "an output that shrank is most of the value, and told with it"
    );
    done["state"].as_object_mut().unwrap().remove("title");
    let before = json!({ "state": done["state"], "title": "make" }).to_string();
    assert_eq!(
        operations(&before, &json!({ "state": done["state"] }).to_string()).unwrap(),
        json!([{ "path": "/title", "removed": true }])
    );
}

/// Each bound of what a patch is, and on both sides of it.
#[test]
fn what_is_no_patch_is_told_whole() {
    let filler = "x".repeat(1_000);
    let object = |members: &str| format!(r#"{{"filler":"{filler}",{members}}}"#);
    // Small values, and those of which much is new.
    for (bytes, is_patch) in [(PATCHED_BYTES_MIN - 1, false), (PATCHED_BYTES_MIN, true)] {
        let text = |end: &str| format!("\"{}{end}\"", "x".repeat(bytes - 4));
        assert_eq!(text("ab").len(), bytes);
        assert_eq!(patch(&text("a"), &text("ab")).is_some(), is_patch);
    }
    for (more, is_patch) in [(2_900, true), (3_100, false)] {
        assert_eq!(
            patch(&object("\"a\":\"\""), &object(&format!("\"a\":\"{}\"", "y".repeat(more)))).is_some(),
            is_patch
        );
    }
    assert_eq!(patch(&object("\"a\":1"), &format!("\"{filler}\"")), None);
    assert_eq!(patch(&format!("[\"{filler}\",2]"), &format!("[\"{filler}\"]")), None, "a list that shrank");
    assert_eq!(patch("1", &object("\"a\":1")), None);

    // Operations.
    let many = |count: usize, value: u8| {
        object(&(0..count).map(|n| format!("\"m{n}\":{value}")).collect::<Vec<_>>().join(","))
    };
    let count = |count| operations(&many(count, 1), &many(count, 2)).map(|told| told.as_array().unwrap().len());
    assert_eq!((count(OPERATIONS_MAX), count(OPERATIONS_MAX + 1)), (Some(OPERATIONS_MAX), None));
    // Further in, what has too many is told in one.
    let inner = |value| format!(r#"{{"filler":"{filler}","in":[{}]}}"#, vec![value; 17].join(","));
    assert_eq!(operations(&inner("1"), &inner("2")).unwrap(), json!([{ "path": "/in", "value": vec![2; 17] }]));

    // Depth: below the eighth level a value is told whole.
    let deep = |levels: usize, end: &str| {
        let (begin, close) = (format!("[\"{}\",", "f".repeat(60)).repeat(levels), "]".repeat(levels));
        object(&format!("\"in\":{begin}{{\"text\":\"y{end}\"}}{close}"))
    };
    let path = |levels| operations(&deep(levels, ""), &deep(levels, "z")).unwrap()[0]["path"].as_str().unwrap().len();
    assert_eq!(path(5), "/in".len() + 5 * "/0".len() + "/text".len());
    assert_eq!(path(30), "/in".len() + 7 * "/0".len());

    // Entries of one level, and their names.
    let entries = |count: usize, last: &str| format!("[{}\"{last}\"]", "1,".repeat(count - 1));
    assert!(patch(&entries(1_024, "a"), &entries(1_024, "ab")).is_some());
    assert_eq!(patch(&entries(1_025, "a"), &entries(1_025, "ab")), None);
    let members = |count: usize, last: &str| {
        format!("{{{}\"z\":\"{last}\"}}", (1..count).map(|n| format!("\"{n}\":1,")).collect::<String>())
    };
    assert!(patch(&members(1_024, "a"), &members(1_024, "ab")).is_some());
    assert_eq!(patch(&members(1_025, "a"), &members(1_025, "ab")), None);
    let named = |length: usize, end: &str| object(&format!("\"{}\":\"a{end}\"", "n".repeat(length)));
    assert!(patch(&named(256, ""), &named(256, "b")).is_some());
    assert_eq!(patch(&named(257, ""), &named(257, "b")), None);
}

/// What not every reader of JSON understands in the same way is not taken apart.
#[test]
fn where_there_is_doubt_the_value_is_told() {
    let filler = "x".repeat(1_000);
    let text = |text: &str| format!(r#"{{"filler":"{filler}","text":"{text}"}}"#);
    // The halves of a character that were sent one after the other.
    for (before, after) in [(r"half \ud83d", r"half \ud83d\ude00"), (r"half \uD83D", r"half \uD83D\uDE00 and more")] {
        let told = patch(&text(before), &text(after)).unwrap();
        assert_eq!(told, format!(r#"[{{"path":"/text","value":"{after}"}}]"#));
    }
    let told = patch(&text(r"a \\"), &text(r"a \\\u0041\ud83d")).unwrap();
    assert_eq!(told, r#"[{"path":"/text","append":"\u0041\ud83d"}]"#);
    // A member twice.
    let twice = |value: u8| format!(r#"{{"filler":"{filler}","in":{{"a":1,"a":{value}}}}}"#);
    assert_eq!(patch(&twice(2), &twice(3)).unwrap(), r#"[{"path":"/in","value":{"a":1,"a":3}}]"#);
    let twice = |value: u8| format!(r#"{{"filler":"{filler}","a":1,"a":{value}}}"#);
    assert_eq!(patch(&twice(2), &twice(3)), None);
    // A name that is no text, or half of one.
    let half = |value: u8| format!(r#"{{"filler":"{filler}","\ud83d":{value}}}"#);
    assert_eq!(patch(&half(2), &half(3)), None);
    // Only white space.
    assert_eq!(patch(&text("a"), &text("a").replace(",\"text\"", ", \"text\"")).unwrap(), "[]");
}
