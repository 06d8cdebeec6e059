//! Bodies of requests that nobody reads, or not to their end.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use axum::http::{HeaderMap, header};
use futures::StreamExt as _;
use tokio::time::timeout;

/// How long the rest of a body is read that nobody wants.
const UNWANTED_WITHIN: Duration = Duration::from_secs(1);

/// Bytes that are read of a body that nobody wants: as much as Linux holds for a connection by default, on both sides.
const UNWANTED_BYTES_MAX: usize = 16 << 20;

/// The body of a request of which a part has not been read yet. Dropping it reads what still comes for a second, and throws it
/// away.
#[derive(Debug)]
pub(in crate::http) struct Unread {
    /// `None` when it has ended.
    rest: Option<BodyDataStream>,
    /// The peer sends it only when it is asked to (`Expect: 100-continue`).
    waits: bool,
}

impl Unread {
    /// The body of a request with these headers.
    pub(in crate::http) fn new(headers: &HeaderMap, body: Body) -> Self {
        let rest = (!body.is_end_stream()).then(|| body.into_data_stream());
        Self { rest, waits: headers.contains_key(header::EXPECT) }
    }

    /// The next bytes of the body; `None` at its end.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, axum::Error>> {
        // Once it was asked for, it comes.
        self.waits = false;
        let frame = self.rest.as_mut()?.next().await;
        if !matches!(frame, Some(Ok(_))) {
            self.rest = None;
        }
        frame
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let Some(mut rest) = self.rest.take().filter(|_| !self.waits) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(timeout(UNWANTED_WITHIN, async move {
            let mut unwanted = 0;
            while unwanted < UNWANTED_BYTES_MAX
                && let Some(Ok(frame)) = rest.next().await
            {
                unwanted += frame.len();
            }
        }));
    }
}
