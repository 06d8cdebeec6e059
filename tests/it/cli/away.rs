//! The program while a proxy answers in its host's place.

use std::fs::OpenOptions;
use std::io::Write as _;

use serde_json::Value;
use tokio::runtime::Runtime;

use super::program::Home;
use crate::support::relay::Relay;

const TRAEFIK: &str = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 19\r\n\r\n404 page not found\n";

fn message(id: &str) -> String {
    format!("{{\"type\":\"message\",\"data\":{{\"id\":\"{id}\",\"sessionID\":\"ses_1\"}}}}\n")
}

/// S126: `push --follow` and `watch` say that the host is away, what answers in its place, and when it is back; nothing is lost.
#[test]
fn push_and_watch_say_that_the_host_is_away_and_come_back() {
    let home = Home::new();
    let host = home.serve(&[]);
    let runtime = Runtime::new().unwrap();
    let relay = runtime.block_on(Relay::to(host.url.strip_prefix("http://").unwrap().parse().unwrap()));
    let to = format!("http://{}", relay.address);
    let file = home.write("live.jsonl", &message("msg_1"));
    let append = |text: &str| OpenOptions::new().append(true).open(&file).unwrap().write_all(text.as_bytes()).unwrap();

    // Nobody was connected before: it is said at once what answers.
    relay.answer(TRAEFIK);
    let mut push =
        home.start(&["push", "--follow", "--session", "ses_1", "--json", "--to", &to, "--timeout", "60s", &file]);
    push.stderr.wait_for(|line| {
        line.contains("the host cannot be reached (a proxy answered 404 in plain text: 404 page not found)")
    });
    relay.forward();
    let shared = push.stdout.wait_for(|line| line.contains("shared"));
    let id = serde_json::from_str::<Value>(&shared).unwrap()["id"].as_str().unwrap().to_owned();
    let mut watch = home.start(&["watch", "--to", &to, &id]);
    watch.stdout.wait_for(|line| line.contains("message/msg_1"));

    let before = relay.answered_instead();
    relay.answer(TRAEFIK);
    for stderr in [&mut push.stderr, &mut watch.stderr] {
        stderr.wait_for(|line| line.contains("the connection was lost"));
        stderr.wait_for(|line| line.contains("the host cannot be reached (a proxy answered 404 in plain text"));
    }
    append(&message("msg_2"));
    runtime.block_on(relay.has_answered(before + 4));
    relay.forward();
    for stderr in [&mut push.stderr, &mut watch.stderr] {
        stderr.wait_for(|line| line.contains("connected again"));
    }
    watch.stdout.wait_for(|line| line.contains("message/msg_2"));
    push.signal("-INT");
    push.wait().ends_with(0);
}

/// S126: a command that finds a proxy alone says so within its patience, and what to do.
#[test]
fn a_command_says_within_its_patience_that_a_proxy_answers_alone() {
    let home = Home::new();
    let runtime = Runtime::new().unwrap();
    let relay = runtime.block_on(Relay::to("127.0.0.1:9".parse().unwrap()));
    relay.answer(TRAEFIK);
    let to = format!("http://{}", relay.address);
    for command in
        [&["ls"][..], &["probe"], &["info", "aaaaaaaaaaaaaaaaaaaaaaaaaa"], &["watch", "aaaaaaaaaaaaaaaaaaaaaaaaaa"]]
    {
        let ran = home.run(&[command, &["--to", &to, "--timeout", "300ms"]].concat()).ends_with(5);
        let said = "could not be reached within 300ms: a proxy answered 404 in plain text: 404 page not found: \
                    check that a capshare host runs behind it, or name another host by --to";
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
}

/// A `push --follow` whose credential the host revokes ends at once, though its file does not change any more.
#[test]
fn push_ends_when_the_host_itself_ends_it() {
    let home = Home::new();
    let host = home.serve(&[]);
    let runtime = Runtime::new().unwrap();
    let relay = runtime.block_on(Relay::to(host.url.strip_prefix("http://").unwrap().parse().unwrap()));
    let file = home.write("live.jsonl", &message("msg_1"));
    let to = format!("http://{}", relay.address);
    let mut push = home.start(&["push", "--follow", "--session", "ses_1", "--json", "--to", &to, &file]);
    let shared = push.stdout.wait_for(|line| line.contains("shared"));
    let id = serde_json::from_str::<Value>(&shared).unwrap()["id"].as_str().unwrap().to_owned();
    home.start(&["watch", "--to", &host.url, &id]).stdout.wait_for(|line| line.contains("message/msg_1"));
    relay.close(4001);
    assert!(push.wait().ends_with(4).error()["message"].as_str().unwrap().contains("revoked"));
}

/// A `push --follow` whose share was deleted by somebody else says so when it cannot send the last change of its file, and not
/// only at the next.
#[test]
fn push_ends_when_its_share_takes_no_more() {
    let home = Home::new();
    let host = home.serve(&[]);
    let file = home.write("live.jsonl", &message("msg_1"));
    let mut push = home.start(&["push", "--follow", "--session", "ses_1", "--json", "--to", &host.url, &file]);
    let shared = push.stdout.wait_for(|line| line.contains("shared"));
    let id = serde_json::from_str::<Value>(&shared).unwrap()["id"].as_str().unwrap().to_owned();
    home.start(&["watch", "--to", &host.url, &id]).stdout.wait_for(|line| line.contains("message/msg_1"));
    home.run(&["rm", "--to", &host.url, &id]).ends_with(0);
    OpenOptions::new().append(true).open(&file).unwrap().write_all(message("msg_2").as_bytes()).unwrap();
    assert_eq!(push.wait().ends_with(3).error()["code"], "NotFound");
}

/// S126: `admin connections --watch` waits for a host that goes away, too.
#[test]
fn a_look_at_the_connections_goes_on_when_the_host_is_back() {
    let home = Home::new();
    let host = home.serve(&["--key", "ops:admin=a-key-that-nobody-may-read"]);
    let runtime = Runtime::new().unwrap();
    let relay = runtime.block_on(Relay::to(host.url.strip_prefix("http://").unwrap().parse().unwrap()));
    let to = format!("http://{}", relay.address);
    let home = home.set("CAPSHARE_TOKEN", "a-key-that-nobody-may-read").set("CAPSHARE_TO", &to);
    let mut watch = home.start(&["admin", "connections", "--watch", "--json", "--timeout", "1s"]);
    watch.stdout.wait_for(|line| line.contains("ops"));
    let before = relay.answered_instead();
    relay.answer(TRAEFIK);
    watch.stderr.wait_for(|line| line.contains("a proxy answered 404"));
    runtime.block_on(relay.has_answered(before + 5));
    relay.forward();
    watch.stderr.wait_for(|line| line.contains("connected again"));
    watch.stdout.wait_for(|line| line.contains("ops"));
    watch.signal("-INT");
    watch.wait().ends_with(0);
}
