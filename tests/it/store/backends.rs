//! The suite, on every kind of bucket.

use std::sync::Arc;

use capshare::host::storage::{self, S3Options, StoreLocation};
use object_store::prefix::PrefixStore;

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

/// Any other server: `CAPSHARE_TEST_S3_ENDPOINT`, `_BUCKET`, `_ACCESS_KEY_ID`, `_SECRET_ACCESS_KEY`, `_REGION`. Not named,
/// there is nothing to run.
#[tokio::test]
async fn the_suite_holds_on_the_endpoint_that_the_environment_names() {
    let setting = |name: &str| std::env::var(format!("CAPSHARE_TEST_S3_{name}")).ok();
    let Some(endpoint) = setting("ENDPOINT") else { return };
    let options = S3Options {
        allow_http: endpoint.starts_with("http://"),
        endpoint: Some(endpoint),
        region: setting("REGION"),
        access_key_id: setting("ACCESS_KEY_ID"),
        secret_access_key: setting("SECRET_ACCESS_KEY"),
        ..S3Options::default()
    };
    let location: StoreLocation = format!("s3://{}", setting("BUCKET").unwrap()).parse().unwrap();
    let objects = storage::open(&location, &options).await.unwrap();
    // What an earlier run left there must not be met.
    let run = tempfile::Builder::new().rand_bytes(12).tempdir().unwrap();
    let part = run.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.').to_owned();
    suite::all(Arc::new(PrefixStore::new(objects, part)), location.lists_sorted()).await;
}
