//! Texts that share their bytes.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

/// A UTF-8 text that shares its bytes: usually a slice of the frame in which it came, which it keeps in memory.
///
/// Its `Debug` shows the length and not the text, so that no content reaches a log by accident.
#[derive(Clone)]
pub struct Text(Kind);

#[derive(Clone)]
enum Kind {
    /// A text of the program.
    Static(&'static str),
    /// A part of some memory.
    Part { whole: Arc<Whole>, start: usize, end: usize },
}

/// Memory that texts share.
struct Whole {
    bytes: Bytes,
    /// Bytes that it takes, which may be more than it has.
    capacity: usize,
}

impl Text {
    /// A text of the program.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Kind::Static(text))
    }

    /// A text of these bytes, without copying them.
    ///
    /// # Errors
    /// The bytes are not UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, std::str::Utf8Error> {
        std::str::from_utf8(&bytes)?;
        let capacity = bytes.len();
        Ok(Self::of(bytes, capacity))
    }

    /// A text of bytes that are UTF-8.
    fn of(bytes: Bytes, capacity: usize) -> Self {
        let end = bytes.len();
        Self(Kind::Part { whole: Arc::new(Whole { bytes, capacity }), start: 0, end })
    }

    /// The text. Costs a pass over its bytes, which were checked before and are checked again.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.bytes()).expect("a text is checked when it is made")
    }

    /// The bytes of the text, shared.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Kind::Static(text) => Bytes::from_static(text.as_bytes()),
            Kind::Part { whole, start, end } => whole.bytes.slice(start..end),
        }
    }

    /// The part between two byte positions, shared. Neither may be inside a character.
    pub(super) fn part(&self, start: usize, end: usize) -> Self {
        let is_boundary = |at: usize| self.bytes().get(at).is_none_or(|byte| byte & 0xC0 != 0x80);
        debug_assert!(is_boundary(start) && is_boundary(end), "a text is cut inside a character");
        match &self.0 {
            _ if start == end => Self::default(),
            Kind::Static(text) => Self(Kind::Static(&text[start..end])),
            Kind::Part { whole, start: from, .. } => {
                Self(Kind::Part { whole: Arc::clone(whole), start: from + start, end: from + end })
            }
        }
    }

    /// The memory that the text keeps, which others may share: where it lies, and its bytes.
    pub(super) fn kept(&self) -> Option<(usize, usize)> {
        match &self.0 {
            Kind::Static(_) => None,
            Kind::Part { whole, .. } => Some((Arc::as_ptr(whole).addr(), whole.capacity)),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.0 {
            Kind::Static(text) => text.as_bytes(),
            Kind::Part { whole, start, end } => &whole.bytes[*start..*end],
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        let capacity = text.capacity();
        Self::of(Bytes::from(text), capacity)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::of(Bytes::copy_from_slice(text.as_bytes()), text.len())
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::from_static("")
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.bytes() == other.as_bytes()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.bytes().len())
    }
}
