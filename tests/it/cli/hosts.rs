//! The program with several hosts over one directory.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::program::{EXPORT, Home, Running, Said, files, free_port};

/// Two hosts over one directory, on ports that stay their own.
struct Pair {
    home: Home,
    store: String,
    ports: [u16; 2],
    running: [Option<Running>; 2],
}

impl Pair {
    fn new(home: Home, arguments: &[&str]) -> Self {
        let store = home.path("shares").to_str().unwrap().to_owned();
        let mut pair = Self { home, store, ports: [0, 0], running: [None, None] };
        for host in [0, 1] {
            // The first is taken before the second is looked for.
            pair.ports[host] = free_port();
            pair.start(host, arguments);
        }
        pair
    }

    fn url(&self, host: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[host])
    }

    fn start(&mut self, host: usize, arguments: &[&str]) {
        let listen = format!("127.0.0.1:{}", self.ports[host]);
        let all = [&["serve", "--json", "--listen", &listen, "--store", &self.store], arguments].concat();
        let mut program = self.home.start(&all);
        program.listens();
        self.running[host] = Some(program);
    }

    fn kill(&mut self, host: usize) {
        let program = self.running[host].take().unwrap();
        program.signal("-KILL");
        drop(program);
    }
}

fn message(id: &str) -> String {
    format!("{{\"type\":\"message\",\"data\":{{\"id\":\"{id}\",\"sessionID\":\"ses_1\"}}}}\n")
}

/// Follows the frames of a watch: each step begins where the last one ended.
struct Steps {
    revision: u64,
    count: usize,
}

impl Steps {
    /// Reads until a step has this text.
    fn until(&mut self, said: &mut Said, text: &str) {
        said.wait_for(|line| {
            let frame: Value = serde_json::from_str(line).unwrap();
            let of = |name: &str| frame["payload"][name].as_u64();
            if let (Some(base), Some(revision)) = (of("base"), of("revision")) {
                assert_eq!(base, self.revision, "a revision was skipped or told twice: {line}");
                // A share without a sync is at the revision that it begins with.
                assert!(revision > base || (line.contains("snapshot") && revision == 0), "{line}");
                (self.revision, self.count) = (revision, self.count + usize::from(revision > base));
            }
            line.contains(text)
        });
    }
}

/// S102, S80: `push --follow` and `watch` that know two hosts go on at the other when theirs is killed, at once, with no revision skipped
/// or told twice.
#[test]
fn push_and_watch_go_on_at_the_other_host_when_theirs_is_killed() {
    let mut pair = Pair::new(Home::new(), &[]);
    let urls = format!("{}  {}", pair.url(0), pair.url(1));
    let user = Home::new().set("CAPSHARE_TO", &urls);
    let file = user.write("live.jsonl", &message("msg_0"));
    let append = |text: &str| OpenOptions::new().append(true).open(&file).unwrap().write_all(text.as_bytes()).unwrap();
    let mut push = user.start(&["push", "--follow", "--session", "ses_1", "--json", &file]);
    let shared = push.stdout.wait_for(|line| line.contains("shared"));
    let id = serde_json::from_str::<Value>(&shared).unwrap()["id"].as_str().unwrap().to_owned();
    let (to, and_to) = (pair.url(1), pair.url(0));
    let mut watch = user.start(&["watch", "--to", &to, "--to", &and_to, &id]);
    let mut steps = Steps { revision: 0, count: 0 };
    steps.until(&mut watch.stdout, "message/msg_0");
    let mut slowest = Duration::ZERO;
    // Whichever host they begin at, they are moved.
    for (round, host) in [0, 1, 0, 1].into_iter().enumerate() {
        let other = pair.url(1 - host);
        pair.kill(host);
        let since = Instant::now();
        let id = format!("msg_{}", round + 1);
        append(&message(&id));
        if round > 0 {
            for program in [&mut push, &mut watch] {
                program.stderr.wait_for(|line| line.contains(&format!("going on at {other}; nothing is lost")));
                slowest = slowest.max(since.elapsed());
            }
        }
        steps.until(&mut watch.stdout, &format!("message/{id}"));
        pair.start(host, &[]);
    }
    assert!(slowest < Duration::from_secs(5), "the longest silence was {slowest:?}");
    push.signal("-INT");
    let ended = push.wait().ends_with(0);
    let synced: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((synced["items"].as_u64(), synced["sync_count"].as_u64()), (Some(5), Some(5)), "{synced}");
    assert_eq!((steps.revision, steps.count), (5, 5));
}

/// Every command goes on at a host that is there.
#[test]
fn commands_ask_the_host_that_is_there() {
    let key = "ops:admin,share:write,share:read=a-key-that-nobody-may-read";
    let mut pair = Pair::new(Home::new(), &["--key", key]);
    pair.kill(0);
    let urls = format!("{} {}", pair.url(0), pair.url(1));
    let user = Home::new().set("CAPSHARE_TO", &urls).set("CAPSHARE_TOKEN", "a-key-that-nobody-may-read");
    // Each begins at a random one.
    for _ in 0..4 {
        let pushed = user.run(&["push", EXPORT, "--json"]).ends_with(0).objects();
        let id = pushed[0]["id"].as_str().unwrap();
        user.run(&["ls"]).ends_with(0);
        user.run(&["info", id]).ends_with(0);
        let probed = user.run(&["probe"]).ends_with(0);
        assert!(probed.stdout.contains(&pair.url(1)) && !probed.stdout.contains(&pair.url(0)), "{}", probed.stdout);
        user.run(&["admin", "stats", "--here"]).ends_with(0);
    }
    // What is about one host names one.
    let refused = user.run(&["admin", "drain"]).ends_with(2);
    assert!(refused.stderr.contains("2 hosts are named, and this command is about one"), "{}", refused.stderr);
    pair.kill(1);
    let lost = user.run(&["ls", "--timeout", "1s"]).ends_with(5);
    assert!(
        lost.stderr.contains(&format!("{} or {}: the host could not be reached", pair.url(0), pair.url(1))),
        "{}",
        lost.stderr
    );
}

/// The secrets of shares are kept by the store: what was pushed to one of its hosts is pushed on to another, and deleted at another.
#[test]
fn a_share_that_was_pushed_to_one_host_goes_on_at_another() {
    let pair = Pair::new(Home::new(), &[]);
    let user = Home::new();
    let push = |to: &str| user.run(&["push", EXPORT, "--json", "--to", to]).ends_with(0).objects().remove(0);
    let first = push(&pair.url(0));
    let second = push(&pair.url(1));
    assert_eq!((&second["id"], &second["existed"]), (&first["id"], &true.into()));
    let id = first["id"].as_str().unwrap();
    let kept = files(&user.path(".local/state/capshare/secrets"));
    assert_eq!(kept.len(), 1, "one file a share: {kept:?}");
    let text: Value = serde_json::from_slice(&std::fs::read(&kept[0]).unwrap()).unwrap();
    assert_eq!(text["hosts"].as_array().unwrap().len(), 2, "it says where the secret was used: {text}");
    user.run(&["rm", id, "--to", &pair.url(1)]).ends_with(0);
    assert!(!kept[0].exists());
    user.run(&["info", id, "--to", &pair.url(1)]).ends_with(3);
}

/// A secret that version 0.1.0 kept by the host's URL is found, and moved to where those of the store are.
#[test]
fn a_secret_that_was_kept_by_the_hosts_url_is_found_and_moved() {
    let pair = Pair::new(Home::new(), &[]);
    let user = Home::new();
    let push = |to: &str| user.run(&["push", EXPORT, "--json", "--to", to]).ends_with(0).objects().remove(0);
    let first = push(&pair.url(0));
    let folder = user.path(".local/state/capshare/secrets");
    let kept = files(&folder).remove(0);
    // As it was then.
    let text: Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    let old_folder = folder.join(format!("http_3a_2f_2f127.0.0.1_3a{}", pair.ports[0]));
    std::fs::create_dir(&old_folder).unwrap();
    let old = serde_json::json!({
        "host": pair.url(0), "id": text["id"], "session": text["session"], "account": text["account"], "url": text["url"],
        "secret": text["secret"],
    });
    let old_file = old_folder.join(kept.file_name().unwrap());
    for command in [&["push", EXPORT][..], &["links", first["id"].as_str().unwrap()]] {
        std::fs::remove_file(&kept).unwrap();
        std::fs::write(&old_file, old.to_string()).unwrap();
        user.run(&[command, &["--to", &pair.url(0)]].concat()).ends_with(0);
        assert!(kept.exists() && !old_file.exists(), "{command:?}");
    }
    let second = push(&pair.url(1));
    assert_eq!((&second["id"], &second["existed"]), (&first["id"], &true.into()));
}

/// A host that only somebody's URL of a share names is shown no secret, whatever store it says that it has.
#[test]
fn a_kept_secret_is_not_shown_to_a_host_that_only_a_shares_url_names() {
    let pair = Pair::new(Home::new(), &["--open"]);
    let user = Home::new().set("CAPSHARE_TO", &pair.url(0));
    let pushed = user.run(&["push", EXPORT, "--json"]).ends_with(0).objects().remove(0);
    let id = pushed["id"].as_str().unwrap();
    // It has the same store, and would delete the share for its secret.
    user.run(&["rm", &format!("{}/share/{id}", pair.url(1))]).ends_with(4);
    user.run(&["rm", &format!("{}/share/{id}", pair.url(0))]).ends_with(0);
}
