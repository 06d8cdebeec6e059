//! The state of a share as OpenCode reads it: a list of `SyncData`, the form in which it was sent.
//!
//! What is written is taken from the state at one moment, and shares its texts; it is put together piece by piece as the client
//! reads. Models make one item, as OpenCode sends them; and so do the messages of a session of the newer form (one with a
//! `location`), which readers of that form ask for.

use std::borrow::Cow;
use std::convert::Infallible;

use axum::body::Body;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::stream;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::contract::sync_data::type_name;
use crate::share::item::{ItemKey, ItemKind, Payload};
use crate::share::state::State;

/// What goes out at once.
const PIECE_BYTES: usize = 64 << 10;

/// A piece of the text: what stands between values, or a value.
#[derive(Debug)]
pub(super) enum Token {
    Text(Cow<'static, str>),
    Value(Payload),
}

/// The state, to be written.
pub(super) fn tokens(state: &State) -> Vec<Token> {
    let session = state.get(&ItemKey::session());
    let batch = session.and_then(|session| batch_head(session.as_str()));
    let (mut messages, mut models) = (Vec::new(), Vec::new());
    let mut list = List(vec![Token::Text("[".into())]);
    for (key, value) in state.items() {
        let kind = key.kind();
        match kind {
            ItemKind::Model { .. } => models.push(value.clone()),
            ItemKind::Message { .. } if batch.is_some() => messages.push(value.clone()),
            ItemKind::Session
            | ItemKind::SessionDiff
            | ItemKind::Message { .. }
            | ItemKind::Part { .. }
            | ItemKind::Other { .. } => {
                let head = format!(r#"{{"type":{},"data":"#, type_name(&kind));
                list.push(head.into(), [value.clone()], "}");
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

/// The text, as a body.
pub(super) fn body(tokens: Vec<Token>) -> Body {
    let pieces = stream::unfold(tokens.into_iter(), |mut tokens| {
        let mut piece = BytesMut::new();
        while piece.len() < PIECE_BYTES
            && let Some(token) = tokens.next()
        {
            piece.put_slice(match &token {
                Token::Text(text) => text.as_bytes(),
                Token::Value(value) => value.as_str().as_bytes(),
            });
        }
        let piece = (!piece.is_empty()).then(|| Ok::<Bytes, Infallible>(piece.freeze()));
        std::future::ready(piece.map(|piece| (piece, tokens)))
    });
    Body::from_stream(pieces)
}
