//! A file on its way into a share: what a push asks of it, whatever its form is.
//!
//! There are six forms, each a file beside this one: an export, lines of items, an agent's transcript, a document that is written anew,
//! OpenCode's database, and the folder of a session of Mistral Vibe.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use capshare::share::item::ItemKey;
use capshare::transcripts::{Piece, Report};
use tokio::time::Instant;

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;

/// Between two looks at a file that is written anew, or at a folder for files that belong to a session.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Between two looks at a file that grows.
pub(super) const GROWN_EVERY: Duration = Duration::from_millis(100);

/// How long a file may be away until it is called gone: one that is written anew is away for a moment.
const GONE_AFTER: Duration = Duration::from_secs(3);

/// When something was looked at last.
#[derive(Default)]
pub(super) struct Looked(Option<Instant>);

impl Looked {
    /// Whether [`LOOK_EVERY`] has passed, or nobody looked yet.
    pub(super) fn is_due(&self) -> bool {
        self.0.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY)
    }

    /// It was looked at. To be said after the look: one that is dropped half-way counts for nothing.
    pub(super) fn is_done(&mut self) {
        self.0 = Some(Instant::now());
    }

    /// It is due at once.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// Since when a file that is followed is away.
#[derive(Default)]
pub(super) struct Away(Option<Instant>);

impl Away {
    /// The file is not there. `true`: it has been away for so long that it is gone.
    pub(super) fn is_gone(&mut self) -> bool {
        self.0.get_or_insert_with(Instant::now).elapsed() >= GONE_AFTER
    }

    /// The file is there.
    pub(super) fn is_back(&mut self) {
        self.0 = None;
    }
}

/// The failure of a file that was followed and is gone.
pub(super) fn gone(path: &Path) -> Failure {
    let message = format!("{} is gone: its session was deleted or moved; a share of it stays", path.display());
    Failure::new(Exit::Failed, message)
}

/// A file that gives out pieces, one after the other.
#[async_trait(?Send)]
pub(super) trait Source {
    /// The next piece that is at hand without waiting. May be dropped and called again without losing one.
    async fn next_at_hand(&mut self, output: &mut Output) -> Result<Option<Piece>, Failure>;

    /// Waits, when nothing is at hand, until it is worth asking again. May be dropped and called again.
    async fn wait(&mut self, output: &mut Output) -> Result<Waited, Failure>;

    /// Says what the share holds from an earlier push. What of it the file does not say any more is removed.
    fn held(&mut self, _keys: Vec<ItemKey>) {}

    /// Whether the file is the whole of its session, so that [`held`](Self::held) wants to know what the share holds.
    fn is_whole(&self) -> bool {
        false
    }

    /// The piece that waited for more, when nothing more is to be read.
    fn end(&mut self) -> Option<Piece> {
        None
    }

    /// How far the file was read.
    fn progress(&self) -> Progress;

    /// The name of the agent that wrote it; `None` for a file that holds items as they are.
    fn agent(&self) -> Option<&'static str> {
        None
    }

    /// What of it is not shown, up to now.
    fn report(&self) -> Option<&Report> {
        None
    }

    /// What is said at the end, after all else was shared, if a part of the file could not be.
    fn missing(&self) -> Option<Failure> {
        None
    }
}

/// What became of waiting.
pub(super) enum Waited {
    /// There may be more at hand now.
    Again,
    /// This came of it.
    Piece(Piece),
    /// Nothing more comes: nobody follows the file, or it does not grow.
    Over,
}

/// How far a file was read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// Bytes that were read and given out.
    pub(super) read: u64,
    /// Bytes of the file, as far as is known.
    pub(super) total: u64,
    /// Lines that were given out, of a file of lines.
    pub(super) lines: u64,
}

/// The next piece; of a file that is followed, it is waited for. May be dropped and called again without losing one.
pub(super) async fn next(source: &mut dyn Source, output: &mut Output) -> Result<Option<Piece>, Failure> {
    loop {
        if let Some(piece) = source.next_at_hand(output).await? {
            return Ok(Some(piece));
        }
        match source.wait(output).await? {
            Waited::Again => {}
            Waited::Piece(piece) => return Ok(Some(piece)),
            Waited::Over => return Ok(None),
        }
    }
}

/// The failure of a file that cannot be read.
pub(super) fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{} cannot be read: {error}", path.display()))
}

/// The failure of a file whose content no share could hold.
pub(super) fn too_large(path: &Path) -> Failure {
    Failure::new(Exit::Limit, format!("{} is larger than any share may be", path.display()))
}
