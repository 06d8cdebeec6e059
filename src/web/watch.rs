//! Watches: following a share for a client, through the observer that it handed over.
//!
//! What runs for a watch takes events from its feed and hands them to the observer, one call at a time and each under a deadline;
//! the return is the acknowledgement. All watches of a connection wait for the client to read before they tell it more. Disposing of the
//! `Watch` ends it and releases the observer; where the host ends it, the observer's `ended` is told why.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{AbortHandle, abortable};
use tokio::time::timeout;

use crate::capnweb::Fault;
use crate::rooms::feed::Feed;
use crate::rooms::pass::Pass;
use crate::share::error::Refusal;
use crate::share::limits::web::{WEB_CHANGE_BYTES, WEB_ENVELOPE_BYTES};
use crate::share::view::{Changed, Step};
use crate::web::caller::{Answer, Caller, Context, Held, Running, Served};
use crate::web::functions::KeptObserver;
use crate::web::give::{New, Told};
use crate::web::names::Watching;
use crate::web::refused;
use crate::web::shapes::ShareEvent;
use crate::web::typed::Given as _;

/// How long an observer may take for one event: a large one over a slow line. The contract names the figure.
pub(super) const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(30);

/// A watch that the client holds.
#[derive(Debug)]
struct Watch {
    task: AbortHandle,
    _held: Held,
}

impl Served for Watch {
    fn call(&self, _: Context, _: &str, _: Vec<crate::capnweb::Value>) -> Option<(Running, bool)> {
        None
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts a watch, which the client ends by disposing of what this gives. When the pass is over nothing more is told.
pub(super) fn begin(caller: &Arc<Caller>, held: Held, feed: Feed, observer: KeptObserver, pass: Pass) -> New<Watching> {
    let (task, handle) = abortable(follow(Arc::clone(caller), feed, observer, pass));
    caller.link.spawn(task.map(drop).boxed());
    New::of(Watch { task: handle, _held: held })
}

/// Tells the observer each step of the feed, until it fails, or there is nothing more to tell; then it is told why.
async fn follow(caller: Arc<Caller>, mut feed: Feed, observer: KeptObserver, pass: Pass) {
    let (room, rooms) = (Arc::clone(feed.room()), Arc::clone(caller.hub.rooms()));
    // What came after a revocation is not told, however close it came.
    let check = || rooms.check(&room, &pass);
    let telling = async {
        loop {
            match feed.next().await {
                Ok(event) => {
                    if let Err(fault) = tell(&caller, &observer, event.step(), check).await {
                        return fault;
                    }
                }
                Err(refusal) => return refusal.into(),
            }
        }
    };
    let ended = tokio::select! {
        // The end of the pass first: it takes the call that is open with it.
        biased;
        refusal = rooms.until_over(&room, &pass) => Fault::from(refusal),
        fault = telling => fault,
    };
    if let Some(function) = &observer.ended {
        function.tell(&caller, Told(ended).give(&caller));
    }
}

/// Tells the observer one step, in as many calls as it needs frames.
///
/// # Errors
/// Why nothing more is told.
async fn tell(
    caller: &Arc<Caller>,
    observer: &KeptObserver,
    step: &Step,
    check: impl Fn() -> Result<(), Refusal>,
) -> Answer<()> {
    for range in ranges(&step.changes, caller.hub.settings().limits.message_bytes_max) {
        let turn = caller.until_a_step_fits().await;
        check()?;
        let piece = ShareEvent::piece(step, range).give(caller);
        let asked = observer.changed.begin(caller, piece)?;
        drop(turn);
        match timeout(ACKNOWLEDGE_WITHIN, asked).await.ok().flatten() {
            Some(Ok(_)) => {}
            Some(Err(_)) => return Err(refused::observer_failed()),
            None => return Err(refused::late("changed did not return within 30 s, and its watch is over")),
        }
    }
    Ok(())
}

/// Cuts changes into ranges of which each fits into a frame of so many bytes; what is too large alone is left out when it is told.
/// At least one range, which may be empty.
fn ranges(changes: &[Changed], frame_max: usize) -> Vec<Range<usize>> {
    let max = frame_max.saturating_sub(WEB_ENVELOPE_BYTES);
    let (mut ranges, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, changed) in changes.iter().enumerate() {
        // Arrays have two brackets more each on this wire, which at most doubles a text, but for its outermost pair.
        let size = 2 * changed.byte_count() + WEB_CHANGE_BYTES;
        if bytes + size > max && at > start {
            ranges.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    ranges.push(start..changes.len());
    ranges
}
