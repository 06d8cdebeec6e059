//! `capshare store`: a host's directory, judged, counted and cleared.

use std::time::Duration;

use serde_json::json;

use super::program::{EXPORT, Home, RECORDING, files};

const STORE: &str = ".local/share/capshare/shares";

/// A home with a store of one share that is there and one that was deleted.
fn home_with_shares() -> (Home, String, String) {
    let home = Home::new();
    let host = home.serve(&[]);
    let push = |session: &str, file: &str| {
        let pushed =
            home.run(&["push", "--to", &host.url, file, "--session", session, "--json"]).ends_with(0).objects();
        pushed[0]["id"].as_str().unwrap().to_owned()
    };
    let (kept, deleted) = (push("ses_kept", EXPORT), push("ses_deleted", RECORDING));
    home.run(&["rm", "--to", &host.url, &deleted]).ends_with(0);
    host.program.signal("-TERM");
    host.program.wait().ends_with(0);
    (home, kept, deleted)
}

/// As if all of it had been written so much earlier.
fn age(home: &Home, by: Duration) {
    for file in files(&home.path(STORE)) {
        let written = file.metadata().unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(file).unwrap().set_modified(written - by).unwrap();
    }
}

#[test]
fn a_store_is_checked_counted_mended_and_cleared() {
    let (home, kept, deleted) = home_with_shares();
    let checked = home.run(&["store", "check", "--json"]).ends_with(0);
    let document = &checked.objects()[..];
    assert_eq!(document.len(), 1, "one document: {}", checked.stdout);
    assert_eq!(
        (&document[0]["clean"], &document[0]["findings"], &document[0]["more"]),
        (&json!(true), &json!([]), &json!(0))
    );
    assert_eq!((&document[0]["shares"], &document[0]["sessions"]), (&json!(2), &json!(2)));
    let said = home.run(&["store", "check"]).ends_with(0).everything();
    assert!(said.trim_end().ends_with("2 shares, 2 sessions: clean") && said.lines().count() == 1, "{said}");

    let stats = home.run(&["store", "stats", "--json"]).ends_with(0).objects();
    let [stats] = &stats[..] else { panic!("one document: {stats:?}") };
    assert_eq!((&stats["shares"], &stats["deleted"], &stats["accounts"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!((&stats["largest"][0]["id"], &stats["oldest"]["id"]), (&json!(kept), &json!(kept)));
    let all = files(&home.path(STORE));
    assert_eq!(stats["kinds"]["all"]["objects"], all.len());
    let bytes: u64 = all.iter().map(|file| file.metadata().unwrap().len()).sum();
    assert_eq!(stats["kinds"]["all"]["bytes"], bytes);
    let people = home.run(&["store", "stats"]).ends_with(0).stdout;
    assert!(people.contains("largest") && people.contains(&kept) && people.contains(" KiB"), "{people}");

    // An object that is no segment, and a title that was left over.
    let (garbage, title) = (format!("share/{kept}/log/000000000009x"), "index/local/ses_deleted/000000000001-about");
    for file in [&garbage, title] {
        std::fs::write(home.path(STORE).join(file), "precious").unwrap();
    }
    age(&home, Duration::from_secs(3_600));
    let checked = home.run(&["store", "check", "--json"]).ends_with(1);
    assert_eq!(checked.error()["message"], "3 problems were found");
    let findings = checked.objects()[0]["findings"].clone();
    let findings: Vec<_> = findings
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["code"].as_str().unwrap(), f["key"].as_str().unwrap().to_owned()))
        .collect();
    let mut expected = vec![
        ("orphan-companion", title.to_owned()),
        ("stubs-left", format!("share/{deleted}")),
        ("unknown-key", garbage.clone()),
    ];
    expected.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(findings, expected);
    let people = home.run(&["store", "check", "--repair"]).ends_with(1).stdout;
    assert!(people.contains("    mended\n") && people.trim_end().ends_with(": 2 problems"), "{people}");
    std::fs::remove_file(home.path(STORE).join(&garbage)).unwrap();

    let foreseen = home.run(&["store", "gc", "--dry-run", "--json"]).ends_with(0).objects();
    let freed = home.run(&["store", "gc", "--json"]).ends_with(0).objects();
    assert_eq!((&foreseen[0]["dry_run"], &freed[0]["dry_run"]), (&json!(true), &json!(false)));
    assert_eq!(foreseen[0]["kinds"], freed[0]["kinds"]);
    assert!(freed[0]["kinds"]["deleted"]["objects"].as_u64().unwrap() > 0, "{freed:?}");
    assert_eq!(freed[0]["bytes"], 0);
    home.run(&["store", "check"]).ends_with(0);
    let none = home.run(&["store", "gc"]).ends_with(0).stdout;
    assert!(none.starts_with("all                   0 objects"), "{none}");
    let gone = home.run(&["store", "gc", "--tombstones-after", "1m", "--json"]).ends_with(0).objects();
    assert_eq!(gone[0]["kinds"]["tombstones"]["objects"], 1);

    let host = home.serve(&[]);
    home.run(&["info", "--to", &host.url, &kept]).ends_with(0);
}

#[test]
fn a_store_is_said_as_for_serve_and_a_slip_makes_none() {
    let home = Home::new();
    let failed = home.run(&["store", "check", "--store", "no/such/folder", "--json"]).ends_with(7);
    assert_eq!(failed.error()["code"], "StorageFailure");
    assert!(!home.path("no").exists());
    home.run(&["store", "check", "--store", "gs://bucket"]).ends_with(2);
    home.run(&["store", "gc", "--tombstones-after", "soon"]).ends_with(2);
    std::fs::create_dir(home.path("there")).unwrap();
    home.run(&["store", "stats", "--store", "there"]).ends_with(0);
    let file = home.write("host.toml", "store = 'there'\n");
    home.run(&["store", "gc", "--config", &file]).ends_with(0);
    home.set("CAPSHARE_STORE", "there").run(&["store", "check"]).ends_with(0);
}
