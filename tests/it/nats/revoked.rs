//! Tokens that are revoked in the store, beside the hosts.

use capshare::__internal::ambient::SystemClock;
use capshare::__internal::store::{Store, StoreSettings, WriterId};
use capshare::host::storage::{S3Options, StoreLocation, open};

use super::*;
use crate::cli::program::Home;
use crate::support::nats::NatsServer;

/// A token of a new store in this home: its id.
fn token(home: &Home) -> String {
    let made = home.run(&["token", "create", "--account", "ann", "--json"]).ends_with(0).objects();
    made[0]["id"].as_str().unwrap().to_owned()
}

/// S104: who revokes a token in the store tells the hosts by NATS, where the settings name it; and says so if that failed, while the token
/// is revoked all the same.
#[test]
fn a_token_that_is_revoked_in_the_store_is_told_to_its_hosts() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let may_not = "authorization { users: [ { user: ann, password: a }, { user: bob, password: b, permissions: { publish: \"x\" } } ] }";
    let mut server = runtime.block_on(NatsServer::with(may_not));
    let url = |login: &str| format!("nats://{login}@127.0.0.1:{}", server.port());
    let (good, refused, wrong) = (url("ann:a"), url("bob:b"), url("ann:hidden"));
    let home = Home::new();
    let store = home.path("s");
    std::fs::create_dir(&store).unwrap();
    let home = home.set("CAPSHARE_STORE", store.to_str().unwrap());
    let id = token(&home);

    // Only hosts over this store hear of it, of which this is one, and not of what another store's are told.
    let member = runtime.block_on(async {
        let objects = open(&StoreLocation::Directory(store), &S3Options::default()).await.unwrap();
        let store = Store::new(objects, StoreSettings::default(), WriterId(1), Arc::new(SystemClock));
        let member = Member::over(1, quick(&good), store.read_id().await.unwrap());
        member.until_connected(1).await;
        member
    });
    let revoke = |nats: &str, id: &str| home.run(&["token", "revoke", id, "--nats", nats]).ends_with(0);
    let ran = revoke(&good, &id);
    assert!(ran.stdout.contains("is revoked") && ran.stderr.is_empty(), "{}", ran.everything());
    let told = Told::Control("revoked".to_owned());
    runtime.block_on(member.until("that a token was revoked", |all| all.contains(&told)));

    for (nats, says) in [(&refused, "refused the message"), (&wrong, "no NATS server answered")] {
        let ran = revoke(nats, &token(&home));
        assert!(ran.stdout.contains("is revoked") && ran.stderr.contains(says), "{}", ran.everything());
        assert!(ran.stderr.contains("within 10 s") && !ran.everything().contains("hidden"), "{}", ran.everything());
    }
    server.kill();
    assert!(revoke(&good, &token(&home)).stderr.contains("no NATS server answered"));
    assert_eq!(member.told().iter().filter(|one| **one == told).count(), 1);
    runtime.block_on(async { drop(member) });
}
