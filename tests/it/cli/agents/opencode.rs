//! `capshare push --agent opencode`: what stands in OpenCode's database, and what becomes of it while it is followed. That the real
//! one's is read whole is shown in `opencode::real`.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::super::program::Home;
use super::{Scene, id_of};

/// OpenCode's database in a home, with the tables and columns that are read.
pub(super) fn database(home: &Home) -> Connection {
    std::fs::create_dir_all(home.path(".local/share/opencode")).unwrap();
    let database = Connection::open(home.path(".local/share/opencode/opencode.db")).unwrap();
    database
        .execute_batch(
            "PRAGMA journal_mode = wal;
             CREATE TABLE session (id text PRIMARY KEY, project_id text, parent_id text, slug text, directory text, title text,
                 version text, share_url text, summary_additions integer, summary_deletions integer, summary_files integer,
                 summary_diffs text, cost real DEFAULT 0, tokens_input integer DEFAULT 0, revert text, permission text,
                 model text, time_created integer, time_updated integer, time_archived integer, of_the_future blob);
             CREATE TABLE message (id text PRIMARY KEY, session_id text REFERENCES session(id) ON DELETE CASCADE,
                 time_created integer, time_updated integer, data text);
             CREATE TABLE part (id text PRIMARY KEY, message_id text REFERENCES message(id) ON DELETE CASCADE, session_id text,
                 time_created integer, time_updated integer, data text);
             CREATE TABLE session_message (id text, session_id text);",
        )
        .unwrap();
    database
}

fn session(database: &Connection, id: &str, parent: Option<&str>, directory: &str, time: i64) {
    let insert = "INSERT INTO session (id, project_id, parent_id, slug, directory, title, version, time_created, time_updated) \
                  VALUES (?1, 'global', ?2, 's', ?3, ?1 || ' it is', '1.18.33', 7, ?4)";
    database.execute(insert, (id, parent, directory, time)).unwrap();
}

fn message(database: &Connection, session: &str, id: &str, time: i64, data: &str) {
    let insert = "INSERT INTO message VALUES (?1, ?2, ?3, ?3, ?4)";
    database.execute(insert, (id, session, time, data)).unwrap();
}

fn part(database: &Connection, session: &str, message: &str, id: &str, time: i64, data: &str) {
    let write = "INSERT INTO part VALUES (?1, ?2, ?3, ?4, ?4, ?5) \
                 ON CONFLICT (id) DO UPDATE SET data = excluded.data, time_updated = excluded.time_updated";
    database.execute(write, (id, message, session, time, data)).unwrap();
}

fn here(home: &Home) -> String {
    std::fs::canonicalize(home.path("")).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn the_newest_session_of_this_folder_is_shared_as_it_is_exported() {
    let scene = Scene::new();
    let database = database(&scene.home);
    session(&database, "ses_old", None, &here(&scene.home), 10);
    session(&database, "ses_new", None, &here(&scene.home), 20);
    session(&database, "ses_child", Some("ses_new"), &here(&scene.home), 30);
    session(&database, "ses_elsewhere", None, "/elsewhere", 40);
    database
        .execute_batch(
            r#"UPDATE session SET cost = 0.5, tokens_input = 3, model = '{"id":"m"}', share_url = 'http://x', summary_files = 2,
                   revert = '{"messageID":"msg_2"}', permission = '[]', of_the_future = x'01' WHERE id = 'ses_new'"#,
        )
        .unwrap();
    message(&database, "ses_new", "msg_1", 1, r#"{"role":"user","cost":0.30000000000000004}"#);
    part(&database, "ses_new", "msg_1", "prt_1", 1, "{}");
    part(&database, "ses_new", "msg_1", "prt_large", 1, &json!({ "text": "x".repeat(5 << 20) }).to_string());
    part(&database, "ses_new", "msg_1", "prt_broken", 1, r#"{"text": "half"#);
    database.execute("INSERT INTO session_message VALUES ('msg_2', 'ses_new')", []).unwrap();

    let shared = scene.push(&["--agent", "opencode", "--latest"]);
    assert!(shared.stderr.contains("ses_new in ") && !shared.stderr.contains("another folder"), "{}", shared.stderr);
    assert_eq!((&shared.said["agent"], &shared.said["session"]), (&json!("opencode"), &json!("ses_new")));
    let expected = json!({
        "session": {
            "id": "ses_new", "slug": "s", "projectID": "global", "directory": here(&scene.home), "title": "ses_new it is",
            "version": "1.18.33", "model": { "id": "m" }, "summary": { "additions": 0, "deletions": 0, "files": 2 }, "cost": 0.5,
            "tokens": { "input": 3, "output": 0, "reasoning": 0, "cache": { "read": 0, "write": 0 } },
            "share": { "url": "http://x" }, "revert": { "messageID": "msg_2" }, "permission": [],
            "time": { "created": 7, "updated": 20 },
        },
        "message/msg_1": { "id": "msg_1", "sessionID": "ses_new", "role": "user", "cost": 0.300_000_000_000_000_04 },
        "part/msg_1/prt_1": { "id": "prt_1", "sessionID": "ses_new", "messageID": "msg_1" },
    });
    // What is too large is cut, and says so.
    let mut held = serde_json::to_value(&shared.held).unwrap();
    let large = held.as_object_mut().unwrap().remove("part/msg_1/prt_large").unwrap();
    assert!(large["text"].as_str().unwrap().ends_with("bytes more"));
    assert_eq!((held, &shared.synced["made_smaller"]), (expected, &json!(1)));
    assert_eq!(
        shared.synced["left_out"],
        json!({ "not an item": 1, "of OpenCode's version 2": 1 }),
        "{}",
        shared.stderr
    );

    // Another one by its id, with and without the file; and from another folder, which is said.
    let old = scene.push(&["--agent", "opencode", "--session", "ses_old"]).held["session"].clone();
    // A whole number is one, as it is outside.
    assert_eq!((&old["title"], &old["cost"]), (&json!("ses_old it is"), &json!(0)));
    let file = scene.home.path(".local/share/opencode/opencode.db");
    let child = scene.push(&[file.to_str().unwrap(), "--session", "ses_child"]);
    assert_eq!(child.held["session"]["parentID"], "ses_new");
    database.execute("UPDATE session SET directory = '/gone' WHERE directory != '/elsewhere'", []).unwrap();
    let refused = scene.home.run(&["push", "--agent", "opencode", "--latest"]).ends_with(1).stderr;
    assert!(refused.contains("ses_elsewhere: --any-folder shares it"), "{refused}");
    let elsewhere = scene.push(&["--agent", "opencode", "--latest", "--any-folder"]);
    assert_eq!(elsewhere.said["session"], "ses_elsewhere");
    assert!(elsewhere.stderr.contains("another folder"), "{}", elsewhere.stderr);
}

#[test]
fn what_is_no_session_of_a_database_that_is_known_is_refused_with_what_to_do() {
    let scene = Scene::new();
    let push = |arguments: &[&str], code: i32| scene.home.run(&[&["push"], arguments].concat()).ends_with(code).stderr;
    let none = push(&["--agent", "opencode", "--latest"], 1);
    assert!(none.contains("no session of OpenCode in") && none.contains(".local/share/opencode"), "{none}");
    let database = database(&scene.home);
    assert!(push(&["--agent", "opencode", "--latest"], 1).contains("no session in"));
    session(&database, "ses_1", None, "/x", 1);
    let file = scene.home.path(".local/share/opencode/opencode.db").to_str().unwrap().to_owned();
    assert!(push(&[&file], 2).contains("--session ID"));
    assert!(push(&["--agent", "opencode", "--session", "ses_2"], 1).contains("no session ses_2 in"));
    push(&["--agent", "opencode"], 2);
    push(&["--session", "ses_1"], 2);
    database.execute_batch("DROP TABLE part").unwrap();
    let unknown = push(&["--agent", "opencode", "--latest", "--any-folder"], 1);
    assert!(unknown.contains("no such table: part") && unknown.contains("opencode export"), "{unknown}");
    std::fs::write(scene.home.path("other.db"), "SQLite format 3\0 and then something else").unwrap();
    let broken = push(&["other.db", "--session", "ses_1"], 1);
    assert!(broken.contains("opencode export"), "{broken}");
}

#[test]
fn it_is_followed_through_changes_of_every_kind_until_it_is_gone() {
    let scene = Scene::new();
    let database = database(&scene.home);
    database.execute_batch("PRAGMA foreign_keys = on").unwrap();
    session(&database, "ses_1", None, "/x", 1);
    // More than are read at a time.
    let write = database.unchecked_transaction().unwrap();
    message(&database, "ses_1", "msg_0", 1, "{}");
    for n in 0..250 {
        part(&database, "ses_1", "msg_0", &format!("prt_{n}"), n, &format!(r#"{{"type":"text","text":"{n}"}}"#));
    }
    write.commit().unwrap();
    let mut push = scene.home.start(&["push", "--json", "--agent", "opencode", "--session", "ses_1", "--follow"]);
    let id = id_of(&mut push);
    let mut watch = scene.home.start(&["watch", &id]);
    let mut sees = |what: &str| watch.stdout.wait_for(|line| line.contains(what));
    sees("prt_249");
    // Twice with the same time and the same length: a write that a look came between.
    for text in ["one", "two"] {
        part(&database, "ses_1", "msg_0", "prt_249", 9_000, &format!(r#"{{"type":"text","text":"{text}"}}"#));
        sees(&format!("\"{text}\""));
    }
    // A clock that was set back, and a row that changed without its time.
    part(&database, "ses_1", "msg_0", "prt_1", 0, r#"{"type":"text","text":"set back"}"#);
    sees("set back");
    database.execute(r#"UPDATE part SET data = '{"type":"text","text":"untimed"}' WHERE id = 'prt_2'"#, []).unwrap();
    sees("untimed");
    database.execute("UPDATE session SET title = 'renamed'", []).unwrap();
    sees("renamed");
    // Taken back: a part, and a message with its parts.
    message(&database, "ses_1", "msg_1", 9_001, "{}");
    part(&database, "ses_1", "msg_1", "prt_x", 9_001, "{}");
    sees("prt_x");
    database.execute("DELETE FROM part WHERE id = 'prt_3'", []).unwrap();
    let removed = sees("removed");
    assert!(removed.contains("part/msg_0/prt_3"), "{removed}");
    database.execute("DELETE FROM message WHERE id = 'msg_1'", []).unwrap();
    let removed = sees("removed");
    assert!(removed.contains("message/msg_1"), "{removed}");
    let write = database.unchecked_transaction().unwrap();
    part(&database, "ses_1", "msg_0", "prt_4", 9_002, r#"{"type":"text","text":"the last"}"#);
    write.commit().unwrap();
    sees("the last");
    database.execute("DELETE FROM session", []).unwrap();
    let ended = push.wait().ends_with(1);
    assert!(ended.stderr.contains("no session ses_1 in"), "{}", ended.stderr);

    let held = scene.held(&id);
    let text = |part: &str| held[&format!("part/msg_0/{part}")]["text"].clone();
    assert_eq!(held.len(), 2 + 249, "the session, its message and the parts but one");
    assert_eq!(
        [text("prt_1"), text("prt_2"), text("prt_4"), text("prt_249"), text("prt_200")],
        ["set back", "untimed", "the last", "two", "200"].map(Value::from)
    );
}

/// S106, S108: what `/undo` took back is not in the share, and comes back when that is taken back itself.
#[test]
fn what_undo_took_back_is_not_shared_until_it_is_restored() {
    let scene = Scene::new();
    let database = database(&scene.home);
    session(&database, "ses_1", None, "/x", 1);
    for n in 1..=4 {
        let (id, role) = (format!("msg_{n}"), if n % 2 == 1 { "user" } else { "assistant" });
        message(&database, "ses_1", &id, n, &json!({ "role": role }).to_string());
        for p in ["a", "b"] {
            part(&database, "ses_1", &id, &format!("prt_{n}{p}"), n, r#"{"type":"text","text":"said"}"#);
        }
    }
    let revert = |to: Option<Value>| {
        let to = to.map(|to| to.to_string());
        database.execute("UPDATE session SET revert = ?1, time_updated = time_updated + 1", [to]).unwrap();
    };
    revert(Some(json!({ "messageID": "msg_3" })));
    let shared = scene.push(&["--agent", "opencode", "--session", "ses_1"]);
    let keys = |shared: &super::Shared| shared.keys("message/").len() * 10 + shared.keys("part/").len();
    assert_eq!(keys(&shared), 24, "{:?}", shared.held.keys());
    assert!(shared.held.contains_key("part/msg_2/prt_2b") && !shared.held.contains_key("message/msg_3"));

    let mut push = scene.home.start(&["push", "--json", "--agent", "opencode", "--session", "ses_1", "--follow"]);
    let id = id_of(&mut push);
    let mut watch = scene.home.start(&["watch", &id]);
    let mut sees = |what: &str| watch.stdout.wait_for(|line| line.contains(what));
    sees("snapshot");
    revert(None);
    sees("prt_4b");
    revert(Some(json!({ "messageID": "msg_4", "partID": "prt_4b" })));
    assert!(sees("removed").contains("part/msg_4/prt_4b"));
    revert(Some(json!({ "messageID": "msg_4" })));
    assert!(sees("removed").contains("message/msg_4"));
    revert(Some(json!({ "messageID": "msg_of_nowhere" })));
    sees("prt_4b");
    push.signal("-INT");
    push.wait().ends_with(0);
}

/// S107: each subagent's session stands below the call that began it, whatever else names a session.
#[test]
fn subagents_stand_below_the_calls_that_began_them_and_go_with_them() {
    let scene = Scene::new();
    let database = database(&scene.home);
    let call = |session: &str| {
        let state = json!({ "status": "running", "input": {}, "metadata": { "sessionId": session } });
        json!({ "type": "tool", "tool": "task", "callID": "c", "state": state }).to_string()
    };
    session(&database, "ses_1", None, "/x", 1);
    for (id, parent) in [("ses_a", "ses_1"), ("ses_b", "ses_a"), ("ses_unasked", "ses_1")] {
        session(&database, id, Some(parent), "/x", 1);
    }
    session(&database, "ses_private", None, "/x", 1);
    for (n, (session, asks)) in [
        ("ses_1", "ses_a"),
        ("ses_1", "ses_private"),
        ("ses_a", "ses_b"),
        ("ses_b", "ses_1"),
        ("ses_unasked", "x"),
        ("ses_private", "x"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("msg_{n}_{session}");
        message(&database, session, &id, 10 - n as i64, r#"{"role":"assistant"}"#);
        part(&database, session, &id, &format!("prt_{n}"), 1, &call(asks));
    }
    let shared = scene.push(&["--agent", "opencode", "--session", "ses_1"]);
    let messages = ["message/msg_0_ses_1", "message/msg_1_ses_1", "message/msg_2_ses_a", "message/msg_3_ses_b"];
    assert_eq!(shared.keys("message/"), messages);
    assert_eq!(shared.held["message/msg_3_ses_b"]["sessionID"], "ses_b");
    assert_eq!(shared.held["part/msg_2_ses_a/prt_2"]["sessionID"], "ses_a");
    assert_eq!(shared.held["session"]["id"], "ses_1");

    // Live: a call that comes to name its session, and what that says; and all of it goes with the call.
    let mut push = scene.home.start(&["push", "--json", "--agent", "opencode", "--session", "ses_1", "--follow"]);
    let id = id_of(&mut push);
    let mut watch = scene.home.start(&["watch", &id]);
    let mut sees = |what: &str| watch.stdout.wait_for(|line| line.contains(what));
    sees("snapshot");
    part(&database, "ses_1", "msg_0_ses_1", "prt_late", 2, &call("ses_unasked"));
    sees("msg_4_ses_unasked");
    part(&database, "ses_unasked", "msg_4_ses_unasked", "prt_report", 3, r#"{"type":"text","text":"found it"}"#);
    sees("found it");
    database.execute("DELETE FROM part WHERE id IN ('prt_late', 'prt_0')", []).unwrap();
    sees("part/msg_0_ses_1/prt_late");
    push.signal("-INT");
    push.wait().ends_with(0);
    let held = scene.held(&id);
    let messages: Vec<_> = held.keys().filter(|key| key.starts_with("message/")).collect();
    assert_eq!(messages, ["message/msg_0_ses_1", "message/msg_1_ses_1"]);
}
