//! The suite, on every kind of bucket.

use std::time::Duration;

use capshare::__internal::store::Tally;
use capshare::host::storage::{self, S3Options, StoreLocation};

use super::suite;
use crate::support::moto::Moto;

async fn run_on(location: &str, options: &S3Options) {
    let location: StoreLocation = location.parse().unwrap();
    let objects = storage::open(&location, options).await.unwrap();
    suite::all(objects, location.lists_sorted()).await;
}

#[tokio::test]
async fn the_suite_holds_in_memory() {
    run_on("memory:", &S3Options::default()).await;
}

#[tokio::test]
async fn the_suite_holds_in_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    run_on(directory.path().join("made/by/the/host").to_str().unwrap(), &S3Options::default()).await;
}

#[tokio::test]
async fn the_suite_holds_on_an_s3_server() {
    let moto = Moto::start();
    run_on("s3://shares/a/prefix", &moto.options()).await;
}

/// They are no objects, so a deletion passes them over, and they may hold what was shared.
#[tokio::test]
async fn what_killed_hosts_left_half_written_goes_when_it_is_an_hour_old() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let write = |name: &str, minutes: u64| {
        std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        std::fs::write(path(name), "half a seg").unwrap();
        let file = std::fs::File::options().write(true).open(path(name)).unwrap();
        let now = file.metadata().unwrap().modified().unwrap();
        file.set_modified(now - Duration::from_secs(60 * minutes)).unwrap();
    };
    let abandoned =
        ["share/a/log/000000000002#1", "share/a/log/000000000002#12", "tomb/b#1", "index/a/s/000000000001#3"];
    abandoned.iter().for_each(|name| write(name, 62));
    let kept =
        [("share/a/log/000000000003#1", 58), ("share/a/log/000000000001", 62), ("share/a#b", 62), ("mine/notes#1", 62)];
    kept.iter().for_each(|(name, minutes)| write(name, *minutes));
    let location = StoreLocation::Directory(directory.path().to_owned());
    storage::open(&location, &S3Options::default()).await.unwrap();
    let all = Tally { objects: 4, bytes: 40 };
    assert_eq!(storage::remove_half_written(&location, true), all);
    assert_eq!(abandoned.map(|name| path(name).exists()), [true; 4]);
    assert_eq!(storage::remove_half_written(&location, false), all);
    assert_eq!(abandoned.map(|name| path(name).exists()), [false; 4]);
    assert_eq!(kept.map(|(name, _)| path(name).exists()), [true; 4]);
    assert_eq!(storage::remove_half_written(&location, false), Tally::default());
}

/// Any other server, empty or not, by hand; a region may follow as `?region=NAME`. Not named, there is nothing to run.
///
/// ```text
/// CAPSHARE_TEST_S3=http://KEY:SECRET@HOST:PORT/BUCKET cargo nextest run store::backends
/// ```
#[tokio::test]
async fn the_suite_holds_on_the_endpoint_that_the_environment_names() {
    let Ok(url) = std::env::var("CAPSHARE_TEST_S3") else { return };
    let (bucket, options) =
        endpoint(&url).expect("CAPSHARE_TEST_S3 is http[s]://KEY:SECRET@HOST[:PORT]/BUCKET[?region=NAME]");
    // What an earlier run left there must not be met.
    let run = tempfile::Builder::new().prefix("capshare-test-").rand_bytes(12).tempdir().unwrap();
    let prefix = run.path().file_name().unwrap().to_str().unwrap();
    run_on(&format!("s3://{bucket}/{prefix}"), &options).await;
}

/// The bucket in a URL, and how to reach it.
fn endpoint(url: &str) -> Option<(String, S3Options)> {
    let (scheme, rest) = url.split_once("://")?;
    let (credentials, rest) = rest.rsplit_once('@')?;
    let (id, secret) = credentials.split_once(':')?;
    let (host, bucket) = rest.split_once('/')?;
    let (bucket, region) = match bucket.split_once("?region=") {
        Some((bucket, region)) => (bucket, Some(region.to_owned())),
        None => (bucket, None),
    };
    let options = S3Options {
        endpoint: Some(format!("{scheme}://{host}")),
        region,
        access_key_id: Some(id.to_owned()),
        secret_access_key: Some(secret.to_owned()),
        allow_http: scheme == "http",
        ..S3Options::default()
    };
    (!bucket.is_empty()).then(|| (bucket.to_owned(), options))
}
