//! Ways in: pipes, packed files, texts of other encodings, files that are broken or cut off, and items that are too large.

use std::io::Write as _;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::super::program::EXPORT;
use super::{CLAUDE, Scene};

impl Scene {
    /// Pushes what comes on standard input; what its share holds then.
    fn piped(&self, arguments: &[&str], text: &[u8]) -> Value {
        let (read, mut write) = std::io::pipe().unwrap();
        let mut push = self.home.start_reading(&[&["push", "--json"], arguments].concat(), Stdio::from(read));
        write.write_all(text).unwrap();
        drop(write);
        let shared = push.stdout.wait_for(|line| line.contains("\"shared\""));
        push.wait().ends_with(0);
        serde_json::from_str(&shared).unwrap()
    }

    fn bytes(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.home.path(name), bytes).unwrap();
        self.home.path(name).to_str().unwrap().to_owned()
    }
}

fn packed(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

fn wide(text: &str) -> Vec<u8> {
    format!("\u{FEFF}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn a_transcript_and_an_export_come_through_a_pipe() {
    let scene = Scene::new();
    let plain = scene.file("plain.jsonl", CLAUDE);
    for arguments in [["-", "--session", "one"], ["/dev/stdin", "--session", "two"]] {
        let piped = scene.piped(&arguments, CLAUDE.as_bytes());
        assert_eq!(
            (&piped["agent"], scene.held(piped["id"].as_str().unwrap())),
            (&json!("claude"), plain.held.clone())
        );
    }
    let export = std::fs::read(EXPORT).unwrap();
    let of_file = scene.push(&[EXPORT]).held;
    let piped = scene.piped(&["-", "--session", "three"], &packed(str::from_utf8(&export).unwrap()));
    assert_eq!(scene.held(piped["id"].as_str().unwrap()), of_file);
}

/// What zstd packed is a way in as what gzip packed is: in a file, and through a pipe.
#[test]
fn what_zstd_packed_is_shared_as_what_it_holds() {
    const PACKED: &[u8] = include_bytes!("../../../data/transcripts/codex.jsonl.zst");
    let scene = Scene::new();
    let plain = scene.file("plain.jsonl", super::CODEX).held;
    let file = scene.bytes("rollout.jsonl.zst", PACKED);
    let of_file = scene.push(&[&file, "--session", "of-a-file"]);
    assert_eq!((&of_file.said["agent"], &of_file.held), (&json!("codex"), &plain));
    let piped = scene.piped(&["-", "--session", "piped"], PACKED);
    assert_eq!(scene.held(piped["id"].as_str().unwrap()), plain);
    // What is cut off cannot be unpacked, and that is said.
    let cut = scene.bytes("cut.zst", &PACKED[..PACKED.len() / 2]);
    let refused = scene.home.run(&["push", &cut, "--session", "cut"]).ends_with(1).stderr;
    assert!(refused.contains("cut.zst cannot be read"), "{refused}");
}

/// What comes through a pipe is shared as it comes.
#[test]
fn what_comes_through_a_pipe_is_shared_while_it_comes() {
    let scene = Scene::new();
    let (read, mut write) = std::io::pipe().unwrap();
    let mut push = scene.home.start_reading(&["push", "--json", "-"], Stdio::from(read));
    let lines: Vec<_> = CLAUDE.split_inclusive('\n').collect();
    write.write_all(lines[..4].concat().as_bytes()).unwrap();
    let id = super::id_of(&mut push);
    let mut watch = scene.home.start(&["watch", &id]);
    watch.stdout.wait_for(|line| line.contains("Make the parser accept empty lines."));
    write.write_all(lines[4..].concat().as_bytes()).unwrap();
    watch.stdout.wait_for(|line| line.contains("Yes, it does."));
    drop(write);
    push.wait().ends_with(0);
}

/// What a pipe has not given yet is removed from the share only when the pipe is over.
#[test]
fn a_pipe_removes_nothing_before_it_is_over() {
    let scene = Scene::new();
    let before = scene.file("plain.jsonl", CLAUDE);
    let session = before.said["session"].as_str().unwrap();
    let (read, mut write) = std::io::pipe().unwrap();
    let mut push = scene.home.start_reading(&["push", "--json", "-"], Stdio::from(read));
    write.write_all(CLAUDE.split_inclusive('\n').take(4).collect::<String>().as_bytes()).unwrap();
    let id = super::id_of(&mut push);
    assert_eq!(before.said["id"], id.as_str());
    let mut watch = scene.home.start(&["watch", &id]);
    // When the second of these is there, nothing was at hand for a while after the first lines.
    for said in ["through-the-pipe", "and-once-more"] {
        let message = json!({ "role": "user", "content": said });
        let line = json!({ "type": "user", "sessionId": session, "uuid": said, "message": message });
        write.write_all(format!("{line}\n").as_bytes()).unwrap();
        watch.stdout.wait_for(|line| line.contains(said));
    }
    let held = scene.held(&id);
    let lost: Vec<_> = before.held.keys().filter(|key| !held.contains_key(*key)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    drop(write);
    push.wait().ends_with(0);
    let held = scene.held(&id);
    let goes = before.held.keys().any(|key| !held.contains_key(key));
    assert!(goes && held.contains_key("message/and-once-more"), "{held:?}");
}

#[test]
fn a_file_is_read_packed_and_in_other_encodings() {
    let scene = Scene::new();
    let plain = scene.file("plain.jsonl", CLAUDE).held;
    let export = std::fs::read_to_string(EXPORT).unwrap();
    let of_export = scene.push(&[EXPORT]).held;
    let marked = |text: &str| format!("\u{FEFF}{text}").into_bytes();
    for (n, (text, held)) in [(CLAUDE, &plain), (export.as_str(), &of_export)].into_iter().enumerate() {
        for (form, bytes) in [
            ("gz", packed(text)),
            ("wide", wide(text)),
            ("marked", marked(text)),
            ("both", packed(&format!("\u{FEFF}{text}"))),
        ] {
            let file = scene.bytes(&format!("{form}-{n}"), &bytes);
            assert_eq!(&scene.push(&[&file, "--session", &format!("{form}-{n}")]).held, held, "{form} {n}");
        }
    }
}

#[test]
fn what_is_printed_around_an_export_is_passed_over() {
    let scene = Scene::new();
    let export = std::fs::read_to_string(EXPORT).unwrap();
    let held = scene.push(&[EXPORT]).held;
    for (name, text) in [
        ("before", format!("Exporting session: {{ses_1}} {export}")),
        ("on-its-own-line", format!("Exporting session\n{export}")),
        ("behind", format!("{export}\nDone.\n")),
    ] {
        let file = scene.home.write(&format!("{name}.json"), &text);
        assert_eq!(scene.push(&[&file, "--session", name]).held, held, "{name}");
    }
    for given in ["export-after-a-notice.json", "export-with-bom.json"] {
        let file = format!("{}/tests/data/field/{given}", env!("CARGO_MANIFEST_DIR"));
        assert!(scene.push(&[&file]).held.len() > 2, "{given}");
    }
}

/// S92: what is broken takes nothing else along, and is said.
#[test]
fn a_file_that_ends_early_or_is_broken_in_its_middle_is_shared_as_far_as_it_goes() {
    let scene = Scene::new();
    let export = std::fs::read_to_string(EXPORT).unwrap();
    let whole = scene.push(&[EXPORT]).held;
    let file = scene.home.write("cut.json", &export[..export.len() / 2]);
    let mut push = scene.home.start(&["push", "--json", &file, "--session", "cut"]);
    let id = super::id_of(&mut push);
    let ended = push.wait().ends_with(1);
    assert!(ended.stderr.contains("ends early") && ended.stdout.contains("\"synced\""), "{}", ended.stderr);
    let held = scene.held(&id);
    assert!(held.len() > 5 && held.iter().all(|(key, item)| whole.get(key) == Some(item)), "{}", held.len());

    let item = |id: &str| format!("{{\"type\":\"message\",\"data\":{{\"id\":\"{id}\",\"sessionID\":\"ses_1\"}}}}\n");
    let file =
        scene.home.write("items.jsonl", &format!("{}{{\"type\":\"part\"}}\nno JSON\n{}", item("m1"), item("m2")));
    let mut push = scene.home.start(&["push", "--json", &file]);
    let id = super::id_of(&mut push);
    let ended = push.wait();
    assert!(ended.stderr.contains("line 2") && ended.stderr.contains("line 3"), "{}", ended.stderr);
    assert!(ended.stdout.contains("\"not an item\":2"), "{}", ended.stdout);
    let keys: Vec<_> = scene.held(&id).into_keys().collect();
    assert_eq!(keys, ["message/m1", "message/m2"]);
}

/// F1: half a character is one that cannot be read, in the title, the answer, the output, and in documents.
#[test]
fn half_an_emoji_in_an_export_is_readable_in_its_documents() {
    let scene = Scene::new();
    let file = format!("{}/tests/data/field/half-emoji-export.json", env!("CARGO_MANIFEST_DIR"));
    let shared = scene.push(&[&file]);
    let markdown =
        scene.home.run(&["export", shared.said["id"].as_str().unwrap(), "--format", "markdown"]).ends_with(0).stdout;
    assert!(
        markdown.contains('\u{FFFD}') && !markdown.contains("\\ud83d") && !markdown.contains("\"type\""),
        "{markdown}"
    );
    assert!(!markdown.starts_with("# Session ses_"), "{markdown}");
}

/// F2: a part that no share holds is replaced by words with its name and size, and the rest is shared.
#[test]
fn an_attachment_that_is_too_large_is_named_and_the_rest_is_shared() {
    let scene = Scene::new();
    let part = |id: &str, more: Value| {
        let mut part = json!({ "id": id, "messageID": "msg_1", "sessionID": "ses_1" });
        part.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        part
    };
    let url = format!("data:application/pdf;base64,{}", "A".repeat(8_000_000));
    let export = json!({
        "info": { "id": "ses_1", "title": "t" },
        "messages": [{ "info": { "id": "msg_1", "sessionID": "ses_1", "role": "user" }, "parts": [
            part("prt_1", json!({ "type": "text", "text": "see" })),
            part("prt_2", json!({ "type": "file", "mime": "application/pdf", "filename": "large.pdf", "url": url })),
        ] }],
    });
    let shared = scene.file("large.json", &export.to_string());
    let words = "[large.pdf (application/pdf, 6000000 bytes) is not in the share: it is larger than a share takes]";
    assert_eq!(shared.held["part/msg_1/prt_2"]["text"], words);
    assert_eq!(shared.held["part/msg_1/prt_1"]["text"], "see");
    assert!(shared.stderr.contains("1 item was larger than a share takes"), "{}", shared.stderr);
}

/// A document on one line may be longer than any line of a transcript; a line of a transcript that is, is passed over.
#[test]
fn a_line_that_is_too_long_is_passed_over_and_a_document_on_one_line_is_read() {
    let scene = Scene::new();
    let space = " ".repeat(65 << 20);
    let export = format!("{{\"info\": {{\"id\": \"ses_1\"}},{space}\"messages\": []}}");
    assert_eq!(scene.file("one-line.json", &export).said["session"], "ses_1");
    let lines: Vec<_> = CLAUDE.split_inclusive('\n').collect();
    let long = format!("{}{{{space}}}\n{}", lines[..4].concat(), lines[4..].concat());
    let shared = scene.file("long.jsonl", &long);
    assert_eq!(shared.synced["left_out"], json!({ "larger than a limit": 1 }));
    assert!(shared.held.len() > 20);
}

/// S110: what no known agent writes is refused before anything is shared, also with a session's id.
#[test]
fn an_unknown_file_is_refused_before_anything_is_shared() {
    let scene = Scene::new();
    let file = scene.home.write(
        "unknown.jsonl",
        "{\"type\":\"message\",\"id\":\"a\",\"message\":{\"role\":\"user\"}}\n{\"type\":\"x\"}\n",
    );
    // Events of another agent have a type and data, as items have.
    let events = scene.home.write(
        "events.jsonl",
        "{\"type\":\"session.start\",\"data\":{},\"id\":\"a\",\"parentId\":null}\n\
         {\"type\":\"system.message\",\"data\":{\"content\":\"instructions\"},\"id\":\"b\",\"parentId\":\"a\"}\n",
    );
    for arguments in [
        vec![file.as_str(), "--session", "s"],
        vec![file.as_str()],
        vec![file.as_str(), "--follow", "--session", "s"],
        vec![events.as_str(), "--session", "s"],
    ] {
        let refused = scene.home.run(&[vec!["push"], arguments].concat()).ends_with(1).stderr;
        assert!(refused.contains("nor the transcript of a known agent"), "{refused}");
    }
    assert_eq!(scene.home.run(&["ls", "--json"]).ends_with(0).stdout, "");
}
