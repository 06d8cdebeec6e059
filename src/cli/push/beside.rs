//! A file beside a transcript that its agent writes anew: what it says of the session, or a subagent's document.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::cli::push::source::Looked;

/// A file that is read whenever it has changed.
pub(super) struct Beside {
    path: PathBuf,
    /// Bytes of the file, at most; a larger one is passed over.
    most: u64,
    looked: Looked,
    /// Its size and time when it was read last.
    seen: Option<(u64, SystemTime)>,
}

impl Beside {
    pub(super) fn new(path: PathBuf, most: usize) -> Self {
        Self { path, most: most as u64, looked: Looked::default(), seen: None }
    }

    /// All of the file, if it is another one than when this was asked last. One that is being written is read when it is whole JSON. May be
    /// dropped and called again.
    pub(super) async fn changed(&mut self) -> Option<Vec<u8>> {
        if !self.looked.is_due() {
            return None;
        }
        let changed = self.look().await;
        self.looked.is_done();
        changed
    }

    async fn look(&mut self) -> Option<Vec<u8>> {
        let about = tokio::fs::metadata(&self.path).await.ok()?;
        let now = (about.len(), about.modified().ok()?);
        if self.seen == Some(now) || now.0 > self.most {
            return None;
        }
        let bytes = tokio::fs::read(&self.path).await.ok()?;
        serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).ok()?;
        self.seen = Some(now);
        Some(bytes)
    }

    /// It is read at the next look, whether it has changed or not.
    pub(super) fn forget(&mut self) {
        self.looked.forget();
        self.seen = None;
    }
}
