//! Results that are written from what the hub gives.

use crate::contract::convert::{write_damaged, write_listing};
use crate::contract::error::write_refusal;
use crate::rooms::Page;
use crate::rooms::ballot::{Settled, Verdict};
use crate::share::error::Refusal;
use crate::share_capnp::{AskOutcome, ask_result, delete_result, list_result};

/// Writes a page of a listing.
pub(super) fn write_page(result: &Result<Page, Refusal>, mut to: list_result::Builder<'_>) {
    match result {
        Ok(page) => {
            let mut facts = to.init_page();
            facts.set_next_cursor(page.next_cursor.as_str());
            let mut damaged = facts.reborrow().init_damaged(u32::try_from(page.damaged.len()).unwrap_or(u32::MAX));
            for (at, session) in (0..).zip(&page.damaged) {
                write_damaged(session, damaged.reborrow().get(at));
            }
            let mut shares = facts.init_shares(u32::try_from(page.shares.len()).unwrap_or(u32::MAX));
            for (at, listing) in (0..).zip(&page.shares) {
                write_listing(listing, shares.reborrow().get(at));
            }
        }
        Err(refusal) => write_refusal(refusal, to.reborrow().init_refused()),
    }
}

/// Writes how a question ended.
pub(super) fn write_settled(result: &Result<Settled, Refusal>, mut to: ask_result::Builder<'_>) {
    let Settled { outcome, counts, .. } = match result {
        Ok(settled) => settled,
        Err(refusal) => return write_refusal(refusal, to.init_refused()),
    };
    let mut to = to.reborrow().init_settled();
    match outcome {
        Verdict::Agreed(choice) => {
            to.set_outcome(AskOutcome::Agreed);
            to.set_choice(choice.as_str());
        }
        Verdict::Expired => to.set_outcome(AskOutcome::Expired),
        Verdict::Withdrawn | Verdict::Drained => to.set_outcome(AskOutcome::Withdrawn),
    }
    let mut list = to.init_counts(u32::try_from(counts.len()).unwrap_or(u32::MAX));
    for (at, (choice, count)) in (0..).zip(counts) {
        let mut to = list.reborrow().get(at);
        to.set_choice(choice.as_str());
        to.set_count(*count as u64);
    }
}

/// Writes what a deletion came to.
pub(super) fn write_deleted(result: &Result<(), Refusal>, mut to: delete_result::Builder<'_>) {
    match result {
        Ok(()) => to.set_deleted(()),
        Err(refusal) => write_refusal(refusal, to.init_refused()),
    }
}
