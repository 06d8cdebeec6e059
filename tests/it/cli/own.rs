//! A share of one's own from any machine: the program with the account's credential, and no secret.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::program::{EXPORT, Home, files};

const ANNS: &str = "anns-key-0123456789";
const BOBS: &str = "bobs-key-0123456789";
const READS: &str = "reads-key-0123456789";

/// S87: what only a share's owner does, the owner's credential does on a machine that never saw the share; nobody else's does. Each is
/// a line of the audit log, with whose share it was, and each attempt that was refused is one.
#[test]
fn an_owner_needs_a_credential_and_no_secret_on_another_machine() {
    let home = Home::new();
    let keys = [format!("ann={ANNS}"), format!("bob={BOBS}"), format!("ann:share:read={READS}")];
    let host = home.serve(&["--key", &keys[0], "--key", &keys[1], "--key", &keys[2], "--log-format", "json"]);
    let machine = |key: &str| Home::new().set("CAPSHARE_TO", &host.url).set("CAPSHARE_TOKEN", key);
    let pushed = machine(ANNS).run(&["push", EXPORT, "--json"]).ends_with(0).objects();
    let id = pushed[0]["id"].as_str().unwrap();

    // One that may not is told so, and nothing is done.
    for (key, code) in [(BOBS, "Unauthorized"), (READS, "Unauthorized")] {
        let stranger = machine(key);
        for what in
            [&["rm", id][..], &["expire", id, "1d"], &["visibility", id, "grant"], &["link", id], &["links", id]]
        {
            let refused = stranger.run(&[what, &["--json"]].concat()).ends_with(4).error();
            assert_eq!(refused["code"], code, "{what:?}: {refused}");
            assert!(refused["message"].as_str().unwrap().contains("CAPSHARE_SECRET"), "{what:?}: {refused}");
        }
        stranger.run(&["rm", &"a".repeat(26)]).ends_with(if key == BOBS { 3 } else { 4 });
    }
    Home::new().set("CAPSHARE_TO", &host.url).run(&["rm", id]).ends_with(4);

    let other = machine(ANNS);
    let run = |arguments: &[&str]| other.run(&[arguments, &["--json"]].concat());
    let read = run(&["link", id]).ends_with(0).objects().remove(0);
    assert_eq!(run(&["links", id]).ends_with(0).objects().len(), 1);
    run(&["unlink", id, read["grant"].as_str().unwrap()]).ends_with(0);
    assert_eq!(run(&["links", id]).ends_with(0).objects().len(), 0);
    run(&["visibility", id, "grant"]).ends_with(0);
    machine(BOBS).run(&["info", id]).ends_with(4);
    assert!(run(&["expire", id, "1d"]).ends_with(0).objects()[0]["expires_at"].is_string());
    run(&["rm", id]).ends_with(0);
    run(&["info", id]).ends_with(3);
    assert_eq!(files(&other.path(".local")).len(), 0, "nothing was kept here");

    // By HTTP there is an address and no connection.
    let address = host.url.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    let body = r#"{"sessionID": "ses_http"}"#;
    let head =
        format!("POST /api/shares HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {BOBS}\r\nConnection: close");
    let length = body.len();
    let json = "Content-Type: application/json";
    socket.write_all(format!("{head}\r\n{json}\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    host.program.signal("-TERM");
    let said = host.program.wait().ends_with(0).everything();
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let audit: Vec<_> = lines.filter(|line| line["target"] == "audit").map(|line| line["fields"].clone()).collect();
    let of = |event: &str| audit.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    let admitted: Vec<_> = of("admitted").into_iter().map(|line| &line["connection"]).collect();
    for event in ["share_created", "granted", "revoked", "visibility_set", "expiry_set", "share_deleted"] {
        let lines: Vec<_> = of(event).into_iter().filter(|line| line["share"] == id).collect();
        assert_eq!(lines.len(), 1, "{event}: {lines:?}");
        let line = lines[0];
        assert_eq!(
            (&line["share"], &line["owner"], &line["account"]),
            (&json!(id), &json!("ann"), &json!("ann")),
            "{line}"
        );
        assert!(line["address"] == "127.0.0.1" && admitted.contains(&&line["connection"]), "{line}");
    }
    let by_http: Vec<_> = of("share_created").into_iter().filter(|line| line["owner"] == "bob").collect();
    let from = by_http.iter().map(|line| (&line["connection"], &line["address"], &line["account"])).collect::<Vec<_>>();
    assert_eq!(from, [(&json!(""), &json!("127.0.0.1"), &json!("bob"))]);
    let tried = of("refused").into_iter().filter(|line| line["action"] == "own_share").collect::<Vec<_>>();
    for account in ["ann", "bob"] {
        let is_of_account = |line: &&&Value| line["account"] == account && line["credential"] == "key";
        let of_account: Vec<_> = tried.iter().filter(is_of_account).collect();
        let of_this = of_account.iter().filter(|line| line["share"] == id).count();
        assert_eq!((of_this, of_account.len()), (5, 6), "{account}: {tried:?}");
    }
    for line in &audit {
        for field in ["connection", "address", "account", "credential", "credential_id"] {
            assert!(line[field].is_string(), "{field} of {line}");
        }
    }
    assert!(tried.iter().all(|line| admitted.contains(&&line["connection"])), "{tried:?}");
    for secret in [ANNS, BOBS, READS, "capsec_"] {
        assert!(!said.contains(secret), "a secret is in the log");
    }
}

/// S87: a secret that was kept and is damaged, or is no good any more, locks nobody out who has the credential.
#[test]
fn a_kept_secret_that_is_no_good_is_not_in_the_way() {
    let home = Home::new();
    let host = home.serve(&["--key", &format!("ann={ANNS}")]);
    let home = home.set("CAPSHARE_TO", &host.url).set("CAPSHARE_TOKEN", ANNS);
    let id = home.run(&["push", EXPORT, "--json"]).ends_with(0).objects()[0]["id"].as_str().unwrap().to_owned();
    let kept = files(&home.path(".local/state/capshare")).remove(0);
    let whole = std::fs::read_to_string(&kept).unwrap();
    let mut wrong: Value = serde_json::from_str(&whole).unwrap();
    wrong["secret"] = json!(format!("capsec_{}", "A".repeat(43)));
    for text in ["damaged", &wrong.to_string()] {
        std::fs::write(&kept, text).unwrap();
        home.run(&["links", &id]).ends_with(0);
    }
    // A secret that is given is meant, and goes for nothing else.
    home.run(&["links", &id, "--secret", "capsec_wrong"]).ends_with(4);
    home.run(&["rm", &id]).ends_with(0);
    assert!(!kept.exists());
}
