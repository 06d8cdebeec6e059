//! The state of a share as OpenCode reads it: a list of `SyncData`, the form in which it was sent.
//!
//! A session of another agent is given as one that OpenCode would import ([`Document::items_for_opencode`]); without its subagents, because
//! OpenCode would put their messages among the session's own.
//!
//! What is written is put together piece by piece as the client reads, and shares the state's texts. Models make one item, as
//! OpenCode sends them; and so do the messages of a session of the newer form (one with a `location`), which readers of that form
//! ask for.

use std::borrow::Cow;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::contract::sync_data::type_name;
use crate::http::body_out::Items;
use crate::http::body_pieces::PIECE_BYTES;
use crate::share::item::{ItemKey, ItemKind, Payload};
use crate::viewer::render::Document;

/// A part of the text: what stands between values, or a value.
#[derive(Debug)]
enum Token {
    Text(Cow<'static, str>),
    Value(Payload),
}

/// The items of a share in this form: pieces of 64 KiB, or of one value where that is larger, which is
/// not copied.
pub(super) fn pieces(items: Items) -> impl Iterator<Item = Bytes> + Send + Unpin {
    let mut tokens = tokens(Document::items_for_opencode(items)).into_iter();
    // A value that is a piece of its own, and comes after what stands before it.
    let mut large = None;
    std::iter::from_fn(move || {
        if let Some(value) = large.take() {
            return Some(Bytes::from_owner(Text(value)));
        }
        let mut piece = BytesMut::new();
        while piece.len() < PIECE_BYTES
            && let Some(token) = tokens.next()
        {
            match token {
                Token::Text(text) => piece.put_slice(text.as_bytes()),
                Token::Value(value) if value.as_str().len() >= PIECE_BYTES => {
                    large = Some(value);
                    break;
                }
                Token::Value(value) => piece.put_slice(value.as_str().as_bytes()),
            }
        }
        // There is always something before a value.
        (!piece.is_empty()).then(|| piece.freeze())
    })
}

/// A value as bytes, shared with the state.
struct Text(Payload);

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.0.as_str().as_bytes()
    }
}

fn tokens(items: Items) -> Vec<Token> {
    let session = items.iter().find(|(key, _)| *key == ItemKey::session());
    let batch = session.and_then(|(_, session)| batch_head(session.as_str()));
    let (mut messages, mut models) = (Vec::new(), Vec::new());
    let mut list = List(vec![Token::Text("[".into())]);
    for (key, value) in items {
        let kind = key.kind();
        match kind {
            ItemKind::Model { .. } => models.push(value),
            ItemKind::Message { .. } if batch.is_some() => messages.push(value),
            ItemKind::Session
            | ItemKind::SessionDiff
            | ItemKind::Message { .. }
            | ItemKind::Part { .. }
            | ItemKind::Other { .. } => {
                let head = format!(r#"{{"type":{},"data":"#, type_name(&kind));
                list.push(head.into(), [value], "}");
            }
        }
    }
    if let Some(head) = batch {
        list.push(head.into(), messages, "]}}");
    }
    if !models.is_empty() {
        list.push(r#"{"type":"model","data":["#.into(), models, "]}");
    }
    list.0.push(Token::Text("]".into()));
    list.0
}

/// How the list of messages begins, if the session has the newer form.
fn batch_head(session: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Session<'a> {
        #[serde(borrow)]
        id: Option<Cow<'a, str>>,
        #[serde(rename = "location")]
        _location: IgnoredAny,
    }
    let session: Session<'_> = serde_json::from_str(session).ok()?;
    let id = serde_json::Value::from(session.id?.as_ref());
    Some(format!(r#"{{"type":"messages","data":{{"sessionID":{id},"messages":["#))
}

struct List(Vec<Token>);

impl List {
    /// An item: its beginning, values with commas between them, and its end.
    fn push(&mut self, head: Cow<'static, str>, values: impl IntoIterator<Item = Payload>, end: &'static str) {
        if self.0.len() > 1 {
            self.0.push(Token::Text(",".into()));
        }
        self.0.push(Token::Text(head));
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                self.0.push(Token::Text(",".into()));
            }
            self.0.push(Token::Value(value));
        }
        self.0.push(Token::Text(end.into()));
    }
}
