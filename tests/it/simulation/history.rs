//! What clients asked for and what they were answered, in the order in which that happened.

use std::cell::RefCell;

use capshare::share::change::Batch;

/// One batch that somebody sends, by its place in [`History::batches`].
pub(super) type Label = usize;

/// What a client asks of the share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Sync(Label),
    /// A read that must not be stale.
    Read,
    Delete,
}

/// What it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Ret {
    /// The sync's number.
    Count(u64),
    /// The sync was applied, and which number it has was not told: a create that found the share.
    Applied,
    /// The state after so many syncs.
    State(u64),
    /// The share is deleted.
    Gone,
}

/// One operation. Moments are numbers that rise with everything that is noted.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) client: usize,
    pub(super) op: Op,
    pub(super) invoked: u64,
    /// `None`: nobody knows what became of it.
    pub(super) returned: Option<(u64, Ret)>,
}

/// A batch and who sends it.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) client: usize,
    /// As in its stamp; batches of one producer are applied in the order of these.
    pub(super) stamp: Option<(u64, u64)>,
    pub(super) batch: Batch,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct History {
    inner: RefCell<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    now: u64,
    operations: Vec<Operation>,
    batches: Vec<Sent>,
}

impl History {
    pub(super) fn next_label(&self) -> Label {
        self.inner.borrow().batches.len()
    }

    pub(super) fn sends(&self, sent: Sent) -> Label {
        let mut inner = self.inner.borrow_mut();
        inner.batches.push(sent);
        inner.batches.len() - 1
    }

    pub(super) fn invoke(&self, client: usize, op: Op) -> usize {
        let mut inner = self.inner.borrow_mut();
        inner.now += 1;
        let invoked = inner.now;
        inner.operations.push(Operation { client, op, invoked, returned: None });
        inner.operations.len() - 1
    }

    pub(super) fn answered(&self, operation: usize, ret: Ret) {
        let mut inner = self.inner.borrow_mut();
        inner.now += 1;
        let now = inner.now;
        inner.operations[operation].returned = Some((now, ret));
    }

    pub(super) fn operations(&self) -> Vec<Operation> {
        self.inner.borrow().operations.clone()
    }

    pub(super) fn batch(&self, label: Label) -> Batch {
        self.inner.borrow().batches[label].batch.clone()
    }

    pub(super) fn sent(&self, label: Label) -> Sent {
        self.inner.borrow().batches[label].clone()
    }

    /// Whether this was asked for so far.
    pub(super) fn has_invoked(&self, op: Op) -> bool {
        self.inner.borrow().operations.iter().any(|operation| operation.op == op)
    }
}
