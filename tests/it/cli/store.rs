//! `capshare store`: a host's directory or bucket, judged, counted and cleared.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::ambient::SystemClock;
use capshare::__internal::store::{Occasion, Opened, Store, StoreSettings, WriterId};
use capshare::host::storage;
use capshare::share::entry::Entry;
use capshare::share::time::Timestamp;
use serde_json::{Value, json};

use super::program::{EXPORT, Home, RECORDING, files};
use crate::support::moto::Moto;

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
        (&json!(false), &json!([]), &json!(0))
    );
    assert_eq!(document[0]["young"], json!(1), "the empty objects of the share that was just deleted");
    assert_eq!((&document[0]["shares"], &document[0]["sessions"]), (&json!(2), &json!(2)));
    let said = home.run(&["store", "check"]).ends_with(0).everything();
    let young = "2 shares, 2 sessions, 0 tokens: no problems; 1 thing is too young to judge: check again in 10m";
    assert!(said.trim_end().ends_with(young) && said.lines().count() == 1, "{said}");

    let stats = home.run(&["store", "stats", "--json"]).ends_with(0).objects();
    let [stats] = &stats[..] else { panic!("one document: {stats:?}") };
    assert_eq!((&stats["shares"], &stats["deleted"], &stats["accounts"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!((&stats["largest"][0]["id"], &stats["oldest"]["id"]), (&json!(kept), &json!(kept)));
    // But for the file that is written to ask the directory for the time, which is no object.
    let mut all = files(&home.path(STORE));
    all.retain(|file| !file.ends_with("probe/clock#0"));
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
    let said = home.run(&["store", "check"]).ends_with(0).everything();
    assert!(said.trim_end().ends_with(" shares, 2 sessions, 0 tokens: clean"), "{said}");
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

/// S24: also where no host was left that could see to it, and where it had said nothing of the share in the index.
#[test]
fn an_expired_share_of_a_host_that_was_stopped_before_goes_by_gc() {
    let home = Home::new();
    let store = home.path(STORE);
    let left_alone = |seconds: u32| {
        let host = home.serve(&[]);
        let (session, expires) = (format!("ses_{seconds}"), format!("{seconds}s"));
        let pushed = ["push", "--to", &host.url, RECORDING, "--session", &session, "--expires", &expires, "--json"];
        let id = home.run(&pushed).ends_with(0).objects()[0]["id"].as_str().unwrap().to_owned();
        host.program.signal("-KILL");
        host.program.wait();
        // On a slow machine the host may have been there still.
        (!store.join("tomb").join(&id).exists()).then_some((id, session))
    };
    let (id, session) = [2, 8, 32].into_iter().find_map(left_alone).unwrap();
    let host = home.serve(&[]);
    home.run(&["push", "--to", &host.url, EXPORT, "--session", "ses_stays", "--expires", "1h"]).ends_with(0);
    drop(host);
    let of_it = || {
        let mut left: Vec<_> = files(&store).into_iter().filter(|file| is_of(file, &id, &session)).collect();
        left.sort();
        left
    };
    assert!(of_it().iter().all(|file| !file.to_str().unwrap().ends_with("-about")));
    let freed = || home.run(&["store", "gc", "--json"]).ends_with(0).objects().remove(0);
    let (mut freeing, content) = (freed(), of_it().len());
    while freeing["expired_shares"] == 0 {
        assert_eq!(of_it().len(), content, "it goes as a whole");
        freeing = freed();
    }
    assert_eq!((&freeing["expired_shares"], &freeing["passed_over"]), (&json!(1), &json!(0)));
    assert!(freeing["kinds"]["expired"]["bytes"].as_u64().unwrap() > 100_000, "{freeing}");
    let tomb = store.join("tomb").join(&id);
    assert!(of_it().iter().all(|file| *file == tomb || file.metadata().unwrap().len() == 0), "{:?}", of_it());
    age(&home, Duration::from_secs(130));
    assert_eq!(freed()["expired_shares"], 0);
    assert_eq!(of_it(), [store.join(format!("index/local/{session}/000000000001")), tomb]);

    let host = home.serve(&[]);
    home.run(&["info", "--to", &host.url, &id]).ends_with(3);
    assert_eq!(home.run(&["ls", "--to", &host.url, "--json"]).ends_with(0).objects().len(), 1);
}

/// Whether a file is an object of a share or its session, or is about it.
fn is_of(file: &Path, share: &str, session: &str) -> bool {
    file.iter().any(|part| part == share || part == session)
}

/// They hold what was shared, and only who has the directory sees them.
#[tokio::test]
async fn what_killed_hosts_left_half_written_goes_by_gc_and_when_a_host_starts() {
    let (home, kept, _) = home_with_shares();
    let half = home.path(STORE).join(format!("share/{kept}/log/000000000009#1"));
    let leave = || {
        std::fs::write(&half, "half a segment").unwrap();
        age(&home, Duration::from_secs(3_700));
    };
    leave();
    home.run(&["store", "check"]).ends_with(1);
    home.run(&["store", "stats"]).ends_with(0);
    let foreseen = home.run(&["store", "gc", "--dry-run", "--json"]).ends_with(0).objects();
    assert_eq!(foreseen[0]["kinds"]["half-written"], json!({ "objects": 1, "bytes": 14 }));
    assert!(half.exists());
    let freed = home.run(&["store", "gc", "--json"]).ends_with(0).objects();
    assert_eq!(freed[0]["kinds"], foreseen[0]["kinds"]);
    assert!(!half.exists());
    leave();
    let _host = home.serve(&[]);
    while half.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// All of it over HTTP: shares that were folded, deleted, and expired.
#[tokio::test]
async fn a_bucket_of_an_s3_server_is_checked_counted_and_cleared() {
    let moto = Moto::start();
    let options = moto.options();
    let home = Home::new()
        .set("AWS_ACCESS_KEY_ID", options.access_key_id.as_ref().unwrap())
        .set("AWS_SECRET_ACCESS_KEY", options.secret_access_key.as_ref().unwrap())
        .set("AWS_ENDPOINT_URL", options.endpoint.as_ref().unwrap())
        .set("CAPSHARE_STORE", "s3://shares/a/prefix");
    let host = home.serve(&[]);
    let push = |session: &str| {
        let arguments = ["push", "--to", &host.url, RECORDING, "--session", session, "--json"];
        home.run(&arguments).ends_with(0).objects()[0]["id"].as_str().unwrap().to_owned()
    };
    let [folded, deleted, expired] = ["ses_folded", "ses_deleted", "ses_expired"].map(push);
    home.run(&["rm", "--to", &host.url, &deleted]).ends_with(0);
    host.program.signal("-TERM");
    host.program.wait().ends_with(0);
    // What time would do.
    let objects = storage::open(&"s3://shares/a/prefix".parse().unwrap(), &options).await.unwrap();
    let store = Store::new(objects, StoreSettings::default(), WriterId(7), Arc::new(SystemClock));
    let open = async |id: &str| match store.open_log(&id.parse().unwrap()).await.unwrap() {
        Opened::Open(log, news) => (log, news.into_state()),
        other => panic!("{other:?}"),
    };
    let (log, state) = open(&folded).await;
    let (run, _frees) = log.fold(Occasion::Still, &state).unwrap().run().await.unwrap().unwrap();
    drop(run);
    open(&expired).await.0.append(&[Entry::Expiry { at: Timestamp(1), expires_at: Some(Timestamp(2)) }]).await.unwrap();

    let only = |arguments: &[&str]| {
        let objects = home.run(&[&["store"], arguments, &["--json"]].concat()).ends_with(0).objects();
        assert_eq!(objects.len(), 1, "one document");
        objects.into_iter().next().unwrap()
    };
    let checked = only(&["check"]);
    assert_eq!((&checked["shares"], &checked["sessions"], &checked["findings"]), (&json!(3), &json!(3), &json!([])));
    assert_eq!(checked["young"], 1, "the empty objects of the share that was deleted");
    let stats = only(&["stats"]);
    let counted = |stats: &Value| ["log", "runs", "tombstones"].map(|kind| stats["kinds"][kind]["objects"].clone());
    assert_eq!((&stats["shares"], &stats["deleted"], &stats["sessions"]), (&json!(2), &json!(1), &json!(2)));
    assert_eq!(counted(&stats), [5, 1, 1]);
    assert_eq!(stats["kinds"]["all"]["objects"], checked["objects"]);

    let foreseen = only(&["gc", "--dry-run"]);
    assert_eq!(only(&["stats"]), stats, "a dry run changes nothing");
    let freed = only(&["gc"]);
    assert_eq!(freed["kinds"], foreseen["kinds"]);
    assert_eq!((&freed["expired_shares"], &freed["passed_over"]), (&json!(1), &json!(0)));
    assert_eq!(freed["kinds"]["expired"]["objects"], 3);
    let stats = only(&["stats"]);
    assert_eq!((&stats["shares"], &stats["deleted"], &stats["sessions"]), (&json!(1), &json!(2), &json!(1)));
    assert_eq!(counted(&stats), [2, 1, 2]);
    assert_eq!(only(&["check"])["findings"], json!([]));
}

/// A bucket with versioning keeps what is deleted: a host says so when it starts, and a check each time.
#[test]
fn a_bucket_that_keeps_versions_is_told_at_the_start_and_by_a_check() {
    let moto = Moto::start();
    moto.set_versioning("Enabled");
    let options = moto.options();
    let home = Home::new()
        .set("AWS_ACCESS_KEY_ID", options.access_key_id.as_ref().unwrap())
        .set("AWS_SECRET_ACCESS_KEY", options.secret_access_key.as_ref().unwrap())
        .set("AWS_ENDPOINT_URL", options.endpoint.as_ref().unwrap())
        .set("CAPSHARE_STORE", "s3://shares");
    let mut host = home.serve(&[]);
    let told = "the texts of deleted shares stay as older versions";
    host.program.stderr.wait_for(|line| line.contains(told));
    host.program.signal("-TERM");
    host.program.wait().ends_with(0);
    let said = home.run(&["store", "check"]).ends_with(0).stdout;
    assert!(said.contains(told) && said.trim_end().ends_with(": clean"), "{said}");
    assert_eq!(home.run(&["store", "check", "--json"]).ends_with(0).objects()[0]["versions"], "kept");
}

/// A claim that is torn hides no other share of the account from `ls`, which says what is damaged; a check names it, a repair claims
/// the session again.
#[test]
fn a_torn_claim_is_listed_as_damaged_and_mended() {
    let home = Home::new();
    let host = home.serve(&[]);
    for session in ["ses_torn", "ses_whole"] {
        home.run(&["push", "--to", &host.url, RECORDING, "--session", session]).ends_with(0);
    }
    host.program.signal("-TERM");
    host.program.wait().ends_with(0);
    let claims = home.path(STORE).join("index/local/ses_torn");
    for file in files(&claims) {
        std::fs::write(file, "{\"capshare\":1,\"acc").unwrap();
    }
    let host = home.serve(&[]);
    let listed = home.run(&["ls", "--to", &host.url, "--json"]).ends_with(0).objects();
    assert_eq!((listed.len(), &listed[0]["session"]), (2, &json!("ses_whole")));
    assert_eq!(listed[1], json!({ "damaged": true, "session": "ses_torn", "account": "local" }));
    let people = home.run(&["ls", "--to", &host.url]).ends_with(0).stdout;
    assert!(
        people.contains("ses_whole") && people.contains("session ses_torn of account local cannot be read"),
        "{people}"
    );

    let checked = home.run(&["store", "check", "--json"]).ends_with(1).objects();
    let codes: Vec<_> =
        checked[0]["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"unreadable") && codes.contains(&"share-without-claim"), "{codes:?}");
    // The torn claim itself stays until it is old; it is passed by the new one.
    home.run(&["store", "check", "--repair"]).ends_with(1);
    let listed = home.run(&["ls", "--to", &host.url, "--json"]).ends_with(0).objects();
    let mut sessions: Vec<_> = listed.iter().map(|line| line["session"].as_str().unwrap()).collect();
    sessions.sort_unstable();
    assert_eq!(sessions, ["ses_torn", "ses_whole"]);
    assert!(listed.iter().all(|line| line["damaged"].is_null()), "{listed:?}");
}
