//! What must hold of a history when it is over.
//!
//! Answers carry the order, so [`in_real_time`] is complete for us in O(n log n); [`linearizable`] asks somebody else's checker,
//! which knows nothing of numbers but that a sync answers with one. That tries all orders of what is open: histories in which more
//! than [`OPEN_MAX`] operations are open at the end are not shown to it.

use std::collections::BTreeMap;

use stateright::semantics::{ConsistencyTester as _, LinearizabilityTester, SequentialSpec};

use super::history::{History, Label, Op, Operation, Ret};
use super::order::Order;

/// Operations that may be open at the end for the other checker: 4 make 65 ordered choices of some of them (all of 0 to 4 of 4), which
/// is tried at each place; 8 make 109,601.
pub(super) const OPEN_MAX: usize = 4;

/// After every sync.
const GONE: u64 = u64::MAX - 1;

/// Of two operations of which one had ended when the other began, the first has the lower place: syncs by their numbers, reads
/// after the sync whose state they saw, then the deletion, then whatever met it.
pub(super) fn in_real_time(history: &History, order: &Order) -> Result<(), String> {
    let mut placed: Vec<(u64, u64, u64, Operation)> = Vec::new();
    for operation in history.operations() {
        let (ended, ret) = operation.returned.map_or((u64::MAX, None), |(at, ret)| (at, Some(ret)));
        let begun = operation.invoked;
        let known = match operation.op {
            Op::Sync(label) => order.count_of(label),
            Op::Read | Op::Delete => None,
        };
        if let Some(count) = known {
            // One that met the deletion may have been applied before; when, nobody knows.
            let ended = if ret == Some(Ret::Gone) { u64::MAX } else { ended };
            placed.push((2 * count, begun, ended, operation.clone()));
        }
        match (operation.op, ret) {
            (Op::Sync(label), Some(Ret::Count(count))) if known != Some(count) => {
                return Err(format!("sync {label} was answered {count}, and is {known:?}"));
            }
            (Op::Sync(label), Some(Ret::Applied)) if known.is_none() && !deleted(history) => {
                return Err(format!("sync {label} was acknowledged and is not there"));
            }
            (Op::Read, Some(Ret::State(count))) => placed.push((2 * count + 1, begun, ended, operation)),
            (Op::Delete, Some(Ret::Gone)) => placed.push((GONE, begun, ended, operation)),
            (Op::Sync(_) | Op::Read, Some(Ret::Gone)) => placed.push((GONE + 1, begun, ended, operation)),
            _ => {}
        }
    }
    placed.sort_by_key(|(place, begun, ..)| (*place, *begun));
    let mut latest: Option<(u64, u64, Operation)> = None;
    let mut pending: Option<(u64, u64, Operation)> = None;
    for (place, begun, ended, operation) in placed {
        // Only what has a strictly lower place counts.
        if pending.as_ref().is_some_and(|(of, ..)| *of < place) {
            latest = latest.max_by(pending.take());
        }
        if let Some((_, other_begun, other)) = &latest
            && ended < *other_begun
        {
            return Err(format!("{operation:?} had ended before {other:?} began, and comes after it"));
        }
        pending = pending.max_by(Some((place, begun, operation)));
    }
    in_order_of_producers(history, order)
}

trait Later {
    fn max_by(self, other: Self) -> Self;
}

impl Later for Option<(u64, u64, Operation)> {
    /// The one that began later.
    fn max_by(self, other: Self) -> Self {
        match (&self, &other) {
            (Some((_, one, _)), Some((_, two, _))) if one >= two => self,
            (_, Some(_)) => other,
            (_, None) => self,
        }
    }
}

/// No batch of a producer comes after a later one of it, nor one of an epoch after one of the next.
fn in_order_of_producers(history: &History, order: &Order) -> Result<(), String> {
    let mut last: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    for label in order.labels().into_values() {
        let sent = history.sent(label);
        let Some(stamp) = sent.stamp else { continue };
        if last.insert(sent.client, stamp).is_some_and(|before| before >= stamp) {
            return Err(format!("sync {label} of producer {} came after a later one", sent.client));
        }
    }
    Ok(())
}

/// Whether somebody asked for the deletion.
pub(super) fn deleted(history: &History) -> bool {
    history.has_invoked(Op::Delete)
}

/// A share as the contract tells it: syncs in some order, until it is deleted.
#[derive(Debug, Clone, Default)]
struct Share {
    syncs: Vec<Label>,
    deleted: bool,
}

#[derive(Debug, Clone)]
enum Asked {
    Sync(Label),
    Read,
    Delete,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Count(usize),
    Syncs(Vec<Label>),
    Gone,
}

impl SequentialSpec for Share {
    type Op = Asked;
    type Ret = Told;

    fn invoke(&mut self, asked: &Asked) -> Told {
        match asked {
            Asked::Delete => {
                self.deleted = true;
                Told::Gone
            }
            Asked::Sync(_) | Asked::Read if self.deleted => Told::Gone,
            Asked::Sync(label) => {
                self.syncs.push(*label);
                Told::Count(self.syncs.len())
            }
            Asked::Read => Told::Syncs(self.syncs.clone()),
        }
    }
}

/// One order of all operations explains every answer. An operation whose outcome nobody was told is open, until somebody saw
/// what came of it. `false`: too many are open, and it was not asked.
pub(super) fn linearizable(history: &History, order: &Order) -> Result<bool, String> {
    let labels = order.labels();
    let up_to = |count: u64| labels.range(..=count).map(|(_, label)| *label).collect::<Vec<_>>();
    // By moment: who, and what was asked or told.
    let mut events: Vec<(u64, usize, Result<Asked, Told>)> = Vec::new();
    let mut threads = 1_000;
    // The tester tries threads in the order of their names, and what it tries in vain it tries again with all that is open
    // in every order. So the deletion comes last, and what is open and explains nothing is left out: without a number that
    // nobody is known to have, nothing that was told depends on it.
    const DELETER: usize = usize::MAX;
    let gaps = labels.last_key_value().is_some_and(|(last, _)| *last != labels.len() as u64);
    for Operation { client, op, invoked, returned } in history.operations() {
        let ret = returned.map(|(_, ret)| ret);
        let at = returned.map_or(u64::MAX, |(at, _)| at);
        // A client is a thread until it gives up waiting for an answer, which from then on has a thread of its own.
        let mut alone = || {
            threads += 1;
            threads
        };
        match (op, ret) {
            (Op::Sync(label), Some(Ret::Count(count))) => {
                events.push((invoked, client, Ok(Asked::Sync(label))));
                events.push((at, client, Err(Told::Count(count as usize))));
            }
            (Op::Sync(label), ret) => {
                let thread = alone();
                let end = if ret == Some(Ret::Applied) { at } else { u64::MAX };
                if gaps || order.count_of(label).is_some() {
                    events.push((invoked, thread, Ok(Asked::Sync(label))));
                }
                if let Some(count) = order.count_of(label) {
                    events.push((end, thread, Err(Told::Count(count as usize))));
                }
                if ret == Some(Ret::Gone) {
                    events.push((invoked, client, Ok(Asked::Read)));
                    events.push((at, client, Err(Told::Gone)));
                }
            }
            (Op::Read, Some(Ret::State(count))) => {
                events.push((invoked, client, Ok(Asked::Read)));
                events.push((at, client, Err(Told::Syncs(up_to(count)))));
            }
            (Op::Read, Some(_)) => {
                events.push((invoked, client, Ok(Asked::Read)));
                events.push((at, client, Err(Told::Gone)));
            }
            (Op::Read, None) => {}
            (Op::Delete, ret) => {
                events.push((invoked, DELETER, Ok(Asked::Delete)));
                if ret.is_some() {
                    events.push((at, DELETER, Err(Told::Gone)));
                }
            }
        }
    }
    events.sort_by_key(|(moment, ..)| *moment);
    let (asked, told): (Vec<_>, Vec<_>) = events.iter().partition(|(.., event)| event.is_ok());
    if asked.len() - told.len() > OPEN_MAX {
        return Ok(false);
    }
    let mut tester = LinearizabilityTester::new(Share::default());
    for (_, thread, event) in events {
        match event {
            Ok(asked) => tester.on_invoke(thread, asked)?,
            Err(told) => tester.on_return(thread, told)?,
        };
    }
    if tester.is_consistent() { Ok(true) } else { Err("no order of the operations explains the answers".to_owned()) }
}
