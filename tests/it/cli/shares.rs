//! The client commands, against a host of the same program.

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use capshare::__internal::ambient::SystemClock;
use capshare::__internal::store::{Store, StoreSettings, Summary, WriterId};
use capshare::host::storage::{self, S3Options, StoreLocation};
use capshare::share::time::Timestamp;
use serde_json::{Value, json};

use super::program::{EXPORT, Home, RECORDING, files};

const KEY: &str = "a-key-that-nobody-may-read";

#[test]
fn a_file_is_pushed_listed_shown_watched_and_removed_by_the_kept_secret() {
    let host_home = Home::new();
    let host = host_home.serve(&[]);
    for (file, items) in [(EXPORT, 137), (RECORDING, 138)] {
        let home = Home::new().set("CAPSHARE_TO", &host.url);
        let pushed = home.run(&["push", file, "--json"]).ends_with(0).objects();
        let (id, url) = (pushed[0]["id"].as_str().unwrap(), pushed[0]["url"].as_str().unwrap());
        assert_eq!(pushed[0]["event"], "shared");
        assert_eq!(pushed[1]["event"], "synced");
        assert!(url.starts_with(&host.url) && url.ends_with(id), "{url}");

        let kept = files(&home.path(".local/state/capshare"));
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(kept[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let secret: Value = serde_json::from_slice(&std::fs::read(&kept[0]).unwrap()).unwrap();
        let secret = secret["secret"].as_str().unwrap();

        let listed = home.run(&["ls", "--json"]).ends_with(0);
        assert!(listed.objects().iter().any(|line| line["id"] == id), "{}", listed.stdout);
        let info = home.run(&["info", url, "--json"]).ends_with(0);
        let info_of = &info.objects()[0];
        assert_eq!(info_of["session"], "ses_e04c5f21effeI8gLqiRejqb71y");
        assert!(info_of["item_count"].as_u64().unwrap() >= items, "{info_of}");

        let mut watch = home.start(&["watch", id]);
        let first = watch.stdout.wait_for(|_| true);
        let first: Value = serde_json::from_str(&first).unwrap();
        assert_eq!(first["event"], "snapshot");
        assert_eq!(
            first["payload"]["changes"].as_array().unwrap().len() as u64,
            info_of["item_count"].as_u64().unwrap()
        );
        watch.stdout.wait_for(|line| line.contains(r#""ready""#));

        let removed = home.run(&["rm", id, "--json"]).ends_with(0);
        let watched = watch.wait().ends_with(3);
        assert!(watched.stdout.contains("__error"), "{}", watched.stdout);
        assert_eq!(files(&home.path(".local/state/capshare")).len(), 0);
        let again = home.run(&["rm", id, "--json"]).ends_with(3);
        assert_eq!(again.error()["code"], "NotFound");
        for said in
            [listed.everything(), info.everything(), watched.everything(), removed.everything(), again.everything()]
        {
            assert!(!said.contains(secret), "{said}");
        }
    }
    host.program.signal("-TERM");
    let said = host.program.wait().ends_with(0).everything();
    assert!(!said.contains("capsec_"), "{said}");
}

#[test]
fn a_session_that_was_shared_is_the_same_share_when_it_is_pushed_again() {
    let home = Home::new();
    let host = home.serve(&[]);
    let first = home.run(&["push", "--to", &host.url, EXPORT, "--json"]).ends_with(0).objects();
    let second = home.run(&["push", "--to", &host.url, EXPORT, "--json"]).ends_with(0).objects();
    assert_eq!(first[0]["id"], second[0]["id"]);
    assert_eq!((&first[0]["existed"], &second[0]["existed"]), (&json!(false), &json!(true)));
    home.run(&["rm", "--to", &host.url, first[0]["id"].as_str().unwrap()]).ends_with(0);
}

/// As the host's fold would, here by hand: the directory of a host that runs is described beside it.
#[test]
fn a_listing_has_titles_times_and_counts_and_nothing_that_a_terminal_would_obey() {
    let home = Home::new();
    let host = home.serve(&[]);
    let home = home.set("CAPSHARE_TO", &host.url);
    assert_eq!(home.run(&["ls"]).ends_with(0).stdout, "");
    let id = home.run(&["push", EXPORT, "--json"]).ends_with(0).objects()[0]["id"].as_str().unwrap().to_owned();
    let fresh = &home.run(&["ls", "--json"]).ends_with(0).objects()[0];
    for unknown in ["title", "updated_at", "expires_at"] {
        assert_eq!(fresh[unknown], Value::Null, "{fresh}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let directory = StoreLocation::Directory(home.path(".local/share/capshare/shares"));
        let objects = storage::open(&directory, &S3Options::default()).await.unwrap();
        let store = Store::new(objects, StoreSettings::default(), WriterId(7), Arc::new(SystemClock));
        let claim = store.list(None, None, 10).await.unwrap().claims.remove(0);
        let about = Summary {
            account: claim.account,
            session: claim.session,
            created_at: claim.at,
            updated_at: Timestamp(1_796_000_002_000),
            title: Some("A\u{1b}[2J title\n".to_owned()),
            sync_count: 3,
            item_count: 137,
            byte_count: 4_567,
            log_bytes: 8_000,
            segments: 9,
            expires_at: None,
        };
        store.describe(&claim.share, &about).await.unwrap();
    });
    let line = &home.run(&["ls", "--json"]).ends_with(0).objects()[0];
    assert_eq!((&line["id"], &line["title"]), (&json!(id), &json!("A\u{1b}[2J title\n")));
    assert_eq!((&line["updated_at"], &line["expires_at"]), (&json!("2026-11-30T00:53:22.000Z"), &Value::Null));
    assert_eq!((&line["sync_count"], &line["item_count"], &line["byte_count"]), (&json!(3), &json!(137), &json!(4567)));
    let people = home.run(&["ls"]).ends_with(0).stdout;
    let lines: Vec<_> = people.lines().collect();
    assert_eq!(lines.len(), 2, "{people}");
    assert!(lines[0].starts_with("ID ") && lines[0].ends_with("TITLE"), "{people}");
    assert!(lines[1].contains("2026-11-30T00:53:22.000Z        3      137        4567  ses_"), "{people}");
    assert!(lines[1].ends_with("  A\u{fffd}[2J title\u{fffd}"), "{people}");
}

#[test]
fn a_share_is_given_a_time_to_live_when_it_is_pushed_and_later() {
    let home = Home::new();
    let host = home.serve(&["--share-ttl-max", "30d"]);
    let to = ["--to", host.url.as_str(), "--json"];
    let run = |arguments: &[&str]| home.run(&[arguments, &to[..]].concat());
    let pushed = run(&["push", EXPORT, "--expires", "7d"]).ends_with(0).objects();
    let id = pushed[0]["id"].as_str().unwrap();
    let days = || {
        let info = run(&["info", id]).ends_with(0).objects().remove(0);
        let at = |name: &str| humantime::parse_rfc3339(info[name].as_str().unwrap()).unwrap();
        at("expires_at").duration_since(at("created_at")).unwrap().as_secs() / 86_400
    };
    assert_eq!(days(), 7);
    let set = run(&["expire", id, "20d"]).ends_with(0).objects();
    assert_eq!((set[0]["event"].as_str(), days()), (Some("expiry"), 20));
    run(&["expire", id, "never"]).ends_with(0);
    assert_eq!(days(), 30, "the longest that this host grants");
    assert_eq!(run(&["expire", id, "31d"]).ends_with(6).error()["code"], "LimitExceeded");
    assert_eq!(run(&["expire", id, "soon"]).ends_with(2).error()["code"], "Usage");
    assert_eq!(run(&["push", RECORDING, "--expires", "31d"]).ends_with(6).error()["code"], "LimitExceeded");
    let people = home.run(&["info", id, "--to", &host.url]).ends_with(0);
    assert!(people.stdout.contains("expires   20"), "{}", people.stdout);
    home.run(&["expire", id, "0s", "--to", &host.url]).ends_with(0);
    run(&["info", id]).ends_with(3);
}

#[test]
fn an_account_past_its_quota_is_told_what_to_do() {
    let home = Home::new();
    let settings =
        home.write("host.toml", "[quota]\nshares_max = 1\n[quota.accounts.local]\nbytes_per_day_max = '1KiB'\n");
    let host = home.serve(&["--config", &settings]);
    let push = |session| home.run(&["push", "--to", &host.url, "--json", EXPORT, "--session", session]);
    // Larger than a day's, so it passes because nothing is used up.
    push("ses_1").ends_with(0);
    let day = push("ses_1").ends_with(6).error();
    assert_eq!(day["code"], "LimitExceeded");
    assert!(day["message"].as_str().unwrap().contains("accountBytesPerDayMax"), "{day}");
    let shares = push("ses_2").ends_with(6).error();
    assert!(shares["message"].as_str().unwrap().contains("accountSharesMax of 1: there were 2; delete"), "{shares}");
}

#[test]
fn every_kind_of_no_has_its_exit_code() {
    let home = Home::new();
    let host = home.serve(&["--key", &format!("ann={KEY}")]);
    let to = ["--to", host.url.as_str(), "--json"];
    let unknown = "a".repeat(26);
    let with_key = Home::new().set("CAPSHARE_TOKEN", KEY).set("CAPSHARE_TO", &host.url);
    let pushed = with_key.run(&["push", EXPORT, "--json"]).ends_with(0).objects();
    let id = pushed[0]["id"].as_str().unwrap();
    let token = with_key.write("token", &format!("{KEY}\n"));
    with_key.run(&["ls", "--token-file", &token]).ends_with(0);

    let no_file = with_key.path("nothing");
    let no_item = with_key
        .write("lines.jsonl", "{\"type\":\"session\",\"data\":{\"id\":\"s\"}}\n{\"type\":\"part\",\"data\":{}}\n");
    let no_json = with_key.write("text", "not JSON\n");
    let ran = [
        (home.run(&[&["ls"], &to[..]].concat()), 4, "Unauthorized"),
        (home.run(&[&["ls", "--token", "a-token-that-is-wrong"], &to[..]].concat()), 4, "Unauthorized"),
        (with_key.run(&["info", &unknown, "--json"]), 3, "NotFound"),
        (with_key.run(&["info", "no-id", "--json"]), 3, "NotFound"),
        (with_key.run(&["watch", &unknown, "--json"]), 3, "NotFound"),
        (with_key.run(&["rm", id, "--secret", "capsec_wrong", "--json"]), 4, "InvalidSecret"),
        (with_key.run(&["rm", &unknown, "--json"]), 3, "NotFound"),
        (with_key.run(&["info", "a/b", "--json"]), 2, "Usage"),
        (with_key.run(&["nonsense", "--json"]), 2, "Usage"),
        (with_key.run(&["push", no_file.to_str().unwrap(), "--json"]), 1, "Failed"),
        (with_key.run(&["push", &no_item, "--json"]), 1, "InvalidInput"),
        (with_key.run(&["push", &no_json, "--json"]), 1, "Failed"),
        (with_key.run(&["watch", id, "--to", "http://127.0.0.1:1", "--timeout", "1s", "--json"]), 5, "Unreachable"),
        (with_key.run(&["ls", "--to", "http://127.0.0.1:1", "--timeout", "1s", "--json"]), 5, "Unreachable"),
        // No secret of it is kept in this home, and nothing is shown.
        (Home::new().run(&[&["rm", id], &to[..]].concat()), 4, "Unauthorized"),
    ];
    for (ran, exit, code) in ran {
        let ran = ran.ends_with(exit);
        assert_eq!((&ran.error()["code"], &ran.error()["exit"]), (&json!(code), &json!(exit)));
        let said = ran.everything();
        assert!(![KEY, "a-token-that-is-wrong", "capsec_"].iter().any(|secret| said.contains(secret)), "{said}");
    }
    host.program.signal("-TERM");
    let said = host.program.wait().ends_with(0).everything();
    assert!(![KEY, "a-token-that-is-wrong", "capsec_"].iter().any(|secret| said.contains(secret)), "{said}");
}

#[test]
fn a_token_of_the_environment_is_not_sent_to_a_host_that_a_url_names() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/share/{}", elsewhere.local_addr().unwrap(), "a".repeat(26));
    let head = |home: &Home, arguments: &[&str]| {
        let _program = home.start(arguments);
        let mut head = Vec::new();
        let mut socket = elsewhere.accept().unwrap().0;
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    };
    let home = Home::new().set("CAPSHARE_TOKEN", KEY).set("CAPSHARE_TO", "https://share.example.org");
    assert!(!head(&home, &["info", &url]).contains(KEY));
    assert!(head(&home, &["info", &url, "--token", KEY]).contains(KEY));
}

#[test]
fn a_probe_prints_four_checks_with_their_times() {
    let home = Home::new();
    let host = home.serve(&[]);
    let checks = home.run(&["probe", &host.url, "--json"]).ends_with(0).objects();
    let names: Vec<_> = checks.iter().map(|check| check["check"].as_str().unwrap()).collect();
    assert_eq!(names, ["reach", "version", "value", "callback"]);
    assert!(checks.iter().all(|check| check["ok"] == true && check["ms"].as_f64().unwrap() > 0.0), "{checks:?}");
    let people = home.run(&["probe", "--to", &host.url.replace("http", "ws")]).ends_with(0);
    assert_eq!(people.stdout.lines().filter(|line| line.starts_with("ok ") && line.contains(" ms ")).count(), 4);
    home.run(&["probe", "http://127.0.0.1:1", "--timeout", "1s"]).ends_with(5);
}

#[test]
fn a_reader_that_goes_away_ends_the_command() {
    let home = Home::new();
    let host = home.serve(&[]);
    let ran = home.run(&["push", "--to", &host.url, EXPORT, "--json"]).ends_with(0).objects();
    let mut command = home.command(&["watch", "--to", &host.url, ran[0]["id"].as_str().unwrap()]);
    let mut watch = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(watch.stdout.take());
    let ended = watch.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}
