//! A file beside a transcript that its agent writes anew: what it says of the session, or a subagent's document.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::cli::push::source::Looked;

/// How long a file is being written, at most. One that is broken for longer is not read again before it has changed.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);

/// A file that is read whenever it has changed.
pub(super) struct Beside {
    path: PathBuf,
    /// Bytes of the file, at most; a larger one is passed over.
    most: u64,
    looked: Looked,
    /// Its size and time when it was read last.
    seen: Option<State>,
    /// Its size and time when it was found broken, and since when it has been so.
    broken: Option<(State, Instant)>,
}

/// The size of a file, and the time at which it was written to last.
type State = (u64, SystemTime);

impl Beside {
    pub(super) fn new(path: PathBuf, most: usize) -> Self {
        Self { path, most: most as u64, looked: Looked::default(), seen: None, broken: None }
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
        let is_whole = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
        let known = self.broken.filter(|(state, _)| *state == now && !is_whole);
        let since = known.map_or_else(Instant::now, |(_, since)| since);
        self.broken = (!is_whole).then_some((now, since));
        if is_whole || since.elapsed() >= WRITTEN_WITHIN {
            self.seen = Some(now);
        }
        is_whole.then_some(bytes)
    }

    /// It is read at the next look, whether it has changed or not.
    pub(super) fn forget(&mut self) {
        self.looked.forget();
        self.seen = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_broken_file_is_read_until_it_is_whole_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        std::fs::write(&path, "{\"a\":").unwrap();
        let mut beside = Beside::new(path.clone(), 1_000);
        for is_given_up in [false, true] {
            assert_eq!((beside.look().await, beside.seen.is_some()), (None, is_given_up));
            tokio::time::advance(WRITTEN_WITHIN).await;
        }
        std::fs::write(&path, "{\"a\":1}").unwrap();
        assert_eq!(beside.look().await.as_deref(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(beside.look().await, None);
    }
}
