//! Pages and pictures: made for a revision, by a few threads at a time, and kept while there is room.
//!
//! A page takes some milliseconds to make and a picture about twenty. What many look at is made as often as there are places for making,
//! at most: who comes while all places are taken waits for one, and then finds it kept. What is kept is asked for only after the share
//! was found to be there, and is dropped when it was found to be gone.

pub(super) mod form;
pub(super) mod shell;

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use crate::http::body_out::items;
use crate::http::body_pieces::maker;
use crate::http::page_cache::form::Form;
use crate::rooms::room::Room;
use crate::share::error::Refusal;
use crate::share::id::ShareId;
use crate::share::revision::Revision;
use crate::share::state::State;
use crate::viewer::render::Document;

/// Bytes of all pages and pictures that are kept: 32 MiB, fifty of the largest pages or some thousand usual ones.
const KEPT_BYTES_MAX: u64 = 32 << 20;

/// How many pages and pictures may be kept.
const KEPT_MAX: usize = 10_000;

/// Number of pages and pictures that are made at once: as many as keep the cores of a small machine busy.
const MAKING_MAX: usize = 4;

/// Makes the pages and pictures of one host, and keeps them while there is room.
#[derive(Debug)]
pub(in crate::http) struct Pages {
    kept: Cache<(ShareId, Form), Made, Bytewise>,
    making: Arc<Semaphore>,
    #[cfg(feature = "card")]
    card: Option<Arc<crate::viewer::render::Card>>,
}

/// A page or a picture that was made.
#[derive(Debug, Clone)]
pub(in crate::http) struct Made {
    /// The revision that it was made of, which may be later than the one that was asked for.
    pub(in crate::http) revision: Revision,
    pub(in crate::http) bytes: Bytes,
    /// The bytes packed with gzip; `None` for pictures, which are packed already.
    pub(in crate::http) gzip: Option<Bytes>,
}

#[derive(Debug, Clone)]
struct Bytewise;

impl Weighter<(ShareId, Form), Made> for Bytewise {
    fn weight(&self, _: &(ShareId, Form), made: &Made) -> u64 {
        // The key, the entry and the handle are about 200 bytes.
        200 + made.bytes.len() as u64 + made.gzip.as_ref().map_or(0, |gzip| gzip.len() as u64)
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            kept: Cache::with_weighter(KEPT_MAX, KEPT_BYTES_MAX, Bytewise),
            making: Arc::new(Semaphore::new(MAKING_MAX)),
            #[cfg(feature = "card")]
            card: crate::viewer::render::Card::new().map(Arc::new).ok(),
        }
    }
}

impl Pages {
    /// The page of a share, and its revision.
    ///
    /// # Errors
    /// The share was deleted.
    pub(in crate::http) async fn page(&self, public_url: &str, room: &Arc<Room>) -> Result<Made, Refusal> {
        let (public_url, id) = (public_url.to_owned(), room.id().clone());
        self.make(room, Form::Html, move |revision, document| {
            Some(shell::page(&public_url, &id, revision, &document).into())
        })
        .await
    }

    /// The picture of a share, and its revision.
    ///
    /// # Errors
    /// The share was deleted, or it could not be drawn.
    #[cfg(feature = "card")]
    pub(in crate::http) async fn picture(&self, room: &Arc<Room>) -> Result<Made, Refusal> {
        let card = self.card.clone();
        self.make(room, Form::Picture, move |_, document| {
            let drawn = card?.draw(&crate::viewer::render::About::of(&document));
            drawn
                .inspect_err(|error| tracing::error!(%error, "the picture of a share could not be drawn"))
                .ok()
                .map(Bytes::from)
        })
        .await
    }

    /// Refuses: pictures are made with the feature `card`, and nobody asks for one without it.
    #[cfg(not(feature = "card"))]
    pub(in crate::http) async fn picture(&self, room: &Arc<Room>) -> Result<Made, Refusal> {
        Err(Refusal::not_found(room.id().as_str()))
    }

    /// Drops the page and the picture that are kept of a share.
    pub(in crate::http) fn forget(&self, id: &ShareId) {
        for form in [Form::Html, Form::Picture] {
            self.kept.remove(&(id.clone(), form));
        }
    }

    async fn make(
        &self,
        room: &Arc<Room>,
        form: Form,
        make: impl FnOnce(Revision, Document) -> Option<Bytes> + Send + 'static,
    ) -> Result<Made, Refusal> {
        let key = (room.id().clone(), form);
        let kept = || -> Result<Option<Made>, Refusal> {
            let revision = room.read(State::revision)?;
            Ok(self.kept.get(&key).filter(|made| made.revision == revision))
        };
        if let Some(kept) = kept()? {
            return Ok(kept);
        }
        let failed =
            || Refusal::Unspecified { message: "the document could not be made: the host's log says why".into() };
        let place = maker(&self.making).await?;
        // Somebody else may have made it while we waited for a place.
        if let Some(kept) = kept()? {
            return Ok(kept);
        }
        let from = Arc::clone(room);
        let made = tokio::task::spawn_blocking(move || {
            let _place = place;
            let (revision, items) = items(&from)?;
            let bytes = make(revision, Document::gather(items));
            let gzip = bytes.as_ref().filter(|_| form == Form::Html).map(|bytes| packed(bytes));
            Ok::<_, Refusal>(bytes.map(|bytes| Made { revision, bytes, gzip }))
        });
        let made = made.await.map_err(|_panicked| failed())??.ok_or_else(failed)?;
        self.kept.insert(key, made.clone());
        Ok(made)
    }
}

/// Packs bytes with gzip: to a quarter, in a millisecond for each 100 kB.
fn packed(bytes: &[u8]) -> Bytes {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail.
    let _ = packed.write_all(bytes);
    packed.finish().unwrap_or_default().into()
}
