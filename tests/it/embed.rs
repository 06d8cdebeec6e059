//! A service that embeds a host: what it names is in `capshare::host`, and nothing else of the host.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use capshare::Client;
use capshare::client::{ClientError, Push};
use capshare::host::access::{Scopes, SharedKeys};
use capshare::host::connections::{Action, Answer, CallContext, ConnectionHooks, Entry, HookError, PushOptions};
use capshare::host::settings::{Limits, Quota, QuotaSettings};
use capshare::host::storage::{StoreError, StoreLocation};
use capshare::host::{Host, HostError};
use capshare::share::error::Refusal;
use capshare::share::limits::Limit;
use capshare::share::visibility::Visibility;
use futures::future::BoxFuture;
use object_store::memory::InMemory;
use serde_json::{Value, json};

use crate::support::bucket::TestBucket;
use crate::support::items::items;

/// Counts the connections that came and went.
#[derive(Debug, Clone, Default)]
struct Comings(Arc<(AtomicUsize, AtomicUsize)>);

impl ConnectionHooks for Comings {
    fn opened<'a>(&'a self, _connection: &'a Arc<Entry>) -> BoxFuture<'a, Result<(), HookError>> {
        self.0.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(())))
    }

    fn closed(&self, _connection: &Entry) {
        self.0.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// A file that a host left two hours ago, which was killed while it wrote.
fn half_written_long_ago(folder: &Path) -> PathBuf {
    let path = folder.join("share/a/log/000000000002#1");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(&path).unwrap();
    let now = file.metadata().unwrap().modified().unwrap();
    file.set_modified(now - Duration::from_secs(7_200)).unwrap();
    path
}

const KEY: &str = "a key of at least 16 characters";

/// The limit that something was past.
fn past(error: ClientError) -> Limit {
    match error {
        ClientError::Refused(Refusal::LimitExceeded { limit, .. }) => limit,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_host_is_built_of_what_a_service_names_and_serves_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let half_written = half_written_long_ago(folder.path());
    let comings = Comings::default();
    let each = Quota { shares_max: Some(1), ..Quota::default() };
    let mut limits = Limits::default();
    limits.sync_items_max = 1;
    let host = Host::builder()
        .storage(StoreLocation::Directory(folder.path().to_owned()))
        .access(SharedKeys::new([("ann".parse().unwrap(), KEY.into(), Scopes::SHARE)]))
        .hooks(comings.clone())
        .on_call("who", async |caller: CallContext, _: Value| Ok(json!(caller.principal().account.as_str())))
        .public_url("https://share.example.org/")
        .limits(limits)
        .quotas(QuotaSettings { default: each, ..QuotaSettings::default() })
        .visibility(Visibility::Account)
        .settings(|settings| settings.workers = 1)
        .build()
        .await
        .unwrap();
    assert_eq!(host.public_url(), "https://share.example.org");
    // A thread of its own removes it.
    while half_written.exists() {
        tokio::task::yield_now().await;
    }
    let address = host.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();

    let client = Client::builder(format!("ws://{address}")).token(KEY).build().unwrap();
    let echo = |push| {
        let Push::Custom { data, .. } = push else { return std::future::ready(Err("not known here")) };
        std::future::ready(Ok(Answer::custom(data)))
    };
    client.on_push(echo).await.unwrap();
    let share = client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    assert!(share.url().starts_with("https://share.example.org/share/"), "{}", share.url());
    assert_eq!(share.info().await.unwrap().visibility, Visibility::Account);
    assert_eq!(client.call("who", "null").await.unwrap(), r#""ann""#);
    let two = items(&[("note", "1"), ("todo", "2")]);
    assert_eq!(past(share.sync(two).await.unwrap_err()), Limit::SyncItemsMax);
    let second = client.create(&"ses_2".parse().unwrap(), None).await;
    assert_eq!(past(second.unwrap_err()), Limit::AccountSharesMax);

    let [connection] = &host.connections()[..] else { panic!("{:?}", host.connections()) };
    let answer = host.push(&connection.id, Action::custom("echo", 7), PushOptions::default()).await;
    assert_eq!(answer.unwrap(), Answer::custom(7));
    assert_eq!(host.broadcast(&Action::custom("news", 1), |entry| entry.is_of(&"bob".parse().unwrap())), 0);
    assert_eq!(host.send_to_account(&"ann".parse().unwrap(), &Action::custom("news", 1)), 1);
    assert!(host.access().contains("key"), "{}", host.access());
    assert!(host.shutdown().await);
    assert_eq!(comings.0.0.load(Ordering::Relaxed), 1);
    // The connection's own thread says that it is gone.
    while comings.0.1.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_host_that_cannot_be_right_is_not_built_and_the_error_says_what_to_do() {
    let no_storage = Host::builder().build().await.unwrap_err();
    assert!(matches!(no_storage, HostError::NoStorage) && no_storage.to_string().contains("storage()"), "{no_storage}");

    let bad_url = Host::builder().storage(StoreLocation::Memory).public_url("share.example.org").build().await;
    assert!(matches!(bad_url.unwrap_err(), HostError::BadPublicUrl { .. }));

    let file = tempfile::NamedTempFile::new().unwrap();
    let no_folder = Host::builder().storage(StoreLocation::Directory(file.path().to_owned())).build().await;
    assert!(matches!(no_folder.unwrap_err(), HostError::Open(_)));
}

/// Two hosts over a bucket that ignores conditions lose acknowledged data, so only a host that says that it is alone gets one.
#[tokio::test]
async fn a_bucket_that_ignores_conditions_is_for_a_host_that_says_that_it_is_alone() {
    let careless = || {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        bucket.careless.store(true, Ordering::Relaxed);
        bucket
    };
    let refused = Host::builder().objects(careless()).build().await.unwrap_err();
    assert!(matches!(refused, HostError::Storage(StoreError::Unconditional)), "{refused}");
    let alone = Host::builder().objects(careless()).settings(|settings| settings.hub.store.single_writer = true);
    assert!(alone.build().await.is_ok());
}
