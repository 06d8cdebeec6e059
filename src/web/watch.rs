//! Watches: following a share for a client, through the observer that it handed over.
//!
//! What runs for a watch takes events from its feed and hands them to the observer, one call at a time and each under a deadline;
//! the return is the acknowledgement. Disposing of the `Watch` ends it and releases the observer.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{AbortHandle, abortable};

use crate::rooms::feed::Feed;
use crate::rooms::pass::Pass;
use crate::web::caller::{Caller, Context, Held, Running, Served};
use crate::web::functions::KeptObserver;
use crate::web::give::{New, Told};
use crate::web::names::Watching;
use crate::web::shapes::ShareEvent;
use crate::web::typed::Given as _;

/// How long an observer may take for one event: a large one over a slow line. The contract names the figure.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(30);

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

/// Tells the observer each step of the feed, until it does not answer or there is nothing more to tell.
async fn follow(caller: Arc<Caller>, mut feed: Feed, observer: KeptObserver, pass: Pass) {
    let (room, rooms) = (Arc::clone(feed.room()), Arc::clone(caller.hub.rooms()));
    let telling = async {
        loop {
            match feed.next().await {
                Ok(event) => {
                    // What came after a revocation is not told, however close it came.
                    if let Err(refusal) = rooms.check(&room, &pass) {
                        return Some(refusal);
                    }
                    let step = ShareEvent::from(event.step()).give(&caller);
                    drop(event);
                    let told = observer.changed.ask(&caller, step, ACKNOWLEDGE_WITHIN).await;
                    if !matches!(told, Ok(Some(Ok(_)))) {
                        return None;
                    }
                }
                Err(refusal) => return Some(refusal),
            }
        }
    };
    let ended = tokio::select! {
        // The end of the pass first: it takes the call that is open with it.
        biased;
        refusal = rooms.until_over(&room, &pass) => Some(refusal),
        ended = telling => ended,
    };
    if let (Some(refusal), Some(function)) = (ended, &observer.ended) {
        function.tell(&caller, Told(refusal).give(&caller));
    }
}
