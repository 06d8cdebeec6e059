//! `capshare token`, and hosts that take what it makes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use super::program::{EXPORT, Home};

/// S3: a token from the store's own program opens a host over it, is listed without itself, and is worth nothing once revoked;
/// a host closes what came by it. Nothing that the host logs or that a list shows has the token.
#[test]
fn a_token_is_made_used_listed_and_revoked() {
    let home = Home::new();
    let host = home.serve(&["--tokens", "--store", home.path("store").to_str().unwrap()]);
    let home = home.set("CAPSHARE_STORE", "store");
    let made = home.run(&["token", "create", "--account", "ann", "--expires", "30d", "--label", "laptop", "--json"]);
    let made = made.ends_with(0).objects().remove(0);
    let (id, token) = (made["id"].as_str().unwrap().to_owned(), made["token"].as_str().unwrap().to_owned());
    assert_eq!((&made["scopes"], &made["state"]), (&json!(["share:write", "share:read"]), &json!("valid")));
    let said = home.run(&["token", "create", "--account", "ops", "--scope", "admin"]).ends_with(0);
    let admins = said.stdout.trim().to_owned();
    assert!(admins.starts_with("captok_") && said.stdout.lines().count() == 1, "{}", said.stdout);

    home.run(&["push", "--to", &host.url, EXPORT]).ends_with(4);
    let home = home.set("CAPSHARE_TOKEN", &token);
    home.run(&["push", "--to", &host.url, EXPORT]).ends_with(0);
    home.run(&["ls", "--to", &host.url, "--every-account"]).ends_with(4);
    let every = ["ls", "--to", &host.url, "--every-account", "--token", &admins];
    assert!(home.run(&every).ends_with(0).stdout.contains("/share/"));

    let listed = home.run(&["token", "ls"]).ends_with(0).everything();
    assert!(listed.contains(&id) && listed.contains("laptop") && listed.lines().count() == 2, "{listed}");
    home.run(&["token", "revoke", &id]).ends_with(0);
    home.run(&["token", "revoke", "aaaaaaaaaaaaaaaa"]).ends_with(3);
    home.run(&["token", "revoke", &token]).ends_with(2);
    let listed = home.run(&["token", "ls", "--account", "ann", "--json"]).ends_with(0).objects();
    assert_eq!((listed.len(), &listed[0]["state"], &listed[0]["token"]), (1, &json!("revoked"), &json!(null)));

    let status = |query: &str, token: &str| {
        let mut socket = TcpStream::connect(host.url.strip_prefix("http://").unwrap()).unwrap();
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        let head =
            format!("GET /rpc/share{query} HTTP/1.1\r\nHost: h\r\n{upgrade}\r\nAuthorization: Bearer {token}\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        let mut line = [0; "HTTP/1.1 401".len()];
        socket.read_exact(&mut line).unwrap();
        String::from_utf8(line.to_vec()).unwrap()
    };
    assert_eq!(status("", &admins), "HTTP/1.1 101");
    assert_eq!(status(&format!("?token={admins}"), &admins), "HTTP/1.1 401");
    // What another program revoked is remembered as valid for a few seconds.
    while status("", &token) != "HTTP/1.1 401" {
        std::thread::yield_now();
    }
    host.program.signal("-TERM");
    let said = host.program.wait().ends_with(0).everything();
    // What follows the id is the secret, which may hold a _ itself.
    let secrets = [&token, &admins].map(|token| token.splitn(3, '_').nth(2).unwrap().to_owned());
    assert!(secrets.iter().all(|secret| secret.len() == 43 && !said.contains(secret.as_str())), "{said}");
}

/// A record that somebody spoilt hides no other: the list says so and goes on, and `store check` finds it. Without one, tokens
/// are nothing to complain of, and are counted as what they are.
#[test]
fn a_spoilt_record_of_a_token_is_said_and_hides_no_other() {
    let home = Home::new().set("CAPSHARE_STORE", "store");
    std::fs::create_dir(home.path("store")).unwrap();
    let create = |account: &str| {
        let made = home.run(&["token", "create", "--account", account, "--json"]).ends_with(0).objects().remove(0);
        made["id"].as_str().unwrap().to_owned()
    };
    let (anns, bobs) = (create("ann"), create("bob"));
    let checked = home.run(&["store", "check", "--json"]).ends_with(0).objects().remove(0);
    assert_eq!((&checked["tokens"], &checked["clean"]), (&json!(2), &json!(true)));
    let stats = home.run(&["store", "stats", "--json"]).ends_with(0).objects().remove(0);
    assert_eq!((&stats["kinds"]["tokens"]["objects"], &stats["kinds"]["other"]["objects"]), (&json!(2), &json!(0)));

    std::fs::write(home.path("store").join("token").join(&anns), "spoilt").unwrap();
    let listed = home.run(&["token", "ls", "--json"]).ends_with(0);
    let ids: Vec<_> = listed.objects().iter().map(|token| token["id"].clone()).collect();
    assert_eq!(ids, [json!(bobs)]);
    assert!(listed.stderr.contains(&anns) && listed.stderr.contains("store check"), "{}", listed.stderr);
    let checked = home.run(&["store", "check", "--json"]).ends_with(1).objects().remove(0);
    let findings = checked["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!((&findings[0]["code"], &findings[0]["key"]), (&json!("unreadable"), &json!(format!("token/{anns}"))));
}

#[test]
fn settings_of_signed_tokens_that_cannot_be_right_are_refused() {
    let home = Home::new();
    let short = home.write("short", "a-secret-that-is-short\n");
    let long = home.write("long", "a secret of 32 bytes, as it must\n");
    let said = home.run(&["serve", "--check", "--jwt-secret-file", &short]).ends_with(2).everything();
    assert!(said.contains("--jwt-secret-file") && said.contains("32") && !said.contains("that-is-short"), "{said}");
    let both = ["serve", "--check", "--jwt-secret-file", &long, "--jwt-jwks", "https://keys.example/"];
    assert!(home.run(&both).ends_with(2).everything().contains("both name the keys"));
    home.run(&["serve", "--check", "--jwt-jwks", "http://keys.example/"]).ends_with(2);
    home.run(&["serve", "--check", "--jwt-key-file", &long]).ends_with(2);
    let file = home.write("host.toml", &format!("[jwt]\nsecret_file = '{long}'\naudience = 'capshare'\n"));
    let shown = home.run(&["serve", "--check", "--json", "--config", &file, "--listen", "0.0.0.0:1"]).ends_with(0);
    let shown = &shown.objects()[0];
    assert_eq!(shown["jwt.audience"], json!({ "value": "capshare", "from": "jwt.audience in the file" }));
    assert_eq!(shown["tokens"], json!({ "value": true, "from": "default" }));
    let keys = ["serve", "--check", "--json", "--key", "ann:admin=0123456789abcdef"];
    assert_eq!(home.run(&keys).ends_with(0).objects()[0]["keys"]["value"], json!(["ann:admin=[secret]"]));
    home.run(&["serve", "--check", "--key", "ann:root=0123456789abcdef"]).ends_with(2);
}
