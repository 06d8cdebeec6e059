//! Intake: from the body of a sync to batches of the hub.
//!
//! The items are read by the one edge for items ([`sync_data`](crate::contract::sync_data)), and what that does not know goes to
//! the other lane. Two things are OpenCode's own:
//!
//! - `messages`, the newer clients' form: all messages of the session in one item. Here each becomes an item of its own, so that a
//!   message that grew does not send all the others again, and those that are not among them any more are removed.
//! - An item past a limit of items, such as a picture of 6 MB, is left out and named in the answer (413), and the others are
//!   applied: this client never sends them again. Any other item that is none refuses the whole request, with its index, before
//!   anything is applied.
//!
//! What is applied in several syncs stops at the first that is refused; the answer then says how many items are in.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::contract::sync_data::{parse, read_item, split_sync_data};
use crate::http::body_in::{Arriving, Beginning, Received};
use crate::http::opencode_state::{Arrival, OpenCode, Sender};
use crate::hub::Hub;
use crate::rooms::room::Room;
use crate::share::change::{Batch, Change};
use crate::share::error::Refusal;
use crate::share::item::{ItemKey, ItemKind};
use crate::share::limits::{Limit, Limits, SHARE_ITEMS_MAX};
use crate::share::secret::Secret;
use crate::share::view::Synced;

/// Items that one request may have: as many as a share may hold.
pub(super) const REQUEST_ITEMS_MAX: usize = SHARE_ITEMS_MAX;

/// Bytes from which on a body is read on a thread of its own: 256 KiB are read in a millisecond or two.
const LARGE_BODY_BYTES: usize = 256 << 10;

/// Number of items past a limit that an answer names.
const LEFT_OUT_NAMED_MAX: usize = 100;

/// How long a sync is tried again that the bucket or the queue refuses for the moment: longer than a host takes to restart or a
/// bucket to fail over, and short of the minutes after which nobody would know why the share moves.
pub(super) const TRY_WITHIN: Duration = Duration::from_secs(30);

/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// A refusal, with further facts for the answer: how much of the request is in the share all the same.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) refusal: Refusal,
    pub(super) facts: Value,
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, facts: json!({}) }
    }
}

/// Reads the body of a sync. A sender whose body begins with the share's secret takes its turn as soon as that has come: so the
/// order of its requests is kept though a later one is faster. A wrong secret is refused before the rest has come.
///
/// # Errors
/// As [`Arriving::whole`]; or the share is gone, or has another secret.
pub(super) async fn receive(
    hub: &Hub,
    opencode: &OpenCode,
    sender: &Sender,
    mut arriving: Arriving,
) -> Result<(Received, Option<Arrival>), Refusal> {
    let Some(secret) = arriving.beginning(shown_secret).await? else { return Ok((arriving.whole().await?, None)) };
    let turn = async {
        persist(|| hub.rooms().open(sender.share.as_str(), &secret)).await?;
        Ok(opencode.turn_of(sender).await)
    };
    futures::try_join!(arriving.whole(), turn)
}

/// The secret that a body begins with, as this client writes it: `{"secret":"capsec_...`.
fn shown_secret(bytes: &[u8]) -> Beginning<Secret> {
    let mut rest = bytes;
    for word in [&b"{"[..], b"\"secret\"", b":", b"\""] {
        rest = rest.trim_ascii_start();
        match rest.strip_prefix(word) {
            Some(after) => rest = after,
            None if word.starts_with(rest) => return Beginning::NotYet,
            None => return Beginning::IsNot,
        }
    }
    // No secret of a share has a character that JSON escapes.
    match memchr::memchr2(b'"', b'\\', rest) {
        None => Beginning::NotYet,
        Some(end) if rest[end] == b'\\' => Beginning::IsNot,
        Some(end) => std::str::from_utf8(&rest[..end]).map_or(Beginning::IsNot, |text| Beginning::Is(text.into())),
    }
}

/// Applies the body of a sync to a share. `turn`: the request's, if it has taken it already.
///
/// # Errors
/// The body is invalid, there is no such share or its secret is another, an item is invalid or past a limit, or a sync was refused.
pub(super) async fn apply(
    hub: &Hub,
    opencode: &OpenCode,
    sender: &Sender,
    received: Received,
    turn: Option<Arrival>,
) -> Result<Synced, Stopped> {
    let share = &sender.share;
    let limits = hub.settings().limits.clone();
    // The body is held to the end, for what it takes is about what its items take.
    let (request, _received) = if received.bytes().len() < LARGE_BODY_BYTES {
        (read(&received, &limits), received)
    } else {
        let limits = limits.clone();
        let reading = tokio::task::spawn_blocking(move || (read(&received, &limits), received));
        reading.await.map_err(|_| Refusal::Unavailable { retry_after_ms: 1_000 })?
    };
    let Request { secret, items } = request?;
    // Whoever has not the secret learns nothing of what was wrong with the items.
    let room = persist(|| hub.rooms().open(share.as_str(), &secret)).await?;
    let mut items = items?;
    let _arrival = match turn {
        Some(turn) => Some(turn),
        None => opencode.turn_of(sender).await,
    };
    let _turn = opencode.applying.wait(share.clone()).await;
    items.remove_what_is_gone(&room)?;
    let mut applied = 0;
    let mut last = None;
    for changes in pieces(items.changes, &limits) {
        let count = changes.len();
        let batch = Batch { stamp: None, changes };
        let synced = persist(|| hub.rooms().sync_room(&room, batch.clone())).await;
        last = Some(synced.map_err(|refusal| {
            let items = items.ends.partition_point(|end| *end <= applied);
            Stopped { refusal, facts: json!({ "applied": items }) }
        })?);
        applied += count;
    }
    match (items.left_out.into_refusal(), last) {
        (Some(stopped), _) => Err(stopped),
        (None, Some(synced)) => Ok(synced),
        // There is always a piece.
        (None, None) => Err(Refusal::not_found(share.as_str()).into()),
    }
}

/// Tries `what` again while it is refused for the moment, for [`TRY_WITHIN`]: this client would not come back. What was applied
/// though it was answered otherwise is applied again, which changes nothing.
async fn persist<T, F>(mut what: impl FnMut() -> F) -> Result<T, Refusal>
where
    F: Future<Output = Result<T, Refusal>>,
{
    let begun = Instant::now();
    let (mut pause, longest) = PAUSES;
    loop {
        match what().await {
            Err(refusal) if refusal.is_transient() && begun.elapsed() + pause < TRY_WITHIN => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
            done => return done,
        }
    }
}

struct Request {
    secret: Secret,
    items: Result<Items, Stopped>,
}

fn read(received: &Received, limits: &Limits) -> Result<Request, Stopped> {
    #[derive(Deserialize)]
    struct Sync<'a> {
        #[serde(borrow)]
        secret: Cow<'a, str>,
        #[serde(borrow)]
        data: Entries<'a>,
    }
    let Sync { secret, data } = parse("{secret, data}", received.text()?)?;
    let items = match data.count {
        count if count > REQUEST_ITEMS_MAX => {
            Err(Refusal::limit(Limit::RequestItemsMax, REQUEST_ITEMS_MAX, count).into())
        }
        _ => Items::read(&data.entries, limits),
    };
    Ok(Request { secret: Secret::from(secret.as_ref()), items })
}

/// The items of a request, the first [`REQUEST_ITEMS_MAX`] of them, and how many there are.
struct Entries<'a> {
    entries: Vec<&'a RawValue>,
    count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while entries.len() < REQUEST_ITEMS_MAX {
                    match list.next_element()? {
                        Some(entry) => entries.push(entry),
                        None => break,
                    }
                }
                let mut count = entries.len();
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Entries { entries, count })
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// The changes of a request.
#[derive(Debug, Default)]
struct Items {
    changes: Vec<Change>,
    /// For each item, how many changes there are up to its end.
    ends: Vec<usize>,
    /// The keys of all messages that the session has, if the request says that.
    all_messages: Option<HashSet<ItemKey>>,
    left_out: LeftOut,
}

/// Items past a limit.
#[derive(Debug, Default)]
struct LeftOut {
    first: Option<Refusal>,
    /// The first [`LEFT_OUT_NAMED_MAX`].
    indexes: Vec<usize>,
    count: usize,
    of: usize,
}

impl Items {
    fn read(entries: &[&RawValue], limits: &Limits) -> Result<Self, Stopped> {
        let mut items = Self::default();
        items.left_out.of = entries.len();
        for (at, entry) in entries.iter().enumerate() {
            let (kind, data) = split_sync_data(entry.get()).map_err(|refusal| refusal.at(at))?;
            let read = if kind == "messages" {
                items.read_messages(data, limits)
            } else {
                read_item(&kind, data, limits, &mut items.changes)
            };
            match read {
                Err(refusal @ Refusal::LimitExceeded { .. }) => items.left_out.push(at, refusal),
                read => read.map_err(|refusal| refusal.at(at))?,
            }
            items.ends.push(items.changes.len());
        }
        Ok(items)
    }

    fn read_messages(&mut self, data: &str, limits: &Limits) -> Result<(), Refusal> {
        #[derive(Deserialize)]
        struct Messages<'a> {
            #[serde(borrow)]
            messages: Vec<&'a RawValue>,
        }
        let Messages { messages } = parse("list of messages", data)?;
        let begin = self.changes.len();
        // One that is too large may be there in an older form: then nothing is taken for gone.
        self.all_messages = None;
        let mut too_large = None;
        for message in messages {
            match read_item("message", message.get(), limits, &mut self.changes) {
                Err(refusal @ Refusal::LimitExceeded { .. }) => too_large = Some(refusal),
                read => read?,
            }
        }
        if let Some(refusal) = too_large {
            return Err(refusal);
        }
        self.all_messages = Some(self.changes.iter().skip(begin).map(|change| change.key.clone()).collect());
        Ok(())
    }

    /// Adds removals of the messages that the session has not any more.
    fn remove_what_is_gone(&mut self, room: &Arc<Room>) -> Result<(), Refusal> {
        let Some(all) = self.all_messages.take() else { return Ok(()) };
        let is_gone = |key: &&ItemKey| matches!(key.kind(), ItemKind::Message { .. }) && !all.contains(*key);
        let gone: Vec<_> = room.read(|state| state.items().map(|(key, _)| key).filter(is_gone).cloned().collect())?;
        self.changes.extend(gone.into_iter().map(|key| Change { key, value: None }));
        Ok(())
    }
}

impl LeftOut {
    fn push(&mut self, at: usize, refusal: Refusal) {
        self.count += 1;
        if self.indexes.len() < LEFT_OUT_NAMED_MAX {
            self.indexes.push(at);
        }
        self.first.get_or_insert(refusal);
    }

    fn into_refusal(self) -> Option<Stopped> {
        let facts = json!({ "applied": self.of - self.count, "leftOut": self.indexes });
        self.first.map(|refusal| Stopped { refusal, facts })
    }
}

/// Changes in pieces that are syncs: each as many as one may have, and as many bytes as an RPC message. At least one, which may
/// be empty: a sync of nothing is a sync.
fn pieces(changes: Vec<Change>, limits: &Limits) -> Vec<Vec<Change>> {
    let mut pieces = vec![Vec::new()];
    let mut bytes = 0;
    for change in changes {
        let size = change.key.as_str().len() + change.value.as_ref().map_or(0, |value| value.as_str().len());
        if let Some(piece) = pieces.last_mut()
            && (piece.is_empty() || (piece.len() < limits.sync_items_max && bytes + size <= limits.message_bytes_max))
        {
            piece.push(change);
            bytes += size;
        } else {
            pieces.push(vec![change]);
            bytes = size;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::item::Payload;

    fn change(at: usize, bytes: usize) -> Change {
        let value = Some(Payload::from_checked_json(&"x".repeat(bytes)));
        Change { key: ItemKey::message(&at.to_string()).unwrap(), value }
    }

    #[test]
    fn a_secret_is_known_as_soon_as_it_has_come() {
        let body = br#"{"secret":"capsec_abc","data":[]}"#;
        let end = body.len() - br#","data":[]}"#.len();
        for come in 0..body.len() {
            let expected = if come < end { Beginning::NotYet } else { Beginning::Is(Secret::from("capsec_abc")) };
            assert_eq!(shown_secret(&body[..come]), expected, "{come}");
        }
        assert_eq!(shown_secret(b" {\n \"secret\" : \"x\" "), Beginning::Is(Secret::from("x")));
        for other in [&br#"{"data":[]"#[..], b"[", br#"{"secret":7"#, br#"{"secret":"a\"b"#, br#"{"secrets""#, b"null"]
        {
            assert_eq!(shown_secret(other), Beginning::IsNot, "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn pieces_have_as_many_items_and_bytes_as_a_sync_may() {
        let limits = Limits::default();
        let lengths = |changes: Vec<Change>| pieces(changes, &limits).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(Vec::new()), [0]);
        assert_eq!(lengths((0..4_001).map(|at| change(at, 1)).collect()), [2_000, 2_000, 1]);
        // Each is a third of a message and a bit.
        assert_eq!(lengths((0..5).map(|at| change(at, 1_400_000)).collect()), [2, 2, 1]);
    }

    #[test]
    fn items_past_a_limit_are_left_out_and_the_others_counted() {
        let entries = [
            r#"{"type":"session","data":{"id":"s"}}"#.to_owned(),
            format!(r#"{{"type":"part","data":{{"id":"p","messageID":"m","url":"{}"}}}}"#, "x".repeat(6 << 20)),
            r#"{"type":"model","data":[{"id":"a"},{"id":"b"}]}"#.to_owned(),
        ];
        let entries: Vec<&RawValue> = entries.iter().map(|entry| serde_json::from_str(entry).unwrap()).collect();
        let items = Items::read(&entries, &Limits::default()).unwrap();
        assert_eq!(items.ends, [1, 1, 3]);
        let Stopped { refusal, facts } = items.left_out.into_refusal().unwrap();
        assert!(matches!(refusal, Refusal::LimitExceeded { .. }));
        assert_eq!(facts, json!({ "applied": 2, "leftOut": [1] }));
    }
}
