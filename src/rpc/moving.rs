//! Telling a client that it is to go to another host: by the mover that it gave, and in the reason of the close.

use std::borrow::Cow;
use std::convert::Infallible;

use crate::connections::close::CloseReason;
use crate::connections::entry::Entry;
use crate::contract::moving::{reason, write_urls};
use crate::rpc::caller::Caller;

/// Asks the client to move each time that the host drains.
pub(super) async fn keep_asking(caller: &Caller) -> Infallible {
    let mut told = 0;
    loop {
        let moving = caller.entry.moves(told).await;
        told = moving.drain;
        // One without a mover is told by the reason of the close.
        let Some(mover) = caller.mover() else { continue };
        let mut request = mover.move_to_request();
        let mut params = request.get();
        write_urls(&moving.urls, |len| params.reborrow().init_urls(len));
        params.set_within_ms(u32::try_from(moving.within.as_millis()).unwrap_or(u32::MAX));
        // Nobody waits for its answer: the client goes, or is closed.
        tokio::task::spawn_local(async move { drop(request.send().promise.await) });
    }
}

/// The reason for a close, in the words that the client is told: where to go on, if it was to move.
pub(super) fn words(connection: &Entry, close: &CloseReason) -> Cow<'static, str> {
    let moving = connection.moving().filter(|_| *close == CloseReason::GOING_AWAY);
    reason(close.reason, moving.as_ref().map(|moving| &moving.urls[..]))
}
