//! Items: what a share holds, each under a key.
//!
//! A key is text, made of parts joined by slashes, so that it is the same on every wire, in the log and in a link:
//!
//! | key | item |
//! |---|---|
//! | `session` | the session's own record |
//! | `session_diff` | the list of its file changes |
//! | `message/<id>` | a message |
//! | `part/<messageID>/<id>` | a part of a message |
//! | `model/<providerID>/<id>` | a model that was used; the provider may be empty |
//! | `other/<type>`, `other/<type>/<id>` | an item of a type that this version does not know, kept as it came |
//!
//! In each part `%`, `/` and control characters are percent-encoded. The only constructors are those of the kinds and
//! parsing, so every key in a share can be read back.

use std::fmt;
use std::sync::Arc;

use crate::share::error::Refusal;
use crate::share::limits::{ID_BYTES_MAX, Limit};

/// The key of an item. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemKey(Arc<str>);

/// The parts of an item's key, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemKind {
    /// The session's own record.
    Session,
    /// The list of the session's file changes.
    SessionDiff,
    /// A message.
    Message {
        /// The message's id.
        id: String,
    },
    /// A part of a message.
    Part {
        /// The message's id.
        message: String,
        /// The part's own id.
        id: String,
    },
    /// A model that was used.
    Model {
        /// The provider's id, which may be empty.
        provider: String,
        /// The model's id.
        id: String,
    },
    /// An item of a type that this version does not know.
    Other {
        /// The name of the type as the producer sent it.
        kind: String,
        /// The item's id; `None` if it has none.
        id: Option<String>,
    },
}

/// The types that have a kind of their own; no item under `other/` may have one of these names.
const KNOWN_TYPES: [&str; 6] = ["session", "session_diff", "message", "part", "model", "remove"];

impl ItemKey {
    /// The key of the session's own record.
    #[must_use]
    pub fn session() -> Self {
        Self("session".into())
    }

    /// The key of the session's file changes.
    #[must_use]
    pub fn session_diff() -> Self {
        Self("session_diff".into())
    }

    /// The key of a message.
    ///
    /// # Errors
    /// The id is empty or too long.
    pub fn message(id: &str) -> Result<Self, Refusal> {
        Ok(Self(format!("message/{}", part("id", id)?).into()))
    }

    /// The key of a part of a message.
    ///
    /// # Errors
    /// An id is empty or too long.
    pub fn part(message: &str, id: &str) -> Result<Self, Refusal> {
        Ok(Self(format!("part/{}/{}", part("messageID", message)?, part("id", id)?).into()))
    }

    /// The key of a model; the provider may be empty.
    ///
    /// # Errors
    /// The model's id is empty, or one of the ids is too long.
    pub fn model(provider: &str, id: &str) -> Result<Self, Refusal> {
        let provider = if provider.is_empty() { Encoded("") } else { part("providerID", provider)? };
        Ok(Self(format!("model/{provider}/{}", part("id", id)?).into()))
    }

    /// The key of an item of a type that this version does not know.
    ///
    /// # Errors
    /// The type is one that has a kind of its own, or the type or the id is empty or too long.
    pub fn other(kind: &str, id: Option<&str>) -> Result<Self, Refusal> {
        if KNOWN_TYPES.contains(&kind) {
            return Err(Refusal::invalid(
                0,
                format!("invalid item: {kind} is a type of its own, which is not sent as other"),
            ));
        }
        let kind = part("type", kind)?;
        Ok(Self(match id {
            Some(id) => format!("other/{kind}/{}", part("id", id)?).into(),
            None => format!("other/{kind}").into(),
        }))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind of item that the key is of, with the ids in it.
    #[must_use]
    pub fn kind(&self) -> ItemKind {
        let mut parts = self.0.split('/').map(decode);
        let lane = parts.next().unwrap_or_default();
        let (first, second) = (parts.next(), parts.next());
        match (lane.as_str(), first, second) {
            ("session", None, None) => ItemKind::Session,
            ("session_diff", None, None) => ItemKind::SessionDiff,
            ("message", Some(id), None) => ItemKind::Message { id },
            ("part", Some(message), Some(id)) => ItemKind::Part { message, id },
            ("model", Some(provider), Some(id)) => ItemKind::Model { provider, id },
            ("other", Some(kind), id) => ItemKind::Other { kind, id },
            // No constructor makes such a key.
            (_, first, second) => ItemKind::Other { kind: lane, id: second.or(first) },
        }
    }

    /// What the keys of a message's parts begin with; `None` if this is not the key of a message.
    #[must_use]
    pub fn parts_prefix(&self) -> Option<String> {
        self.0.strip_prefix("message/").map(|id| format!("part/{id}/"))
    }
}

impl std::str::FromStr for ItemKey {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let mut parts = text.split('/');
        let (lane, first, second, end) = (parts.next(), parts.next(), parts.next(), parts.next());
        let decoded = (first.map(decode), second.map(decode));
        let key = match (lane, decoded, end) {
            (Some("session"), (None, None), None) => Self::session(),
            (Some("session_diff"), (None, None), None) => Self::session_diff(),
            (Some("message"), (Some(id), None), None) => Self::message(&id)?,
            (Some("part"), (Some(message), Some(id)), None) => Self::part(&message, &id)?,
            (Some("model"), (Some(provider), Some(id)), None) => Self::model(&provider, &id)?,
            (Some("other"), (Some(kind), id), None) => Self::other(&kind, id.as_deref())?,
            _ => return Err(not_a_key()),
        };
        // One item has one key: a text that is encoded in another way than keys are is refused.
        if key.as_str() == text { Ok(key) } else { Err(not_a_key()) }
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ItemKey({})", self.0)
    }
}

/// An item's JSON text. Cheap to clone: state, events and log share one copy.
///
/// The edge that makes one has checked that it is JSON; nobody parses it again. It holds no line break: those between
/// tokens have become spaces (inside JSON strings they cannot stand), so that it is one line of the log. It begins and
/// ends with a token, so that the log, which reads values without what is around them, gives back the same text.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Arc<str>);

impl Payload {
    /// Makes a payload of a text that the caller has checked to be JSON. White space around it is dropped.
    #[must_use]
    pub fn from_checked_json(text: &str) -> Self {
        let text = text.trim_ascii();
        let Some(first) = memchr::memchr2(b'\n', b'\r', text.as_bytes()) else { return Self(text.into()) };
        let (mut plain, mut copied) = (String::with_capacity(text.len()), 0);
        for at in memchr::memchr2_iter(b'\n', b'\r', &text.as_bytes()[first..]) {
            plain.push_str(&text[copied..first + at]);
            plain.push(' ');
            copied = first + at + 1;
        }
        plain.push_str(&text[copied..]);
        Self(plain.into())
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Payload {
    /// Prints the size and never the contents, which do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

/// How deep arrays and objects stand inside one another in a JSON text. JSON parsers do not tell: they skip unread values
/// without recursion. Strings are skipped, which are most bytes of an item.
#[must_use]
pub fn nesting(json: &str) -> usize {
    let bytes = json.as_bytes();
    let (mut depth, mut deepest, mut at) = (0_usize, 0, 0);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(mark) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
                    at += mark + 1;
                    if bytes.get(at - 1) == Some(&b'"') {
                        break;
                    }
                    at += 1; // What was escaped.
                }
            }
            _ => {}
        }
    }
    deepest
}

/// A text that is written percent-encoded, as one part of a key.
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(|c: char| c == '%' || c == '/' || c.is_ascii_control()) {
            write!(f, "{}%{:02X}", &rest[..at], rest.as_bytes()[at])?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

fn part<'a>(name: &str, text: &'a str) -> Result<Encoded<'a>, Refusal> {
    if text.is_empty() {
        Err(Refusal::invalid(0, format!("invalid {name}: it must not be empty")))
    } else if text.len() > ID_BYTES_MAX {
        Err(Refusal::limit(Limit::IdBytesMax, ID_BYTES_MAX, text.len()))
    } else {
        Ok(Encoded(text))
    }
}

fn decode(part: &str) -> String {
    let mut text = String::with_capacity(part.len());
    let mut rest = part;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        match rest.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if byte.is_ascii() => {
                text.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            _ => {
                text.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    text.push_str(rest);
    text
}

fn not_a_key() -> Refusal {
    Refusal::invalid(0, "invalid item key: use one that an event or a read gave, such as message/<id>")
}
