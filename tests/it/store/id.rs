//! The store's id: one for all hosts of a bucket.

use std::collections::HashSet;
use std::sync::Arc;

use capshare::__internal::store::{CheckOptions, Problem, StoreError};
use futures::future::join_all;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};

use super::survey::{LATER, nothing};
use super::{host, keys};
use crate::support::bucket::{TestBucket, text_of};

const STORED: &str = include_str!("../../data/store/format-1-store.json");

/// Its form is the golden text to the byte, and it is read from the bucket once.
#[tokio::test]
async fn the_first_host_gives_the_store_its_id() {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let first = host(&bucket, 2);
    assert_eq!(first.id(), None);
    let id = first.read_id().await.unwrap();
    assert_eq!((id.as_str(), first.clone().id()), ("aaaaaaaaaaaaaaaaaaaaaaaaac", Some(&id)));
    assert_eq!(text_of(bucket.as_ref(), &Path::from("store/id")).await, STORED);
    assert_eq!(host(&bucket, 3).read_id().await.unwrap(), id);
    bucket.delete(&Path::from("store/id")).await.unwrap();
    assert_eq!(first.read_id().await.unwrap(), id, "it is not asked again");
}

#[tokio::test]
async fn hosts_that_begin_at_once_agree_on_the_stores_id() {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let hosts: Vec<_> = (1..=16).map(|writer| host(&bucket, writer)).collect();
    let ids: HashSet<_> =
        join_all(hosts.iter().map(|host| host.read_id())).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(keys(&bucket, "store/").await, ["store/id"]);
}

#[tokio::test]
async fn a_damaged_id_of_the_store_is_an_error_and_is_found_by_a_check() {
    for (text, is_known) in [("", false), ("{\"capshare\":1,\"store\":\"a\"}\n", false), (STORED, true)] {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        bucket.put(&Path::from("store/id"), PutPayload::from(text.as_bytes().to_vec())).await.unwrap();
        bucket.put(&Path::from("store/name"), PutPayload::from_static(b"x")).await.unwrap();
        let store = host(&bucket, 2);
        let read = store.read_id().await;
        assert!(
            is_known == read.is_ok() && !matches!(read, Err(ref error) if !matches!(error, StoreError::Corrupt { .. })),
            "{read:?}"
        );
        let checked = store.check(&CheckOptions::at(LATER), &nothing).await.unwrap();
        let found: Vec<_> = checked.findings.iter().map(|finding| (finding.key.as_str(), finding.problem)).collect();
        let stray = ("store/name", Problem::UnknownKey);
        match is_known {
            true => assert_eq!(found, [stray]),
            false => assert_eq!(found, [("store/id", Problem::Unreadable), stray]),
        }
    }
}

/// A check reads: the id that a store lacks is made by hosts, and what lies beside it makes no difference.
#[tokio::test]
async fn a_check_gives_no_store_an_id() {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    bucket.put(&Path::from("store/name"), PutPayload::from_static(b"x")).await.unwrap();
    let checked = host(&bucket, 2).check(&CheckOptions::at(LATER), &nothing).await.unwrap();
    assert_eq!(checked.findings.len(), 1);
    assert_eq!(keys(&bucket, "store/").await, ["store/name"]);
}
