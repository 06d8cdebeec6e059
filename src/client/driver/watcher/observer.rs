//! The object that the host calls with news of a share: it gathers pieces into steps and hands these on, one at a time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::client::error::ClientError;
use crate::client::session::Session;
use crate::contract::convert::read_step;
use crate::contract::error::read_refusal;
use crate::share::error::Refusal;
use crate::share::revision::Revision;
use crate::share::view::Step;
use crate::share_capnp::observer;

/// The position of a watch, over all its subscriptions.
#[derive(Debug)]
pub(super) struct Position {
    /// Every change up to this revision was handed on.
    pub(super) revision: Cell<Revision>,
    /// The sync count of the last step; `None` before the first.
    pub(super) sync_count: Cell<Option<u64>>,
}

/// A step on its way to the consumer, or the reason that there are no more.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) step: Result<Step, ClientError>,
    /// Told when the consumer has taken the step.
    pub(crate) taken: oneshot::Sender<()>,
}

/// The end of a subscription as the host told it. A subscription that ends without it had its observer dropped.
#[derive(Debug)]
pub(super) enum Over {
    Refused(Refusal),
    Failed(String),
}

pub(super) struct Observer {
    steps: mpsc::Sender<Delivery>,
    position: Rc<Position>,
    /// The pieces that came so far of a step that is not whole yet.
    pieces: RefCell<Option<Step>>,
    over: Cell<Option<oneshot::Sender<Over>>>,
    /// Cancelled when the client has gone on at another connection, where the watch is then begun again.
    gone: CancellationToken,
}

impl Observer {
    pub(super) fn new(
        steps: mpsc::Sender<Delivery>,
        position: Rc<Position>,
        session: &Session,
    ) -> (Self, oneshot::Receiver<Over>) {
        let (over, is_over) = oneshot::channel();
        let (pieces, over) = (RefCell::new(None), Cell::new(Some(over)));
        (Self { steps, position, pieces, over, gone: session.gone.clone() }, is_over)
    }

    /// Adds a piece, and gives the step if it is whole now. The error says that the host skipped changes.
    fn gather(&self, piece: Step) -> Result<Option<Step>, String> {
        let mut pieces = self.pieces.borrow_mut();
        let mut step = match pieces.take() {
            Some(mut step) => {
                if piece.reset {
                    step.changes.clear();
                    (step.reset, step.base) = (true, Revision::EMPTY);
                }
                step.changes.extend(piece.changes);
                (step.revision, step.sync_count, step.more) = (piece.revision, piece.sync_count, piece.more);
                step
            }
            None => piece,
        };
        let stands_at = self.position.revision.get();
        if step.reset {
            step.base = Revision::EMPTY;
        } else if step.base != stands_at {
            return Err(format!(
                "the host sent changes from revision {} on, but the watch is at revision {stands_at}",
                step.base
            ));
        }
        if step.more {
            *pieces = Some(step);
            return Ok(None);
        }
        Ok(Some(step))
    }

    fn end(&self, over: Over) {
        if let Some(sender) = self.over.take() {
            // The watch may have been dropped.
            let _gone = sender.send(over);
        }
    }
}

impl observer::Server for Observer {
    async fn changed(
        self: Rc<Self>,
        params: observer::ChangedParams,
        _: observer::ChangedResults,
    ) -> Result<(), capnp::Error> {
        let read = read_step(params.get()?.get_event()?).map_err(|error| error.to_string());
        drop(params);
        let step = match read.and_then(|piece| self.gather(piece)) {
            Ok(Some(step)) => step,
            Ok(None) => return Ok(()),
            Err(text) => {
                self.end(Over::Failed(text.clone()));
                return Err(capnp::Error::failed(text));
            }
        };
        let (revision, sync_count) = (step.revision, step.sync_count);
        let says_nothing = step.changes.is_empty()
            && !step.reset
            && revision == self.position.revision.get()
            && self.position.sync_count.get() == Some(sync_count);
        if says_nothing {
            return Ok(());
        }
        let (taken, was_taken) = oneshot::channel();
        let dropped = |_| capnp::Error::failed("the watch was dropped".into());
        tokio::select! {
            biased;
            // Another connection tells of this step, too.
            () = self.gone.cancelled() => {
                return Err(capnp::Error::failed("the watch goes on over another connection".into()));
            }
            sent = self.steps.send(Delivery { step: Ok(step), taken }) => sent.map_err(dropped)?,
        }
        // It will be taken even if this call is cancelled while it waits.
        self.position.revision.set(revision);
        self.position.sync_count.set(Some(sync_count));
        was_taken.await.map_err(|_| capnp::Error::failed("the watch was dropped".into()))
    }

    async fn ended(
        self: Rc<Self>,
        params: observer::EndedParams,
        _: observer::EndedResults,
    ) -> Result<(), capnp::Error> {
        let refusal = read_refusal(params.get()?.get_reason()?)?;
        self.end(Over::Refused(refusal));
        Ok(())
    }
}
