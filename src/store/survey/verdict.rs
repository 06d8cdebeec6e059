//! What reading a share came to.

use object_store::path::Path;

use super::super::error::StoreError;
use super::super::key::Number;
use super::finding::{Finding, Problem};
use crate::share::state::Opened;

/// What reading a share that has no tombstone came to.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) findings: Vec<Finding>,
    /// The facts that the share was opened with, by its state or else by what can be read; `None` if nothing tells them.
    pub(super) opened: Option<Opened>,
    /// Number of the share's last segment, which is there or in a run.
    pub(super) last: Number,
    /// Whether the log says that the share was deleted.
    pub(super) ending: bool,
    /// Whether an object went away while the share was read, so that it should be listed again.
    pub(super) moved: bool,
}

impl Verdict {
    pub(super) fn find(&mut self, problem: Problem, key: &Path, detail: Option<String>) {
        self.findings.push(Finding { problem, key: key.to_string(), detail, mended: false });
    }

    pub(super) fn unreadable(&mut self, key: &Path, error: &StoreError) {
        let reason = match error {
            StoreError::Corrupt { reason, .. } => reason.clone(),
            StoreError::Unavailable { .. }
            | StoreError::Full { .. }
            | StoreError::Denied { .. }
            | StoreError::Unconditional => error.to_string(),
        };
        self.find(Problem::Unreadable, key, Some(reason));
    }
}
