//! `capshare admin`, and the audit log of the host that it administers.

use std::collections::BTreeSet;

use capshare::client::Push;
use serde_json::{Value, json};

use super::program::{EXPORT, Home};
use crate::support::hearing::hearing;

/// Somebody with a token of the store of this home's host that administers.
pub(super) fn administrator(home: &Home) -> Home {
    let made = home.run(&["token", "create", "--account", "ops", "--scope", "admin", "--json"]).ends_with(0);
    Home::new().set("CAPSHARE_TOKEN", made.objects()[0]["token"].as_str().unwrap())
}

/// S124: a host without keys, for its own machine or for everybody, is administered by a token of its store and by nothing
/// else.
#[test]
fn a_host_without_keys_is_administered_by_a_token_of_its_store_alone() {
    for open in [&[][..], &["--open"]] {
        let home = Home::new();
        let host = home.serve(open);
        let to = ["--to", host.url.as_str(), "--json"];
        for what in [&["drain"][..], &["connections"], &["stats"], &["close", "--account", "local"]] {
            let refused = home.run(&[&["admin"], what, &to].concat()).ends_with(4).error();
            assert_eq!(refused["code"], "Unauthorized", "{refused}");
        }
        let guessing = Home::new().set("CAPSHARE_TOKEN", "a-token-that-is-none");
        guessing.run(&[&["admin", "drain"], &to[..]].concat()).ends_with(4);
        home.run(&[&["ls", "--every-account"], &to[..]].concat()).ends_with(4);
        home.run(&[&["push", EXPORT], &to[..]].concat()).ends_with(0);
        let root = administrator(&home);
        let seen = root.run(&[&["admin", "connections"], &to[..]].concat()).ends_with(0).objects();
        assert_eq!((seen.len(), &seen[0]["account"], &seen[0]["credential"]), (1, &"ops".into(), &"token".into()));
        root.run(&[&["admin", "drain"], &to[..]].concat()).ends_with(0);
        home.run(&["probe", "--to", &host.url, "--timeout", "1s"]).ends_with(5);
    }
}

#[test]
fn an_administrator_sees_closes_and_drains_and_the_audit_log_says_so() {
    let home = Home::new();
    let host = home.serve(&["--account-connections-max", "none", "--log-format", "json"]);
    let root = administrator(&home);
    let admin = |arguments: &[&str]| {
        let ran = root.run(&[&["admin"], arguments, &["--to", &host.url, "--json"]].concat()).ends_with(0);
        ran.objects()
    };
    let pushed = home.run(&["push", "--to", &host.url, EXPORT, "--json"]).ends_with(0).objects();
    let id = pushed[0]["id"].as_str().unwrap();
    let connections = admin(&["connections"]);
    assert_eq!(
        (connections.len(), &connections[0]["account"], &connections[0]["door"]),
        (1, &"ops".into(), &"rpc".into())
    );
    let table = root.run(&["admin", "connections", "--to", &host.url]).ends_with(0).stdout;
    assert!(table.starts_with("ID ") && table.contains(" ops "), "{table}");
    assert_eq!(admin(&["close", "--token", "t1"])[0]["count"], 0);
    assert_eq!(admin(&["close", "--account", "ops"])[0]["count"], 1, "itself, and it was told");
    root.run(&["admin", "close", "--to", &host.url]).ends_with(2);
    assert_eq!(admin(&["stats"])[0]["shares_created"], 1);
    home.run(&["rm", "--to", &host.url, id]).ends_with(0);
    assert_eq!(admin(&["drain"])[0]["event"], "draining");
    let said = host.program.wait().ends_with(0).stderr;
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let audit: Vec<_> = lines.filter(|line| line["target"] == "audit").map(|line| line["fields"].clone()).collect();
    let of = |event: &str| audit.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    let came = |account: &str, credential: &str| {
        let is_theirs = |line: &&&Value| line["account"] == account && line["credential"] == credential;
        of("admitted").iter().filter(is_theirs).count()
    };
    assert_eq!((came("local", "machine"), came("ops", "token")), (2, of("admitted").len() - 2), "{audit:?}");
    assert!(of("admitted").iter().all(|line| line["door"] == "rpc"), "{audit:?}");
    assert_eq!((of("share_created").len(), &of("share_created")[0]["share"]), (1, &id.into()));
    assert_eq!((of("share_deleted").len(), &of("share_deleted")[0]["share"]), (1, &id.into()));
    let actions: Vec<_> = of("admin").iter().map(|line| (line["action"].as_str(), line["count"].as_u64())).collect();
    assert_eq!(
        actions,
        [(Some("close token"), Some(0)), (Some("close account"), Some(1)), (Some("drain"), Some(0))],
        "{audit:?}"
    );
    assert!(!serde_json::to_string(&audit).unwrap().contains("capsec_"));
}

/// What is told reaches the clients that have a sink, and the program says how many.
#[tokio::test]
async fn an_administrator_tells_an_account_and_everybody_something() {
    let home = Home::new();
    let host = home.serve(&[]);
    let root = administrator(&home);
    let client = capshare::Client::builder(&host.url).build().unwrap();
    let mut hearing = hearing(&[&client]).await;
    let id = client.hello().await.unwrap().connection_id.clone();
    let reached = |arguments: &[&str]| {
        let ran = root.run(&[&["admin"], arguments, &["--to", &host.url, "--json"]].concat()).ends_with(0);
        ran.objects()[0]["count"].as_u64().unwrap()
    };
    assert_eq!(reached(&["send", "--account", "local", "--notice", "to you"]), 1);
    assert_eq!(reached(&["send", "--account", "nobody", "--notice", "to nobody"]), 0);
    assert_eq!(reached(&["broadcast", "--name", "reload", "--data", r#"{"of": "all"}"#, "--where", "door=rpc"]), 1);
    assert_eq!(reached(&["broadcast", "--notice", "not to you", "--except", &id]), 0);
    assert_eq!(reached(&["broadcast", "--notice", "not to you", "--where", "account=local", "--where", "state=x"]), 0);
    let custom = Push::Custom { name: "reload".to_owned(), data: r#"{"of": "all"}"#.to_owned() };
    assert_eq!(hearing.recv().await, Some(Push::Notice("to you".to_owned())));
    assert_eq!(hearing.recv().await, Some(custom));
    assert!(hearing.try_recv().is_err());
    for wrong in [
        &["broadcast"][..],
        &["broadcast", "--name", "reload"],
        &["broadcast", "--notice", "x", "--name", "y", "--data", "1"],
        &["broadcast", "--name", "reload", "--data", "{"],
        &["broadcast", "--notice", "x", "--where", "door=front"],
        &["broadcast", "--notice", "x", "--where", "state=a", "--where", "state=b"],
        &["send", "--notice", "x"],
    ] {
        home.run(&[&["admin"], wrong, &["--to", &host.url]].concat()).ends_with(2);
    }
}

/// S88: an administrator lists everybody's shares, hides and deletes one, and erases an account once it is said how many there are;
/// each is a line of the audit log that joins with its connection's, and so is what was refused.
#[test]
fn an_administrator_finds_hides_deletes_and_erases_and_the_audit_log_says_so() {
    let home = Home::new();
    let keys = ["ann=anns-key-0123456789", "bob=bobs-key-0123456789", "ops:admin=ops-key-01234567890"];
    let host = home.serve(&["--key", keys[0], "--key", keys[1], "--key", keys[2], "--log-format", "json"]);
    let by =
        |key: &str| Home::new().set("CAPSHARE_TO", &host.url).set("CAPSHARE_TOKEN", key.split_once('=').unwrap().1);
    let (ann, bob, root) = (by(keys[0]), by(keys[1]), by(keys[2]));
    let push = |home: &Home, session: &str| {
        let pushed = home.run(&["push", EXPORT, "--session", session, "--json"]).ends_with(0).objects();
        pushed[0]["id"].as_str().unwrap().to_owned()
    };
    let (one, two, bobs) = (push(&ann, "ses_1"), push(&ann, "ses_2"), push(&bob, "ses_1"));
    let admin = |arguments: &[&str]| root.run(&[&["admin"], arguments, &["--json"]].concat());
    let ids = |arguments: &[&str]| {
        let found = admin(&[&["shares"], arguments].concat()).ends_with(0).objects();
        found.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let all = BTreeSet::from([one.clone(), two.clone(), bobs.clone()]);
    assert_eq!(ids(&[]), all);
    assert_eq!(ids(&["--account", "bob"]), BTreeSet::from([bobs.clone()]));
    assert_eq!(ids(&["--larger-than", "1KiB", "--title", "SESSION notes"]), all);
    assert_eq!(ids(&["--older-than", "1h"]), BTreeSet::new());
    assert_eq!(ids(&["--title", "a title that none has"]), BTreeSet::new());
    let table = root.run(&["admin", "shares"]).ends_with(0).stdout;
    assert!(table.starts_with("ID ") && table.contains("  ACCOUNT ") && table.contains("  bob "), "{table}");

    bob.run(&["info", &one]).ends_with(0);
    assert_eq!(admin(&["hide", &one]).ends_with(0).objects()[0]["event"], "hidden");
    bob.run(&["info", &one]).ends_with(4);
    assert_eq!(admin(&["rm", &bobs]).ends_with(0).objects()[0]["event"], "deleted");
    assert_eq!(admin(&["rm", &bobs]).ends_with(3).error()["code"], "NotFound");

    let counted = admin(&["rm", "--account", "ann"]).ends_with(2);
    assert_eq!(counted.objects()[0]["count"], 2);
    assert!(counted.error()["message"].as_str().unwrap().contains("--yes"), "{}", counted.stderr);
    assert_eq!(ids(&["--account", "ann"]).len(), 2, "nothing was deleted");
    let erased = admin(&["rm", "--account", "ann", "--yes"]).ends_with(0).objects();
    assert_eq!((&erased[0]["count"], &erased[1]["deleted"], &erased[1]["failed"]), (&2.into(), &2.into(), &json!([])));
    let again = admin(&["rm", "--account", "ann", "--yes"]).ends_with(0).objects();
    assert_eq!((&again[0]["count"], &again[1]["deleted"]), (&0.into(), &0.into()));
    for wrong in [&["rm"][..], &["rm", "--yes"], &["rm", &one, "--account", "ann"], &["shares", "--larger-than", "x"]] {
        admin(wrong).ends_with(2);
    }
    for refused in [&["shares"][..], &["hide", &two], &["rm", &two], &["rm", "--account", "ann", "--yes"]] {
        bob.run(&[&["admin"], refused].concat()).ends_with(4);
    }

    host.program.signal("-TERM");
    let said = host.program.wait().ends_with(0).everything();
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let audit: Vec<_> = lines.filter(|line| line["target"] == "audit").map(|line| line["fields"].clone()).collect();
    let of = |event: &str| audit.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    let by_admin = |event: &str| of(event).into_iter().filter(|line| line["through"] == "admin").collect::<Vec<_>>();
    let hidden = by_admin("visibility_set");
    assert_eq!((hidden.len(), &hidden[0]["share"], &hidden[0]["owner"]), (1, &json!(one), &json!("ann")));
    let deleted = by_admin("share_deleted");
    let names: BTreeSet<_> = deleted.iter().map(|line| (line["share"].as_str(), line["owner"].as_str())).collect();
    let right = [(one.as_str(), "ann"), (&two, "ann"), (&bobs, "bob")];
    let right: BTreeSet<_> = right.iter().map(|(share, owner)| (Some(*share), Some(*owner))).collect();
    assert_eq!((deleted.len(), names), (3, right));
    let actions: Vec<_> = of("admin").iter().map(|line| (line["action"].clone(), line["count"].clone())).collect();
    let erasures: Vec<_> =
        actions.iter().filter(|(action, _)| action == "erase_account").map(|(_, count)| count).collect();
    // The program goes through the account until it finds nothing more.
    assert_eq!(erasures, [&json!(2), &json!(0), &json!(0)], "{actions:?}");
    assert!(actions.iter().any(|(action, count)| action == "list_shares" && *count == 3), "{actions:?}");
    let refused: Vec<_> = of("refused").into_iter().filter(|line| line["account"] == "bob").collect();
    assert_eq!(refused.iter().filter(|line| line["action"] == "admin").count(), 4, "{refused:?}");
    let missed: Vec<_> = of("refused").into_iter().filter(|line| line["action"] == "delete_share").collect();
    assert_eq!(
        (missed.len(), &missed[0]["share"], &missed[0]["account"]),
        (1, &json!(bobs), &json!("ops")),
        "{missed:?}"
    );
    let admitted: Vec<_> =
        of("admitted").into_iter().map(|line| (&line["connection"], &line["address"], &line["account"])).collect();
    for line in hidden.iter().chain(&deleted).chain(&of("admin")).chain(&refused).chain(&missed) {
        let joins = (&line["connection"], &line["address"], &line["account"]);
        assert!(admitted.contains(&joins) && line["address"] == "127.0.0.1", "{line}");
    }
}
