//! What a share holds as a page loads it: the newest first and whole, all else shorter and later.
//!
//! The document has a JSON text on each line:
//!
//! | line | what |
//! |---|---|
//! | the first | the revision, and how many items follow |
//! | of what was asked for by name | items around a message or a part, if somebody came by a link to it |
//! | the newest | what is at the end of the session, with the messages and the session that it belongs to |
//! | all else | from the newest to the oldest; past the newest 256 KiB the long texts of values are cut |
//!
//! Each item has its `place` in the order in which items came, and a cut one the `size` of its value, which `share.items` gives.

use std::collections::HashSet;

use bytes::{BufMut as _, BytesMut};
use flate2::Compression;

use crate::rooms::room::Room;
use crate::share::error::Refusal;
use crate::share::item::{ItemKey, ItemKind};
use crate::share::limits::loading::{
    AROUND_ITEMS_MAX, FIRST_BYTES, FIRST_ITEMS_MAX, FIRST_VALUE_BYTES_MAX, ITEMS_ANSWER_BYTES, ITEMS_ASKED_MAX,
    STATE_LINE_BYTES, WHOLE_BYTES,
};
use crate::share::revision::Revision;
use crate::share::state::State;
use crate::share::view::Changed;
use crate::viewer::frame;
use crate::viewer::packing::Packed;
use crate::viewer::short::shortened;

/// Bytes of an item in a line besides its key and its value, about.
const ENVELOPE_BYTES: usize = 96;

/// A share's items at one revision, each with its place.
#[derive(Debug)]
pub struct Held {
    /// The revision.
    pub revision: Revision,
    sync_count: u64,
    items: Vec<(u64, Changed)>,
}

/// The document of a state, packed: what is the same for everybody.
#[derive(Debug, Clone)]
pub struct Loading {
    /// The revision of it.
    pub revision: Revision,
    /// Its first line.
    pub head: Packed,
    /// The newest.
    pub newest: Packed,
    /// All else.
    pub rest: Packed,
}

/// An item of a line: its place, the change, and what is told of its value if not all of it is.
type Line<'a> = (u64, &'a Changed, Option<String>);

impl Held {
    /// What a state holds. Costs a reference for each item.
    #[must_use]
    pub fn of(state: &State) -> Self {
        Self { revision: state.revision(), sync_count: state.sync_count(), items: state.placed().collect() }
    }

    /// The document. Takes a second for each gigabyte or so: not for a thread that others wait for.
    #[must_use]
    pub fn load(&self) -> Loading {
        let Self { revision, sync_count, items } = self;
        let head = format!("{{\"revision\":{revision},\"syncCount\":{sync_count},\"items\":{}}}\n", items.len());
        let first = self.newest();
        let newest: Vec<_> = first.iter().map(|at| self.told(*at, FIRST_VALUE_BYTES_MAX)).collect();
        let mut newest = frame::items(&newest, None);
        newest.put_u8(b'\n');
        let mut rest = BytesMut::new();
        let (mut line, mut line_bytes, mut whole_bytes) = (Vec::new(), 0, 0);
        let first: HashSet<_> = first.into_iter().collect();
        for at in (0..items.len()).rev().filter(|at| !first.contains(at)) {
            whole_bytes += items[at].1.byte_count();
            let told = self.told(at, if whole_bytes <= WHOLE_BYTES { usize::MAX } else { 0 });
            line_bytes += bytes_of(&told);
            line.push(told);
            if line_bytes >= STATE_LINE_BYTES {
                put_line(&mut rest, &std::mem::take(&mut line));
                line_bytes = 0;
            }
        }
        if !line.is_empty() {
            put_line(&mut rest, &line);
        }
        let [fast, usual] = [Compression::fast(), Compression::new(4)];
        Loading {
            revision: *revision,
            head: Packed::of(head.as_bytes(), fast),
            newest: Packed::of(&newest, usual),
            rest: Packed::of(&rest, usual),
        }
    }

    /// The items around a message or a part with this id, as a line of the document; `None` if nothing here has the id.
    #[must_use]
    pub fn around(&self, id: &str) -> Option<Packed> {
        let is_it = |changed: &Changed| match changed.key.kind() {
            ItemKind::Message { id: own } => own == id,
            ItemKind::Part { id: own, .. } => own == id,
            ItemKind::Session | ItemKind::SessionDiff | ItemKind::Model { .. } | ItemKind::Other { .. } => false,
        };
        // Its end is compared first: to take keys apart would cost more than all else here.
        let end = id.rsplit(['/', '%']).next().unwrap_or_default();
        let fits = |(_, changed): &&(u64, Changed)| changed.key.as_str().ends_with(end) && is_it(changed);
        let at = self.items.iter().position(|item| fits(&item))?;
        let (from, to) = (at.saturating_sub(AROUND_ITEMS_MAX), (at + AROUND_ITEMS_MAX).min(self.items.len()));
        let mut byte_count = 0;
        let mut near: Vec<usize> = (at..to).take_while(|at| self.fits(*at, &mut byte_count)).collect();
        byte_count /= 2;
        near.extend((from..at).rev().take_while(|at| self.fits(*at, &mut byte_count)));
        self.with_messages(&mut near);
        let mut line = BytesMut::new();
        put_line(&mut line, &near.iter().map(|at| self.told(*at, FIRST_VALUE_BYTES_MAX)).collect::<Vec<_>>());
        Some(Packed::of(&line, Compression::fast()))
    }

    /// The places in the list of what comes first.
    fn newest(&self) -> Vec<usize> {
        let mut byte_count = 0;
        let newest = (0..self.items.len()).rev().take(FIRST_ITEMS_MAX);
        let mut newest: Vec<usize> = newest.take_while(|at| self.fits(*at, &mut byte_count)).collect();
        self.with_messages(&mut newest);
        newest
    }

    /// Whether another item still fits into what comes first. The first always does.
    fn fits(&self, at: usize, byte_count: &mut usize) -> bool {
        let begins = *byte_count == 0;
        *byte_count += bytes_of(&self.told(at, FIRST_VALUE_BYTES_MAX));
        begins || *byte_count <= FIRST_BYTES
    }

    /// Adds the messages of the parts, and the session, of whose head the page is made; and sorts.
    fn with_messages(&self, some: &mut Vec<usize>) {
        let there: HashSet<_> = some.iter().copied().collect();
        let messages: HashSet<&str> = some.iter().filter_map(|at| message_of(&self.items[*at].1.key)).collect();
        let is_missing = |(at, (_, changed)): &(usize, &(u64, Changed))| {
            let key = changed.key.as_str();
            let is_wanted = key == "session" || key.strip_prefix("message/").is_some_and(|id| messages.contains(id));
            is_wanted && !there.contains(at)
        };
        some.extend(self.items.iter().enumerate().filter(is_missing).map(|(at, _)| at));
        some.sort_unstable();
    }

    /// An item as it is told, whole up to so many bytes.
    fn told(&self, at: usize, whole_max: usize) -> Line<'_> {
        let (place, changed) = &self.items[at];
        let value = changed.value.as_ref().filter(|value| value.as_str().len() > whole_max);
        (*place, changed, value.and_then(|value| shortened(value.as_str())))
    }
}

/// The items with these keys: the data of the answer to `share.items`.
///
/// # Errors
/// There are no keys, or too many of them, or a key is invalid; or the share is gone.
pub(super) fn items(room: &Room, keys: &[String]) -> Result<String, Refusal> {
    if keys.is_empty() || keys.len() > ITEMS_ASKED_MAX {
        return Err(Refusal::invalid(0, format!("invalid keys: give 1 to {ITEMS_ASKED_MAX} of them")));
    }
    let parsed: Vec<ItemKey> = keys.iter().map(|key| key.parse()).collect::<Result<_, _>>()?;
    let found: Vec<_> = room.read(|state| parsed.iter().map(|key| state.find(key)).collect())?;
    let (mut byte_count, mut told, mut left) = (0, Vec::new(), Vec::new());
    for (key, found) in keys.iter().zip(&found) {
        let Some((place, changed)) = found else { continue };
        byte_count += changed.byte_count();
        if byte_count <= ITEMS_ANSWER_BYTES || told.is_empty() {
            told.push((*place, changed, None));
        } else {
            left.push(key);
        }
    }
    let data = frame::items(&told, Some(&left));
    // It is made of texts.
    Ok(String::from_utf8(data.into()).unwrap_or_default())
}

/// The id of the message that a part is of, as keys have it.
fn message_of(key: &ItemKey) -> Option<&str> {
    key.as_str().strip_prefix("part/").and_then(|rest| rest.split('/').next())
}

/// Bytes that an item takes in a line, about.
fn bytes_of((_, changed, short): &Line<'_>) -> usize {
    ENVELOPE_BYTES + changed.key.as_str().len() + short.as_ref().map_or_else(|| changed.byte_count(), String::len)
}

fn put_line(document: &mut BytesMut, items: &[Line<'_>]) {
    document.extend_from_slice(&frame::items(items, None));
    document.put_u8(b'\n');
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use serde_json::{Value, json};

    use super::*;
    use crate::share::item::Payload;
    use crate::viewer::packing::joined;

    /// Messages of 3 parts, one of which has a text of so many bytes.
    fn held(messages: u64, text: usize) -> Held {
        let mut items = Vec::new();
        let mut push = |key: Result<ItemKey, _>, value: Value| {
            let place = items.len() as u64 + 1;
            let value = Some(Payload::from_checked_json(&value.to_string()));
            items.push((place, Changed { key: key.unwrap(), revision: Revision(2), first: Some(Revision(1)), value }));
        };
        push(Ok(ItemKey::session()), json!({"id": "ses_1"}));
        for m in 0..messages {
            push(ItemKey::message(&format!("m{m}")), json!({"id": m}));
            for p in 0..3 {
                let text = "x".repeat(if p == 0 { text } else { 10 });
                push(ItemKey::part(&format!("m{m}"), &format!("p{m}.{p}")), json!({"type": "text", "text": text}));
            }
        }
        Held { revision: Revision(7), sync_count: 9, items }
    }

    fn lines(stretches: &[Packed]) -> Vec<Value> {
        let stream: Vec<u8> = joined(stretches).into_iter().flatten().collect();
        let mut text = String::new();
        GzDecoder::new(&stream[..]).read_to_string(&mut text).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn keys(line: &Value) -> Vec<&str> {
        line["changes"].as_array().unwrap().iter().map(|change| change["key"].as_str().unwrap()).collect()
    }

    /// The newest comes first, and whole; all else follows from the newest to the oldest, each item once, and long texts cut.
    #[test]
    fn the_newest_comes_first_and_every_item_once() {
        let held = held(2_000, 4_000);
        let Loading { revision, head, newest, rest } = held.load();
        let all = lines(&[head, newest, rest]);
        assert_eq!((revision, &all[0]), (Revision(7), &json!({"revision": 7, "syncCount": 9, "items": 8_001})));
        let first = keys(&all[1]);
        assert_eq!((first[0], first.last()), ("session", Some(&"part/m1999/p1999.2")));
        assert!(first.contains(&"message/m1999") && first.len() > 20 && first.len() <= FIRST_ITEMS_MAX + 40);
        assert!(all[1]["changes"].as_array().unwrap().iter().all(|change| change.get("size").is_none()));

        let rest: Vec<_> = all[2..].iter().flat_map(|line| line["changes"].as_array().unwrap()).collect();
        let places: Vec<_> = rest.iter().map(|change| change["place"].as_u64().unwrap()).collect();
        assert!(places.is_sorted_by(|one, other| one > other), "from the newest to the oldest");
        let every: HashSet<_> = all[1..].iter().flat_map(keys).collect();
        assert_eq!((every.len(), first.len() + rest.len()), (8_001, 8_001), "each once");

        let is_cut = |change: &&Value| change.get("size").is_some();
        let begins_cut = rest.iter().position(is_cut).unwrap();
        assert!((60..70).contains(&(begins_cut / 4)), "256 KiB are whole: {begins_cut}");
        let cut = rest[begins_cut];
        assert_eq!(cut["size"], json!({"type": "text", "text": "x".repeat(4_000)}).to_string().len());
        assert_eq!(cut["value"], json!({"type": "text", "text": format!("{}…", "x".repeat(120))}));
        assert_eq!((&cut["first"], &cut["revision"]), (&json!(1), &json!(2)));
        assert!(all.iter().all(|line| line.to_string().len() < STATE_LINE_BYTES + 8_000));
    }

    /// A picture at the end holds up nothing, and a share of a usual size comes whole.
    #[test]
    fn a_long_value_does_not_hold_up_what_comes_first() {
        let Loading { head, newest, rest, .. } = held(30, 100_000).load();
        let all = lines(&[head, newest.clone(), rest]);
        assert!(newest.bytes.len() < 4_000 && keys(&all[1]).len() > 20);
        let small = held(20, 5_000).load();
        let all = lines(&[small.head, small.newest, small.rest]);
        assert!(all.iter().all(|line| !line.to_string().contains("\"size\"")));
        let empty = held(0, 0).load();
        assert_eq!(lines(&[empty.head, empty.newest, empty.rest]).len(), 2);
    }

    /// Who comes by a link to a message or a part gets what is around it first, with the messages that it belongs to.
    #[test]
    fn what_a_link_points_at_comes_with_what_is_around_it() {
        let held = held(2_000, 4_000);
        for (id, key) in [("m700", "message/m700"), ("p700.1", "part/m700/p700.1")] {
            let all = lines(&[held.around(id).expect(id)]);
            let near = keys(&all[0]);
            assert!(
                near.contains(&key) && near.contains(&"part/m698/p698.2") && near.contains(&"part/m702/p702.0"),
                "{near:?}"
            );
            assert!(
                near.contains(&"session") && near.contains(&"message/m698") && near.len() < 2 * AROUND_ITEMS_MAX + 30
            );
            assert!(all[0].to_string().len() < 3 * FIRST_BYTES);
        }
        assert!(held.around("nothing").is_none() && held.around("").is_none() && held.around("ses_1").is_none());
    }
}
