//! Reading a whole share in chunks, while it changes, and while the connection may come to lead to another host.
//!
//! A pass asks for what changed since the revision of the replica, and gets it in chunks of the state as it is at the time of each.
//! What changes meanwhile is asked for in the next pass, which begins at the revision of this one's first chunk; a pass of one chunk is
//! the last. A host that is behind one that was asked before cannot tell what that one already told: then all begins anew.

use std::ops::ControlFlow;

use crate::client::mutation::{Mutation, Planted};
use crate::client::replica::Replica;
use crate::share::revision::Revision;
use crate::share::view::Chunk;

/// A snapshot that is being read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    replica: Replica,
    /// The newest revision at which a chunk of the replica was read.
    newest: Revision,
    /// The pass that has begun and not ended.
    pass: Option<Pass>,
    planted: Planted,
}

/// What the first chunk of a pass said, and where the next chunk begins.
#[derive(Debug)]
struct Pass {
    revision: Revision,
    sync_count: u64,
    cursor: u64,
}

impl Reading {
    pub(crate) fn new(planted: Planted) -> Self {
        Self { planted, ..Self::default() }
    }

    /// The revision and the cursor to ask with for the next chunk.
    pub(crate) fn next(&self) -> (Revision, u64) {
        (self.replica.revision(), self.pass.as_ref().map_or(0, |pass| pass.cursor))
    }

    /// Takes the chunk that was asked for. Breaks with the replica when it is the share as of its revision.
    pub(crate) fn take(mut self, chunk: &Chunk) -> ControlFlow<Replica, Self> {
        let Chunk { revision, sync_count, reset, ref changes, next_cursor: cursor, .. } = *chunk;
        let is_anew = self.replica.revision() == Revision::EMPTY;
        let is_of_no_use = match &self.pass {
            // A whole state in chunks is asked for as such: another host would leave out what it takes for known.
            None if reset => !is_anew && cursor != 0,
            None => revision < self.newest,
            Some(pass) => reset && !is_anew || revision < pass.revision,
        };
        if is_of_no_use {
            return ControlFlow::Continue(self.again(cursor));
        }
        let begins = self.pass.is_none();
        let pass = self.pass.get_or_insert(Pass { revision, sync_count, cursor });
        pass.cursor = cursor;
        self.newest = self.newest.max(revision);
        self.replica.fold(reset && begins, changes);
        if cursor == 0 {
            self.replica.stand_at(pass.revision, pass.sync_count);
            self.pass = None;
            if begins {
                return ControlFlow::Break(self.replica);
            }
        }
        ControlFlow::Continue(self)
    }

    /// The snapshot from its beginning.
    fn again(self, cursor: u64) -> Self {
        let mut again = Self::new(self.planted);
        if let Some(pass) = self.pass.filter(|_| cursor == 0 && self.planted.is(Mutation::ForgetReset)) {
            again.replica.stand_at(pass.revision, pass.sync_count);
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::share::change::{Batch, Change};
    use crate::share::entry::Entry;
    use crate::share::item::{ItemKey, Payload};
    use crate::share::secret::SecretHash;
    use crate::share::state::State;
    use crate::share::time::Timestamp;

    /// A change of an item: its number, and whether it is removed.
    type Step = (u8, bool);

    /// The states of a share, one for each revision.
    fn states(steps: &[Step]) -> Vec<State> {
        let mut state = State::default();
        let (at, account, session) = (Timestamp(0), "ann".parse().unwrap(), "ses".parse().unwrap());
        state.apply(&Entry::Open { at, account, session, secret: SecretHash([0; 32]), expires_at: None });
        let mut states = Vec::new();
        for (n, (item, is_removed)) in steps.iter().enumerate() {
            let key = ItemKey::other("note", Some(&item.to_string())).unwrap();
            let value = (!is_removed).then(|| Payload::from_checked_json(&format!(r#"{{"id":"{item}","n":{n}}}"#)));
            let batch = Batch { stamp: None, changes: vec![Change { key, value }] };
            state.apply(&Entry::Sync { at, batch });
            if states.last().is_none_or(|last: &State| last.revision() < state.revision()) {
                states.push(state.clone());
            }
        }
        states
    }

    fn held<'a>(items: impl Iterator<Item = (&'a ItemKey, &'a Payload)>) -> BTreeMap<&'a str, &'a str> {
        items.map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }

    /// Reads a snapshot whose chunks come from these hosts, one after the other, and then from the last state.
    fn snapshot<'a>(states: &'a [State], hosts: impl Iterator<Item = &'a State>, chunk_bytes: usize) -> Replica {
        let mut reading = Reading::default();
        for host in hosts.chain(std::iter::repeat(states.last().unwrap())).take(1_000) {
            let (since, cursor) = reading.next();
            match reading.take(&host.read(since, cursor, chunk_bytes)) {
                ControlFlow::Continue(next) => reading = next,
                ControlFlow::Break(replica) => return replica,
            }
        }
        panic!("the snapshot never ended");
    }

    fn is_of_its_revision(replica: &Replica, states: &[State]) -> bool {
        let state = states.iter().find(|state| state.revision() == replica.revision()).unwrap();
        held(replica.iter()) == held(state.items())
    }

    /// A pass from revision 4 on begins with the whole state of a host that is at 2, in chunks, and goes on at one that knows of 4.
    #[test]
    fn a_whole_state_in_chunks_is_not_gone_on_with_by_a_host_that_takes_it_for_known() {
        let states = states(&[(0, false), (1, false), (2, false), (3, false), (4, false), (0, false)]);
        let hosts = [4, 4, 4, 4, 2, 6].map(|revision| &states[revision - 1]);
        let replica = snapshot(&states, hosts.into_iter(), 1);
        assert!(is_of_its_revision(&replica, &states), "{replica:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Each chunk comes from a host that is at some revision, ahead of the one before or behind it.
        #[test]
        fn a_snapshot_is_the_state_of_its_revision_whichever_hosts_give_its_chunks(
            steps in prop::collection::vec((0..12_u8, prop::bool::weighted(0.3)), 1..40),
            hosts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
            chunk_bytes in 1..200_usize,
        ) {
            let states = states(&steps);
            prop_assume!(!states.is_empty());
            let replica = snapshot(&states, hosts.iter().map(|host| host.get(&states)), chunk_bytes);
            prop_assert!(is_of_its_revision(&replica, &states), "{:?}", replica);
        }
    }
}
