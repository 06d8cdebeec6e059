//! Names: of shares, sessions, accounts and producers.
//!
//! Each is a type of its own whose only constructor is parsing, and each is safe as one segment of an object key and of a
//! URL path as it stands: no name holds a slash, a percent sign, a space or a control character, or begins with a dot.

use std::fmt;
use std::sync::Arc;

/// A name is invalid: it does not have the shape that its type asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what}: it must be {shape}")]
pub struct BadName {
    /// The kind of name, such as `share id`.
    pub what: &'static str,
    /// The shape that such a name has, in words.
    pub shape: &'static str,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $what:literal, $shape:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.into())) } else { Err(BadName { what: $what, shape: $shape }) }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($type), self.0)
            }
        }
    };
}

name_type!(
    /// A share's public name: 26 characters of `a-z2-7`, from 128 random bits. Anybody who knows it may read a share that is visible by its link.
    ShareId,
    "share id",
    "26 characters of a-z and 2-7",
    |text| text.len() == 26 && text.bytes().all(|b| BASE32.contains(&b))
);

name_type!(
    /// A producer's name for the session that it shares: 1 to 128 letters, digits and `_ . : @ = + ~ -`, with no dot first.
    SessionId,
    "session id",
    "1 to 128 letters, digits or _ . : @ = + ~ - with no dot first",
    |text| is_word(text, crate::share::limits::SESSION_ID_BYTES_MAX, b"_.:@=+~-")
);

name_type!(
    /// The name of an account, which owns shares: 1 to 64 letters, digits and `_ . @ -`, with no dot first.
    AccountId,
    "account",
    "1 to 64 letters, digits or _ . @ - with no dot first",
    |text| is_word(text, 64, b"_.@-")
);

name_type!(
    /// A grant's public name within its share: 16 characters of `a-z2-7`, from 80 random bits.
    GrantId,
    "grant id",
    "16 characters of a-z and 2-7",
    |text| text.len() == 16 && text.bytes().all(|b| BASE32.contains(&b))
);

name_type!(
    /// A producer's name for itself in batch stamps: 1 to 64 letters, digits and `_ -`, picked at random.
    ProducerId,
    "producer id",
    "1 to 64 letters, digits, _ or -",
    |text| is_word(text, 64, b"_-")
);

name_type!(
    /// A stored token's public name: 16 characters of `a-z2-7`, from 80 random bits. It gives no access by itself.
    TokenId,
    "token id",
    "16 characters of a-z and 2-7",
    |text| text.len() == 16 && text.bytes().all(|b| BASE32.contains(&b))
);

name_type!(
    /// The name of a host from its start to its end: 26 characters of `a-z2-7`, from 128 random bits. A host that starts again has another.
    HostId,
    "host id",
    "26 characters of a-z and 2-7",
    |text| text.len() == 26 && text.bytes().all(|b| BASE32.contains(&b))
);

name_type!(
    /// The name of a store, which all hosts over one bucket have in common: 26 characters of `a-z2-7`, from 128 random bits. It is
    /// not secret.
    StoreId,
    "store id",
    "26 characters of a-z and 2-7",
    |text| text.len() == 26 && text.bytes().all(|b| BASE32.contains(&b))
);

/// RFC 4648 base32 in lower case, so that ids survive file systems and people that do not mind case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

impl ShareId {
    /// Makes an id from 128 random bits.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        // 26 digits of 5 bits hold 130: the first digit has two bits less than the others.
        Self(base32(bits, 26).into())
    }
}

impl HostId {
    /// Makes an id from 128 random bits.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        Self(base32(bits, 26).into())
    }
}

impl StoreId {
    /// Makes an id from 128 random bits.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        Self(base32(bits, 26).into())
    }
}

impl GrantId {
    /// Makes an id from the lowest 80 of these random bits.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        Self(base32(bits, 16).into())
    }
}

impl TokenId {
    /// Makes an id from the lowest 80 of these random bits.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        let text: String = (0..16).rev().map(|digit| char::from(BASE32[(bits >> (5 * digit)) as usize & 31])).collect();
        Self(text.into())
    }
}

impl ProducerId {
    /// Makes an id from 128 random bits: 32 hexadecimal digits.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        Self(format!("{bits:032x}").into())
    }
}

fn base32(bits: u128, digits: usize) -> String {
    (0..digits).rev().map(|digit| char::from(BASE32[(bits >> (5 * digit)) as usize & 31])).collect()
}

fn is_word(text: &str, bytes_max: usize, marks: &[u8]) -> bool {
    !text.is_empty()
        && text.len() <= bytes_max
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || marks.contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_id_from_bits_parses_and_different_bits_differ() {
        let ids: Vec<_> = [0, 1, 2, u128::MAX, u128::MAX - 1, 1 << 127].map(ShareId::from_bits).into();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(id.as_str().parse::<ShareId>().as_ref(), Ok(id));
            assert!(ids[n + 1..].iter().all(|other| other != id));
        }
    }

    #[test]
    fn a_grant_id_from_bits_parses_and_different_bits_differ() {
        let ids: Vec<_> = [0, 1, 31, 32, 1 << 79].map(GrantId::from_bits).into();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(id.as_str().parse::<GrantId>().as_ref(), Ok(id));
            assert!(ids[n + 1..].iter().all(|other| other != id));
        }
    }

    #[test]
    fn names_that_could_leave_their_folder_are_refused() {
        for bad in ["", ".", "..", "../x", "a/b", "a%2fb", ".hidden", "a b", "a\0", "é", &"x".repeat(129)] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
            assert!(bad.parse::<AccountId>().is_err(), "{bad}");
            assert!(bad.parse::<ProducerId>().is_err(), "{bad}");
            assert!(bad.parse::<ShareId>().is_err(), "{bad}");
        }
        assert!("ses_e04c5f21effeI8gLqiRejqb71y".parse::<SessionId>().is_ok());
        assert!("ann@example.org".parse::<AccountId>().is_ok());
    }
}
