//! Texts that share their bytes.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

/// A UTF-8 text that shares its bytes: usually a slice of the frame in which it came, which it keeps in memory.
///
/// Its `Debug` shows the length and not the text, so that no content reaches a log by accident.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Bytes);

impl Text {
    /// A text of the program.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// A text of these bytes, without copying them.
    ///
    /// # Errors
    /// The bytes are not UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, std::str::Utf8Error> {
        std::str::from_utf8(&bytes)?;
        Ok(Self(bytes))
    }

    /// The text. Costs a pass over its bytes, which were checked before and are checked again.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a text is checked when it is made")
    }

    /// The bytes of the text, shared.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The part between two byte positions, shared. Neither may be inside a character.
    pub(super) fn part(&self, start: usize, end: usize) -> Self {
        let is_boundary = |at: usize| self.0.get(at).is_none_or(|byte| byte & 0xC0 != 0x80);
        debug_assert!(is_boundary(start) && is_boundary(end), "a text is cut inside a character");
        Self(self.0.slice(start..end))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
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
        Self(Bytes::from(text))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
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
        write!(f, "Text({} bytes)", self.0.len())
    }
}
