//! `capshare link`, `links` and `unlink`: a share handed on, and what becomes of whoever has it.

use serde_json::{Value, json};

use super::program::{EXPORT, Home, files};

/// S38: an owner makes tokens of a share, lists them and revokes one; whoever has one to read follows the share by it until
/// then, in a program that knows nothing else of the share.
#[test]
fn a_share_is_handed_on_by_tokens_that_are_listed_and_revoked_one_by_one() {
    let home = Home::new();
    let host = home.serve(&["--log-format", "json"]);
    let home = home.set("CAPSHARE_TO", &host.url);
    let id = home.run(&["push", EXPORT, "--json"]).ends_with(0).objects()[0]["id"].as_str().unwrap().to_owned();
    let run = |arguments: &[&str]| home.run(&[arguments, &["--json"]].concat());
    let link = |arguments: &[&str]| run(&[&["link", &id], arguments].concat()).ends_with(0).objects().remove(0);

    let reads = link(&["--expires", "7d", "--label", "for Ann"]);
    assert_eq!(
        (&reads["event"], &reads["right"], &reads["label"]),
        (&json!("linked"), &json!("read"), &json!("for Ann"))
    );
    let token = reads["token"].as_str().unwrap();
    let url = reads["url"].as_str().unwrap();
    assert_eq!(url, format!("{}/share/{id}#grant={token}", host.url));
    let writes = link(&["--write"]);
    let full = link(&["--full"]);
    assert_eq!((&writes["right"], &writes["url"], &full["right"]), (&json!("write"), &Value::Null, &json!("full")));
    let people = home.run(&["link", &id, "--read"]).ends_with(0);
    let said: Vec<_> = people.stdout.lines().collect();
    assert!(said.len() == 2 && said[0].starts_with("capgr_") && said[1].ends_with(said[0]), "{said:?}");

    let listed = run(&["links", &id]).ends_with(0).objects();
    assert_eq!(listed.len(), 4);
    assert_eq!((&listed[0]["grant"], &listed[0]["label"]), (&reads["grant"], &json!("for Ann")));
    assert_eq!((&listed[0]["expires_at"], &listed[1]["expires_at"]), (&reads["expires_at"], &Value::Null));
    let table = home.run(&["links", &id]).ends_with(0).stdout;
    assert!(table.starts_with("GRANT ") && table.contains("for Ann"), "{table}");

    // Another user, who has nothing but the link.
    let ann = Home::new().set("CAPSHARE_TO", &host.url);
    assert_eq!(ann.run(&["info", url, "--json"]).ends_with(0).objects()[0]["id"], id.as_str());
    let mut watch = ann.start(&["watch", token]);
    watch.stdout.wait_for(|line| line.contains(r#""ready""#));
    ann.run(&["info", writes["token"].as_str().unwrap()]).ends_with(4);
    ann.run(&["info", &format!("{url}x")]).ends_with(2);
    ann.run(&["info", &url.replacen(&id, &"a".repeat(26), 1)]).ends_with(2);
    ann.run(&["links", url]).ends_with(4);
    ann.run(&["rm", url]).ends_with(4);
    assert_eq!(files(&ann.path(".local")).len(), 0);

    assert_eq!(run(&["unlink", &id, token]).ends_with(0).objects()[0]["grant"], reads["grant"]);
    watch.wait().ends_with(4);
    ann.run(&["info", url]).ends_with(4);
    assert_eq!(run(&["unlink", &id, token]).ends_with(3).error()["code"], "NotFound");
    home.run(&["unlink", &id, "no grant"]).ends_with(2);
    home.run(&["link", &id, "--read", "--full"]).ends_with(2);
    home.run(&["link", &id, "--label", "two\nlines"]).ends_with(2);

    // A full token is as good as the secret.
    let owner = Home::new().set("CAPSHARE_TO", &host.url).set("CAPSHARE_SECRET", full["token"].as_str().unwrap());
    owner.run(&["unlink", &id, writes["grant"].as_str().unwrap()]).ends_with(0);
    owner.run(&["rm", &id]).ends_with(0);
    run(&["links", &id]).ends_with(3);

    host.program.signal("-TERM");
    let said = host.program.wait().ends_with(0).everything();
    assert_the_audit_log_names(&said, &id, &[&reads, &writes, &full]);
    for token in [&reads, &writes, &full] {
        let secret = token["token"].as_str().unwrap().rsplit_once(token["grant"].as_str().unwrap()).unwrap().1;
        assert!(!said.contains(secret), "a token is in the log");
    }
}

/// Each grant and each revocation, with who did it and by what.
fn assert_the_audit_log_names(said: &str, id: &str, tokens: &[&Value; 3]) {
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let audit: Vec<_> = lines.filter(|line| line["target"] == "audit").map(|line| line["fields"].clone()).collect();
    let of = |event: &str| audit.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    let granted = of("granted");
    for (line, token) in granted.iter().zip(tokens) {
        assert_eq!((&line["grant"], &line["right"], &line["share"]), (&token["grant"], &token["right"], &json!(id)));
        assert_eq!((&line["account"], &line["through"]), (&json!("local"), &json!("")));
    }
    assert_eq!(granted.len(), 4, "{audit:?}");
    let revoked: Vec<_> = of("revoked").into_iter().map(|line| (&line["of"], &line["through"])).collect();
    let [reads, writes, full] = tokens;
    assert_eq!(revoked, [(&reads["grant"], &json!("")), (&writes["grant"], &full["grant"])]);
    let connections: Vec<_> = of("admitted").into_iter().map(|line| &line["connection"]).collect();
    for line in granted.iter().chain(&of("revoked")) {
        assert!(connections.contains(&&line["connection"]) && line["account"] == "local", "{line}");
    }
}
