//! The JSON document: the shape of an OpenCode export, `{"info", "messages": [{"info", "parts"}]}`, with whatever else the
//! share holds beside it.
//!
//! | member | what |
//! |---|---|
//! | `info` | the session's own record, or null |
//! | `messages` | each `{"info": MESSAGE, "parts": [PART, ...]}`, by time |
//! | `models` | the models that were used; absent if none |
//! | `session_diff` | the session's file changes; absent if none |
//! | `other` | `{"type", "data"}` of each item with no place above; absent if none |
//!
//! Every item stands as its producer wrote it. What OpenCode exported, pushed and exported from here, has the first two
//! members only and is the same item by item; `capshare push` reads all of them, and `subagents`, which an
//! [export for OpenCode](Document::opencode) has: messages of subagents' sessions, in the form of `messages`.

use std::iter::once;

use crate::share::item::{ItemKey, ItemKind, Payload};
use crate::viewer::render::document::{Document, Turn};
use crate::viewer::render::pieces::{Bit, Pieces};

impl Document {
    /// The JSON document, piece by piece. Ends with a line break.
    pub fn json(mut self) -> impl Iterator<Item = String> + Send {
        let messages = std::mem::take(&mut self.messages);
        self.told(messages.into_iter(), Vec::new().into_iter())
    }

    /// The document with these messages, and those of subagents beside them.
    pub(super) fn told(
        self,
        messages: impl Iterator<Item = Turn> + Send,
        subagents: impl ExactSizeIterator<Item = Turn> + Send,
    ) -> impl Iterator<Item = String> + Send {
        let Self { session, session_diff, models, other, .. } = self;
        let messages = list(messages.map(turn));
        let diff = session_diff.map(|diff| [Bit::Fixed(",\"session_diff\":"), Bit::Item(diff)]);
        Pieces(
            once(Bit::Fixed("{\"info\":"))
                .chain(once(session.map_or(Bit::Fixed("null"), Bit::Item)))
                .chain(once(Bit::Fixed(",\"messages\":")))
                .chain(messages)
                .chain(named(",\"subagents\":", subagents.map(turn)))
                .chain(named(",\"models\":", models.into_iter().map(|model| once(Bit::Item(model)))))
                .chain(diff.into_iter().flatten())
                .chain(named(",\"other\":", other.into_iter().map(tagged)))
                .chain(once(Bit::Fixed("}\n"))),
        )
    }
}

fn turn(turn: Turn) -> impl Iterator<Item = Bit> + Send {
    [Bit::Fixed("{\"info\":"), Bit::Item(turn.message), Bit::Fixed(",\"parts\":")]
        .into_iter()
        .chain(list(turn.parts.into_iter().map(|part| once(Bit::Item(part)))))
        .chain(once(Bit::Fixed("}")))
}

fn tagged((key, value): (ItemKey, Payload)) -> impl Iterator<Item = Bit> + Send {
    let kind = match key.kind() {
        ItemKind::Session => "session".to_owned(),
        ItemKind::SessionDiff => "session_diff".to_owned(),
        ItemKind::Message { .. } => "message".to_owned(),
        ItemKind::Part { .. } => "part".to_owned(),
        ItemKind::Model { .. } => "model".to_owned(),
        ItemKind::Other { kind, .. } => kind,
    };
    let head = format!("{{\"type\":{},\"data\":", serde_json::Value::from(kind));
    [Bit::Made(head), Bit::Item(value), Bit::Fixed("}")].into_iter()
}

/// A member whose list is left out if it is empty.
fn named<I>(name: &'static str, items: impl ExactSizeIterator<Item = I> + Send) -> impl Iterator<Item = Bit> + Send
where
    I: Iterator<Item = Bit> + Send,
{
    let member = (items.len() > 0).then(|| once(Bit::Fixed(name)).chain(list(items)));
    member.into_iter().flatten()
}

fn list<I>(items: impl Iterator<Item = I> + Send) -> impl Iterator<Item = Bit> + Send
where
    I: Iterator<Item = Bit> + Send,
{
    let items = items.enumerate().flat_map(|(n, item)| (n > 0).then_some(Bit::Fixed(",\n")).into_iter().chain(item));
    once(Bit::Fixed("[")).chain(items).chain(once(Bit::Fixed("]")))
}
