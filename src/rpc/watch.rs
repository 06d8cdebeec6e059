//! Watches: following a share for a client, through the observer that it handed over.
//!
//! A task for each watch takes events from its feed and hands them to the observer, one call at a time; the return is the
//! acknowledgement. The observer is the peer's object, so every call to it stands in this task alone and under a deadline:
//! whatever the peer does with it, only this watch ends. Dropping the `Watch` ends the task and releases the observer.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::contract::convert::write_step;
use crate::contract::error::write_refusal;
use crate::hub::Hub;
use crate::rooms::feed::Feed;
use crate::rooms::pass::Pass;
use crate::rpc::caller::{Caller, Held};
use crate::share::error::Refusal;
use crate::share::view::Step;
use crate::share_capnp::{observer, watch};
use crate::wire::guard::guard;

/// How long an observer may take for one event: a large one over a slow line. The contract names the figure.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(30);

/// Starts a watch, which the client ends by dropping the capability that this gives. When the pass is over nothing more is told.
///
/// # Errors
/// The connection holds as many capabilities as it may.
pub(super) fn watch_object(
    caller: &Rc<Caller>,
    feed: Feed,
    observer: observer::Client,
    pass: &Pass,
) -> Result<watch::Client, Refusal> {
    let held = caller.hold()?;
    let task = tokio::task::spawn_local(follow(Arc::clone(&caller.hub), feed, observer, pass.clone())).abort_handle();
    Ok(guard(capnp_rpc::new_client(Watching { task, _held: held }), caller.budget()))
}

struct Watching {
    task: AbortHandle,
    _held: Held,
}

impl watch::Server for Watching {}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells the observer each step of the feed, until the observer is gone or does not answer, or there is nothing more to tell.
async fn follow(hub: Arc<Hub>, mut feed: Feed, observer: observer::Client, pass: Pass) {
    let room = Arc::clone(feed.room());
    let telling = async {
        loop {
            match feed.next().await {
                Ok(event) => {
                    // What came after a revocation is not told, however close it came.
                    if let Err(refusal) = hub.rooms().check(&room, &pass) {
                        return Some(refusal);
                    }
                    if !tell(&observer, event.step()).await {
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
        refusal = hub.rooms().until_over(&room, &pass) => Some(refusal),
        ended = telling => ended,
    };
    if let Some(refusal) = ended {
        let mut request = observer.ended_request();
        write_refusal(&refusal, request.get().init_reason());
        // It was the last call: whether it is heard changes nothing.
        let _ = timeout(ACKNOWLEDGE_WITHIN, request.send().promise).await;
    }
}

/// Tells the observer one step, and whether it acknowledged it.
async fn tell(observer: &observer::Client, step: &Step) -> bool {
    let mut request = observer.changed_request();
    write_step(step, request.get().init_event());
    matches!(timeout(ACKNOWLEDGE_WITHIN, request.send().promise).await, Ok(Ok(_)))
}
