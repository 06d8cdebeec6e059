//! Messages from host to host, and their bytes: one JSON object of at most [`HINT_BYTES_MAX`] bytes.
//!
//! ```json
//! {"v":1,"kind":"share","host":"aaaaaaaaaaaaaaaaaaaaaaaaab","share":"aaaaaaaaaaaaaaaaaaaaaaaaac","seq":12,"at":1796000000000}
//! {"v":1,"kind":"control","host":"aaaaaaaaaaaaaaaaaaaaaaaaab","to":"aaaaaaaaaaaaaaaaaaaaaaaaad","name":"close","body":{}}
//! ```
//! Fields, kinds and names that a host does not know it passes over, so that hosts of two versions can use one carrier.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::share::id::{BadName, HostId, ShareId, TokenId};
use crate::share::limits::{CONTROL_NAME_BYTES_MAX, COUNT_MAX, HINT_BYTES_MAX};
use crate::share::time::Timestamp;

/// The version of the messages that this host writes. What a higher one means by its fields is not known here.
const VERSION: u32 = 1;

/// What one host tells others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A share has a new segment. Goes to those who follow the share.
    Share(Hint),
    /// Anything else. Goes to all hosts, or to one.
    Control(Control),
}

/// A share has a new segment in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The share.
    pub share: ShareId,
    /// Number of the segment in the share's log, counted from 1.
    pub seq: u64,
    /// The host that wrote it.
    pub host: HostId,
    /// When it was there, by that host's clock, in milliseconds since 1970. It decides nothing.
    pub at: Timestamp,
}

/// What a host tells others besides hints. What `body` is depends on `name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// What it is about: 1 to 64 lower-case letters, digits and `-`.
    pub name: Arc<str>,
    /// The host that sent it.
    pub host: HostId,
    /// The host that it is for; `None`: all of them.
    pub to: Option<HostId>,
    /// A JSON text.
    pub body: Arc<str>,
}

/// Bytes that are no message, or a message that is too large.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// It has more bytes than a message may have.
    #[error("invalid message between hosts: it has {got} bytes, and at most {HINT_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its bytes.
        got: usize,
    },
    /// It has not the form that its kind asks for.
    #[error("invalid message between hosts: {reason}")]
    Invalid {
        /// What is wrong.
        reason: String,
    },
}

impl BadMessage {
    fn invalid(reason: impl ToString) -> Self {
        Self::Invalid { reason: reason.to_string() }
    }
}

impl From<BadName> for BadMessage {
    fn from(bad: BadName) -> Self {
        Self::invalid(bad)
    }
}

/// What every message has, read first because it tells how to read the rest.
#[derive(Deserialize)]
struct Head<'a> {
    v: u32,
    kind: &'a str,
}

#[derive(Serialize, Deserialize)]
struct ShareLine<'a> {
    v: u32,
    kind: &'a str,
    host: &'a str,
    share: &'a str,
    seq: u64,
    at: i64,
}

#[derive(Serialize, Deserialize)]
struct ControlLine<'a> {
    v: u32,
    kind: &'a str,
    host: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    name: &'a str,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Message {
    /// The host that sent it.
    #[must_use]
    pub fn host(&self) -> &HostId {
        match self {
            Self::Share(hint) => &hint.host,
            Self::Control(control) => &control.host,
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let written = match self {
            Self::Share(Hint { share, seq, host, at }) => serde_json::to_vec(&ShareLine {
                v: VERSION,
                kind: "share",
                host: host.as_str(),
                share: share.as_str(),
                seq: *seq,
                at: at.0,
            }),
            Self::Control(Control { name, host, to, body }) => {
                serde_json::from_str::<&RawValue>(body).and_then(|body| {
                    let to = to.as_ref().map(HostId::as_str);
                    serde_json::to_vec(&ControlLine {
                        v: VERSION,
                        kind: "control",
                        host: host.as_str(),
                        to,
                        name,
                        body,
                    })
                })
            }
        };
        // Strings and numbers can be written, and the body was read when the message was made.
        written.unwrap_or_default().into()
    }

    /// Reads a message; `None`: it is of a kind or a version that this host does not know, and is passed over.
    ///
    /// # Errors
    /// It is too large, or not what its kind must be.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, BadMessage> {
        if bytes.len() > HINT_BYTES_MAX {
            return Err(BadMessage::TooLarge { got: bytes.len() });
        }
        let head: Head<'_> = serde_json::from_slice(bytes).map_err(BadMessage::invalid)?;
        match (head.v, head.kind) {
            (VERSION, "share") => {
                let line: ShareLine<'_> = serde_json::from_slice(bytes).map_err(BadMessage::invalid)?;
                if !(1..=COUNT_MAX).contains(&line.seq) {
                    return Err(BadMessage::invalid(format!("no log has a segment of the number {}", line.seq)));
                }
                let (share, host) = (line.share.parse()?, line.host.parse()?);
                Ok(Some(Self::Share(Hint { share, seq: line.seq, host, at: Timestamp(line.at) })))
            }
            (VERSION, "control") => {
                let line: ControlLine<'_> = serde_json::from_slice(bytes).map_err(BadMessage::invalid)?;
                let to = line.to.map(str::parse).transpose()?;
                Control::new(line.name, line.host.parse()?, to, line.body.get()).map(Self::Control).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// The name of the control message that says that a token was revoked: an object with the member `token`, its id.
pub const REVOKED: &str = "revoked";

impl Control {
    /// Says to all hosts that a token was revoked.
    #[must_use]
    pub fn revoked(host: HostId, token: &TokenId) -> Self {
        Self { name: REVOKED.into(), host, to: None, body: format!("{{\"token\":\"{token}\"}}").into() }
    }

    /// A control message with a JSON text as its body.
    ///
    /// # Errors
    /// The name is invalid, the body is no JSON text, or the message is too large.
    pub fn new(name: &str, host: HostId, to: Option<HostId>, body: &str) -> Result<Self, BadMessage> {
        let is_word = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !is_word || !(1..=CONTROL_NAME_BYTES_MAX).contains(&name.len()) {
            let most = CONTROL_NAME_BYTES_MAX;
            return Err(BadMessage::invalid(format!("its name must be 1 to {most} lower-case letters, digits and -")));
        }
        // Two ids, and what stands between.
        let got = name.len() + body.len() + 256;
        if got > HINT_BYTES_MAX {
            return Err(BadMessage::TooLarge { got });
        }
        serde_json::from_str::<&RawValue>(body).map_err(BadMessage::invalid)?;
        Ok(Self { name: name.into(), host, to, body: body.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint() -> Message {
        let share = ShareId::from_bits(2);
        Message::Share(Hint { share, seq: 12, host: HostId::from_bits(1), at: Timestamp(1_796_000_000_000) })
    }

    #[test]
    fn messages_come_back_as_they_went() {
        let to = Some(HostId::from_bits(3));
        let control = Control::new("close", HostId::from_bits(1), to, r#"{"account": "ann"}"#).unwrap();
        let golden = r#"{"v":1,"kind":"share","host":"aaaaaaaaaaaaaaaaaaaaaaaaab","share":"aaaaaaaaaaaaaaaaaaaaaaaaac","seq":12,"at":1796000000000}"#;
        assert_eq!(hint().encode(), golden);
        for message in [hint(), Message::Control(control)] {
            assert_eq!(Message::decode(&message.encode()), Ok(Some(message)));
        }
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        let text = String::from_utf8(hint().encode().to_vec()).unwrap();
        let more = text.replace("\"seq\"", "\"new\":[1],\"seq\"");
        assert_eq!(Message::decode(more.as_bytes()), Ok(Some(hint())));
        for (from, to) in [("\"v\":1", "\"v\":2"), ("\"share\"", "\"other\"")] {
            assert_eq!(Message::decode(text.replacen(from, to, 1).as_bytes()), Ok(None), "{to}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let text = String::from_utf8(hint().encode().to_vec()).unwrap();
        let spaces = format!("{text}{}", " ".repeat(HINT_BYTES_MAX));
        assert_eq!(Message::decode(spaces.as_bytes()), Err(BadMessage::TooLarge { got: spaces.len() }));
        for (from, to) in [("aab", "AAB"), ("aac", "/"), ("12,", "0,"), ("12,", "-1,"), ("12,", "9007199254740993,")] {
            assert!(matches!(Message::decode(text.replacen(from, to, 1).as_bytes()), Err(BadMessage::Invalid { .. })));
        }
        let host = || HostId::from_bits(1);
        for (name, body) in
            [("", "{}"), ("a b", "{}"), (&*"n".repeat(CONTROL_NAME_BYTES_MAX + 1), "{}"), ("close", "{")]
        {
            assert!(matches!(Control::new(name, host(), None, body), Err(BadMessage::Invalid { .. })));
        }
        let body = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        // The name, and what stands around it.
        let most = HINT_BYTES_MAX - 5 - 256;
        assert!(Control::new("close", host(), None, &body(most)).unwrap().body.len() == most);
        let got = HINT_BYTES_MAX + 1;
        assert_eq!(Control::new("close", host(), None, &body(most + 1)), Err(BadMessage::TooLarge { got }));
    }
}
