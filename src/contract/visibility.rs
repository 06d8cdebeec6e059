//! Visibilities: from the domain's type to Cap'n Proto and back.

use crate::contract::error::{read_refusal, write_refusal};
use crate::contract::read_error::ReadError;
use crate::share::error::Refusal;
use crate::share::visibility::Visibility;
use crate::share_capnp::{self, visibility_result};

/// A visibility as it travels; `None` is sent as `unset`.
#[must_use]
pub fn write_visibility(visibility: Option<Visibility>) -> share_capnp::Visibility {
    match visibility {
        None => share_capnp::Visibility::Unset,
        Some(Visibility::Link) => share_capnp::Visibility::Link,
        Some(Visibility::Account) => share_capnp::Visibility::Account,
        Some(Visibility::Grant) => share_capnp::Visibility::Grant,
    }
}

/// Reads a visibility from what its getter gives; `None` if it is `unset`.
///
/// # Errors
/// This version does not know the visibility.
pub fn read_visibility(
    visibility: Result<share_capnp::Visibility, capnp::NotInSchema>,
) -> Result<Option<Visibility>, ReadError> {
    Ok(
        match visibility
            .map_err(|_| Refusal::invalid(0, "invalid visibility: this version knows link, account and grant"))?
        {
            share_capnp::Visibility::Unset => None,
            share_capnp::Visibility::Link => Some(Visibility::Link),
            share_capnp::Visibility::Account => Some(Visibility::Account),
            share_capnp::Visibility::Grant => Some(Visibility::Grant),
        },
    )
}

/// Writes the result of setting a visibility.
pub fn write_visibility_set(result: &Result<Visibility, Refusal>, mut to: visibility_result::Builder<'_>) {
    match result {
        Ok(visibility) => to.set_visibility(write_visibility(Some(*visibility))),
        Err(refusal) => write_refusal(refusal, to.reborrow().init_refused()),
    }
}

/// Reads the result of setting a visibility.
///
/// # Errors
/// The result is a refusal, or the message is malformed.
pub fn read_visibility_set(from: visibility_result::Reader<'_>) -> Result<Visibility, ReadError> {
    match from.which().map_err(capnp::Error::from)? {
        visibility_result::Which::Visibility(visibility) => Ok(read_visibility(visibility)?.unwrap_or_default()),
        visibility_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visibility_of_tomorrow_is_refused_with_what_to_use() {
        let refused = read_visibility(Err(capnp::NotInSchema(9)));
        assert!(matches!(&refused, Err(ReadError::Refused(Refusal::InvalidInput { .. }))), "{refused:?}");
        assert!(refused.unwrap_err().to_string().contains("link, account and grant"));
        assert_eq!(read_visibility(Ok(share_capnp::Visibility::Unset)).unwrap(), None);
    }
}
