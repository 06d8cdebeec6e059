//! The fold of a share's log, by property: whatever the order and the repetition, the same entries give the same state.

use std::collections::BTreeMap;

use capshare::share::change::{Batch, Change, Stamp};
use capshare::share::entry::Entry;
use capshare::share::id::ProducerId;
use capshare::share::item::{ItemKey, ItemKind, Payload};
use capshare::share::limits;
use capshare::share::revision::Revision;
use capshare::share::secret::SecretHash;
use capshare::share::state::{Outcome, State};
use capshare::share::time::Timestamp;
use capshare::share::view::Changed;
use capshare::share::visibility::Visibility;
use proptest::collection::vec;
use proptest::prelude::*;

fn open() -> Entry {
    let (account, session) = ("ann".parse().unwrap(), "ses_1".parse().unwrap());
    Entry::Open { at: Timestamp(1), account, session, secret: SecretHash([0; 32]), expires_at: None }
}

fn opened() -> State {
    let mut state = State::default();
    assert_eq!(state.apply(&open()), Outcome::Opened);
    state
}

fn sync(changes: Vec<Change>, stamp: Option<Stamp>) -> Entry {
    Entry::Sync { at: Timestamp(2), batch: Batch { stamp, changes } }
}

fn stamp(epoch: u64, sequence: u64) -> Option<Stamp> {
    Some(Stamp { producer: ProducerId::from_bits(1), epoch, sequence })
}

fn put(key: ItemKey, value: &str) -> Change {
    Change { key, value: Some(Payload::from_checked_json(value)) }
}

fn message(id: &str) -> ItemKey {
    ItemKey::message(id).unwrap()
}

/// What a state holds, in order.
fn held(state: &State) -> Vec<(String, String)> {
    state.items().map(|(key, value)| (key.to_string(), value.as_str().to_owned())).collect()
}

/// Folds changes into a follower's copy, by key.
fn follow(copy: &mut BTreeMap<String, String>, reset: bool, changes: &[Changed]) {
    if reset {
        copy.clear();
    }
    for changed in changes {
        match &changed.value {
            Some(value) => drop(copy.insert(changed.key.to_string(), value.as_str().to_owned())),
            None => drop(copy.remove(changed.key.as_str())),
        }
    }
}

fn a_key() -> impl Strategy<Value = ItemKey> {
    let id = prop::sample::select(vec!["a", "b", "c/d", "é%", "e"]);
    prop_oneof![
        Just(ItemKey::session()),
        Just(ItemKey::session_diff()),
        id.clone().prop_map(message),
        (id.clone(), id.clone()).prop_map(|(message, id)| ItemKey::part(message, id).unwrap()),
        (prop::sample::select(vec!["", "p"]), id.clone())
            .prop_map(|(provider, id)| ItemKey::model(provider, id).unwrap()),
        prop::option::of(id).prop_map(|id| ItemKey::other("note", id).unwrap()),
    ]
}

fn a_change() -> impl Strategy<Value = Change> {
    (a_key(), prop::option::weighted(0.75, 0..4_u8))
        .prop_map(|(key, value)| Change { key, value: value.map(|n| Payload::from_checked_json(&n.to_string())) })
}

fn batches() -> impl Strategy<Value = Vec<Vec<Change>>> {
    vec(vec(a_change(), 0..6), 0..30)
}

proptest! {
    /// Folding is idempotent: each batch twice, with a stamp, is the same as each once, and as a plain map by key.
    #[test]
    fn a_batch_sent_twice_counts_once(batches in batches()) {
        let (mut once, mut twice, mut plain) = (opened(), opened(), BTreeMap::new());
        for (n, changes) in (1..).zip(&batches) {
            let entry = sync(changes.clone(), stamp(1, n));
            let outcome = once.apply(&entry);
            let Outcome::Synced { sync_count, revision, changed, .. } = &outcome else { panic!("{outcome:?}") };
            prop_assert_eq!(*sync_count, n);
            follow(&mut plain, false, changed);
            prop_assert_eq!(twice.apply(&entry), outcome.clone());
            prop_assert_eq!(twice.apply(&entry), Outcome::Duplicate { sync_count: n, revision: *revision });
        }
        prop_assert_eq!(held(&once), held(&twice));
        prop_assert_eq!((once.sync_count(), once.revision()), (twice.sync_count(), twice.revision()));
        prop_assert_eq!(held(&once).into_iter().collect::<BTreeMap<_, _>>(), plain);
    }

    /// Wherever a follower stands, what is told from there brings it to the state; and so does a read chunk by chunk.
    #[test]
    fn a_follower_at_any_revision_can_be_brought_to_the_state(batches in batches(), chunk_bytes in 1..200_usize) {
        let mut state = opened();
        let mut copies = vec![(Revision::EMPTY, BTreeMap::new())];
        for changes in batches {
            state.apply(&sync(changes, None));
            let copy = held(&state).into_iter().collect::<BTreeMap<_, _>>();
            prop_assert!(copies.last().unwrap().0 <= state.revision());
            copies.push((state.revision(), copy));
        }
        let now = copies.last().unwrap().1.clone();
        for (since, mut copy) in copies {
            let mut read = copy.clone();
            let (reset, changes) = state.changes_since(since);
            prop_assert_eq!(reset, since == Revision::EMPTY);
            follow(&mut copy, reset, &changes);
            prop_assert_eq!(&copy, &now);
            let mut cursor = 0;
            loop {
                let chunk = state.read(since, cursor, chunk_bytes);
                follow(&mut read, chunk.reset && cursor == 0, &chunk.changes);
                cursor = chunk.next_cursor;
                if cursor == 0 { break }
            }
            prop_assert_eq!(&read, &now);
        }
    }

    /// Taken apart at any points and put together again, a state is the same in every respect: a batch sent again is known, and
    /// followers are told the same.
    #[test]
    fn a_state_saved_in_stretches_is_restored_whole(batches in batches(), cuts in vec(0..30_usize, 0..6)) {
        let (mut state, mut restored, mut since) = (opened(), State::default(), Revision::EMPTY);
        for (n, changes) in batches.into_iter().enumerate() {
            if cuts.contains(&n) {
                restored.restore(state.save(since).unwrap());
                prop_assert_eq!(&restored, &state);
                since = state.revision();
            }
            if n % 5 == 0 {
                state.apply(&Entry::Secret { at: Timestamp(3), secret: SecretHash([n as u8; 32]) });
            }
            state.apply(&sync(changes, stamp(1, n as u64 + 1).filter(|_| n % 3 > 0)));
        }
        restored.restore(state.save(since).unwrap());
        prop_assert_eq!(&restored, &state);
    }

    /// A stretch may be put onto any state within it: hosts fold one log in stretches of their own, which overlap.
    #[test]
    fn a_stretch_goes_onto_any_state_within_it(batches in batches()) {
        let mut states = vec![opened()];
        for (n, changes) in batches.into_iter().enumerate() {
            let mut next = states[n].clone();
            next.apply(&sync(changes, stamp(1, n as u64 + 1)));
            states.push(next);
        }
        let last = states.last().unwrap();
        for (n, begin) in states.iter().enumerate().filter(|(_, begin)| begin.revision() > Revision::EMPTY) {
            let stretch = last.save(begin.revision()).unwrap();
            for within in &states[n..] {
                let mut restored = within.clone();
                restored.restore(stretch.clone());
                prop_assert_eq!(&restored, last);
            }
        }
    }

    /// Without the values that are there already, a log comes to the same state.
    #[test]
    fn entries_without_known_values_come_to_the_same(batches in batches(), at_once in 1..5_usize) {
        let entries: Vec<_> = batches.into_iter().map(|changes| sync(changes, None)).collect();
        let (mut state, mut slim_state) = (opened(), opened());
        for entries in entries.chunks(at_once) {
            let slim = slim_state.without_known(entries).into_owned();
            for (entry, slim) in entries.iter().zip(slim) {
                prop_assert_eq!(state.apply(entry), slim_state.apply(&slim));
            }
        }
        prop_assert_eq!(&state, &slim_state);
    }

    /// A key reads back as what it was made of, and no text is two keys.
    #[test]
    fn a_key_reads_back(message in "\\PC{1,20}", id in "[a-z/%\\x00-\\x1f]{1,20}", kind in "[a-z ]{1,12}x") {
        let key = ItemKey::part(&message, &id).unwrap();
        prop_assert_eq!(key.kind(), ItemKind::Part { message: message.clone(), id: id.clone() });
        prop_assert_eq!(key.as_str().parse::<ItemKey>().unwrap(), key);
        let other = ItemKey::other(&kind, Some(&id)).unwrap();
        prop_assert_eq!(other.kind(), ItemKind::Other { kind, id: Some(id) });
        prop_assert_eq!(other.as_str().parse::<ItemKey>().unwrap(), other);
    }
}

#[test]
fn a_value_that_is_there_already_changes_nothing_and_counts() {
    let mut state = opened();
    state.apply(&sync(vec![put(message("m"), "1")], None));
    let outcome = state.apply(&sync(vec![put(message("m"), "1")], None));
    assert_eq!(outcome, Outcome::Synced { sync_count: 2, revision: Revision(1), changed: vec![], replaced: vec![] });
}

#[test]
fn a_value_that_is_there_already_is_not_worth_writing_unless_it_may_change_before() {
    let mut state = opened();
    let (m, p) = (message("m"), ItemKey::part("m", "p").unwrap());
    state.apply(&sync(vec![put(m.clone(), "1"), put(p.clone(), "1")], None));
    let again = || put(m.clone(), "1");
    let left = |entries: &[Entry]| -> Vec<usize> {
        let count = |entry: &Entry| if let Entry::Sync { batch, .. } = entry { batch.changes.len() } else { 99 };
        state.without_known(entries).iter().map(count).collect()
    };
    assert_eq!(left(&[sync(vec![again(), put(message("n"), "1")], None)]), [1]);
    assert_eq!(left(&[sync(vec![put(m.clone(), "2"), again()], None)]), [2]);
    // The first may yet be refused, or not.
    assert_eq!(left(&[sync(vec![put(m.clone(), "2")], stamp(1, 1)), sync(vec![put(m.clone(), "2")], None)]), [1, 1]);
    assert_eq!(left(&[sync(vec![put(m.clone(), "2")], stamp(1, 1)), sync(vec![again()], None)]), [1, 1]);
    // With the message its part goes.
    let removal = Change { key: m.clone(), value: None };
    assert_eq!(left(&[sync(vec![removal, put(p.clone(), "1")], None)]), [2]);
}

#[test]
fn items_stand_in_the_order_of_their_first_arrival() {
    let mut state = opened();
    state.apply(&sync(vec![put(message("b"), "1"), put(message("a"), "1")], None));
    state.apply(&sync(vec![put(message("c"), "1"), put(message("b"), "2")], None));
    assert_eq!(
        held(&state).iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(),
        ["message/b", "message/a", "message/c"]
    );
}

#[test]
fn removing_a_message_removes_its_parts_and_no_other() {
    let mut state = opened();
    let part = |message: &str, id: &str| ItemKey::part(message, id).unwrap();
    let items = [message("m"), part("m", "1"), part("m2", "1"), part("m", "2"), message("m2")];
    state.apply(&sync(items.map(|key| put(key, "1")).to_vec(), None));
    let outcome = state.apply(&sync(vec![Change { key: message("m"), value: None }], None));
    let Outcome::Synced { changed, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(changed.len(), 3);
    assert_eq!(held(&state).iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["part/m2/1", "message/m2"]);
    assert_eq!(state.byte_count(), "part/m2/1".len() + "message/m2".len() + 2);
}

#[test]
fn a_producer_that_was_taken_over_is_fenced() {
    let mut state = opened();
    let one = |n| vec![put(message("m"), n)];
    state.apply(&sync(one("1"), stamp(1, 7)));
    assert!(matches!(state.apply(&sync(one("2"), stamp(2, 1))), Outcome::Synced { sync_count: 2, .. }));
    let stale = state.apply(&sync(one("3"), stamp(1, 8)));
    assert_eq!(stale, Outcome::Refused(capshare::share::error::Refusal::StaleProducer { epoch: 2 }));
    assert!(matches!(state.apply(&sync(one("4"), stamp(2, 0))), Outcome::Refused(_)));
    assert_eq!(state.get(&message("m")).unwrap().as_str(), "2");
}

#[test]
fn a_deleted_state_holds_nothing_and_takes_nothing() {
    let mut state = opened();
    assert_eq!(State::default().apply(&sync(vec![], None)), Outcome::Void);
    state.apply(&sync(vec![put(message("m"), "1")], None));
    assert_eq!(state.apply(&Entry::Delete { at: Timestamp(3) }), Outcome::Deleted);
    assert!(state.is_deleted() && !state.is_live() && state.secrets().next().is_none());
    for entry in [open(), sync(vec![put(message("m"), "1")], None), Entry::Delete { at: Timestamp(4) }] {
        assert_eq!(state.apply(&entry), Outcome::Void);
    }
    assert_eq!((state.item_count(), state.byte_count()), (0, 0));
}

/// Every bound of a share is hit, by name, and refuses whole batches only.
#[test]
fn a_share_that_is_full_refuses_whole_batches() {
    let limit = |outcome: Outcome| match outcome {
        Outcome::Refused(capshare::share::error::Refusal::LimitExceeded { limit, .. }) => limit.name().to_owned(),
        other => panic!("{other:?}"),
    };
    let mut state = opened();
    let many: Vec<_> = (0..limits::SHARE_ITEMS_MAX).map(|n| put(message(&n.to_string()), "1")).collect();
    state.apply(&sync(many, None));
    let before = state.sync_count();
    let one_more = vec![put(message("0"), "2"), put(message("one more"), "1")];
    assert_eq!(limit(state.apply(&sync(one_more, None))), "shareItemsMax");
    assert_eq!((state.sync_count(), state.get(&message("0")).unwrap().as_str()), (before, "1"));
    // What is there may still change, and what goes makes room.
    assert!(matches!(state.apply(&sync(vec![put(message("0"), "2")], None)), Outcome::Synced { .. }));

    let mut state = opened();
    let large = format!("\"{}\"", "x".repeat(limits::ITEM_BYTES_MAX - 2));
    let fit = limits::SHARE_BYTES_MAX / limits::ITEM_BYTES_MAX;
    for n in 0..fit {
        assert!(matches!(state.apply(&sync(vec![put(message(&n.to_string()), &large)], None)), Outcome::Synced { .. }));
    }
    let two = vec![put(message("x"), &large), put(message("y"), &large)];
    assert_eq!(limit(state.apply(&sync(two, None))), "shareBytesMax");
    assert!(matches!(state.apply(&sync(vec![put(message("0"), &large)], None)), Outcome::Synced { .. }));
}

#[test]
fn the_newest_secrets_and_the_latest_producers_are_remembered() {
    let mut state = opened();
    for n in 1..=limits::SHARE_SECRETS_MAX as u8 {
        state.apply(&Entry::Secret { at: Timestamp(2), secret: SecretHash([n; 32]) });
    }
    assert_eq!(state.secrets().count(), limits::SHARE_SECRETS_MAX);
    assert!(state.secrets().all(|secret| secret.0 != [0; 32]));

    let by = |producer, sequence| {
        let stamp = Stamp { producer: ProducerId::from_bits(producer), epoch: 0, sequence };
        sync(vec![], Some(stamp))
    };
    for producer in 0..=limits::SHARE_PRODUCERS_MAX as u128 {
        state.apply(&by(producer, 1));
    }
    assert!(matches!(state.apply(&by(1, 1)), Outcome::Duplicate { .. }));
    assert!(matches!(state.apply(&by(0, 1)), Outcome::Synced { .. }), "the one heard first was forgotten");
}

#[test]
fn the_last_word_on_the_expiry_counts_until_the_share_is_deleted() {
    let expiry = |at: Option<i64>| Entry::Expiry { at: Timestamp(2), expires_at: at.map(Timestamp) };
    assert_eq!(State::default().apply(&expiry(Some(9))), Outcome::Void);
    let mut state = opened();
    for at in [Some(9), None, Some(3)] {
        assert_eq!(state.apply(&expiry(at)), Outcome::Opened);
        assert_eq!(state.expires_at(), at.map(Timestamp));
    }
    assert!(matches!(state.apply(&sync(vec![], None)), Outcome::Synced { .. }), "the fold knows no clock");
    assert_eq!(state.apply(&Entry::Delete { at: Timestamp(4) }), Outcome::Deleted);
    assert_eq!(state.apply(&expiry(None)), Outcome::Void);
    assert_eq!(state.expires_at(), None);
}

#[test]
fn the_last_word_on_the_visibility_counts_and_at_first_the_id_is_enough() {
    let says = |visibility| Entry::Visibility { at: Timestamp(2), visibility };
    assert_eq!(State::default().apply(&says(Visibility::Grant)), Outcome::Void);
    let mut state = opened();
    assert_eq!(state.visibility(), Visibility::Link);
    for visibility in [Visibility::Grant, Visibility::Link, Visibility::Account] {
        assert_eq!(state.apply(&says(visibility)), Outcome::Opened);
        assert_eq!(state.visibility(), visibility);
        let mut restored = State::default();
        restored.restore(state.save(Revision::EMPTY).unwrap());
        assert_eq!(restored, state);
    }
    let (revision, syncs) = (state.revision(), state.sync_count());
    assert_eq!((revision, syncs), (Revision::EMPTY, 0), "it counts as no sync");
    assert_eq!(state.apply(&Entry::Delete { at: Timestamp(4) }), Outcome::Deleted);
    assert_eq!(state.apply(&says(Visibility::Link)), Outcome::Void);
}

#[test]
fn a_follower_older_than_the_removals_that_are_remembered_starts_over() {
    let mut state = opened();
    let id = |n: usize| message(&format!("{n:0250}"));
    let many = limits::REMOVED_BYTES_MAX / 250 + 10;
    state.apply(&sync((0..many).map(|n| put(id(n), "1")).collect(), None));
    for n in 0..many {
        state.apply(&sync(vec![Change { key: id(n), value: None }], None));
    }
    assert!(state.changes_since(Revision(1)).0);
    assert!(state.save(Revision(1)).is_none(), "a stretch would not know what was removed in it");
    let mut restored = State::default();
    restored.restore(state.save(Revision::EMPTY).unwrap());
    assert_eq!(restored, state);
    let (reset, changes) = state.changes_since(Revision(state.revision().0 - 3));
    assert!(!reset && changes.len() == 3);
    assert!(state.changes_since(state.revision().next()).0, "a follower that is ahead starts over");
}

#[test]
fn a_revision_is_shown_and_parsed_as_its_number() {
    for number in [0, 7, u64::MAX] {
        let revision: Revision = number.to_string().parse().unwrap();
        assert_eq!(
            (revision, revision.to_string(), u64::from(revision)),
            (Revision(number), number.to_string(), number)
        );
    }
    assert_eq!((Revision(7).before(), Revision(7).next()), (Revision(6), Revision(8)));
    assert_eq!(Revision::EMPTY.before(), Revision::EMPTY, "there is none before");
    for text in ["", "-1", "seven", " 7", "7.0", "18446744073709551616"] {
        let refused = text.parse::<Revision>().unwrap_err().to_string();
        assert!(refused.starts_with("invalid revision: write a whole number"), "{text}: {refused}");
    }
}
