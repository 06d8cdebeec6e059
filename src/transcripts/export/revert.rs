//! What the user of OpenCode took back. `/undo` writes `revert` into the session's record: OpenCode shows no more of the message, or the
//! part, that it names and of all after it, and deletes them at the next prompt. Until then an export has them.

use std::collections::HashSet;

use serde::Deserialize;

use crate::share::item::{ItemKey, ItemKind};
use crate::share::limits::TRANSCRIPT_SUBAGENTS_MAX;
use crate::transcripts::piece::Piece;

/// Where a session was taken back to, while its messages are read in their order.
#[derive(Debug)]
pub(super) struct Revert {
    /// The session's own id: messages of other sessions are its subagents'.
    session: Option<String>,
    message: String,
    /// The first part of the message that was taken back; `None`: the whole message was.
    part: Option<String>,
    /// The message has come.
    is_met: bool,
    /// The sessions of subagents whose calls stay.
    begun: HashSet<String>,
}

impl Revert {
    /// What the session's record says. `None`: nothing was taken back.
    pub(super) fn of(info: &str) -> Option<Self> {
        let Info { id, revert } = serde_json::from_str(info).ok()?;
        let Place { message, part } = revert?;
        Some(Self { session: id, message: message?, part, is_met: false, begun: HashSet::new() })
    }

    /// Makes of a message that was taken back its removal, and of such a part.
    pub(super) fn apply(&mut self, piece: &mut Piece) {
        let Some(first) = piece.changes.first() else { return };
        let (ItemKind::Message { id } | ItemKind::Part { message: id, .. }) = first.key.kind() else { return };
        let said = first.value.as_ref().and_then(|value| serde_json::from_str::<Head>(value.as_str()).ok());
        let session = said.and_then(|said| said.session);
        let other = session.filter(|session| self.session.as_ref().is_some_and(|own| own != session));
        let is_it = id == self.message && other.is_none();
        let stays = match &other {
            Some(other) => !self.is_met || self.begun.contains(other),
            None => !self.is_met && (!is_it || self.part.is_some()),
        };
        self.is_met |= is_it;
        if !stays {
            let key = ItemKey::message(&id).ok();
            piece.changes.clear();
            key.into_iter().for_each(|key| piece.remove(key));
            return;
        }
        let is_part = |key: &ItemKind| matches!(key, ItemKind::Part { id, .. } if Some(id) == self.part.as_ref());
        let end = piece.changes.iter().position(|change| is_it && is_part(&change.key.kind()));
        for change in piece.changes.iter_mut().skip(end.unwrap_or(usize::MAX)) {
            change.value = None;
        }
        let values = piece.changes.iter().filter_map(|change| change.value.as_ref());
        for begun in values.filter_map(|value| session_begun_by(value.as_str())) {
            if self.begun.len() < TRANSCRIPT_SUBAGENTS_MAX {
                self.begun.insert(begun);
            }
        }
    }
}

/// The session of the subagent that a call began, out of the JSON text of the call's part.
pub(in crate::transcripts) fn session_begun_by(part: &str) -> Option<String> {
    memchr::memmem::find(part.as_bytes(), b"\"sessionId\"")?;
    serde_json::from_str::<Call>(part).ok()?.state?.metadata?.session
}

#[derive(Deserialize)]
struct Info {
    id: Option<String>,
    revert: Option<Place>,
}

#[derive(Deserialize)]
struct Place {
    #[serde(rename = "messageID")]
    message: Option<String>,
    #[serde(rename = "partID")]
    part: Option<String>,
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "sessionID")]
    session: Option<String>,
}

#[derive(Deserialize)]
struct Call {
    state: Option<CallState>,
}

#[derive(Deserialize)]
struct CallState {
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "sessionId")]
    session: Option<String>,
}
