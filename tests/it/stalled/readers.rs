//! Peers that do not read what they asked for, on HTTP/1.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::SingleAccount;
use capshare::client::{Items, Share};
use capshare::host::HostSettings;
use capshare::share::change::Change;
use capshare::share::item::{ItemKey, Payload};
use object_store::memory::InMemory;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::door::Served;
use crate::support::http::{begin, read};
use crate::support::memory::{descriptors, resident_bytes};

pub(super) async fn local(change: impl FnOnce(&mut HostSettings)) -> Served {
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    Served::over(Arc::new(InMemory::new()), access, change).await
}

/// Cuts off who does not read after half a second.
pub(super) fn soon(settings: &mut HostSettings) {
    settings.viewer.write_stall = Duration::from_millis(500);
}

/// A share with more than the sockets of this machine hold, in items of 3.9 MB.
pub(super) async fn large(served: &Served, session: &str) -> Share {
    let share = served.client(None).create(&session.parse().unwrap(), None).await.unwrap();
    let text = "x".repeat(3_900_000);
    for n in 0..5 {
        let json = json!({ "id": format!("p{n}"), "messageID": "m", "type": "text", "text": text }).to_string();
        let (key, value) = (ItemKey::part("m", &format!("p{n}")).unwrap(), Payload::from_checked_json(&json));
        share.sync(Items::from(vec![Change { key, value: Some(value) }])).await.unwrap();
    }
    share
}

fn documents(share: &Share) -> [String; 3] {
    let id = share.id();
    [format!("/api/share/{id}/data"), format!("/share/{id}.json"), format!("/share/{id}.md")]
}

/// S90: who asks for large documents and reads nothing is cut off in every form of them, and the host's sockets and memory come back.
#[tokio::test]
async fn who_reads_no_document_is_cut_off_and_costs_nothing_after_that() {
    let served = local(soon).await;
    let share = large(&served, "ses_1").await;
    let mut after = Vec::new();
    for _ in 0..3 {
        for path in documents(&share) {
            let before = descriptors();
            let mut deaf = Vec::new();
            for _ in 0..8 {
                let mut one = begin(served.address, "GET", &path, &[]).await;
                // It is on its way, and more than fits into the sockets.
                one.read_exact(&mut [0; 1]).await.unwrap();
                deaf.push(one);
            }
            // Each has a descriptor on either side, and keeps its own.
            while descriptors() > before + deaf.len() {
                tokio::task::yield_now().await;
            }
            let mut got = b"H".to_vec();
            let end = deaf.swap_remove(0).read_to_end(&mut got).await;
            assert!(end.is_err() || !read(&got).is_whole, "{path}: {} bytes", got.len());
        }
        after.push(resident_bytes());
    }
    let grown = after[2].saturating_sub(after[0]);
    assert!(grown < 48 << 20, "{after:?}");
}

/// S90: nor does it matter how small the answers are.
#[tokio::test]
async fn who_reads_none_of_many_small_answers_is_cut_off() {
    let served = local(soon).await;
    let mut socket = TcpStream::connect(served.address).await.unwrap();
    let requests = "GET /client.d.ts HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    while socket.write_all(requests.as_bytes()).await.is_ok() {}
}

/// Nothing more of a share is told once it is deleted, in any of its documents.
#[tokio::test]
async fn a_deletion_ends_a_document_that_is_on_its_way() {
    let served = local(|_| {}).await;
    for n in 0..3 {
        let share = large(&served, &format!("ses_{n}")).await;
        let path = documents(&share)[n].clone();
        let mut socket = begin(served.address, "GET", &path, &[]).await;
        let mut got = vec![0; 4 << 10];
        socket.read_exact(&mut got).await.unwrap();
        share.delete().await.unwrap();
        let _ends = socket.read_to_end(&mut got).await;
        let answer = read(&got);
        assert!(answer.status == 200 && !answer.is_whole, "{path}: {} bytes", answer.body.len());
    }
}
