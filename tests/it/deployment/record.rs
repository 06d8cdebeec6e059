//! The record of a host as it is stored: `schema/storage.md`, pinned.

use std::sync::Arc;

use capshare::__internal::store::{HostRecord, StoreError};
use capshare::share::host::{HostInfo, HostUrl};
use capshare::share::id::HostId;
use capshare::share::limits::hosts::{
    HOST_LINKS_MAX, HOST_RECORD_BYTES_MAX, HOST_URLS_MAX, HOST_VERSION_CHARS_MAX, HOSTS_LISTED_MAX,
};
use capshare::share::secret::SecretHash;
use capshare::share::time::Timestamp;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};

use crate::store::survey::surveyor;
use crate::support::bucket::{TestBucket, text_of};

const HOST: &str = include_str!("../../data/store/format-1-host.json");

#[tokio::test]
async fn format_1_has_records_of_hosts() {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let store = surveyor(&bucket, 1, true);
    let id = HostId::from_bits(1);
    let mut info = HostInfo::of(id.clone());
    info.urls = vec!["https://a.example.org".parse().unwrap()];
    "0.1.0".clone_into(&mut info.version);
    info.since = Timestamp(1_796_000_000_000);
    (info.shares, info.connections, info.clock_ahead_ms) = (12, 340, Some(-20));
    let record = HostRecord {
        info,
        inside_urls: vec!["http://10.0.0.7:7420".parse().unwrap()],
        beat: 7,
        tickets: [(HostId::from_bits(2), SecretHash([0xab; 32]))].into(),
    };
    store.write_host(&record).await.unwrap();
    assert_eq!(text_of(&bucket, &Path::from(format!("host/{id}"))).await, HOST);
    assert_eq!(store.host(&id).await.unwrap(), Some(record));
    let other = HostId::from_bits(2);
    bucket.put(&Path::from(format!("host/{other}")), PutPayload::from_static(HOST.as_bytes())).await.unwrap();
    assert!(matches!(store.host(&other).await, Err(StoreError::Corrupt { .. })));

    // What later versions may leave out, and what none may write.
    let least = r#"{"capshare":1,"host":"aaaaaaaaaaaaaaaaaaaaaaaaac","beat":1,"version":"9","since":1,"urls":["http://a/b","http://a"],"new":[]}"#;
    bucket.put(&Path::from(format!("host/{other}")), PutPayload::from_static(least.as_bytes())).await.unwrap();
    let read = store.host(&other).await.unwrap().unwrap();
    assert_eq!((read.info.urls.len(), read.info.draining, read.tickets.len()), (1, false, 0));

    // The largest that is read, and one byte more.
    for (bytes, is_read) in [(HOST_RECORD_BYTES_MAX as usize, true), (HOST_RECORD_BYTES_MAX as usize + 1, false)] {
        let long = format!("{least}{}", " ".repeat(bytes - least.len()));
        bucket.put(&Path::from(format!("host/{other}")), PutPayload::from(long.into_bytes())).await.unwrap();
        assert_eq!(store.host(&other).await.is_ok(), is_read);
    }
}

/// A reader keeps no more of a record than a host may say, nor of the bucket than so many hosts.
#[tokio::test]
async fn more_than_a_host_may_say_is_passed_over() {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let store = surveyor(&bucket, 1, true);
    let id = HostId::from_bits(1);
    let urls: Vec<HostUrl> = (0..=HOST_URLS_MAX).map(|n| format!("http://a{n}").parse().unwrap()).collect();
    let mut info = HostInfo::of(id.clone());
    (info.urls, info.version) = (urls.clone(), "9".repeat(HOST_VERSION_CHARS_MAX + 1));
    let tickets = (0..=HOST_LINKS_MAX).map(|n| (HostId::from_bits(n as u128), SecretHash([0xab; 32]))).collect();
    store.write_host(&HostRecord { info, inside_urls: urls, beat: 1, tickets }).await.unwrap();
    let HostRecord { info, inside_urls, tickets, .. } = store.host(&id).await.unwrap().unwrap();
    assert_eq!((info.urls.len(), inside_urls.len()), (HOST_URLS_MAX, HOST_URLS_MAX));
    assert_eq!((info.version.len(), tickets.len()), (HOST_VERSION_CHARS_MAX, HOST_LINKS_MAX));
    for n in 0..=HOSTS_LISTED_MAX {
        let key = Path::from(format!("host/{}", HostId::from_bits(n as u128)));
        bucket.put(&key, PutPayload::from_static(b"x")).await.unwrap();
    }
    assert_eq!(store.hosts().await.unwrap().len(), HOSTS_LISTED_MAX);
}
