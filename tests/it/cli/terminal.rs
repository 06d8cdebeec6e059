//! What a terminal gets of the words of shares and of hosts: none of the characters that it obeys.
//!
//! The program runs with a terminal for each of its outputs, against a host whose every word holds all of them, and against a
//! real host with a share whose every text does.

mod host;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value, json};

use self::host::WordyHost;
use super::program::{EXPORT, Home, Ran};

/// All that a terminal may be told by one character, harmless in this order: a colour by ESC and by its C1 form, a bell, a
/// line that is begun anew, DEL, and each mark of direction.
const WORDS: &str = "\u{1b}[31mred\u{9b}32m\u{7}\r\n\u{85}\u{7f}\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\
                     \u{2066}\u{2067}\u{2068}\u{2069}end";

const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

/// What of a text a terminal obeys, but for line breaks and tabs. A terminal is sent `\r\n` for each line break.
fn obeyed(text: &str) -> String {
    let is_mark = |c| {
        "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}".contains(c)
    };
    let text = text.replace("\r\n", "\n");
    text.chars().filter(|c| (c.is_control() && !"\n\t".contains(*c)) || is_mark(*c)).collect()
}

/// Runs it on terminals, which get nothing that they obey.
#[track_caller]
fn on_terminals(home: &Home, arguments: &[&str], code: i32) -> Ran {
    let ran = home.start_on_terminals(arguments).wait().ends_with(code);
    for said in [&ran.stdout, &ran.stderr] {
        assert_eq!(obeyed(said), "", "{arguments:?}: {said:?}");
    }
    ran
}

/// Lines of the log without the colours of a terminal, which are ours, and which ESC alone begins.
fn uncoloured(log: &str) -> String {
    ["[0m", "[2m", "[32m", "[3m"].iter().fold(log.to_owned(), |log, colour| log.replace(&format!("\u{1b}{colour}"), ""))
}

/// Answers every request like a host that refuses it in these words.
fn refusing(message: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = json!({ "error": { "code": "Unauthorized", "message": message, "transient": false } }).to_string();
    let answer = format!(
        "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let _asked = socket.read(&mut [0; 4096]);
            let _gone = socket.write_all(answer.as_bytes());
        }
    });
    url
}

/// The words of a host that refuses, by every command that asks one, for people and as JSON.
#[test]
fn no_refusal_of_a_host_commands_a_terminal() {
    let url = refusing(WORDS);
    let home = Home::new().set("CAPSHARE_TO", &url);
    let commands: &[&[&str]] = &[
        &["push", EXPORT],
        &["watch", ID],
        &["export", ID],
        &["ls"],
        &["info", ID],
        &["rm", ID, "--secret", "s"],
        &["expire", ID, "1d", "--secret", "s"],
        &["visibility", ID, "link", "--secret", "s"],
        &["link", ID, "--secret", "s"],
        &["links", ID, "--secret", "s"],
        &["unlink", ID, "bbbbbbbbbbbbbbbb", "--secret", "s"],
        &["probe"],
        &["admin", "connections"],
        &["admin", "stats"],
        &["admin", "close", "--account", "ann"],
        &["admin", "send", "--account", "ann", "--notice", "hello"],
        &["admin", "broadcast", "--notice", "hello"],
        &["admin", "drain"],
    ];
    for command in commands {
        let people = on_terminals(&home, command, 4);
        // Neither does a word of the host begin a line of its own.
        assert!(people.stderr.contains("red") && people.stderr.trim_end().lines().count() == 1, "{}", people.stderr);
        let with_json = [command, &["--json"][..]].concat();
        let message = on_terminals(&home, &with_json, 4).error()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("red") && obeyed(&message).is_empty() && !message.contains('\n'), "{message:?}");
    }
    // Errors are read by people wherever they go.
    let piped = home.run(&["ls"]).ends_with(4);
    assert_eq!(obeyed(&piped.stderr), "", "{:?}", piped.stderr);
}

/// What a host says of itself, of shares and of connections, and in the log.
#[test]
fn no_answer_of_a_host_commands_a_terminal() {
    let host = WordyHost::start(WORDS);
    let home = Home::new().set("CAPSHARE_TO", host.url());
    // The first of its checks is answered; the others are unknown there.
    let probed = on_terminals(&home, &["probe"], 1);
    assert!(
        probed.stdout.contains("account \u{fffd}[31mred") && probed.stdout.lines().count() == 1,
        "{}",
        probed.stdout
    );
    let listed = on_terminals(&home, &["ls"], 0);
    assert!(listed.stdout.contains("http://red") && listed.stdout.lines().count() == 2, "{}", listed.stdout);
    let connected = on_terminals(&home, &["admin", "connections"], 0);
    assert_eq!(connected.stdout.lines().count(), 2, "{}", connected.stdout);
    for (command, member) in [(&["ls"][..], "title"), (&["admin", "connections"], "account")] {
        let ran = on_terminals(&home, &[command, &["--json"]].concat(), 0);
        assert!(ran.objects()[0][member].as_str().unwrap().contains(WORDS), "{}", ran.stdout);
    }
    // A refusal that ends the connection is told by the log as well, if the client ends before the program does.
    let logged = home.start_on_terminals(&["info", ID, "--log", "capshare=trace"]).wait().ends_with(4);
    assert!(logged.stderr.matches("[31mred").count() >= 1, "{}", logged.stderr);
    assert_eq!(obeyed(&uncoloured(&logged.stderr)), "", "{:?}", logged.stderr);
}

/// The log of a client, in both its forms, where it says why the host would not have it.
#[test]
fn no_line_of_the_log_commands_a_terminal() {
    let url = refusing(WORDS);
    let home = Home::new().set("CAPSHARE_TO", &url);
    for form in [&[][..], &["--json"]] {
        let command = [&["ls", "--log", "capshare=debug"], form].concat();
        let ran = home.start_on_terminals(&command).wait().ends_with(4);
        let line = ran.stderr.lines().find(|line| line.contains("the client has ended")).expect(&ran.stderr);
        assert!(line.contains("red"), "{line}");
        assert_eq!(obeyed(&uncoloured(line)), "", "{line:?}");
    }
}

/// A share of a stranger, by every command that shows what it holds; a file and a pipe get it as it is.
#[test]
fn no_text_of_a_share_commands_a_terminal() {
    let store = Home::new();
    let host = store.serve(&[]);
    let home = Home::new().set("CAPSHARE_TO", &host.url);
    let lines = [
        json!({ "type": "session", "data": { "id": "ses_1", "title": WORDS } }),
        json!({ "type": "message", "data": { "id": "msg_1", "role": "user" } }),
        json!({ "type": "part", "data": { "id": "prt_1", "messageID": "msg_1", "type": "text", "text": WORDS } }),
        // White space around tokens may be anything that JSON allows.
        json!({ "type": "note", "data": 0 }),
    ];
    let lines = lines.map(|line| format!("{line}\n")).concat().replace("\"data\":0", "\"data\":[\r1]");
    let file = home.write("wordy.jsonl", &lines);
    let pushed = on_terminals(&home, &["push", &file, "--json"], 0).objects();
    let id = pushed[0]["id"].as_str().unwrap();

    let mut watch = home.start_on_terminals(&["watch", id]);
    let snapshot = watch.stdout.wait_for(|line| line.contains("snapshot"));
    assert_eq!(obeyed(&snapshot), "", "{snapshot:?}");
    let snapshot: Value = serde_json::from_str(&snapshot).unwrap();
    let texts: Vec<_> = snapshot["payload"]["changes"].as_array().unwrap().iter().collect();
    assert!(texts.iter().any(|change| change["value"]["text"] == WORDS), "{snapshot}");

    let part = |document: &str| {
        let document: Value = serde_json::from_str(document).unwrap();
        assert_eq!(document["messages"][0]["parts"][0]["text"], WORDS, "{document}");
    };
    part(&on_terminals(&home, &["export", id], 0).stdout);
    on_terminals(&home, &["export", id, "--format", "jsonl"], 0).objects();
    let markdown = on_terminals(&home, &["export", id, "--format", "markdown"], 0).stdout;
    assert!(markdown.contains("[31mred"), "{markdown}");
    let piped = home.run(&["export", id]).ends_with(0).stdout;
    part(&piped);
    assert!(piped.contains('\u{202e}') && piped.contains('\u{9b}') && piped.contains('\u{7f}'), "as it is");

    home.run(&["link", id, "--label", "a \u{202e}label"]).ends_with(0);
    let links = on_terminals(&home, &["links", id], 0).stdout;
    assert!(links.contains("a \u{fffd}label"), "{links}");
    for command in [&["info", id][..], &["ls"]] {
        on_terminals(&home, command, 0);
    }
}

/// A store's own words: labels of tokens, and names of objects that somebody put there.
#[test]
fn no_word_of_a_store_commands_a_terminal() {
    let home = Home::new().set("CAPSHARE_STORE", "store");
    std::fs::create_dir_all(home.path("store/share")).unwrap();
    on_terminals(&home, &["token", "create", "--account", "ann", "--label", "a \u{202e}label"], 0);
    let listed = on_terminals(&home, &["token", "ls"], 0).stdout;
    assert!(listed.contains("a \u{fffd}label"), "{listed}");
    on_terminals(&home, &["token", "ls", "--json"], 0);
    std::fs::write(home.path("store/share/\u{202e}\u{9b}name"), "").unwrap();
    for form in [&[][..], &["--json"]] {
        let checked = on_terminals(&home, &[&["store", "check", "--settled-after", "0s"], form].concat(), 1).stdout;
        assert!(checked.contains("name"), "{checked}");
    }
    on_terminals(&home, &["store", "check", "\u{9b}31m\u{202e}"], 2);
}
