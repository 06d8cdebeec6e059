//! Any entries and any state come back from the bucket as they went in.

use std::sync::Arc;

use capshare::__internal::store::{Appended, News, Occasion, Opened, StoreSettings};
use capshare::share::change::{Batch, Change, Stamp};
use capshare::share::entry::Entry;
use capshare::share::grant::{Grant, GrantInfo, Right};
use capshare::share::id::{AccountId, GrantId, ProducerId, SessionId};
use capshare::share::item::{ItemKey, Payload};
use capshare::share::secret::SecretHash;
use capshare::share::time::Timestamp;
use capshare::share::visibility::Visibility;
use object_store::memory::InMemory;
use proptest::prelude::*;

use super::format::{golden, segment_key, text};
use super::{created, host, host_with, opened, share};
use crate::support::bucket::TestBucket;

fn any_json() -> impl Strategy<Value = Payload> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        Just("1.50e+3".to_owned()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just(r#""\u0041\ud83d\ude00 \/""#.to_owned()),
    ];
    let tree = leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(" ,\n"))),
            (any::<String>(), inner).prop_map(|(k, v)| format!("{{ {} :{v}}}", serde_json::to_string(&k).unwrap())),
        ]
    });
    tree.prop_map(|text| Payload::from_checked_json(&text))
}

fn any_key() -> impl Strategy<Value = ItemKey> {
    let id = || "\\PC{1,20}|[%/\n\t\"\\\\]{1,9}".prop_map(|id| id);
    prop_oneof![
        Just(ItemKey::session()),
        id().prop_map(|id| ItemKey::message(&id).unwrap()),
        (id(), id()).prop_map(|(message, id)| ItemKey::part(&message, &id).unwrap()),
        (id(), prop::option::of(id()))
            .prop_map(|(kind, id)| ItemKey::other(&format!("x{kind}"), id.as_deref()).unwrap()),
    ]
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let at = || any::<i64>().prop_map(Timestamp);
    let hash = || any::<[u8; 32]>().prop_map(SecretHash);
    let id = || (0..9_u128).prop_map(GrantId::from_bits);
    let change = (any_key(), prop::option::weighted(0.8, any_json())).prop_map(|(key, value)| Change { key, value });
    let stamp = ("[A-Za-z0-9_-]{1,64}", any::<u64>(), any::<u64>()).prop_map(|(producer, epoch, sequence)| Stamp {
        producer: producer.parse::<ProducerId>().unwrap(),
        epoch,
        sequence,
    });
    let batch = (prop::option::of(stamp), prop::collection::vec(change, 0..5));
    prop_oneof![
        1 => (at(), "[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,63}", "[A-Za-z0-9_:@=+~-][A-Za-z0-9_.:@=+~-]{0,127}", hash(), prop::option::of(at()))
            .prop_map(|(at, account, session, secret, expires_at)| Entry::Open {
                at,
                account: account.parse::<AccountId>().unwrap(),
                session: session.parse::<SessionId>().unwrap(),
                secret,
                expires_at,
            }),
        1 => (at(), hash()).prop_map(|(at, secret)| Entry::Secret { at, secret }),
        1 => (at(), prop::option::of(at())).prop_map(|(at, expires_at)| Entry::Expiry { at, expires_at }),
        1 => (at(), prop::sample::select(&Visibility::ALL[..]))
            .prop_map(|(at, visibility)| Entry::Visibility { at, visibility }),
        3 => (at(), id(), "\\PC{0,30}", 0..3_u8, prop::option::of(at()), prop::option::weighted(0.3, id()), hash())
            .prop_map(|(created_at, id, label, right, expires_at, parent, token)| {
                let right = [Right::Full, Right::Write, Right::Read][usize::from(right)];
                let info = GrantInfo { id, label: label.parse().unwrap(), right, created_at, expires_at };
                Entry::Grant { grant: Grant { info, parent, token } }
            }),
        1 => (at(), id()).prop_map(|(at, grant)| Entry::Revoke { at, grant }),
        4 => (at(), batch).prop_map(|(at, (stamp, changes))| Entry::Sync { at, batch: Batch { stamp, changes } }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_entries_come_back_as_they_went(batches in prop::collection::vec(prop::collection::vec(any_entry(), 0..4), 1..4)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let bucket = TestBucket::over(Arc::new(InMemory::new()));
            let mut log = created(&host(&bucket, 1), &share(1), &batches[0]).await;
            for batch in &batches[1..] {
                assert_eq!(log.append(batch).await.unwrap(), Appended::Written);
            }
            assert_eq!(opened(&host(&bucket, 2), &share(1)).await.1, batches.concat());
            for (number, batch) in (1..).zip(&batches) {
                let text = text(&bucket, &segment_key(number)).await;
                assert_eq!(text.split_terminator('\n').count(), 1 + batch.len(), "a line an entry");
                assert!(text.split_terminator('\n').all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
            }
        });
    }
    #[test]
    fn any_state_comes_back_as_it_was_folded(
        batches in prop::collection::vec(prop::collection::vec(any_entry(), 0..4), 1..12),
        folded_at in prop::collection::vec(0..12_usize, 0..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let bucket = TestBucket::over(Arc::new(InMemory::new()));
            let mut settings = StoreSettings::default();
            settings.fold_segments = 1;
            let opening = vec![golden().0.remove(0)];
            let mut log = created(&host_with(&bucket, 1, settings), &share(1), &opening).await;
            let mut state = News::from(opening).into_state();
            for (n, batch) in batches.iter().enumerate() {
                assert_eq!(log.append(batch).await.unwrap(), Appended::Written);
                batch.iter().for_each(|entry| drop(state.apply(entry)));
                if folded_at.contains(&n) && let Some(fold) = log.fold(Occasion::Busy, &state) {
                    log.folded(&fold.run().await.unwrap().unwrap().0);
                }
            }
            let Opened::Open(_, news) = host(&bucket, 2).open_log(&share(1)).await.unwrap() else { panic!() };
            assert_eq!(news.into_state(), state);
        });
    }
}
