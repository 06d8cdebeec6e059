//! The bounds of a session, with their arithmetic.

use std::time::Duration;

use super::text::Text;
use super::value::Value;

/// What one [`Session`](super::Session) takes from its peer and keeps for it. The defaults suit a server with thousands of
/// sessions; raise or lower them one by one.
///
/// A call that would pass a bound is rejected alone, with the bound's name in its error's member `limit`. Only
/// [`frame_bytes`](Self::frame_bytes), [`depth`](Self::depth) and [`queue_bytes`](Self::queue_bytes) end the session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one frame, in either direction. Default: 4 MiB. A longer frame of the peer ends the session; an answer that
    /// would be longer is sent as a rejection.
    pub frame_bytes: usize,
    /// Arrays and objects inside one another, the message included. Default: 256, as the official package has. A deeper
    /// frame ends the session.
    pub depth: usize,
    /// Levels of a value that are read into a tree. A plain array or object below is one [`Json`](super::Json), a slice of
    /// its frame. Default: 3, so that in `f([{type, data}])` each `data` is a slice.
    pub tree_levels: usize,
    /// Values that the tree of one frame, or of the arguments of one call, has. Default: 250,000, some 18 MB. Plain data
    /// below `tree_levels` counts as one.
    pub values: usize,
    /// Digits of a bigint. Default: 16,384, as the official package has.
    pub bigint_digits: usize,
    /// Calls of the peer that are not answered yet: those that wait for a promise, and those that run. Default: 512.
    pub calls: usize,
    /// Calls that are not answered yet, and results that the peer has neither fetched nor released, together. Past it new
    /// calls are rejected before they run, unless a result can be dropped that was fetched or is older than
    /// [`kept_for`](Self::kept_for). Who asks for a dropped result later gets an error of its own code, `ResultDropped`. Default: 512.
    pub results: usize,
    /// How long a result is kept for a peer that has not asked for it, while there is memory for it. The peer's requests for the
    /// results of many calls may come after all of these calls. Default: 10 s.
    pub kept_for: Duration,
    /// Objects and promises of this side that the peer holds. Default: 1,024.
    pub exports: usize,
    /// Objects of the peer that this side holds. Default: 1,024.
    pub imports: usize,
    /// Promises of the peer that are not resolved yet, and, counted apart, promises that this side made. Default: 256.
    pub promises: usize,
    /// Calls of this side to the peer that are not released yet. Default: 512.
    pub calls_out: usize,
    /// Bytes of memory that calls in progress and kept results hold: trees, the texts in them, and the frames that these are
    /// slices of, where they are not copied because they are a small part of it. Old results are dropped first;
    /// then calls are rejected before they run. What answers hold beyond it is dropped from the oldest. Default: 32 MiB, eight of the longest frames.
    pub held_bytes: usize,
    /// Work for the peer beyond reading its frames: a unit for each byte of plain data that is looked through for a part of
    /// it, 64 for each value that is copied from a result into a call or into another result, 8 for each member whose
    /// name is compared. Each frame earns 65,536 units, and 16 for each of its bytes, up to this bound; a call that finds none
    /// left is rejected. Default: 67,108,864.
    pub work: usize,
    /// Bytes of frames that wait to be taken by [`poll_frame`](super::Session::poll_frame). Past it the session ends: the
    /// peer does not read. Default: 32 MiB.
    pub queue_bytes: usize,
    /// What bounds are called in the errors that the peer is sent: pairs of a name as this session has it, such as `heldBytes`, and of
    /// the one that is said. Default: empty, each has its own name.
    pub names: &'static [(&'static str, &'static str)],
}

impl Limits {
    /// An error as the peer is to be told it, if a bound in it is called otherwise there.
    pub(super) fn renamed(&self, error: &Value) -> Option<Value> {
        let Value::Error(fault) = error else { return None };
        let at = fault.members.iter().position(|(key, _)| *key == "limit")?;
        let Value::Text(limit) = &fault.members[at].1 else { return None };
        let (own, said) = self.names.iter().find(|(own, _)| *limit == *own)?;
        let mut fault = fault.clone();
        fault.members[at].1 = Text::from_static(said).into();
        fault.message = fault.message.replacen(&format!(" {own} of this"), &format!(" {said} of this"), 1).into();
        Some(Value::Error(fault))
    }
}

/// Units of [`Limits::work`] that each frame of the peer earns: a session that says little earns what it needs by its frames alone.
pub(super) const WORK_OF_A_FRAME: usize = 64 << 10;
/// Units that each byte of a frame earns: a longest frame earns all that there may be, and a reference in it, of some fourteen bytes,
/// a copy of three values.
pub(super) const WORK_OF_A_BYTE: usize = 16;

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: 4 << 20,
            depth: 256,
            tree_levels: 3,
            values: 250_000,
            bigint_digits: 16_384,
            calls: 512,
            results: 512,
            kept_for: Duration::from_secs(10),
            exports: 1_024,
            imports: 1_024,
            promises: 256,
            calls_out: 512,
            held_bytes: 32 << 20,
            work: 64 << 20,
            queue_bytes: 32 << 20,
            names: &[],
        }
    }
}
