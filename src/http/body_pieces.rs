//! What large answers have in common: how large their pieces are, what is asked before each, and how long an answer waits for a place.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::hub::Hub;
use crate::rooms::visibility::Viewing;
use crate::share::error::Refusal;

/// How long an answer waits for a place: of those that are sent at once, and of those that are made at once.
pub(super) const PLACE_WITHIN: Duration = Duration::from_secs(5);

/// What is told to whom no place could be given within [`PLACE_WITHIN`].
pub(super) const NO_PLACE: Refusal = Refusal::Unavailable { retry_after_ms: 10_000 };

/// A place among the documents that are made at once.
///
/// # Errors
/// None was given back in time.
pub(super) async fn maker(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Refusal> {
    let place = timeout(PLACE_WITHIN, Arc::clone(places).acquire_owned()).await;
    place.ok().and_then(Result::ok).ok_or(NO_PLACE)
}

/// Bytes above which an answer needs a place, and of each piece in which it then goes out: as many as a socket takes at once.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// Asks whether the share is still there, and its reader may still see it.
pub(super) fn check(pass: Option<&(Arc<Hub>, Viewing)>) -> io::Result<()> {
    match pass {
        Some((hub, Viewing { room, pass })) if hub.rooms().check(room, pass).is_err() => {
            Err(io::ErrorKind::PermissionDenied.into())
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_too_long_to_have_a_document_made_is_told_to_come_back() {
        let places = Arc::new(Semaphore::new(1));
        let first = maker(&places).await.unwrap();
        assert_eq!(maker(&places).await.unwrap_err(), NO_PLACE);
        let (second, ()) = tokio::join!(maker(&places), async { drop(first) });
        drop(second.unwrap());
    }
}
