//! Several hosts over one store: `capshare hosts`, and administration of all of them through any.

use serde_json::Value;

use super::program::Home;

/// How often a host looks at what others wrote comes from a flag, a variable or the file.
#[test]
fn how_often_a_host_looks_can_be_set() {
    let home = Home::new();
    let file = home.write("host.toml", "[hosts]\npoll_rested = \"5s\"\npoll_hinted = \"10s\"\n");
    let check = |home: &Home, more: &[&str]| home.run(&[&["serve", "--check", "--json"], more].concat());
    let by_variable = Home::new().set("CAPSHARE_POLL_RESTED", "7s").set("CAPSHARE_POLL_HINTED", "1h");
    let flags = ["--poll-rested", "none", "--poll-hinted", "1s"];
    for (ran, rested, hinted) in [
        (check(&home, &[]), ("none", "default"), ("1m", "default")),
        (
            check(&home, &["--config", &file]),
            ("5s", "hosts.poll_rested in the file"),
            ("10s", "hosts.poll_hinted in the file"),
        ),
        (check(&by_variable, &[]), ("7s", "CAPSHARE_POLL_RESTED"), ("1h", "CAPSHARE_POLL_HINTED")),
        (check(&by_variable, &flags), ("none", "--poll-rested"), ("1s", "--poll-hinted")),
    ] {
        let shown = ran.ends_with(0).objects().remove(0);
        for (name, (value, from)) in [("hosts.poll_rested", rested), ("hosts.poll_hinted", hinted)] {
            assert_eq!((&shown[name]["value"], &shown[name]["from"]), (&value.into(), &from.into()), "{name}");
        }
    }
    for wrong in ["--poll-rested=0s", "--poll-rested=61m", "--poll-hinted=none", "--poll-hinted=999ms"] {
        let message = check(&home, &[wrong]).ends_with(2).error()["message"].to_string();
        assert!(message.contains("a time from 1s to 1h"), "{message}");
    }
}

/// Two hosts over one store, one of which says where it is reached, and an administrator.
#[test]
fn an_administrator_sees_every_host_and_is_told_which_does_not_answer() {
    let home = Home::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (at, url) = (free.to_string(), format!("http://{free}"));
    let mut first = home.start(&["serve", "--json", "--listen", &at, "--advertise", &url]);
    first.listens();
    let second = home.serve(&[]);
    let made = home.run(&["token", "create", "--account", "ops", "--scope", "admin", "--json"]).ends_with(0);
    let root = Home::new().set("CAPSHARE_TOKEN", made.objects()[0]["token"].as_str().unwrap());
    let to = ["--to", second.url.as_str(), "--json"];
    let hosts = || root.run(&[&["hosts"], &to[..]].concat()).ends_with(0).objects();
    // The second calls the first when it has looked into the store.
    let all =
        std::iter::repeat_with(hosts).take(100).find(|all| all.len() == 2 && all[1]["is_linked"] == true).unwrap();
    assert_eq!((&all[0]["is_asked"], &all[0]["urls"]), (&true.into(), &Value::Array(Vec::new())));
    assert_eq!((&all[1]["urls"][0], &all[1]["draining"]), (&url.as_str().into(), &false.into()));
    assert_eq!(all[1]["version"], env!("CARGO_PKG_VERSION"));
    let table = root.run(&["hosts", "--to", &second.url]).ends_with(0).stdout;
    assert!(table.starts_with("ID ") && table.contains(&url) && table.contains("linked"), "{table}");

    let stats = root.run(&[&["admin", "stats"], &to[..]].concat()).ends_with(0).objects();
    assert_eq!(stats.iter().map(|of| &of["host"]).collect::<Vec<_>>(), [&all[0]["id"], &all[1]["id"]]);
    let here = root.run(&[&["admin", "stats", "--here"], &to[..]].concat()).ends_with(0).objects();
    assert_eq!(here.len(), 1);
    let text = root.run(&["admin", "stats", "--here", "--to", &second.url]).ends_with(0).stdout;
    assert!(text.contains(&format!("{:18} {}\n", "host", all[0]["id"].as_str().unwrap())), "{text}");
    root.run(&[&["admin", "close", "--account", "nobody"], &to[..]].concat()).ends_with(0);

    // Stopped and not ended: its connection is there, and nobody answers.
    first.signal("-STOP");
    let asked = root.run(&[&["admin", "stats", "--timeout", "30s"], &to[..]].concat()).ends_with(5);
    assert_eq!(asked.objects().len(), 1, "what the other answered is printed");
    let error = asked.error();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(all[1]["id"].as_str().unwrap()) && message.contains("--here"), "{message}");
    first.signal("-CONT");
    let own = root.run(&["hosts", "--to", &url, "--json"]).ends_with(0).objects();
    assert_eq!(own[0]["id"], all[1]["id"]);
    let refused = home.run(&[&["hosts"], &to[..]].concat()).ends_with(4).error();
    assert_eq!(refused["code"], "Unauthorized");
}
