//! The typed calls.

use std::sync::Arc;

use capshare::client::{ClientError, ListScope, PageRequest, ProbeValue};
use capshare::share::error::Refusal;
use capshare::share::id::ShareId;
use capshare::share::secret::Secret;
use capshare::share::time::Timestamp;
use capshare::testing::Scene;

use super::queue::{client, items, share};
use super::relay::{Act, Kind, Relay, local};
use crate::support::items::held;

#[tokio::test(start_paused = true)]
async fn probes_come_back_as_they_went() {
    local(async {
        let client = client(&Relay::new());
        let value = ProbeValue { when: Timestamp(-5), bytes: vec![0, 255], x: 0.5 };
        assert_eq!(client.probe_value(value.clone()).await.unwrap().value, value);
        let reply = client.probe_callback(|message| format!("heard {message}")).await.unwrap();
        assert_eq!(reply.value, "heard server-called");
        client.ping().await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_share_is_created_found_again_opened_read_and_deleted() {
    local(async {
        let relay = Relay::new();
        let client = client(&relay);
        let session = "ses_1".parse().unwrap();
        let created = client.create(&session, Some(items(&["a 1"]))).await.unwrap();
        assert_eq!((created.existed(), created.progress().borrow().sync_count), (false, 1));
        let again = client.create(&session, None).await.unwrap();
        assert_eq!((again.existed(), again.id()), (true, created.id()));
        let opened = client.open(created.id(), created.secret().unwrap()).await.unwrap();
        assert_eq!(opened.url(), created.url());
        assert_eq!(opened.sync(items(&["b 1"])).await.unwrap().sync_count, 2);
        assert_eq!(created.info().await.unwrap().item_count, 2);
        let printed = format!("{created:?}");
        assert!(!printed.contains(created.secret().unwrap().reveal()), "{printed}");

        let wrong = client.open(created.id(), &Secret::from("capsec_wrong")).await.unwrap_err();
        assert_eq!(wrong, ClientError::Refused(Refusal::InvalidSecret { id: created.id().clone() }));

        created.delete().await.unwrap();
        let gone = ClientError::Refused(Refusal::not_found(created.id().as_str()));
        assert_eq!(created.try_queue(items(&["c 1"])), Err(gone.clone()));
        assert_eq!(client.delete(created.id(), created.secret().unwrap()).await, Err(gone.clone()));
        assert_eq!(client.snapshot(created.id()).await.unwrap_err(), gone);
        let unknown = ShareId::from_bits(99);
        assert_eq!(client.info(&unknown).await, Err(ClientError::Refused(Refusal::not_found(unknown.as_str()))));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_listing_goes_from_page_to_page() {
    local(async {
        let relay = Relay::new();
        let client = client(&relay);
        let made: Vec<_> = (0..105).map(|n| format!("ses_{n:03}")).collect();
        for session in &made {
            client.create(&session.parse().unwrap(), None).await.unwrap();
        }
        let mut listing = client.list(ListScope::OwnAccount);
        let mut sessions = Vec::new();
        while let Some(line) = listing.try_next().await.unwrap() {
            sessions.push(line.session.to_string());
        }
        assert_eq!(sessions, made);
        // What the host takes for a page, and a page of its own length.
        for (request, length) in [(PageRequest::first(), 100), (PageRequest::first().limit(2), 2)] {
            let page = client.list_page(ListScope::OwnAccount, request).await.unwrap();
            assert_eq!((page.shares.len(), page.next_cursor.is_some()), (length, true));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_many_chunks_is_the_state_even_if_it_changes_meanwhile() {
    local(async {
        let scene = Scene::builder().settings(|settings| settings.hub.limits.chunk_bytes_max = 100).build();
        let relay = Relay::before(scene);
        let client = client(&relay);
        let share = share(&client).await;
        let other = relay.other(&share).await;
        for n in 0..40 {
            other.sync(items(&[&format!(r#"note {{"id":"{n}","x":"{}"}}"#, "x".repeat(30))])).await.unwrap();
        }
        let meddling = async {
            for n in 0_u32.. {
                let changes = [&format!(r#"note {{"id":"{}","y":{n}}}"#, n % 20), "- other/note/39"];
                other.sync(items(&changes)).await.unwrap();
            }
        };
        tokio::select! {
            replica = client.snapshot(share.id()) => assert!(replica.unwrap().revision().0 > 42, "nothing changed meanwhile"),
            () = meddling => {}
        }
        let replica = client.snapshot(share.id()).await.unwrap();
        let state = relay.state(share.id()).await;
        assert_eq!(held(&replica), held(&state));
        assert_eq!((replica.len(), replica.revision()), (39, state.revision()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn many_calls_at_once_take_turns() {
    local(async {
        let relay = Relay::new();
        let client = Arc::new(client(&relay));
        let calls = (0..1_000).map(|_| client.ping());
        for call in futures::future::join_all(calls).await {
            call.unwrap();
        }
        assert_eq!(relay.facts().dialled.len(), 1);
    })
    .await;
}

/// A host of before `ownShare` says that it does not know the call, and the client goes on with what the host knows.
#[tokio::test(start_paused = true)]
async fn an_older_host_does_not_know_shares_of_ones_own() {
    local(async {
        let relay = Relay::new();
        relay.next(Kind::Own, [Act::Unknown]);
        let client = client(&relay);
        let created = client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let refused = client.own_share(created.id()).await.unwrap_err();
        assert!(matches!(refused, ClientError::Refused(Refusal::NotYet { .. })), "{refused:?}");
        client.open(created.id(), created.secret().unwrap()).await.unwrap().sync(items(&["a 1"])).await.unwrap();
    })
    .await;
}
