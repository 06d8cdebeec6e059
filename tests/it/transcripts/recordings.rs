//! Recordings of real sessions as golden conversations: the Markdown document of each share stands beside the recordings, and however a
//! recording comes, cut anywhere, it ends as that.
//!
//! `CAPSHARE_TEST_GOLDEN=write` writes the documents anew; look at the difference before it is committed.

use std::fs;
use std::path::PathBuf;

use capshare::__internal::viewer::render::Document;
use capshare::share::item::Payload;
use capshare::transcripts::{Reader, base_of};
use serde_json::Value;

use super::support::{Held, agent_of};

/// A recording, and the files that its session has beside it: a subagent's name and call with its file.
struct Recording {
    name: &'static str,
    file: &'static str,
    base: &'static [&'static str],
    below: Option<(&'static str, Option<&'static str>, &'static str)>,
}

const fn alone(name: &'static str, file: &'static str) -> Recording {
    Recording { name, file, base: &[], below: None }
}

const CODEX_FIRST: &str = "codex-0.171.0/rollout-2026-11-30T04-34-53-01a22abc-0161-7553-9d08-e240451b54d5.jsonl";
const CODEX_SECOND: &str = "codex-0.171.0/rollout-2026-11-30T04-35-14-01a22abc-0161-7553-9d08-e240451b54d5_01a22abc-528a-7793-a00b-e7c90b7d9d94.jsonl";
const CODEX_CALLER: &str = "codex-0.171.0/rollout-2026-11-30T04-33-07-01a22aba-613f-75e1-bf32-d1784fb7046e.jsonl";
const CODEX_HELPER: &str = "codex-0.171.0/rollout-2026-11-30T04-33-07-01a22aba-6204-7342-95b5-818327685c24.jsonl";

const RECORDINGS: [Recording; 33] = [
    Recording {
        name: "claude-full",
        file: "claude-code-2.1.332/full.jsonl",
        base: &[],
        below: Some((
            "a4f36a8c710e3f289",
            Some("toolu_00050"),
            "claude-code-2.1.332/full/subagents/agent-a4f36a8c710e3f289.jsonl",
        )),
    },
    alone("claude-fork", "claude-code-2.1.332/fork-session.jsonl"),
    alone("claude-rewind", "claude-code-2.1.332/rewind-interrupt-queued.jsonl"),
    alone("claude-killed", "claude-code-2.1.332/killed-in-an-answer.jsonl"),
    alone("claude-compacted", "claude-code-2.1.332/killed-in-a-call-then-compacted.jsonl"),
    alone("codex-full", "codex-0.171.0/rollout-2026-11-30T04-32-26-01a22ab9-c29a-7522-893c-0190cef251a1.jsonl"),
    Recording {
        name: "codex-helper",
        file: CODEX_CALLER,
        base: &[],
        below: Some(("01a22aba-6204-7342-95b5-818327685c24", None, CODEX_HELPER)),
    },
    alone("codex-rewind-first", CODEX_FIRST),
    Recording { name: "codex-rewind", file: CODEX_SECOND, base: &[CODEX_FIRST], below: None },
    Recording {
        name: "codex-fork",
        file: "codex-0.171.0/rollout-2026-11-30T04-36-24-01a22abd-6274-7282-8ff6-e9f14a6b0fb0.jsonl",
        base: &[CODEX_FIRST, CODEX_SECOND],
        below: None,
    },
    Recording {
        name: "gemini-full",
        file: "gemini-cli-0.61.0/full.jsonl",
        base: &[],
        below: Some((
            "0a15853e-7d21-4d71-b6c1-21cf18e88958",
            None,
            "gemini-cli-0.61.0/34e6db8a-43b7-4737-a079-a74cc28a998e/0a15853e-7d21-4d71-b6c1-21cf18e88958.jsonl",
        )),
    },
    alone("gemini-resumed", "gemini-cli-0.61.0/full-resumed.jsonl"),
    alone("gemini-resumed-at-once", "gemini-cli-0.61.0/resumed-within-the-minute.jsonl"),
    alone("gemini-killed", "gemini-cli-0.61.0/killed-in-an-answer.jsonl"),
    Recording {
        name: "qwen-full",
        file: "qwen-code-0.24.4/full-continued-compressed.jsonl",
        base: &[],
        below: Some((
            "general-purpose-call_00050",
            Some("call_00050"),
            "qwen-code-0.24.4/subagents/agent-general-purpose-call_00050.jsonl",
        )),
    },
    alone("qwen-fork", "qwen-code-0.24.4/fork-session.jsonl"),
    alone("qwen-rewind", "qwen-code-0.24.4/rewind-interrupt.jsonl"),
    alone("pi-full", "pi-1.6.0/full-continued.jsonl"),
    alone("pi-fork", "pi-1.6.0/fork.jsonl"),
    alone("pi-tree", "pi-1.6.0/tree-bash-name-abort-compaction.jsonl"),
    alone("pi-first-package", "pi-0.73.1/full.jsonl"),
    alone("copilot-full", "copilot-cli-1.0.102/full-continued.jsonl"),
    alone("copilot-before-rewind", "copilot-cli-1.0.102/before-a-rewind.jsonl"),
    alone("copilot-rewind", "copilot-cli-1.0.102/after-the-rewind-and-a-compaction.jsonl"),
    alone("copilot-killed", "copilot-cli-1.0.102/killed-then-resumed.jsonl"),
    alone("vibe-running", "mistral-vibe-3.0.2/after-the-first-run/generations/0000000000000001/manifest.json"),
    alone("vibe-first-run", "mistral-vibe-3.0.2/after-the-first-run/generations/0000000000000030/manifest.json"),
    alone("vibe-second-run", "mistral-vibe-3.0.2/after-the-second-run/generations/0000000000000038/manifest.json"),
    Recording {
        name: "kimi-code-full",
        file: "kimi-code-2.1.0/full-continued/agents/main/wire.jsonl",
        base: &[],
        below: Some(("agent-0", None, "kimi-code-2.1.0/full-continued/agents/agent-0/wire.jsonl")),
    },
    alone("kimi-code-undo", "kimi-code-2.1.0/undo-compaction/agents/main/wire.jsonl"),
    alone("kimi-cli", "kimi-cli-1.51.0/wire.jsonl"),
    alone("asciinema-appended", "asciinema-3.2.0/appended.cast"),
    alone("asciinema-typed", "asciinema-3.2.0/typed-input.cast"),
];

pub(super) fn agents() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/agents"))
}

fn text(file: &str) -> String {
    fs::read_to_string(agents().join(file)).unwrap()
}

/// What is fed of a folder of Mistral Vibe, by the manifest of a generation.
fn folder(manifest: &str) -> Vec<(Option<&'static str>, String)> {
    let generation = manifest.strip_suffix("manifest.json").unwrap();
    let session = manifest.split_once("generations").unwrap().0;
    let manifest: Value = serde_json::from_str(&text(manifest)).unwrap();
    let mut lines = vec![text(&format!("{session}meta.json"))];
    for chunk in manifest["projection_state"]["chunks"].as_array().unwrap() {
        let entries: Vec<Value> =
            serde_json::from_str(&text(&format!("{session}chunks/{}.json", chunk.as_str().unwrap()))).unwrap();
        lines.extend(entries.iter().map(Value::to_string));
    }
    lines.push(text(&format!("{generation}projection-state.json")));
    let journal = text(&format!("{session}{}", manifest["recovery_journal_segment"]["path"].as_str().unwrap()));
    lines.extend(journal.lines().map(str::to_owned));
    lines.into_iter().map(|line| (None, line)).collect()
}

/// The lines of a recording in the order in which they are fed: each with the subagent that it is of.
fn lines(recording: &Recording) -> Vec<(Option<&'static str>, String)> {
    if recording.file.ends_with("manifest.json") {
        return folder(recording.file);
    }
    let own = text(recording.file);
    let (first, rest) = own.split_once('\n').unwrap();
    let mut lines = vec![(None, first.to_owned())];
    let mut next = base_of(first.as_bytes());
    let mut parts = Vec::new();
    for file in recording.base.iter().rev() {
        let base = next.unwrap();
        let text = text(file);
        next = base_of(text.lines().next().unwrap().as_bytes());
        let mut end = 0;
        let belongs = |line: &&str| {
            end += line.len() as u64 + 1;
            base.has(line.as_bytes(), end)
        };
        parts.push(text.lines().take_while(belongs).map(|line| (None, line.to_owned())).collect::<Vec<_>>());
    }
    assert!(next.is_none(), "{}", recording.name);
    lines.extend(parts.into_iter().rev().flatten());
    lines.extend(rest.lines().map(|line| (None, line.to_owned())));
    if let Some((name, _, file)) = recording.below {
        lines.extend(text(file).lines().map(|line| (Some(name), line.to_owned())));
    }
    lines
}

/// Feeds lines to a reader; what a share holds then. `pauses`: more is awaited after each line.
fn feed(recording: &Recording, lines: &[(Option<&str>, String)], mut held: Held, pauses: bool) -> (Held, String) {
    let mut reader = Reader::new(agent_of(&lines[0].1), "/a/file");
    reader.held(held.keys());
    for (below, line) in lines {
        match (below, recording.below) {
            (Some(name), Some((_, call, _))) => {
                assert!(reader.begin_subagent(name, call));
                held.take(reader.subagent_line(name, line.as_bytes()));
            }
            _ => held.take(reader.line(line.as_bytes())),
        }
        if pauses {
            held.take(reader.pause());
        }
    }
    held.take(reader.end());
    (held, reader.report().to_string())
}

/// What a follower's share holds after each line that changed it.
fn followed(recording: &Recording, lines: &[(Option<&str>, String)]) -> Vec<Held> {
    let mut reader = Reader::new(agent_of(&lines[0].1), "/a/file");
    let (mut held, mut all) = (Held::default(), Vec::new());
    for (below, line) in lines {
        match (below, recording.below) {
            (Some(name), Some((_, call, _))) => {
                assert!(reader.begin_subagent(name, call));
                held.take(reader.subagent_line(name, line.as_bytes()));
            }
            _ => held.take(reader.line(line.as_bytes())),
        }
        held.take(reader.pause());
        if all.last() != Some(&held) {
            all.push(held.clone());
        }
    }
    all
}

pub(super) fn markdown(held: &Held) -> String {
    let items = held.keys().into_iter().map(|key| {
        let value = held.items[key.as_str()].to_string();
        (key, Payload::from_checked_json(&value))
    });
    Document::gather(items).markdown().collect()
}

/// S106: a recorded session becomes the conversation that its user saw.
#[test]
fn each_recording_is_the_conversation_that_its_user_saw() {
    let writes = std::env::var("CAPSHARE_TEST_GOLDEN").is_ok_and(|wish| wish == "write");
    let mut wrong = Vec::new();
    for recording in &RECORDINGS {
        let (held, report) = feed(recording, &lines(recording), Held::default(), false);
        let told = format!("{}\n\nLeft out: {report}\n", markdown(&held).trim_end());
        // Outputs of thousands of lines of numbers say nothing in a golden file.
        let told: String = told.split_inclusive('\n').filter(|line| !is_number(line)).collect();
        let golden = agents().join("golden").join(format!("{}.md", recording.name));
        if writes {
            fs::write(golden, told).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != told {
            wrong.push(recording.name);
        }
    }
    assert!(wrong.is_empty(), "these are another conversation now: {wrong:?}");
}

fn is_number(line: &str) -> bool {
    line.trim_end().parse::<u64>().is_ok_and(|number| number > 3)
}

/// What is nobody's word is in no recording's share.
#[test]
fn no_recording_shows_what_the_program_said_to_its_model() {
    let never = [
        "system-reminder",
        "session_context",
        "environment_context",
        "task-notification",
        "skills_instructions",
        "command-name",
        "untrusted_context",
        "Got it. Thanks",
        "current_datetime",
        "shellId",
    ];
    for recording in &RECORDINGS {
        let (held, _) = feed(recording, &lines(recording), Held::default(), false);
        let all = held.text();
        let found: Vec<_> = never.iter().filter(|words| all.contains(**words)).collect();
        assert!(found.is_empty(), "{}: {found:?}", recording.name);
    }
}

/// S107: a share that was followed is what a fresh push makes, wherever the recording was cut and read on, and pushed twice it is the
/// same.
#[test]
fn a_recording_that_is_cut_at_any_record_and_read_on_is_the_same_conversation() {
    for recording in &RECORDINGS {
        let lines = lines(recording);
        let fresh = feed(recording, &lines, Held::default(), false).0;
        assert_eq!(feed(recording, &lines, Held::default(), true).0.items, fresh.items, "{} followed", recording.name);
        assert_eq!(feed(recording, &lines, fresh.clone(), false).0, fresh, "{} twice", recording.name);
        for (cut, before) in followed(recording, &lines).into_iter().enumerate() {
            let after = feed(recording, &lines, before, false).0;
            assert_eq!(
                (after.conversation(), &after.items),
                (fresh.conversation(), &fresh.items),
                "{} after change {cut}",
                recording.name
            );
        }
    }
}

/// S107: the follower of the first file, told of the second one, ends as a fresh push of both.
#[test]
fn a_reader_that_goes_on_with_the_next_file_ends_as_a_fresh_push() {
    let [first, second] = [&RECORDINGS[7], &RECORDINGS[8]];
    let mut held = Held::default();
    let first = lines(first);
    let mut reader = Reader::new(agent_of(&first[0].1), "/a/file");
    first.iter().for_each(|(_, line)| held.take(reader.line(line.as_bytes())));
    held.take(reader.pause());
    held.take(reader.restart(None));
    lines(second).iter().for_each(|(_, line)| held.take(reader.line(line.as_bytes())));
    held.take(reader.end());
    let fresh = feed(second, &lines(second), Held::default(), false).0;
    assert_eq!((held.conversation(), held.items), (fresh.conversation(), fresh.items));
}
