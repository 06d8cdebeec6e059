//! Bodies: read whole, plain or packed, within bounds.
//!
//! A body has a bound of its own, before and after it is unpacked, and all bodies of a host have one together: what arrives is
//! charged as it arrives, so whoever sends nothing holds nothing. Dropping what was [`receive`]d gives it back.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use flate2::write::MultiGzDecoder;
use futures::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::share::error::Refusal;

/// Bytes of all bodies that a host holds at once, unless one alone may have more: 256 MiB, four of the largest.
const BODIES_BYTES_MAX: usize = 256 << 20;

/// How long a body may take to arrive: 64 MiB at 10 Mbit/s.
const WITHIN: Duration = Duration::from_secs(60);

/// The limit on a body, by its name.
const LIMIT: &str = "requestBytesMax";

/// What all bodies of a host may have together.
#[derive(Debug)]
pub(super) struct Budget(Arc<Semaphore>);

impl Budget {
    /// As much as it takes for several bodies, or one of this size.
    pub(super) fn at_least(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.clamp(BODIES_BYTES_MAX, Semaphore::MAX_PERMITS))))
    }
}

/// A body, whole and unpacked.
#[derive(Debug)]
pub(super) struct Received {
    bytes: Vec<u8>,
    _held: OwnedSemaphorePermit,
}

impl Received {
    /// Its bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Its text.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn text(&self) -> Result<&str, Refusal> {
        std::str::from_utf8(&self.bytes).map_err(|_| Refusal::invalid(0, "a body that is no JSON: it is not UTF-8"))
    }
}

/// Reads a body to its end.
///
/// # Errors
/// It is too large, ends early, takes too long, or is packed in a way that is not read here or wrongly; or there are too many
/// at once.
pub(super) async fn receive(
    budget: &Budget,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Received, Refusal> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if let Some(announced) = announced.filter(|announced| *announced > bytes_max) {
        return Err(Refusal::limit(LIMIT, bytes_max, announced));
    }
    let intake = Intake::new(budget, headers, bytes_max)?;
    let late = "the body did not arrive within 60 s: send it faster, or in several requests";
    tokio::time::timeout(WITHIN, intake.read(body)).await.unwrap_or_else(|_| Err(Refusal::invalid(0, late)))
}

/// Where a body goes to.
enum Intake {
    Plain(Bounded),
    Packed(Box<MultiGzDecoder<Bounded>>),
}

impl Intake {
    fn new(budget: &Budget, headers: &HeaderMap, bytes_max: usize) -> Result<Self, Refusal> {
        let bounded = Bounded::new(budget, bytes_max)?;
        let encoding = headers.get(header::CONTENT_ENCODING).map(|encoding| encoding.as_bytes().to_ascii_lowercase());
        match encoding.as_deref() {
            None | Some(b"identity" | b"") => Ok(Self::Plain(bounded)),
            Some(b"gzip" | b"x-gzip") => Ok(Self::Packed(Box::new(MultiGzDecoder::new(bounded)))),
            Some(_) => {
                Err(Refusal::invalid(0, "this content-encoding is not read here: send gzip, or the body as it is"))
            }
        }
    }

    async fn read(mut self, body: Body) -> Result<Received, Refusal> {
        let mut frames = body.into_data_stream();
        while let Some(frame) = frames.next().await {
            let frame = frame.map_err(|_| Refusal::invalid(0, "the body ended early: send all of it"))?;
            self.take(&frame)?;
        }
        self.finish()
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

/// Takes bytes up to a bound.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
    held: OwnedSemaphorePermit,
    budget: Arc<Semaphore>,
    refused: Option<Refusal>,
}

impl Bounded {
    fn new(budget: &Budget, bytes_max: usize) -> Result<Self, Refusal> {
        let budget = Arc::clone(&budget.0);
        let held = Arc::clone(&budget).try_acquire_many_owned(0).map_err(|_| full())?;
        Ok(Self { bytes: Vec::new(), bytes_max, held, budget, refused: None })
    }

    fn charge(&mut self, bytes: usize) -> Result<(), Refusal> {
        if self.bytes.len() + bytes > self.bytes_max {
            return Err(Refusal::limit(LIMIT, self.bytes_max, 0));
        }
        let count = u32::try_from(bytes).map_err(|_| full())?;
        self.held.merge(Arc::clone(&self.budget).try_acquire_many_owned(count).map_err(|_| full())?);
        Ok(())
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

fn full() -> Refusal {
    Refusal::Unavailable { retry_after_ms: 1_000 }
}

fn broken() -> Refusal {
    Refusal::invalid(0, "a gzip body that cannot be unpacked: it is broken, or ends early")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    async fn received(budget: &Budget, packed: bool, bytes: &[u8], max: usize) -> Result<Received, Refusal> {
        let mut headers = HeaderMap::new();
        if packed {
            headers.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        }
        receive(budget, &headers, Body::from(bytes.to_vec()), max).await
    }

    #[tokio::test]
    async fn a_body_is_bounded_before_and_after_it_is_unpacked() {
        let budget = Budget::at_least(0);
        let long = vec![b'x'; 100_000];
        for packed in [false, true] {
            let sent = if packed { gzip(&long) } else { long.clone() };
            assert_eq!(received(&budget, packed, &sent, 100_000).await.unwrap().text().unwrap().len(), 100_000);
            let refused = received(&budget, packed, &sent, 99_999).await.unwrap_err();
            assert_eq!(refused, Refusal::limit(LIMIT, 99_999, 0));
        }
        assert_eq!(budget.0.available_permits(), BODIES_BYTES_MAX, "all of it was given back");
    }

    #[tokio::test]
    async fn a_packed_body_that_is_broken_or_cut_is_refused() {
        let budget = Budget::at_least(0);
        let packed = gzip(b"{}");
        for broken in [&packed[..packed.len() - 1], &packed[..5], b"no gzip at all", b""] {
            let refused = received(&budget, true, broken, 100).await.unwrap_err();
            assert!(matches!(refused, Refusal::InvalidInput { .. }), "{refused}");
        }
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded() {
        let budget = Budget::at_least(0);
        let _held = Arc::clone(&budget.0).try_acquire_many_owned(BODIES_BYTES_MAX as u32 - 10).unwrap();
        assert!(received(&budget, false, &[b'x'; 10], 100).await.is_ok());
        assert_eq!(received(&budget, false, &[b'x'; 11], 100).await.unwrap_err(), full());
    }
}
