//! Bodies that come in: the one way in which a request's body is read, at every door.
//!
//! | what | limit | past it |
//! |---|---|---|
//! | bytes, as sent and unpacked | each route's own | 413, by the route's name for it |
//! | time from its beginning to its end | [`DoorSettings::body_within`] | 408 `bodyMsMax` |
//! | bytes of one address, or of one account | half of all | 429 `bodiesBytesMax` |
//! | bytes of all bodies of a host together | [`DoorSettings::bodies_bytes_max`] | 503 |
//!
//! What arrives is charged as it arrives, and each body a little from its beginning, so a body that does not come holds next to
//! nothing, and there are not more of them than fit (see [`bound`](super::bound) for who may hold what). Dropping what was read, or
//! is being read, gives it back. What is left of a body that nobody wants is thrown away for a second before its connection is
//! closed: a kernel that closes a socket in which there are bytes resets the connection, and the peer might not read the answer.
//!
//! [`DoorSettings::body_within`]: super::settings::DoorSettings::body_within
//! [`DoorSettings::bodies_bytes_max`]: super::settings::DoorSettings::bodies_bytes_max

pub(super) mod unread;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use flate2::write::MultiGzDecoder;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::{Instant, timeout_at};

use crate::http::body_in::unread::Unread;
use crate::http::bound::{Bound, Full, Held, Holder};
use crate::share::error::Refusal;
use crate::share::limits::Limit;

/// Bytes that each body is charged before any of it has come: for the request's head, its task and its buffers.
const BODY_BASE_BYTES: usize = 16 << 10;

/// Bytes at the beginning of a body in which [`Arriving::beginning`] looks.
const BEGINNING_BYTES_MAX: usize = 16 << 10;

/// Bounds and reads the bodies of all requests of one host.
#[derive(Debug)]
pub(super) struct Bodies {
    within: Duration,
    bytes: Arc<Bound>,
}

/// The limit on the body of one route: its name, and its bytes as sent and when unpacked.
#[derive(Debug, Clone)]
pub(super) struct BodyLimit {
    pub(super) name: Limit,
    pub(super) bytes_max: usize,
}

impl Bodies {
    /// `within`: how long a body may take. `bytes_max`: of all bodies together; `one_max`: of the largest body, of which two fit
    /// whatever `bytes_max` says. The gauge shows the bytes that are held.
    pub(super) fn new(within: Duration, bytes_max: usize, one_max: usize, gauge: Gauge) -> Self {
        let two = one_max.saturating_add(BODY_BASE_BYTES).saturating_mul(2);
        Self { within, bytes: Bound::new(bytes_max.max(two), gauge) }
    }

    /// Begins to read the body of a request of this holder. Its time runs from here.
    ///
    /// # Errors
    /// Its head says that it is too large, or is packed in a way that is not read here; or too much is being read already.
    pub(super) fn begin(
        &self,
        request: &Parts,
        holder: Holder,
        body: Unread,
        limit: BodyLimit,
    ) -> Result<Arriving, Refusal> {
        let announced = request.headers.get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
        if let Some(announced) = announced.filter(|announced| *announced > limit.bytes_max) {
            return Err(Refusal::limit(limit.name.clone(), limit.bytes_max, announced));
        }
        let held = self.bytes.hold(holder, BODY_BASE_BYTES).map_err(no_place)?;
        let intake = Intake::new(&request.headers, Bounded { bytes: Vec::new(), limit, held, refused: None })?;
        Ok(Arriving { body, intake, within: self.within, by: Instant::now() + self.within })
    }
}

/// A body that is being read; its bytes are counted until it is dropped.
pub(super) struct Arriving {
    body: Unread,
    intake: Intake,
    within: Duration,
    by: Instant,
}

/// Whether the beginning of a body has what is looked for in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Beginning<T> {
    /// It has this.
    Is(T),
    /// It does not have it.
    IsNot,
    /// More must come before this can be told.
    NotYet,
}

impl Arriving {
    /// Reads until the beginning of 16 KiB says whether what is looked for is there. `None`: it is not.
    ///
    /// # Errors
    /// As [`Arriving::whole`].
    pub(super) async fn beginning<T>(&mut self, look: impl Fn(&[u8]) -> Beginning<T>) -> Result<Option<T>, Refusal> {
        loop {
            let bytes = self.intake.bytes();
            let beginning = &bytes[..bytes.len().min(BEGINNING_BYTES_MAX)];
            match look(beginning) {
                Beginning::Is(found) => return Ok(Some(found)),
                Beginning::IsNot => return Ok(None),
                Beginning::NotYet if beginning.len() == BEGINNING_BYTES_MAX => return Ok(None),
                Beginning::NotYet => {}
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// The body is too large, ends early, takes too long, or is packed wrongly; or too much is being read at once.
    pub(super) async fn whole(mut self) -> Result<Received, Refusal> {
        while self.more().await? {}
        self.intake.finish()
    }

    /// Reads the next piece of the body; `false` if it has ended.
    async fn more(&mut self) -> Result<bool, Refusal> {
        let late = |_| Refusal::limit(Limit::BodyMsMax, self.within.as_millis() as usize, 0);
        match timeout_at(self.by, self.body.next()).await.map_err(late)? {
            None => Ok(false),
            Some(Ok(frame)) => self.intake.take(&frame).map(|()| true),
            Some(Err(_)) => {
                Err(Refusal::invalid(0, "the request's body ended before its announced end: send all of it"))
            }
        }
    }
}

/// A body that has come whole, unpacked; its bytes are counted until it is dropped.
#[derive(Debug)]
pub(super) struct Received {
    bytes: Vec<u8>,
    _held: Held,
}

impl Received {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The body as text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub(super) fn text(&self) -> Result<&str, Refusal> {
        std::str::from_utf8(&self.bytes).map_err(|_| {
            Refusal::invalid(0, "the request's body is not JSON, because it is not UTF-8: send JSON in UTF-8")
        })
    }
}

/// Takes the bytes of a body as they come, and unpacks them.
enum Intake {
    Plain(Bounded),
    Packed(Box<MultiGzDecoder<Bounded>>),
}

impl Intake {
    fn new(headers: &HeaderMap, bounded: Bounded) -> Result<Self, Refusal> {
        let encoding = headers.get(header::CONTENT_ENCODING).map(|encoding| encoding.as_bytes().to_ascii_lowercase());
        match encoding.as_deref() {
            None | Some(b"identity" | b"") => Ok(Self::Plain(bounded)),
            Some(b"gzip" | b"x-gzip") => Ok(Self::Packed(Box::new(MultiGzDecoder::new(bounded)))),
            Some(_) => {
                Err(Refusal::invalid(0, "unknown Content-Encoding: send the body with gzip, or without an encoding"))
            }
        }
    }

    /// The bytes that have come so far, unpacked.
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Plain(bounded) => &bounded.bytes,
            Self::Packed(decoder) => &decoder.get_ref().bytes,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::Plain(bounded) => bounded.write_all(bytes).map_err(|_| bounded.why()),
            Self::Packed(decoder) => decoder.write_all(bytes).map_err(|_| decoder.get_mut().why()),
        }
    }

    fn finish(self) -> Result<Received, Refusal> {
        let Bounded { bytes, held, .. } = match self {
            Self::Plain(bounded) => bounded,
            Self::Packed(mut decoder) => {
                decoder.try_finish().map_err(|_| decoder.get_mut().why())?;
                decoder.finish().map_err(|_| broken())?
            }
        };
        Ok(Received { bytes, _held: held })
    }
}

/// Takes bytes up to the limit of a route and the bound of the host.
struct Bounded {
    bytes: Vec<u8>,
    limit: BodyLimit,
    held: Held,
    refused: Option<Refusal>,
}

impl Bounded {
    fn charge(&mut self, bytes: usize) -> Result<(), Refusal> {
        if self.bytes.len() + bytes > self.limit.bytes_max {
            return Err(Refusal::limit(self.limit.name.clone(), self.limit.bytes_max, 0));
        }
        self.held.more(bytes).map_err(no_place)
    }

    /// Why a write failed: what stopped it, or else what was written to it was packed wrongly.
    fn why(&mut self) -> Refusal {
        self.refused.take().unwrap_or_else(broken)
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Err(refusal) = self.charge(bytes.len()) {
            self.refused = Some(refusal);
            return Err(std::io::Error::other("refused"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn no_place(full: Full) -> Refusal {
    match full {
        Full::One(max) => Refusal::limit(Limit::BodiesBytesMax, max, 0),
        Full::All => Refusal::Unavailable { retry_after_ms: 1_000 },
    }
}

fn broken() -> Refusal {
    Refusal::invalid(
        0,
        "the request's gzip body cannot be unpacked, because it is damaged or ends early: send it again, whole",
    )
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, Bytes};
    use axum::http::Request;
    use futures::StreamExt as _;

    use super::*;

    /// Two bodies of so many bytes, and no more.
    fn bodies(one_max: usize) -> Bodies {
        Bodies::new(Duration::from_secs(60), 0, one_max, Gauge::default())
    }

    fn holder() -> Holder {
        Holder::Address(None)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn begin(bodies: &Bodies, packed: bool, body: Body, bytes_max: usize) -> Result<Arriving, Refusal> {
        let mut request = Request::new(());
        if packed {
            request.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        }
        let (request, ()) = request.into_parts();
        let body = Unread::new(&request.headers, body);
        bodies.begin(&request, holder(), body, BodyLimit { name: Limit::RequestBytesMax, bytes_max })
    }

    async fn received(bodies: &Bodies, packed: bool, bytes: &[u8], max: usize) -> Result<Received, Refusal> {
        begin(bodies, packed, Body::from(bytes.to_vec()), max)?.whole().await
    }

    #[tokio::test]
    async fn a_body_is_bounded_before_and_after_it_is_unpacked() {
        let bodies = bodies(100_000);
        let long = vec![b'x'; 100_000];
        for packed in [false, true] {
            let sent = if packed { gzip(&long) } else { long.clone() };
            assert_eq!(received(&bodies, packed, &sent, 100_000).await.unwrap().text().unwrap().len(), 100_000);
            let refused = received(&bodies, packed, &sent, 99_999).await.unwrap_err();
            assert_eq!(refused, Refusal::limit(Limit::RequestBytesMax, 99_999, 0));
        }
        assert!(bodies.bytes.hold(holder(), bodies.bytes.one_max()).is_ok(), "all of it was given back");
    }

    #[tokio::test]
    async fn a_packed_body_that_is_broken_or_cut_is_refused() {
        let bodies = bodies(100);
        let packed = gzip(b"{}");
        for broken in [&packed[..packed.len() - 1], &packed[..5], b"no gzip at all", b""] {
            let refused = received(&bodies, true, broken, 100).await.unwrap_err();
            assert!(matches!(refused, Refusal::InvalidInput { .. }), "{refused}");
        }
    }

    /// S125: one address, and all of them, may have so much in bodies at once.
    #[tokio::test]
    async fn all_bodies_together_are_bounded() {
        let bodies = bodies(100);
        let first = received(&bodies, false, &[b'x'; 90], 100).await.unwrap();
        // One may have half, which is one body and its base.
        let refused = received(&bodies, false, b"", 100).await.unwrap_err();
        assert_eq!(refused, Refusal::limit(Limit::BodiesBytesMax, bodies.bytes.one_max(), 0));
        let accounts = bodies.bytes.hold(Holder::Account("ann".parse().unwrap()), bodies.bytes.one_max()).unwrap();
        drop(first);
        received(&bodies, false, &[b'x'; 90], 100).await.unwrap();
        let bob = bodies.bytes.hold(Holder::Account("bob".parse().unwrap()), bodies.bytes.one_max()).unwrap();
        let refused = received(&bodies, false, b"", 100).await.unwrap_err();
        assert_eq!(refused, Refusal::Unavailable { retry_after_ms: 1_000 });
        drop((accounts, bob));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_so_long_from_its_beginning_to_its_end() {
        let bodies = bodies(100);
        let dribble = futures::stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_secs(9)).await;
            Some((Ok::<_, std::convert::Infallible>(Bytes::from_static(b"x")), ()))
        });
        let begun = Instant::now();
        let arriving = begin(&bodies, false, Body::from_stream(dribble), 100).unwrap();
        assert_eq!(arriving.whole().await.unwrap_err(), Refusal::limit(Limit::BodyMsMax, 60_000, 0));
        assert_eq!(begun.elapsed(), Duration::from_secs(60));
        assert!(bodies.bytes.hold(holder(), bodies.bytes.one_max()).is_ok(), "all of it was given back");
    }

    #[tokio::test]
    async fn what_is_looked_for_is_found_as_soon_as_it_has_come() {
        let (mut sender, receiver) = futures::channel::mpsc::unbounded();
        let body = Body::from_stream(receiver.map(Ok::<_, std::convert::Infallible>));
        let bodies = bodies(100);
        let mut arriving = begin(&bodies, false, body, 100).unwrap();
        let is_there = |bytes: &[u8]| match bytes.len() {
            ..3 => Beginning::NotYet,
            3.. if bytes.starts_with(b"abc") => Beginning::Is(bytes.len()),
            3.. => Beginning::IsNot,
        };
        let mut send = |bytes: &'static [u8]| drop(sender.start_send(Bytes::from_static(bytes)));
        send(b"ab");
        send(b"cd");
        assert_eq!(arriving.beginning(is_there).await.unwrap(), Some(4));
        send(b"e");
        drop(sender);
        assert_eq!(arriving.whole().await.unwrap().bytes(), b"abcde");
    }
}
