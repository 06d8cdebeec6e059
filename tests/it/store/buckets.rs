//! Buckets that are full, closed, down or careless.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use capshare::__internal::store::{Appended, Claim, Store, StoreError, StoreSettings};
use capshare::host::storage::{self, OpenStoreError, S3Options, StoreLocation, Versions};
use capshare::share::item::{ItemKey, Payload};
use object_store::memory::InMemory;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::{Batch, Change, DELETE, Entry, Timestamp, account, append, created, holding, host, host_with, keys};
use super::{open_entry, opened, session, share, sync};
use crate::support::bucket::{Fault, TestBucket};
use crate::support::moto::Moto;

async fn open(location: &str, options: &S3Options) -> Result<Arc<TestBucket>, OpenStoreError> {
    let location: StoreLocation = location.parse()?;
    storage::open(&location, options).await.map(TestBucket::over)
}

async fn why_not(location: &str, options: &S3Options) -> String {
    let error = open(location, options).await.unwrap_err();
    assert!(!format!("{error:?}{error}").contains("hush"), "it shows a secret: {error:?}");
    error.to_string()
}

#[tokio::test]
async fn a_bucket_that_ignores_conditional_writes_is_caught_by_the_probe() {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    bucket.careless.store(true, Ordering::Relaxed);
    let failure = host(&bucket, 1).probe_conditional_writes().await.unwrap_err();
    assert!(matches!(failure, StoreError::Unconditional));
    assert_eq!(keys(&bucket, "").await, [] as [&str; 0], "and cleaned up after");
}

/// A bucket that takes every create for an overwrite, and its lone writer.
fn careless() -> (Arc<TestBucket>, Store) {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    bucket.careless.store(true, Ordering::Relaxed);
    let mut settings = StoreSettings::default();
    settings.single_writer = true;
    let store = host_with(&bucket, 1, settings);
    (bucket, store)
}

#[tokio::test(start_paused = true)]
async fn a_lone_writer_loses_nothing_to_a_write_of_its_own_that_lands_late() {
    let (bucket, store) = careless();
    assert!(matches!(store.probe_conditional_writes().await, Err(StoreError::Unconditional)), "and is still told");
    let mut log = created(&store, &share(1), &[open_entry()]).await;
    for reopened in [false, true] {
        let label = |what: &str| format!("{what} {reopened}");
        // Given up at once, it lands after ten seconds; what comes next would have been written over.
        bucket.next_writes([Some(Fault::LandsLate(Duration::from_secs(10)))]);
        bucket.next_writes(std::iter::repeat_n(Some(Fault::LostRequest), 100));
        let late = [sync(&label("late"))];
        tokio::time::timeout(Duration::from_secs(1), log.append(&late)).await.unwrap_err();
        bucket.next_writes_are_over();
        let mut seen = Vec::new();
        if reopened {
            (log, seen) = opened(&store, &share(1)).await;
        }
        append(&mut log, &mut seen, &[sync(&label("next"))]).await;
        assert!(seen.ends_with(&[sync(&label("late")), sync(&label("next"))]), "{seen:?}");
        append(&mut log, &mut seen, &[sync(&label("last"))]).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let (_, whole) = opened(&store, &share(1)).await;
        assert!(whole.ends_with(&seen), "{whole:?}");
    }
    // A deletion waits for what may still land on a key that it empties.
    bucket.next_writes([Some(Fault::LandsLate(Duration::from_secs(10)))]);
    log.append(&[sync("a secret")]).await.unwrap();
    log.append(&[DELETE]).await.unwrap();
    drop(log.erase(&account("a"), &session("s")).await.unwrap());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(holding(&bucket, "a secret").await, [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn of_several_claims_of_a_lone_writer_one_wins() {
    let (bucket, store) = careless();
    bucket.next_writes([Some(Fault::Slow(Duration::from_secs(2)))]);
    let (who, what) = (account("a"), session("s"));
    let ids: Vec<_> = (1..=8).map(share).collect();
    let claims = ids.iter().map(|id| store.claim(&who, &what, id, Timestamp(0)));
    let claims = futures::future::join_all(claims).await;
    let ours = claims.iter().filter(|claim| matches!(claim, Ok(Claim::Ours))).count();
    assert_eq!(ours, 1, "{claims:?}");
    let listed = store.list(None, None, 10).await.unwrap().claims;
    let winner = claims.iter().position(|claim| matches!(claim, Ok(Claim::Ours))).unwrap();
    assert_eq!(listed[0].share, ids[winner]);
    assert!(claims.iter().flatten().all(|claim| *claim == Claim::Ours || *claim == Claim::Theirs(ids[winner].clone())));
}

#[tokio::test]
async fn the_probe_does_not_take_a_lost_answer_for_carelessness() {
    for fault in [Fault::MetItself, Fault::LostAnswer] {
        for at in 0..10 {
            let bucket = TestBucket::over(Arc::new(InMemory::new()));
            bucket.next_writes(std::iter::repeat_n(None, at).chain([Some(fault)]));
            match host(&bucket, 1).probe_conditional_writes().await {
                Ok(()) => {}
                Err(error) => assert!(error.is_transient(), "{fault:?} of write {at}: {error}"),
            }
            assert_eq!(keys(&bucket, "").await, [] as [&str; 0]);
        }
    }
}

#[test]
fn a_location_is_memory_a_directory_or_a_bucket() {
    let parsed = |text: &str| text.parse::<StoreLocation>();
    assert_eq!(parsed("memory:").unwrap(), StoreLocation::Memory);
    for text in ["/var/shares", "file:/var/shares", "file:///var/shares"] {
        assert_eq!(parsed(text).unwrap(), StoreLocation::Directory(PathBuf::from("/var/shares")));
    }
    assert_eq!(parsed("shares").unwrap(), StoreLocation::Directory(PathBuf::from("shares")));
    for text in ["s3://bucket", "s3://bucket/", "s3://bucket/some/prefix", "s3://zone--x-s3/p"] {
        let location = parsed(text).unwrap();
        assert_eq!(location.to_string(), text.trim_end_matches('/'));
        assert_eq!(location.lists_sorted(), !text.contains("--x-s3"));
    }
    for text in ["", "file:", "s3://", "s3:///prefix", "gs://bucket", "s3://bucket/a//x"] {
        assert!(matches!(parsed(text), Err(OpenStoreError::BadLocation { .. })), "{text}");
    }
}

#[tokio::test]
async fn a_bucket_that_cannot_be_opened_says_what_to_do() {
    let keys = S3Options {
        access_key_id: Some("key".to_owned()),
        secret_access_key: Some("hush".to_owned()),
        session_token: Some("hush".to_owned()),
        ..S3Options::default()
    };
    assert!(!format!("{keys:?}").contains("hush"));
    let at = |endpoint: &str| S3Options { endpoint: Some(endpoint.to_owned()), allow_http: true, ..keys.clone() };
    assert!(why_not("s3://shares", &S3Options::default()).await.contains("credentials"));
    assert!(why_not("s3://shares", &keys).await.contains("region"));
    let plain = S3Options { allow_http: false, ..at("http://127.0.0.1:9") };
    assert!(why_not("s3://shares", &plain).await.contains("https://"));
    assert!(why_not("s3://shares", &at("http://127.0.0.1:9")).await.contains("cannot be reached"));
    let moto = Moto::start();
    assert!(why_not("s3://no-such-bucket", &moto.options()).await.contains("create it"));

    let removed = open("s3://shares", &moto.options()).await.unwrap();
    moto.remove_bucket();
    let host = host(&removed, 1);
    for failure in [host.ready().await.unwrap_err(), host.create_log(&share(1), &[open_entry()]).await.unwrap_err()] {
        assert!(matches!(failure, StoreError::Denied { .. }), "{failure:?}");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let under_a_file = file.join("shares");
    assert!(why_not(under_a_file.to_str().unwrap(), &S3Options::default()).await.contains("writable"));

    let mount = Mount::of_1_mib(directory.path().join("mount"));
    let bucket = open(mount.0.to_str().unwrap(), &S3Options::default()).await.unwrap();
    let mut log = created(&host(&bucket, 1), &share(1), &[open_entry()]).await;
    run(Command::new("mount").args(["-o", "remount,ro"]).arg(&mount.0));
    let failure = log.append(&[sync("x")]).await.unwrap_err();
    assert!(matches!(failure, StoreError::Denied { .. }), "{failure:?}");
    assert!(why_not(mount.0.to_str().unwrap(), &S3Options::default()).await.contains("writable"));
}

#[tokio::test]
async fn a_full_disk_keeps_no_half_object_and_the_share_goes_on_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let mount = Mount::of_1_mib(directory.path().join("mount"));
    std::fs::write(mount.0.join("ballast"), vec![b'x'; 300 << 10]).unwrap();
    let bucket = open(mount.0.join("shares").to_str().unwrap(), &S3Options::default()).await.unwrap();
    let mut log = created(&host(&bucket, 1), &share(1), &[open_entry()]).await;
    let large = |n: usize| {
        let value = Payload::from_checked_json(&format!("\"{}\"", "y".repeat(200 << 10)));
        let change = Change { key: ItemKey::message(&n.to_string()).unwrap(), value: Some(value) };
        [Entry::Sync { at: Timestamp(0), batch: Batch { stamp: None, changes: vec![change] } }]
    };
    let mut expected = vec![open_entry()];
    let failure = loop {
        let entries = large(expected.len());
        match log.append(&entries).await {
            Ok(appended) => assert_eq!(appended, Appended::Written),
            Err(failure) => break failure,
        }
        expected.extend(entries);
        assert!(expected.len() < 10, "1 MiB never fills up");
    };
    assert!(matches!(failure, StoreError::Full { .. }), "{failure:?}");
    assert!(failure.to_string().contains("free some space"), "{failure}");
    assert_eq!(opened(&host(&bucket, 2), &share(1)).await.1, expected, "nothing half");
    let files = std::fs::read_dir(mount.0.join(format!("shares/share/{}/log", share(1)))).unwrap().count();
    assert_eq!(files, expected.len(), "nothing left over");

    std::fs::remove_file(mount.0.join("ballast")).unwrap();
    let entries = large(expected.len());
    assert_eq!(log.append(&entries).await.unwrap(), Appended::Written);
    expected.extend(entries);
    assert_eq!(opened(&host(&bucket, 2), &share(1)).await.1, expected);
}

#[tokio::test]
async fn a_server_that_answers_503_fails_an_append_within_its_time() {
    let (server, options) = Server::start().await;
    let bucket = open("s3://shares", &options).await.unwrap();
    let mut settings = StoreSettings::default();
    settings.append_time = Duration::from_secs(2);
    let mut log = created(&host_with(&bucket, 1, settings.clone()), &share(1), &[open_entry()]).await;
    server.down.store(true, Ordering::Relaxed);
    let begun = tokio::time::Instant::now();
    let failure = log.append(&[sync("x")]).await.unwrap_err();
    assert!(matches!(failure, StoreError::Unavailable { .. }), "{failure:?}");
    assert!(begun.elapsed() < settings.append_time + 2 * settings.request_time);
    assert!(host(&bucket, 2).ready().await.unwrap_err().is_transient());
    assert!(why_not("s3://shares", &options).await.contains("cannot be reached"));
}

/// A server without DeleteObjects is asked once for it, and not again with every deletion.
#[tokio::test]
async fn a_server_that_cannot_delete_many_at_once_deletes_one_by_one() {
    let (server, options) = Server::start().await;
    let bucket = open("s3://shares/prefix", &options).await.unwrap();
    assert_eq!(server.bulk_deletions.load(Ordering::Relaxed), 1, "a 501 is not asked for again");
    let before = server.deletions.load(Ordering::Relaxed);
    host(&bucket, 1).takes_writes().await.unwrap();
    assert_eq!(server.deletions.load(Ordering::Relaxed) - before, 1);
    assert_eq!(server.bulk_deletions.load(Ordering::Relaxed), 1);
}

/// Whether a bucket keeps versions, as it is switched.
#[tokio::test]
async fn a_bucket_says_whether_it_keeps_versions() {
    let moto = Moto::start();
    let location = "s3://shares/prefix".parse().unwrap();
    let versions = async || storage::versions(&location, &moto.options()).await;
    assert_eq!(versions().await, Versions::None);
    moto.set_versioning("Enabled");
    assert_eq!(versions().await, Versions::Kept);
    assert!(versions().await.advice().unwrap().contains("noncurrent"));
    moto.set_versioning("Suspended");
    assert_eq!(versions().await, Versions::Suspended);
    let (_server, options) = Server::start().await;
    let unknown = storage::versions(&location, &options).await;
    assert!(matches!(&unknown, Versions::Unknown { reason } if reason.contains("404")), "{unknown:?}");
    let directory = StoreLocation::Directory("/nowhere".into());
    assert_eq!(storage::versions(&directory, &S3Options::default()).await, Versions::None);
}

/// A server with an empty bucket that takes every object and keeps none, and has no DeleteObjects; or, when it is down, answers
/// 503.
#[derive(Default)]
struct Server {
    down: AtomicBool,
    bulk_deletions: AtomicU64,
    deletions: AtomicU64,
}

impl Server {
    async fn start() -> (Arc<Self>, S3Options) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = S3Options {
            endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
            access_key_id: Some("key".to_owned()),
            secret_access_key: Some("secret".to_owned()),
            allow_http: true,
            ..S3Options::default()
        };
        let server = Arc::<Self>::default();
        tokio::spawn(serve(listener, server.clone()));
        (server, options)
    }
}

async fn serve(listener: TcpListener, server: Arc<Server>) {
    const EMPTY: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    while let Ok((connection, _)) = listener.accept().await {
        let server = server.clone();
        tokio::spawn(async move {
            let mut connection = BufReader::new(connection);
            loop {
                let (mut request, mut line, mut length) = (String::new(), String::new(), 0);
                while line != "\r\n" {
                    line.clear();
                    if connection.read_line(&mut line).await.unwrap_or(0) == 0 {
                        return;
                    }
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    request.push_str(&line);
                }
                connection.read_exact(&mut vec![0; length]).await.unwrap();
                let (status, body) = match (server.down.load(Ordering::Relaxed), request.split(' ').next().unwrap()) {
                    (true, _) => ("503 Service Unavailable", ""),
                    (false, "GET") if request.contains("list-type=2") => ("200 OK", EMPTY),
                    (false, "PUT") => ("200 OK\r\nETag: \"1\"", ""),
                    (false, "POST") => {
                        server.bulk_deletions.fetch_add(1, Ordering::Relaxed);
                        ("501 Not Implemented", "<Error><Code>NotImplemented</Code></Error>")
                    }
                    (false, "DELETE") => {
                        server.deletions.fetch_add(1, Ordering::Relaxed);
                        ("204 No Content", "")
                    }
                    (false, _) => ("404 Not Found", ""),
                };
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                if connection.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// A file system of 1 MiB in memory, gone when dropped. Needs root, as in CI; without it the test fails.
struct Mount(PathBuf);

impl Mount {
    fn of_1_mib(path: PathBuf) -> Self {
        std::fs::create_dir(&path).unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "capshare-test"]).arg(&path));
        Self(path)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg::<&Path>(&self.0).output());
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
