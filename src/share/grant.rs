//! Grants: rights on a share that its owner hands out as tokens, and what the log keeps of them.
//!
//! A capability on a share is saved as a [`GrantToken`]: a text that its holder turns into that capability again. The
//! log keeps a [`Grant`], with the hash of the token; owners are shown the [`GrantInfo`] in it, which has no hash. A grant that
//! was made by way of another one is its child, and is revoked with it.

use std::fmt;

use crate::share::error::Refusal;
use crate::share::id::{GrantId, ShareId};
use crate::share::limits::{GRANT_LABEL_BYTES_MAX, Limit};
use crate::share::secret::{Secret, SecretHash, base64url};
use crate::share::time::Timestamp;

/// What a capability on a share may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// Everything: write, read, hand out grants, set visibility and expiry, and delete the share.
    Full,
    /// Add to the share and set its expiry, and nothing else.
    Write,
    /// Read the share, and nothing else.
    Read,
}

impl Right {
    /// The right's name in the log and in listings: `full`, `write` or `read`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Write => "write",
            Self::Read => "read",
        }
    }

    /// The right with this name; `None` if there is no such right.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Full, Self::Write, Self::Read].into_iter().find(|right| right.as_str() == name)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A grant, as an owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantInfo {
    /// The grant's name, unique within its share.
    pub id: GrantId,
    /// What the owner calls the grant; may be empty.
    pub label: Label,
    /// What the holder of the grant's token may do.
    pub right: Right,
    /// When the grant was made.
    pub created_at: Timestamp,
    /// When the grant expires; `None` if it is valid until it is revoked.
    pub expires_at: Option<Timestamp>,
}

/// A grant, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The part of the grant that its owner is shown.
    pub info: GrantInfo,
    /// The grant whose holder made this one; when it is revoked, this one is too. `None` if the owner made it.
    pub parent: Option<GrantId>,
    /// The hash of the grant's token.
    pub token: SecretHash,
}

/// What an owner calls a grant: at most [`GRANT_LABEL_BYTES_MAX`] bytes, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Label(Box<str>);

impl Label {
    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Label {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.len() > GRANT_LABEL_BYTES_MAX {
            return Err(Refusal::limit(Limit::GrantLabelBytesMax, GRANT_LABEL_BYTES_MAX, text.len()));
        }
        if text.chars().any(char::is_control) {
            return Err(Refusal::invalid(0, "invalid label: it must not hold line breaks or other control characters"));
        }
        Ok(Self(text.into()))
    }
}

/// A saved capability: `capgr_`, the share's id, the grant's id, and 43 characters of base64url from 256 random bits, with `_`
/// between them. `Debug` and `Display` print none of the last; [`GrantToken::reveal`] is the only way to it.
///
/// The ids in it are no secret, and one of them is the share's: everybody who has a token knows the link.
#[derive(Clone, PartialEq, Eq)]
pub struct GrantToken {
    share: ShareId,
    grant: GrantId,
    text: Secret,
}

impl GrantToken {
    /// What the tokens of grants begin with, so that scanners for leaked credentials recognise them.
    pub const PREFIX: &'static str = "capgr_";

    /// Makes the token of a grant from random bytes.
    #[must_use]
    pub fn from_bytes(share: ShareId, grant: GrantId, bytes: [u8; 32]) -> Self {
        let text = format!("{}{share}_{grant}_{}", Self::PREFIX, base64url(bytes));
        Self { text: Secret::from(text.as_str()), share, grant }
    }

    /// Reads a token from its text; `None` if the text does not have the shape of a token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(Self::PREFIX)?.splitn(3, '_');
        let (share, grant) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let secret = parts.next()?;
        let is_base64url = secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (secret.len() == 43 && is_base64url).then(|| Self { share, grant, text: Secret::from(text) })
    }

    /// The share that the token is for.
    #[must_use]
    pub fn share(&self) -> &ShareId {
        &self.share
    }

    /// The grant that the token is for.
    #[must_use]
    pub fn grant(&self) -> &GrantId {
        &self.grant
    }

    /// The token's whole text as a secret: the log keeps its hash.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.text
    }

    /// The token's text, to send it or to hand it to the person that it is for. Never log it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.text.reveal()
    }
}

impl fmt::Debug for GrantToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for GrantToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}_{}_[secret]", Self::PREFIX, self.share, self.grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(bytes: [u8; 32]) -> GrantToken {
        GrantToken::from_bytes(ShareId::from_bits(7), GrantId::from_bits(9), bytes)
    }

    #[test]
    fn a_token_is_read_from_its_own_text_and_never_prints_its_secret() {
        for bytes in [[0; 32], [0xff; 32], std::array::from_fn(|n| n as u8 * 7)] {
            let token = token(bytes);
            assert_eq!(GrantToken::parse(token.reveal()).as_ref(), Some(&token));
            let shown = format!("{token} {token:?}");
            assert!(!shown.contains(&base64url(bytes)), "{shown}");
            assert!(shown.contains(token.share().as_str()) && shown.contains(token.grant().as_str()), "{shown}");
        }
    }

    #[test]
    fn what_has_not_the_shape_of_a_token_is_none() {
        let text = token([3; 32]).reveal().to_owned();
        for bad in [
            String::new(),
            "capgr_".into(),
            "capgr___".into(),
            text[..text.len() - 1].into(),
            format!("{text}A"),
            text.replace("capgr_", "capsec_"),
            text.replacen("capgr_a", "capgr_1", 1),
            format!("{}/", &text[..text.len() - 1]),
        ] {
            assert_eq!(GrantToken::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_label_is_short_and_of_one_line() {
        assert_eq!("".parse::<Label>(), Ok(Label::default()));
        assert_eq!("for Ann é".parse::<Label>().map(|label| label.to_string()), Ok("for Ann é".to_owned()));
        for bad in ["a\nb", "\u{1b}[2J", "\0"] {
            assert!(matches!(bad.parse::<Label>(), Err(Refusal::InvalidInput { .. })), "{bad:?}");
        }
        let long = "x".repeat(GRANT_LABEL_BYTES_MAX + 1);
        assert!(long[1..].parse::<Label>().is_ok());
        let limit = Refusal::limit(Limit::GrantLabelBytesMax, GRANT_LABEL_BYTES_MAX, GRANT_LABEL_BYTES_MAX + 1);
        assert_eq!(long.parse::<Label>(), Err(limit));
    }
}
