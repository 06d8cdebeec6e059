//! How a question to those who watch a share ended, read from Cap'n Proto.

use std::collections::BTreeMap;

use crate::contract::convert::utf8;
use crate::contract::error::read_refusal;
use crate::contract::read_error::ReadError;
use crate::share::ask::{Outcome, Settled};
use crate::share_capnp::{AskOutcome, ask_result};

/// Reads how a question ended.
///
/// # Errors
/// The host refused it, or the message is damaged.
pub fn read_settled(from: ask_result::Reader<'_>) -> Result<Settled, ReadError> {
    let settled = match from.which().map_err(capnp::Error::from)? {
        ask_result::Which::Settled(settled) => settled,
        ask_result::Which::Refused(refusal) => return Err(read_refusal(refusal?)?.into()),
    };
    let outcome = match settled.get_outcome().map_err(capnp::Error::from)? {
        AskOutcome::Agreed => Outcome::Agreed(utf8(settled.get_choice()?)?.to_owned()),
        AskOutcome::Expired => Outcome::Expired,
        AskOutcome::Withdrawn => Outcome::Withdrawn,
    };
    let count = |count: crate::share_capnp::choice_count::Reader<'_>| {
        Ok((utf8(count.get_choice()?)?.to_owned(), count.get_count()))
    };
    let counts = settled.get_counts()?.iter().map(count).collect::<Result<BTreeMap<_, _>, ReadError>>()?;
    Ok(Settled::new(outcome, counts))
}
