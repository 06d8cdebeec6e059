//! What a create without a credential gets: a share of its own.
//!
//! A share shows which session it is of, and everybody who has its link can read that. So a caller who shows no credential joins no
//! share by naming its session, and a caller who shows a credential never joins a share that such a caller made: the one would be
//! given a secret of somebody else's share, the other would write into a share that a stranger has a secret of. The index
//! keeps the shares of such callers apart, under names that the host makes and that no caller may ask for:
//!
//! - `~` and 26 characters, from the hash of the session's id: the first share that a session has without a credential. The
//!   name is taken once and never again, also after a deletion. The id of a session cannot be read from it, so the share shows
//!   that only with its first items.
//! - the first name, `~` and the share's id: every further share of that session.

use crate::access;
use crate::share::id::{AccountId, SessionId, ShareId};
use crate::share::secret::Secret;
use crate::store::{Store, StoreError};

/// What the names begin with, and what stands before a share's id in them.
const MARK: char = '~';

/// The name for a new share of a session: the first one if nobody ever had it, else one with the share's id.
pub(super) async fn name(
    store: &Store,
    account: &AccountId,
    session: &SessionId,
    share: &ShareId,
) -> Result<SessionId, StoreError> {
    let first = first_name(session);
    Ok(if store.was_claimed(account, &first).await? { further_name(session, share) } else { first })
}

/// The name of the first share of a session.
pub(super) fn first_name(session: &SessionId) -> SessionId {
    let hash = access::hash(&Secret::from(session.as_str())).0;
    let mut bits = [0; 16];
    bits.copy_from_slice(&hash[..16]);
    named(format!("{MARK}{}", ShareId::from_bits(u128::from_be_bytes(bits))))
}

/// The name of any further share of a session.
pub(super) fn further_name(session: &SessionId, share: &ShareId) -> SessionId {
    named(format!("{}{MARK}{share}", first_name(session)))
}

/// Whether a session's id has the form of the names that are made here.
pub(super) fn is_reserved(session: &SessionId) -> bool {
    session.as_str().strip_prefix(MARK).is_some_and(|rest| rest.split(MARK).all(|id| id.parse::<ShareId>().is_ok()))
}

#[expect(clippy::expect_used, reason = "base32 and tildes are a session id")]
fn named(name: String) -> SessionId {
    name.parse().expect("a session id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_made_here_are_reserved_and_tell_no_session() {
        let (session, share) = ("ses_1".parse().unwrap(), ShareId::from_bits(7));
        let (first, further) = (first_name(&session), further_name(&session, &share));
        assert!(is_reserved(&first) && is_reserved(&further));
        assert!(!first.as_str().contains("ses_1") && !further.as_str().contains("ses_1"));
        assert!(further.as_str().ends_with(share.as_str()) && further.as_str().len() == 54);
        for free in ["ses_1", "~", "~ses_1", "~~", share.as_str()] {
            assert!(!is_reserved(&free.parse().unwrap()), "{free}");
        }
    }
}
