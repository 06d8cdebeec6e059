//! Secrets: what a producer shows to write to its share, and what the log keeps of it.
//!
//! A [`Secret`] is text that never prints itself. The hub hashes it and compares hashes, in constant time; the client, which
//! uses this module too, needs no cryptography for it.

use std::fmt;

/// The secret that opens a share for writing: `capsec_` and 43 characters of base64url, from 256 random bits.
///
/// `Debug` and `Display` print `[secret]`; [`Secret::reveal`] is the only way to the text. Any text up to
/// [`Secret::BYTES_MAX`] is taken, so that a wrong secret is answered as a wrong secret and not as a wrong shape.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// The longest text taken as a secret: 8 KiB, four times a signed token with a few dozen claims. Longer ones cannot be
    /// right; they are cut here, which keeps them wrong.
    pub const BYTES_MAX: usize = 8 << 10;

    /// What the secrets of shares begin with, so that scanners for leaked credentials recognise them.
    pub const PREFIX: &'static str = "capsec_";

    /// Makes a share's secret from random bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self::with_prefix(Self::PREFIX, bytes)
    }

    /// Makes a secret from `prefix` and random bytes, which become 43 characters of base64url.
    #[must_use]
    pub fn with_prefix(prefix: &str, bytes: [u8; 32]) -> Self {
        Self(format!("{prefix}{}", base64url(bytes)).into())
    }

    /// The secret's text, to send it, to hash it, or to keep it in a file that only its owner can read. Never log it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        let end = (0..=text.len().min(Self::BYTES_MAX)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        Self(text[..end].into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// RFC 4648 section 5.
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The 43 characters of 256 bits.
pub(super) fn base64url(bytes: [u8; 32]) -> String {
    let mut text = String::with_capacity(43);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in (0..=chunk.len()).map(|n| (group >> (18 - 6 * n)) as usize & 63) {
            text.push(char::from(BASE64URL[digit]));
        }
    }
    text
}

/// SHA-256 of a secret's text, which is what the log keeps of it. A secret has 256 random bits, so it needs neither salt nor stretching.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl SecretHash {
    /// The hash as 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads a hash from 64 hexadecimal digits; `None` if the text is anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hash]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_its_prefix_and_all_its_bits_and_never_prints() {
        let secret = Secret::from_bytes([0xff; 32]);
        assert_eq!(secret.reveal(), format!("capsec_{}8", "_".repeat(42)));
        assert_eq!(Secret::from_bytes([0; 32]).reveal(), format!("capsec_{}", "A".repeat(43)));
        assert_eq!(format!("{secret} {secret:?}"), "[secret] [secret]");
    }

    #[test]
    fn a_hash_reads_its_own_hex_and_nothing_else() {
        let hash = SecretHash(std::array::from_fn(|n| n as u8 * 7));
        assert_eq!(SecretHash::from_hex(&hash.to_hex()), Some(hash));
        for bad in ["", "00", &"g".repeat(64), &"é".repeat(32), &"+1".repeat(32)] {
            assert_eq!(SecretHash::from_hex(bad), None);
        }
    }

    #[test]
    fn a_secret_that_is_too_long_is_cut_at_a_character() {
        assert_eq!(Secret::from(format!("x{}", "é".repeat(5_000)).as_str()).reveal().len(), (8 << 10) - 1);
    }
}
