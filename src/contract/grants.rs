//! Grants: from the domain's types to Cap'n Proto and back.

use crate::contract::convert::{len, name, never_is_0, some_unless_0, utf8};
use crate::contract::error::{read_refusal, write_refusal};
use crate::contract::read_error::ReadError;
use crate::share::error::Refusal;
use crate::share::grant::{GrantInfo, GrantToken, Right};
use crate::share::time::Timestamp;
use crate::share_capnp::{Right as WireRight, grants_result, save_result};

/// Writes the result of saving a capability.
pub fn write_saved(result: &Result<GrantToken, Refusal>, mut to: save_result::Builder<'_>) {
    match result {
        Ok(token) => {
            let mut facts = to.init_saved();
            facts.set_token(token.reveal());
            facts.set_grant_id(token.grant().as_str());
        }
        Err(refusal) => write_refusal(refusal, to.reborrow().init_refused()),
    }
}

/// Reads the result of saving a capability.
///
/// # Errors
/// The result is a refusal, or the message is malformed.
pub fn read_saved(from: save_result::Reader<'_>) -> Result<GrantToken, ReadError> {
    match from.which().map_err(capnp::Error::from)? {
        save_result::Which::Saved(facts) => GrantToken::parse(utf8(facts.get_token()?)?)
            .ok_or_else(|| capnp::Error::failed("the host sent an invalid token of a grant".into()).into()),
        save_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

/// Writes the list of a share's grants.
pub fn write_grants(result: &Result<Vec<GrantInfo>, Refusal>, mut to: grants_result::Builder<'_>) {
    match result {
        Ok(grants) => {
            let mut list = to.init_grants(len(grants));
            for (at, grant) in (0..).zip(grants) {
                let mut to = list.reborrow().get(at);
                to.set_id(grant.id.as_str());
                to.set_label(grant.label.as_str());
                to.set_right(wire_right(grant.right));
                to.set_created_at(grant.created_at.0);
                to.set_expires_at(never_is_0(grant.expires_at));
            }
        }
        Err(refusal) => write_refusal(refusal, to.reborrow().init_refused()),
    }
}

/// Reads the list of a share's grants.
///
/// # Errors
/// The result is a refusal, or the message is malformed.
pub fn read_grants(from: grants_result::Reader<'_>) -> Result<Vec<GrantInfo>, ReadError> {
    match from.which().map_err(capnp::Error::from)? {
        grants_result::Which::Grants(grants) => grants?
            .iter()
            .map(|grant| {
                Ok(GrantInfo {
                    id: name(grant.get_id()?)?,
                    label: utf8(grant.get_label()?)?.parse()?,
                    right: right(grant.get_right())?,
                    created_at: Timestamp(grant.get_created_at()),
                    expires_at: some_unless_0(grant.get_expires_at()),
                })
            })
            .collect(),
        grants_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

fn wire_right(right: Right) -> WireRight {
    match right {
        Right::Full => WireRight::Full,
        Right::Write => WireRight::Write,
        Right::Read => WireRight::Read,
    }
}

fn right(right: Result<WireRight, capnp::NotInSchema>) -> Result<Right, ReadError> {
    match right {
        Ok(WireRight::Full) => Ok(Right::Full),
        Ok(WireRight::Write) => Ok(Right::Write),
        Ok(WireRight::Read) => Ok(Right::Read),
        Err(capnp::NotInSchema(_)) => {
            Err(Refusal::invalid(0, "this version does not know the right of a grant: use a newer version").into())
        }
    }
}
