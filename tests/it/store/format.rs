//! The stored bytes: `schema/storage.md`, pinned.

use std::io::Write as _;
use std::sync::Arc;

use capshare::__internal::store::{Appended, Claim, News, Occasion, Opened, StoreError, Summary, TokenRecord};
use capshare::share::change::{Batch, Change, Stamp};
use capshare::share::entry::Entry;
use capshare::share::grant::{Grant, GrantInfo, Right};
use capshare::share::id::{GrantId, TokenId};
use capshare::share::item::{ItemKey, Payload};
use capshare::share::revision::Revision;
use capshare::share::secret::SecretHash;
use capshare::share::state::State;
use capshare::share::time::Timestamp;
use capshare::share::visibility::Visibility;
use flate2::Compression;
use flate2::write::GzEncoder;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};

use super::{account, created, host, opened, session, share};
use crate::support::bucket::{TestBucket, text_of};

const SEGMENT_1: &str = include_str!("../../data/store/format-1-segment-1.jsonl");
const SEGMENT_2: &str = include_str!("../../data/store/format-1-segment-2.jsonl");
const RUN: &str = include_str!("../../data/store/format-1-run.jsonl");
const EXPIRING: &str = include_str!("../../data/store/format-1-segment-expiry.jsonl");
const VISIBLE: &str = include_str!("../../data/store/format-1-segment-visibility.jsonl");
const RUN_WITH_VISIBILITY: &str = include_str!("../../data/store/format-1-run-visibility.jsonl");
const GRANTS: &str = include_str!("../../data/store/format-1-segment-grants.jsonl");
const RUN_WITH_GRANTS: &str = include_str!("../../data/store/format-1-run-grants.jsonl");
const RUN_WITH_FIRST: &str = include_str!("../../data/store/format-1-run-first.jsonl");
const CLAIM: &str = include_str!("../../data/store/format-1-claim.json");
const ABOUT: &str = include_str!("../../data/store/format-1-about.json");
const TOKEN: &str = include_str!("../../data/store/format-1-token.json");
const TOMBSTONE: &str = include_str!("../../data/store/format-1-tombstone.json");

fn json(text: &str) -> Option<Payload> {
    Some(Payload::from_checked_json(text))
}

/// What the golden segments hold: every line type, with everything that a line can have.
pub(super) fn golden() -> (Vec<Entry>, Vec<Entry>) {
    let (account, session) = (account("ann@example.org"), session("ses_4f2a"));
    let opening = vec![
        Entry::Open {
            at: Timestamp(1_796_000_000_000),
            account,
            session,
            secret: SecretHash([0xab; 32]),
            expires_at: None,
        },
        Entry::Secret { at: Timestamp(1_796_000_000_500), secret: SecretHash([0xcd; 32]) },
    ];
    let change = |key: ItemKey, value| Change { key, value };
    let stamp = Stamp { producer: "laptop-1".parse().unwrap(), epoch: 1, sequence: 7 };
    let changes = vec![
        change(ItemKey::session(), json(r#"{"title":"Say \"hi\" \u00e9 é"}"#)),
        change(ItemKey::part("msg_1", "prt/1").unwrap(), json("null")),
        change(ItemKey::message("msg_0").unwrap(), None),
    ];
    let going_on = vec![
        Entry::Sync { at: Timestamp(1_796_000_001_000), batch: Batch { stamp: Some(stamp), changes } },
        Entry::Sync { at: Timestamp(1_796_000_002_000), batch: Batch::default() },
    ];
    (opening, going_on)
}

/// What a listing says of the golden share.
fn golden_about() -> Summary {
    let (first, second) = golden();
    let mut state = State::default();
    for entry in first.iter().chain(&second) {
        state.apply(entry);
    }
    let about = Summary::of(&state, 1_024, 3).unwrap();
    assert_eq!(about.title.as_deref(), Some("Say \"hi\" é é"));
    Summary { expires_at: Some(Timestamp(1_796_000_009_000)), ..about }
}

async fn put(bucket: &TestBucket, key: &str, bytes: impl Into<PutPayload>) {
    bucket.put(&Path::parse(key).unwrap(), bytes.into()).await.unwrap();
}

pub(super) async fn text(bucket: &TestBucket, key: &str) -> String {
    let bytes = bucket.get(&Path::parse(key).unwrap()).await.unwrap().bytes().await.unwrap();
    String::from_utf8(bytes.into()).unwrap()
}

fn run_key() -> String {
    format!("share/{}/fold/000000000000-000000000002", share(1))
}

pub(super) fn segment_key(number: u64) -> String {
    format!("share/{}/log/{number:012}", share(1))
}

#[tokio::test]
async fn format_1_stays_readable() {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    put(&bucket, &segment_key(1), SEGMENT_1).await;
    put(&bucket, &segment_key(2), SEGMENT_2).await;
    put(&bucket, "index/ann@example.org/ses_4f2a/000000000001", CLAIM).await;
    let (first, second) = golden();
    assert_eq!(opened(&host(&bucket, 5), &share(1)).await.1, [first, second].concat());
    let listed = host(&bucket, 5).list(None, None, 10).await.unwrap().claims;
    assert_eq!((listed[0].share.clone(), listed[0].summary.clone()), (share(1), None));
    put(&bucket, "index/ann@example.org/ses_4f2a/000000000001-about", ABOUT).await;
    let listed = host(&bucket, 5).list(None, None, 10).await.unwrap().claims;
    assert_eq!((listed[0].share.clone(), listed[0].summary.clone()), (share(1), Some(golden_about())));
    let (who, what) = (account("ann@example.org"), session("ses_4f2a"));
    let holder = host(&bucket, 5).claim(&who, &what, &share(2), Timestamp(0)).await.unwrap();
    assert_eq!(holder, Claim::Theirs(share(1)));
    // The segments that a run covers are not needed.
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(RUN.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    bucket.delete(&Path::parse(segment_key(1)).unwrap()).await.unwrap();
    put(&bucket, &run_key(), packed).await;
    let Opened::Open(_, news) = host(&bucket, 5).open_log(&share(1)).await.unwrap() else { panic!() };
    assert_eq!(news.into_state(), News::from([golden().0, golden().1].concat()).into_state());
}

/// What is written is the golden text to the byte, so a change of the format cannot go unseen.
#[tokio::test]
async fn format_1_is_what_is_written() {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let (host, (first, second)) = (host(&bucket, 0xfeed), golden());
    let (who, what) = (account("ann@example.org"), session("ses_4f2a"));
    host.claim(&who, &what, &share(1), Timestamp(1_796_000_000_000)).await.unwrap();
    let mut log = created(&host, &share(1), &first).await;
    assert_eq!(log.append(&second).await.unwrap(), Appended::Written);
    assert_eq!(text(&bucket, &segment_key(1)).await, SEGMENT_1);
    assert_eq!(text(&bucket, &segment_key(2)).await, SEGMENT_2);
    assert_eq!(text(&bucket, "index/ann@example.org/ses_4f2a/000000000001").await, CLAIM);
    let state = News::from([first, second].concat()).into_state();
    let (folded, _) = log.fold(Occasion::Still, &state).unwrap().run().await.unwrap().unwrap();
    log.folded(&folded);
    assert_eq!(text_of(bucket.as_ref(), &Path::parse(run_key()).unwrap()).await, RUN);
    host.describe(&share(1), &golden_about()).await.unwrap();
    assert_eq!(text(&bucket, "index/ann@example.org/ses_4f2a/000000000001-about").await, ABOUT);

    log.append(&[Entry::Delete { at: Timestamp(1_796_000_003_000) }]).await.unwrap();
    let last_line = text(&bucket, &segment_key(3)).await.lines().last().unwrap().to_owned();
    assert_eq!(last_line, "{\"type\":\"delete\",\"at\":1796000003000}");
    drop(log.erase(&who, &what).await.unwrap());
    assert_eq!(text(&bucket, &format!("tomb/{}", share(1))).await, TOMBSTONE);
    assert_eq!(text(&bucket, "index/ann@example.org/ses_4f2a/000000000001").await, "");
    for number in 1..=3 {
        assert_eq!(text(&bucket, &segment_key(number)).await, "");
    }
}

/// A token's record is written as it was, read back the same, and only under its own key.
#[tokio::test]
async fn format_1_has_tokens() {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let store = host(&bucket, 1);
    let id = TokenId::from_bits(1);
    let record = TokenRecord {
        id: id.clone(),
        account: account("ann@example.org"),
        hash: SecretHash([0xab; 32]),
        scopes: vec!["share:write".to_owned(), "share:read".to_owned()],
        label: "laptop".to_owned(),
        created_at: Timestamp(1_796_000_000_000),
        expires_at: Some(Timestamp(1_798_592_000_000)),
        revoked_at: None,
    };
    store.create_token(&record).await.unwrap();
    let revoked = store.revoke_token(&id, Timestamp(1_796_000_001_000)).await.unwrap();
    assert_eq!(text(&bucket, &format!("token/{id}")).await, TOKEN);
    assert_eq!(store.token(&id).await.unwrap(), revoked);
    assert_eq!(store.tokens(None).await.unwrap().tokens, Vec::from_iter(revoked));
    assert_eq!(store.tokens(Some(&account("bob"))).await.unwrap().tokens, []);
    let other = TokenId::from_bits(2);
    bucket.put(&Path::from(format!("token/{other}")), PutPayload::from_static(TOKEN.as_bytes())).await.unwrap();
    assert!(matches!(store.token(&other).await, Err(StoreError::Corrupt { .. })));
}

/// An expiry is written with its time; without one it is never.
#[tokio::test]
async fn format_1_has_expiries() {
    let (who, what) = (account("ann@example.org"), session("ses_4f2a"));
    let entries = [
        Entry::Open {
            at: Timestamp(1_796_000_000_000),
            account: who,
            session: what,
            secret: SecretHash([0xab; 32]),
            expires_at: Some(Timestamp(1_796_000_600_000)),
        },
        Entry::Expiry { at: Timestamp(1_796_000_001_000), expires_at: Some(Timestamp(1_796_604_800_000)) },
        Entry::Expiry { at: Timestamp(1_796_000_002_000), expires_at: None },
    ];
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    drop(created(&host(&bucket, 0xfeed), &share(1), &entries).await);
    assert_eq!(text(&bucket, &segment_key(1)).await, EXPIRING);
    assert_eq!(opened(&host(&bucket, 5), &share(1)).await.1, entries);
}

/// Who may see a share is a line of the log, and a field of a run's facts unless it is whoever knows the id.
#[tokio::test]
async fn format_1_has_visibilities() {
    let says = |at, visibility| Entry::Visibility { at: Timestamp(at), visibility };
    let entries = [
        golden().0.remove(0),
        says(1_796_000_000_000, Visibility::Grant),
        says(1_796_000_001_000, Visibility::Link),
        says(1_796_000_002_000, Visibility::Account),
    ];
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let host = host(&bucket, 0xfeed);
    let mut log = created(&host, &share(1), &entries).await;
    assert_eq!(text(&bucket, &segment_key(1)).await, VISIBLE);
    assert_eq!(opened(&self::host(&bucket, 5), &share(1)).await.1, entries);
    log.append(&[Entry::Sync { at: Timestamp(1_796_000_003_000), batch: Batch::default() }]).await.unwrap();
    let Opened::Open(_, news) = self::host(&bucket, 5).open_log(&share(1)).await.unwrap() else { panic!() };
    let state = news.into_state();
    let (folded, _) = log.fold(Occasion::Still, &state).unwrap().run().await.unwrap().unwrap();
    log.folded(&folded);
    assert_eq!(text_of(bucket.as_ref(), &Path::parse(run_key()).unwrap()).await, RUN_WITH_VISIBILITY);
    bucket.delete(&Path::parse(segment_key(1)).unwrap()).await.unwrap();
    let Opened::Open(_, news) = self::host(&bucket, 5).open_log(&share(1)).await.unwrap() else { panic!() };
    assert_eq!(news.into_state(), state);

    // One of tomorrow is not taken for one of today's: nobody can tell whom it would let in.
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    put(&bucket, &segment_key(1), VISIBLE.replace("\"account\"}", "\"team\"}")).await;
    let Err(error) = self::host(&bucket, 5).open_log(&share(1)).await else { panic!() };
    assert!(error.to_string().contains("unknown visibility team"), "{error}");
}

/// A run says with which revision an item came, if that is not the one of its value. One of before that was kept says the latter.
#[tokio::test]
async fn format_1_has_the_revision_with_which_an_item_came() {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let host = self::host(&bucket, 0xfeed);
    let key = ItemKey::part("msg_1", "prt_1").unwrap();
    let sync = |at, key: &ItemKey, value| {
        let batch = Batch { stamp: None, changes: vec![Change { key: key.clone(), value: json(value) }] };
        Entry::Sync { at: Timestamp(at), batch }
    };
    let going_on = [
        sync(1_796_000_001_000, &key, "1"),
        sync(1_796_000_002_000, &ItemKey::session(), "2"),
        sync(1_796_000_003_000, &key, "3"),
    ];
    let mut log = created(&host, &share(1), &[golden().0.remove(0)]).await;
    log.append(&going_on).await.unwrap();
    let Opened::Open(_, news) = self::host(&bucket, 5).open_log(&share(1)).await.unwrap() else { panic!() };
    let state = news.into_state();
    let (folded, _) = log.fold(Occasion::Still, &state).unwrap().run().await.unwrap().unwrap();
    log.folded(&folded);
    assert_eq!(text_of(bucket.as_ref(), &Path::parse(run_key()).unwrap()).await, RUN_WITH_FIRST);
    bucket.delete(&Path::parse(segment_key(1)).unwrap()).await.unwrap();
    let read = async || {
        let Opened::Open(_, news) = self::host(&bucket, 5).open_log(&share(1)).await.unwrap() else { panic!() };
        news.into_state()
    };
    assert_eq!(read().await, state);
    let came = |state: &State| -> Vec<_> {
        state
            .changes_since(Revision::EMPTY)
            .1
            .iter()
            .map(|changed| (changed.revision.0, changed.first.map(u64::from)))
            .collect()
    };
    assert_eq!(came(&state), [(3, Some(1)), (2, Some(2))]);

    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(RUN_WITH_FIRST.replace(",\"first\":1", "").as_bytes()).unwrap();
    put(&bucket, &run_key(), packed.finish().unwrap()).await;
    assert_eq!(came(&read().await), [(3, Some(3)), (2, Some(2))]);
}

/// Grants stand in the log, and in a run until they are revoked.
#[tokio::test]
async fn format_1_has_grants() {
    let grant = |id: u128, at, label: &str, right, hash: u8, expires_at: Option<i64>, parent: Option<u128>| Grant {
        info: GrantInfo {
            id: GrantId::from_bits(id),
            label: label.parse().unwrap(),
            right,
            created_at: Timestamp(at),
            expires_at: expires_at.map(Timestamp),
        },
        parent: parent.map(GrantId::from_bits),
        token: SecretHash([hash; 32]),
    };
    let first = grant(7, 1_796_000_001_000, "for \"Bob\"", Right::Write, 0xcd, Some(1_796_604_800_000), None);
    let second = grant(8, 1_796_000_002_000, "", Right::Read, 0xef, None, Some(7));
    let revoke = Entry::Revoke { at: Timestamp(1_796_000_003_000), grant: GrantId::from_bits(7) };
    let entries = [
        golden().0.remove(0),
        Entry::Grant { grant: first.clone() },
        Entry::Grant { grant: second.clone() },
        revoke.clone(),
    ];
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    drop(created(&host(&bucket, 0xfeed), &share(1), &entries).await);
    assert_eq!(text(&bucket, &segment_key(1)).await, GRANTS);
    let (_, read) = opened(&host(&bucket, 5), &share(1)).await;
    assert_eq!(read, entries);
    assert_eq!(News::from(read).into_state().grants().count(), 0);

    // The same but for the revocation, in two segments and folded.
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let host = host(&bucket, 0xfeed);
    let mut log = created(&host, &share(1), &entries[..2]).await;
    log.append(&entries[2..3]).await.unwrap();
    let mut state = News::from(entries[..3].to_vec()).into_state();
    assert_eq!(state.grants().collect::<Vec<_>>(), [&first, &second]);
    let (folded, _) = log.fold(Occasion::Still, &state).unwrap().run().await.unwrap().unwrap();
    log.folded(&folded);
    assert_eq!(text_of(bucket.as_ref(), &Path::parse(run_key()).unwrap()).await, RUN_WITH_GRANTS);
    bucket.delete(&Path::parse(segment_key(1)).unwrap()).await.unwrap();
    log.append(&entries[3..]).await.unwrap();
    state.apply(&revoke);
    let Opened::Open(_, news) = self::host(&bucket, 5).open_log(&share(1)).await.unwrap() else { panic!() };
    assert_eq!(news.into_state(), state);
}

#[tokio::test]
async fn a_field_of_tomorrow_is_passed_over() {
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    let tomorrow = SEGMENT_1.replacen(r#""seq":1"#, r#""seq":1,"base":0,"flags":{"a":[1]}"#, 1).replacen(
        r#""type":"open""#,
        r#""type":"open","mood":"fine""#,
        1,
    );
    assert_ne!(tomorrow, SEGMENT_1);
    put(&bucket, &segment_key(1), tomorrow).await;
    assert_eq!(opened(&host(&bucket, 5), &share(1)).await.1, golden().0);
}

#[tokio::test]
async fn a_corrupt_object_is_told_by_its_key_and_what_is_wrong_with_it() {
    let cases = [
        (1, "not JSON\n".to_owned(), "its format is not JSON"),
        (1, "\u{0}\n".to_owned(), "not JSON"),
        (1, SEGMENT_1.replace("\"capshare\":1", "\"capshare\":2"), "format 2, and this version reads formats up to 1"),
        (1, SEGMENT_1.replace("\"seq\":1", "\"seq\":4"), "says segment 4"),
        (1, SEGMENT_1.replace("\"entries\":2", "\"entries\":3"), "2 entries and its header says 3"),
        (1, SEGMENT_1.trim_end().to_owned(), "cut off"),
        (1, SEGMENT_1[..SEGMENT_1.len() - 30].to_owned() + "\n", "line 3 is cut off"),
        (1, SEGMENT_1.replace("\"secret\",\"at\"", "\"rename\",\"at\""), "format 1: it has the unknown type rename"),
        (1, SEGMENT_1.replace("abababab", "zz"), "line 2 of format 1: its secret"),
        (1, SEGMENT_1.replacen("{\"type\"", "{\"share\":\"bbb\",\"type\"", 1), "an entry of share bbb"),
        (1, SEGMENT_1.replace("ses_4f2a", "../up"), "invalid session id: it must be"),
        (2, SEGMENT_2.replace("message/msg_0", "nothing/such"), "invalid item key"),
        (2, SEGMENT_2.replace("\"batch\":1}", "\"batch\":9}"), "does not follow"),
        (3, SEGMENT_2.to_owned(), "000000000002 cannot be read: it is missing"),
    ];
    for (number, bytes, reason) in cases {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        put(&bucket, &segment_key(1), SEGMENT_1).await;
        put(&bucket, &segment_key(number), bytes).await;
        let failure = host(&bucket, 5).open_log(&share(1)).await.unwrap_err();
        let StoreError::Corrupt { key, .. } = &failure else { panic!("{failure:?} for {reason}") };
        assert!(key.starts_with(&format!("share/{}/log/", share(1))), "{key}");
        assert!(failure.to_string().contains(reason), "{failure}\ndoes not say: {reason}");
        assert!(!failure.to_string().contains("Say"), "no contents in errors: {failure}");
        assert!(!failure.is_transient());
    }
    let bucket = TestBucket::over(Arc::new(InMemory::new()));
    put(&bucket, "index/a/s/000000000001", CLAIM).await;
    let damaged = host(&bucket, 5).list(None, None, 10).await.unwrap().damaged;
    assert!(damaged[0].error.to_string().contains("index/a/s/000000000001"), "{damaged:?}");
    put(&bucket, "index/a/s/000000000002", &b"\xff"[..]).await;
    let failure = host(&bucket, 5).claim(&account("a"), &session("s"), &share(1), Timestamp(0)).await.unwrap_err();
    assert!(matches!(failure, StoreError::Corrupt { .. }), "{failure}");
}
