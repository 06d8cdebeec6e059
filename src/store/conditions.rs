//! Whether the bucket honours conditional writes. It is asked at the start, every few minutes, and whenever something contradicts
//! its last answer. While the answer is no, nothing is created.
//!
//! A bucket may stop while hosts run: some servers ignore the condition as soon as versioning is switched on, and a gateway or a
//! proxy may be exchanged for one that drops the header. Then every create succeeds, hosts write over each other's
//! segments, and no single answer shows it. What shows it:
//! - creates are answered with a version, and were not before: the bucket was made another one ([`Doubt::Versioned`]). The answer is
//!   held until the bucket was asked, so that nothing is acknowledged that was written without the condition;
//! - an object that this host created, and looks at again beside a later create, holds something else ([`Doubt::Overwritten`]);
//! - a segment does not follow this host's one before it, which was answered as created ([`Doubt::Overwritten`]).
//!
//! Overwrites and deletions go on: no host relies on a condition for these.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use object_store::PutResult;
use object_store::path::Path;
use tokio::time::Instant;

/// Shortest time between two looks at objects that were created: one small request a minute for a host that writes.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What this host knows about its bucket's conditional writes.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    known: Mutex<Known>,
    /// Held by the caller that asks the bucket; the others wait for its answer.
    pub(super) asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// Whether creates are refused, because the bucket ignores their condition.
    ignored: bool,
    /// Why the bucket is to be asked before anything is created or acknowledged; `None` if it is not.
    doubt: Option<Doubt>,
    /// Whether creates are answered with a version; `None` before the first answer.
    versioned: Option<bool>,
    /// The object that was created last, if it was not looked at again.
    last: Option<Written>,
    /// When an object was last looked at again, or when the first one was created.
    looked_at: Option<Instant>,
    /// Number of times that the bucket began to ignore conditions, or to honour them again.
    epoch: u64,
}

/// What contradicts that the bucket honours conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Creates have begun, or ceased, to be answered with a version.
    Versioned,
    /// An object that this host created holds what another host wrote.
    Overwritten,
}

/// An object that this host created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) key: Path,
    pub(super) e_tag: String,
}

impl Conditions {
    /// Whether creates are refused, because the bucket ignores conditions.
    pub(super) fn are_ignored(&self) -> bool {
        self.lock().ignored
    }

    /// Whether the bucket is to be asked before the next create.
    pub(super) fn are_doubted(&self) -> bool {
        self.lock().doubt.is_some()
    }

    /// A number that changes whenever the bucket begins to ignore conditions or to honour them again. What a log read in an
    /// earlier epoch may have been overwritten, without anything that shows it.
    pub(super) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Notes that something contradicts that conditions are honoured.
    pub(super) fn doubt(&self, doubt: Doubt) {
        let new = self.lock().doubt.replace(doubt).is_none();
        if new {
            tracing::warn!(?doubt, "the bucket may have stopped honouring conditional writes; asking it");
        }
    }

    /// Notes the answer to a create.
    pub(super) fn created(&self, key: &Path, answer: &PutResult) {
        let is_versioned = answer.version.is_some();
        let before = {
            let mut known = self.lock();
            known.looked_at.get_or_insert_with(Instant::now);
            known.last = answer.e_tag.clone().map(|e_tag| Written { key: key.clone(), e_tag });
            known.versioned.replace(is_versioned)
        };
        if before.is_some_and(|before| before != is_versioned) {
            self.doubt(Doubt::Versioned);
        }
    }

    /// The object that is to be looked at again beside the next create, if it is time for that.
    pub(super) fn to_look_at(&self) -> Option<Written> {
        let mut known = self.lock();
        let now = Instant::now();
        if known.looked_at.is_none_or(|at| now.duration_since(at) < LOOK_EVERY) {
            return None;
        }
        let last = known.last.take()?;
        known.looked_at = Some(now);
        Some(last)
    }

    /// Notes the bucket's answer, and logs it if it has changed.
    pub(super) fn settle(&self, honoured: bool) {
        let was_ignored = {
            let mut known = self.lock();
            known.doubt = None;
            known.epoch += u64::from(known.ignored == honoured);
            std::mem::replace(&mut known.ignored, !honoured)
        };
        match (was_ignored, honoured) {
            (false, false) => tracing::error!(
                "the bucket ignores conditional writes (If-None-Match: *): nothing more is written until it honours them, \
                 because hosts would overwrite each other's objects; check what was changed in its settings, such as its versioning"
            ),
            (true, true) => tracing::info!("the bucket honours conditional writes again; writing goes on"),
            (false, true) | (true, false) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
