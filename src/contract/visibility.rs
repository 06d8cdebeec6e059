//! Visibilities, from the domain to Cap'n Proto and back.

use crate::contract::convert::ReadError;
use crate::contract::error::{read_refusal, write_refusal};
use crate::share::error::Refusal;
use crate::share::visibility::Visibility;
use crate::share_capnp::{self, visibility_result};

/// A visibility on the wire; `None`: not said.
#[must_use]
pub fn write_visibility(visibility: Option<Visibility>) -> share_capnp::Visibility {
    match visibility {
        None => share_capnp::Visibility::Unset,
        Some(Visibility::Link) => share_capnp::Visibility::Link,
        Some(Visibility::Account) => share_capnp::Visibility::Account,
        Some(Visibility::Grant) => share_capnp::Visibility::Grant,
    }
}

/// A visibility from the wire; `None`: not said.
#[must_use]
pub fn read_visibility(visibility: share_capnp::Visibility) -> Option<Visibility> {
    match visibility {
        share_capnp::Visibility::Unset => None,
        share_capnp::Visibility::Link => Some(Visibility::Link),
        share_capnp::Visibility::Account => Some(Visibility::Account),
        share_capnp::Visibility::Grant => Some(Visibility::Grant),
    }
}

/// Writes what setting a visibility came to.
pub fn write_visibility_set(result: &Result<Visibility, Refusal>, mut to: visibility_result::Builder<'_>) {
    match result {
        Ok(visibility) => to.set_visibility(write_visibility(Some(*visibility))),
        Err(refusal) => write_refusal(refusal, to.reborrow().init_refused()),
    }
}

/// Reads what setting a visibility came to.
///
/// # Errors
/// A refusal, or a malformed message.
pub fn read_visibility_set(from: visibility_result::Reader<'_>) -> Result<Visibility, ReadError> {
    match from.which().map_err(capnp::Error::from)? {
        visibility_result::Which::Visibility(visibility) => {
            Ok(read_visibility(visibility.map_err(capnp::Error::from)?).unwrap_or_default())
        }
        visibility_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}
