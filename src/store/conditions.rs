//! Whether the bucket honours conditional writes: asked at the start, now and then while hosts run, and whenever something
//! contradicts it. As long as the answer is no, nothing is created.
//!
//! A bucket may stop while hosts run: some servers ignore the condition as soon as versioning is switched on, and a gateway or a
//! proxy may be exchanged for one that drops the header. Then every create succeeds, hosts write over each other's
//! segments, and no single answer shows it. What does show it:
//! - creates are answered with a version, and were not before: the bucket was made another one ([`Doubt::Versioned`]). The answer is
//!   held until the bucket was asked, so that nothing is acknowledged that was written without the condition;
//! - what this host created holds something else, looked at again now and then beside a later create ([`Doubt::Overwritten`]);
//! - a segment follows another than this host's, which was answered as created ([`Doubt::Overwritten`]).
//!
//! Overwrites and deletions go on: no host relies on a condition for these.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use object_store::PutResult;
use object_store::path::Path;
use tokio::time::Instant;

/// How long after one look at what was created the next is made at the earliest: one small request a minute for a host that
/// writes.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What this host knows of its bucket's conditions.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    known: Mutex<Known>,
    /// Held by whoever asks the bucket; the others wait for the answer.
    pub(super) asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// Creates are refused.
    ignored: bool,
    /// The bucket is to be asked before anything is created or acknowledged.
    doubt: Option<Doubt>,
    /// Whether creates are answered with a version; `None`: none was answered yet.
    versioned: Option<bool>,
    /// What was created last and not looked at again.
    last: Option<Written>,
    /// When something was looked at last, or the first was created.
    looked_at: Option<Instant>,
    /// How often it was found out that they are ignored, and that they are honoured again.
    epoch: u64,
}

/// What contradicts that conditions are honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Creates have begun, or ceased, to be answered with a version.
    Versioned,
    /// An object that was answered as created by this host holds another's.
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

    /// Whether the bucket is to be asked first.
    pub(super) fn are_doubted(&self) -> bool {
        self.lock().doubt.is_some()
    }

    /// Another one after each change. What a log knows from an earlier one may have been written over meanwhile, without
    /// anything that shows it.
    pub(super) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Something contradicts them.
    pub(super) fn doubt(&self, doubt: Doubt) {
        let new = self.lock().doubt.replace(doubt).is_none();
        if new {
            tracing::warn!(?doubt, "the bucket may have stopped honouring conditional writes: asking it");
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

    /// What is to be looked at beside the next create, if it is time.
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

    /// The bucket was asked, and this is what it does. Said in the log when it changes.
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
                 because hosts would write over each other's; look at what was changed about it, such as its versioning"
            ),
            (true, true) => tracing::info!("the bucket honours conditional writes again: writing goes on"),
            (false, true) | (true, false) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
