//! Bodies that go out: the one way in which an answer above 64 KiB travels, at every door.
//!
//! Such an answer has a place among a bounded number (503 when none comes free in 5 s; see [`bound`](super::bound) for who may have
//! how many), goes out piece by piece as its socket takes them, and before each piece it is asked whether the share is still there
//! and the asker may still see it. If not, the body ends in an error, so that nobody takes half an answer for a whole one.
//!
//! There are two kinds of them. A *document* is made for its asker: a list of the state's texts, put together piece by piece; its
//! list is gathered on a thread for blocking work. A *copy* is of bytes that the host has anyway, such as the page of a share or its
//! script, and costs next to nothing but its socket.
//!
//! A reader that takes nothing is cut off by whatever carries its answer, however small that is: see [`stall`](super::stall).

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use prometheus_client::metrics::gauge::Gauge;

use crate::http::body_packed::Packing;
use crate::http::body_pieces::{NO_PLACE, PIECE_BYTES, PLACE_WITHIN, check};
use crate::http::bound::{Bound, Full, Held, Holder};
use crate::hub::Hub;
use crate::rooms::room::Room;
use crate::rooms::visibility::Viewing;
use crate::share::error::Refusal;
use crate::share::item::{ItemKey, Payload};
use crate::share::limits::Limit;
use crate::share::revision::Revision;

/// Copies that are being sent at once.
const COPIES_MAX: usize = 1_024;

/// The items of a share, in the order in which they first came.
pub(super) type Items = Vec<(ItemKey, Payload)>;

/// Bounds the large answers of one host.
#[derive(Debug)]
pub(super) struct Answers {
    documents: Arc<Bound>,
    copies: Arc<Bound>,
}

impl Answers {
    /// `documents_max`: documents that are on their way at once. The gauge shows how many large answers are.
    pub(super) fn new(documents_max: usize, gauge: Gauge) -> Self {
        Self { documents: Bound::new(documents_max, gauge.clone()), copies: Bound::new(COPIES_MAX, gauge) }
    }

    /// The body of a document that is made of a share's items. `pieces` is called on a thread for blocking work; the iterator that it
    /// gives is asked for the next piece when the last one has left. `is_packed`: with gzip, also on such a thread.
    ///
    /// # Errors
    /// The share is gone, or there is no place.
    pub(super) async fn document<P>(
        &self,
        hub: &Arc<Hub>,
        holder: Holder,
        viewing: Viewing,
        is_packed: bool,
        pieces: impl FnOnce(Items) -> P + Send + 'static,
    ) -> Result<Body, Refusal>
    where
        P: Iterator<Item = Bytes> + Send + Unpin + 'static,
    {
        let place = place(&self.documents, holder).await?;
        let room = Arc::clone(&viewing.room);
        let gathered = tokio::task::spawn_blocking(move || items(&room).map(|(_, items)| pieces(items))).await;
        let pieces = gathered.map_err(|_panicked| {
            tracing::error!("the items of a document could not be listed: the thread that did so panicked");
            Refusal::Unspecified { message: "the document could not be made: the host's log says why".into() }
        })??;
        let pass = Some((Arc::clone(hub), viewing));
        Ok(if is_packed {
            Body::new(Packing::new(pieces, pass, place))
        } else {
            Body::new(Outgoing { pieces, left: None, pass, _place: place })
        })
    }

    /// The body of a copy of bytes that the host has anyway. `pass`: the share that they show, if not everybody may see it.
    ///
    /// # Errors
    /// There are more than 64 KiB of them, and no place is free.
    pub(super) async fn copy(
        &self,
        holder: Holder,
        bytes: Bytes,
        pass: Option<(Arc<Hub>, Viewing)>,
    ) -> Result<Body, Refusal> {
        if bytes.len() <= PIECE_BYTES {
            return Ok(Body::from(bytes));
        }
        self.copies(holder, [bytes].into(), pass).await
    }

    /// As [`Answers::copy`], of bytes that follow one another. However few they are, they need a place.
    ///
    /// # Errors
    /// No place is free.
    pub(super) async fn copies(
        &self,
        holder: Holder,
        bytes: VecDeque<Bytes>,
        pass: Option<(Arc<Hub>, Viewing)>,
    ) -> Result<Body, Refusal> {
        let place = place(&self.copies, holder).await?;
        let left = Some(bytes.iter().map(|bytes| bytes.len() as u64).sum());
        Ok(Body::new(Outgoing { pieces: Slices(bytes), left, pass, _place: place }))
    }

    /// As [`Answers::copies`], of pieces that are made of something smaller as they are asked for.
    ///
    /// # Errors
    /// No place is free.
    pub(super) async fn pieces<P>(
        &self,
        holder: Holder,
        pieces: P,
        pass: Option<(Arc<Hub>, Viewing)>,
    ) -> Result<Body, Refusal>
    where
        P: Iterator<Item = Bytes> + Send + Unpin + 'static,
    {
        let place = place(&self.copies, holder).await?;
        Ok(Body::new(Outgoing { pieces, left: None, pass, _place: place }))
    }
}

/// A share's items at one revision. The lock is held for as long as it takes to count the texts up, and copies none.
///
/// # Errors
/// The share is gone.
pub(super) fn items(room: &Room) -> Result<(Revision, Items), Refusal> {
    room.read(|state| {
        let items: Items = state.items().map(|(key, value)| (key.clone(), value.clone())).collect();
        (state.revision(), items)
    })
}

async fn place(of: &Arc<Bound>, holder: Holder) -> Result<Held, Refusal> {
    of.hold_within(holder, 1, PLACE_WITHIN).await.map_err(|full| match full {
        Full::One(max) => Refusal::limit(Limit::AnswersMax, max, max + 1),
        Full::All => NO_PLACE,
    })
}

/// A body whose pieces are made as it is read.
struct Outgoing<P> {
    pieces: P,
    /// Bytes that are still to come, if that is known.
    left: Option<u64>,
    /// The share that it shows, and the pass of its reader; `None` if everybody may see it.
    pass: Option<(Arc<Hub>, Viewing)>,
    _place: Held,
}

impl<P: Iterator<Item = Bytes> + Unpin> HttpBody for Outgoing<P> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Err(error) = check(self.pass.as_ref()) {
            return Poll::Ready(Some(Err(error)));
        }
        let piece = self.pieces.next();
        if let (Some(left), Some(piece)) = (&mut self.left, &piece) {
            *left = left.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Gives bytes in pieces of [`PIECE_BYTES`].
struct Slices(VecDeque<Bytes>);

impl Iterator for Slices {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        while self.0.front().is_some_and(Bytes::is_empty) {
            self.0.pop_front();
        }
        let bytes = self.0.front_mut()?;
        Some(bytes.split_to(bytes.len().min(PIECE_BYTES)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Holder {
        Holder::of(None, Some([192, 0, 2, last].into()))
    }

    /// S125: an address has half of the places, and others wait for a while for one.
    #[tokio::test(start_paused = true)]
    async fn a_large_answer_has_a_place_or_is_told_to_come_back() {
        let answers = Answers::new(4, Gauge::default());
        let place = async |last| place(&answers.documents, address(last)).await;
        let (first, second) = (place(1).await.unwrap(), place(1).await.unwrap());
        assert_eq!(place(1).await.unwrap_err(), Refusal::limit(Limit::AnswersMax, 2, 3));
        let _third = place(2).await.unwrap();
        assert_eq!(place(3).await.unwrap_err(), Refusal::Unavailable { retry_after_ms: 10_000 });
        let (waits, ()) = tokio::join!(place(1), async { drop(first) });
        drop((waits.unwrap(), second));
    }

    #[tokio::test]
    async fn a_copy_says_how_long_it_is_and_goes_in_pieces() {
        let answers = Answers::new(4, Gauge::default());
        let bytes = Bytes::from(vec![b'x'; 3 * PIECE_BYTES + 1]);
        let mut body = answers.copy(address(1), bytes, None).await.unwrap();
        let mut lengths = Vec::new();
        while !body.is_end_stream() {
            let left = (3 * PIECE_BYTES + 1 - lengths.iter().sum::<usize>()) as u64;
            assert_eq!(body.size_hint().exact(), Some(left));
            let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
            lengths.push(frame.into_data().unwrap().len());
        }
        assert_eq!(lengths, [PIECE_BYTES, PIECE_BYTES, PIECE_BYTES, 1]);
        drop(body);
        assert!(answers.copies.hold(address(1), COPIES_MAX / 2).is_ok(), "its place was given back");
        assert_eq!(answers.copies.hold(address(1), COPIES_MAX / 2 + 1).unwrap_err(), Full::One(COPIES_MAX / 2));
    }
}
