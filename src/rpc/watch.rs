//! Watches: following a share for a client, through the observer that it handed over.
//!
//! A task for each watch takes events from its feed and hands them to the observer, one call at a time; the return is the
//! acknowledgement. The observer is the peer's object, so every call to it stands in this task alone and under a deadline:
//! whatever the peer does with it, only this watch ends. Dropping the `Watch` ends the task and releases the observer.

use std::rc::Rc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::contract::convert::write_step;
use crate::contract::error::write_refusal;
use crate::hub::feed::Feed;
use crate::rpc::caller::{Caller, Held};
use crate::share::error::Refusal;
use crate::share::time::Timestamp;
use crate::share::view::Step;
use crate::share_capnp::{observer, watch};
use crate::wire::guard::guard;

/// How long an observer may take for one event: a large one over a slow line. The contract names the figure.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(30);

/// Starts a watch; the client ends it by dropping what this gives. After `until` nothing more is told.
pub(super) fn watch_object(
    caller: &Rc<Caller>,
    feed: Feed,
    observer: observer::Client,
    until: Option<Timestamp>,
) -> Result<watch::Client, Refusal> {
    let held = caller.hold()?;
    let expires = until.map(|until| {
        let left = until.0.saturating_sub(caller.hub.ambient().clock.now().0);
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    });
    let task = tokio::task::spawn_local(follow(feed, observer, expires)).abort_handle();
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

/// Tells the observer what comes, until it is gone, does not answer, or there is nothing more to tell.
async fn follow(mut feed: Feed, observer: observer::Client, expires: Option<Duration>) {
    let telling = async {
        loop {
            match feed.next().await {
                Ok(event) => {
                    if !tell(&observer, event.step()).await {
                        return None;
                    }
                }
                Err(refusal) => return Some(refusal),
            }
        }
    };
    let ended = match expires {
        None => telling.await,
        Some(expires) => timeout(expires, telling).await.unwrap_or_else(|_| {
            Some(Refusal::Unauthorized {
                reason: "this capability has expired: ask the share's owner for another".into(),
            })
        }),
    };
    if let Some(refusal) = ended {
        let mut request = observer.ended_request();
        write_refusal(&refusal, request.get().init_reason());
        // It was the last call: whether it is heard changes nothing.
        let _ = timeout(ACKNOWLEDGE_WITHIN, request.send().promise).await;
    }
}

/// Whether the observer took the step.
async fn tell(observer: &observer::Client, step: &Step) -> bool {
    let mut request = observer.changed_request();
    write_step(step, request.get().init_event());
    matches!(timeout(ACKNOWLEDGE_WITHIN, request.send().promise).await, Ok(Ok(_)))
}
