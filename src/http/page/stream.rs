//! A whole document on its way: made piece by piece, as its reader takes it.
//!
//! A task holds the document, which is a list of the share's texts and not a copy of them, and waits with the next piece until
//! the last is in the socket. A reader that takes none for [`STALL_MAX`] is cut off, and so is one that may
//! no longer see the share. The end of the task without the end of the
//! document is an error of the body, so that nobody takes half a document for a whole one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::stream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::http::page::document;
use crate::http::upgrade::Doors;
use crate::hub::visibility::Viewing;
use crate::share::error::Refusal;
use crate::viewer::render::Document;

/// Whole documents that are on their way at once. A list of 100,000 texts has 4 MB, so together they hold 256 MB at most,
/// besides values that have since been replaced.
const STREAMS_MAX: usize = 64;

/// How long one waits for a place among them.
const PLACE_WITHIN: Duration = Duration::from_secs(5);

/// How long a reader may take no piece: 64 KiB in 30 s are 17 kbit/s.
const STALL_MAX: Duration = Duration::from_secs(30);

/// The places of one host.
#[derive(Debug)]
pub(super) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS_MAX)))
    }
}

/// A body that is made of a share's document as it is read.
pub(super) async fn whole<P>(
    doors: &Doors,
    viewing: Viewing,
    pieces: impl FnOnce(Document) -> P + Send + 'static,
) -> Result<Response, Refusal>
where
    P: Iterator<Item = String> + Send + 'static,
{
    let streams = Arc::clone(&doors.pages.streams.0);
    let place = timeout(PLACE_WITHIN, streams.acquire_owned()).await;
    let Ok(Ok(place)) = place else { return Err(Refusal::Unavailable { retry_after_ms: 10_000 }) };
    let Viewing { room, pass } = viewing;
    let from = Arc::clone(&room);
    let document = tokio::task::spawn_blocking(move || document(&from)).await;
    let Ok(document) = document else { return Err(Refusal::Unavailable { retry_after_ms: 10_000 }) };
    let (_, document) = document?;
    // Bound: one piece. Policy: the task waits, and gives up in the end.
    let (sender, receiver) = mpsc::channel(1);
    let hub = Arc::clone(&doors.hub);
    tokio::spawn(async move {
        let _place = place;
        for piece in pieces(document) {
            // Nothing is told once it is known here that the share was deleted, or that the asker may not see it any more.
            let may = hub.check(&room, &pass).is_ok();
            if !may || !matches!(timeout(STALL_MAX, sender.send(Some(Bytes::from(piece)))).await, Ok(Ok(()))) {
                return;
            }
        }
        let _gone = timeout(STALL_MAX, sender.send(None)).await;
    });
    Ok(Body::from_stream(body(receiver)).into_response())
}

/// The pieces up to the end that is said.
fn body(receiver: mpsc::Receiver<Option<Bytes>>) -> impl futures::Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold(receiver, |mut receiver| async {
        match receiver.recv().await {
            Some(Some(piece)) => Ok(Some((piece, receiver))),
            Some(None) => Ok(None),
            None => Err(io::Error::from(io::ErrorKind::TimedOut)),
        }
    })
}
