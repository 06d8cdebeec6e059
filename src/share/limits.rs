//! Every limit of a share and of a connection, with the arithmetic behind it.
//!
//! The constants are the contract's: those of `schema/share.capnp` by the same names, which a test compares, and for viewers
//! those of `schema/viewer.md`. A host may be configured lower ([`Limits`]), never higher, so that what one host accepted
//! every other host can hold.

use std::time::Duration;

pub mod hosts;
pub mod loading;
mod named;
pub mod nats;
pub mod web;

pub use named::Limit;

/// Bytes of one RPC message, and so of one WebSocket frame: 4 MiB. A connection's buffers grow to its largest message, so this times
/// the connections that just moved one is what a host must be able to hold.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Bytes of one chunk of a read or an event, unless a single item is larger: 256 KiB, a sixteenth of a message.
pub const CHUNK_BYTES_MAX: usize = 256 << 10;

/// Bytes of one item's JSON text: a message less 64 KiB for the key, the secret and the framing around it.
pub const ITEM_BYTES_MAX: usize = MESSAGE_BYTES_MAX - (64 << 10);

/// Arrays and objects inside one another in an item's JSON text. Real sessions stay below 15; JSON readers refuse at 128.
pub const ITEM_NESTING_MAX: usize = 100;

/// Items in one sync. The recorded session's largest has 12, a whole session of the median size about 200.
pub const SYNC_ITEMS_MAX: usize = 2_000;

/// Items that a share holds: a thousand times the reported mean of 97 parts a session.
pub const SHARE_ITEMS_MAX: usize = 100_000;

/// Bytes of keys and texts that a share holds: 256 MiB, the size of the largest session reported.
pub const SHARE_BYTES_MAX: usize = 256 << 20;

/// Bytes of an id inside an item, and of the type of an unknown item. Real ids have 30 bytes.
pub const ID_BYTES_MAX: usize = 256;

/// Bytes of a session id. Real ones have 30; a key in the bucket may have 1,024 and holds an account and a session id.
pub const SESSION_ID_BYTES_MAX: usize = 128;

/// Secrets of one share that are valid at once; a further one displaces the oldest.
pub const SHARE_SECRETS_MAX: usize = 32;

/// Grants of one share that are valid at once; a further one is refused. In an unpacked run each takes 256 bytes and its label.
pub const SHARE_GRANTS_MAX: usize = 256;

/// Bytes of a grant's label: a line on a screen.
pub const GRANT_LABEL_BYTES_MAX: usize = 128;

/// Producers whose last batch a share remembers; a further one displaces the one not heard for longest.
pub const SHARE_PRODUCERS_MAX: usize = 64;

/// Revisions, sync counts and places of items: what a JSON number holds exactly in every reader. At a million syncs a second it
/// takes 285 years to come there.
pub const COUNT_MAX: u64 = 1 << 53;

/// Bytes of removed keys that a share remembers, so that followers can be told what was removed: 128 KiB, about 2,000 keys. A
/// follower that was away for longer gets the whole state.
pub const REMOVED_BYTES_MAX: usize = 128 << 10;

/// Calls of one connection that are unanswered at once.
pub const CALLS_IN_FLIGHT_MAX: usize = 512;

/// Calls of one connection that may stay unanswered for ever, because their caller gave them up before they began, or because
/// the peer never answered a call that was given up: at some 200 bytes each, 2 MB. Past this number the connection ends and the
/// client makes a new one.
pub const CALLS_KEPT_MAX: usize = 10_000;

/// Capabilities that the host holds for one connection.
pub const CAPABILITIES_HELD_MAX: usize = 1_024;

/// Milliseconds after which a share may expire at the latest, if it expires: 100 years, so that no sum of times overflows.
pub const SHARE_TTL_MS_MAX: u64 = 36_525 * 24 * 60 * 60 * 1_000;

/// Bytes of the text that an administrator looks for in titles.
pub const TITLE_TEXT_BYTES_MAX: usize = 256;

/// Entries in one page of a listing.
pub const LIST_PAGE_MAX: usize = 1_000;

/// Entries in a page of a listing whose caller did not say how many.
pub const LIST_PAGE_DEFAULT: usize = 100;

/// Bytes of one push, and of its answer: 64 KiB. A push is a signal; larger things belong in a share.
pub const PUSH_BYTES_MAX: usize = 64 << 10;

/// Pushes to one connection that its client has not answered: more than anybody asks of a client at once. Pushes that are never
/// answered keep their places, so a client makes the host hold at most 64 times 64 KiB, 4 MiB.
pub const PUSHES_IN_FLIGHT_MAX: usize = 64;

/// Broadcasts that one connection has not acknowledged: twice as many as pushes, and counted apart, so that a burst of
/// broadcasts keeps no push from a connection. Past this number the connection is skipped. All connections share one copy of a
/// broadcast, so one that waits costs some hundred bytes.
pub const CASTS_IN_FLIGHT_MAX: usize = 128;

/// Names of states that one connection may have. The embedding service chooses the names; thousands would be a leak.
pub const STATES_MAX: usize = 64;

/// Hours that a drain may take, as a time: a day. Somebody who has no more connections to give up by then shuts the host down.
pub const DRAIN_WITHIN_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes of the name that a viewer shows to the other viewers: enough for a full name.
pub const VIEWER_NAME_BYTES_MAX: usize = 64;

/// Names of viewers that a viewer is told; the other viewers are only counted. With the longest names this is a frame of 7 kB.
pub const VIEWER_NAMES_MAX: usize = 100;

/// Questions that are open at once in one share: each has a card on every viewer's screen.
pub const ASKS_OPEN_MAX: usize = 8;

/// Bytes of a question's text: enough for a paragraph.
pub const ASK_QUESTION_BYTES_MAX: usize = 2 << 10;

/// Choices of a question; each is a button, whose text has at most [`ASK_CHOICE_BYTES_MAX`] bytes.
pub const ASK_CHOICES_MAX: usize = 8;

/// Bytes of a choice's text: what fits on a button.
pub const ASK_CHOICE_BYTES_MAX: usize = 64;

/// Answers that a question may need, and that are counted: as many as a host has connections by default.
pub const ASK_ANSWERS_MAX: usize = 10_000;

/// Milliseconds that a question may be open: a day.
pub const ASK_WITHIN_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// Bytes of one message from host to host: a hint takes 150; the rest is for control messages with a list of ids.
pub const HINT_BYTES_MAX: usize = 8 << 10;

/// Bytes of the name of a kind of control message from host to host.
pub const CONTROL_NAME_BYTES_MAX: usize = 64;

/// Shares whose last hint waits to be sent again, at some 150 bytes each, 1.5 MB. Past it a hint is sent once.
pub const HINTS_REPEATED_MAX: usize = 10_000;

/// Shares that are followed by hints because this host wrote to them lately, and nobody follows them here. Past it a share is not.
pub const WRITTEN_FOLLOWED_MAX: usize = 10_000;

/// Ids of shares that were found not to be there, and that are remembered for [`ABSENT_MS_MAX`]: at some 100 bytes each, 1 MB. Past it
/// the oldest is forgotten.
pub const ABSENT_REMEMBERED_MAX: usize = 10_000;

/// Milliseconds for which a host remembers that a share is not there. A share that another host creates meanwhile is not found here for
/// at most so long.
pub const ABSENT_MS_MAX: u64 = 2_000;

/// Bytes that a host packs in a second between the appends of its logs: 16 MiB, which take a fourteenth of a core.
pub const FOLD_BYTES_PER_SECOND: u64 = 16 << 20;

/// Bytes that it packs at once if it has packed nothing for a while: 64 MiB, a long session.
pub const FOLD_BYTES_BURST: u64 = 64 << 20;

/// Bytes of one line of a transcript: a recorded sync holds many items, but no more than sixteen full messages of them.
pub const TRANSCRIPT_LINE_BYTES_MAX: usize = 16 * MESSAGE_BYTES_MAX;

/// Subagents whose transcripts are read with that of their caller: more than a day's work begins.
pub const TRANSCRIPT_SUBAGENTS_MAX: usize = 256;

/// Bytes of a transcript or an export that is one JSON document: a full share, and as much again for white space.
pub const TRANSCRIPT_DOCUMENT_BYTES_MAX: usize = 2 * SHARE_BYTES_MAX;

/// Bytes that a packed transcript is unpacked to: four full shares. Most of a transcript is what the program wrote for its model, and no
/// share holds that.
pub const TRANSCRIPT_UNPACKED_BYTES_MAX: u64 = 4 * SHARE_BYTES_MAX as u64;

/// Bytes of memory that a transcript may ask for to be unpacked from zstd: 128 MiB, as the program `zstd` itself allows without being told.
pub const TRANSCRIPT_WINDOW_BYTES_MAX: u64 = 128 << 20;

/// The limits that one host enforces: the contract's, or lower ones. How much a share may hold is the same on every host, so no
/// host can set that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// See [`MESSAGE_BYTES_MAX`].
    pub message_bytes_max: usize,
    /// See [`CHUNK_BYTES_MAX`].
    pub chunk_bytes_max: usize,
    /// See [`ITEM_BYTES_MAX`].
    pub item_bytes_max: usize,
    /// See [`ITEM_NESTING_MAX`].
    pub item_nesting_max: usize,
    /// See [`SYNC_ITEMS_MAX`].
    pub sync_items_max: usize,
    /// See [`CALLS_IN_FLIGHT_MAX`].
    pub calls_in_flight_max: usize,
    /// See [`CAPABILITIES_HELD_MAX`].
    pub capabilities_held_max: usize,
    /// See [`PUSHES_IN_FLIGHT_MAX`].
    pub pushes_in_flight_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: MESSAGE_BYTES_MAX,
            chunk_bytes_max: CHUNK_BYTES_MAX,
            item_bytes_max: ITEM_BYTES_MAX,
            item_nesting_max: ITEM_NESTING_MAX,
            sync_items_max: SYNC_ITEMS_MAX,
            calls_in_flight_max: CALLS_IN_FLIGHT_MAX,
            capabilities_held_max: CAPABILITIES_HELD_MAX,
            pushes_in_flight_max: PUSHES_IN_FLIGHT_MAX,
        }
    }
}

/// A host's limit is 0, or higher than the contract allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the limit {name} is {got}: set it from 1 to {max}, the contract's own")]
pub struct BadLimit {
    /// The name of the field of [`Limits`].
    pub name: &'static str,
    /// The value that it was set to.
    pub got: usize,
    /// The contract's value, the highest that is allowed.
    pub max: usize,
}

impl Limits {
    /// Checks that every limit is one that the contract allows, so that every other host can hold what this host accepts.
    ///
    /// # Errors
    /// The first limit that is 0 or higher than the contract's.
    pub fn check(&self) -> Result<(), BadLimit> {
        let Self {
            message_bytes_max,
            chunk_bytes_max,
            item_bytes_max,
            item_nesting_max,
            sync_items_max,
            calls_in_flight_max,
            capabilities_held_max,
            pushes_in_flight_max,
        } = *self;
        let all = [
            ("message_bytes_max", message_bytes_max, MESSAGE_BYTES_MAX),
            ("chunk_bytes_max", chunk_bytes_max, CHUNK_BYTES_MAX),
            ("item_bytes_max", item_bytes_max, ITEM_BYTES_MAX),
            ("item_nesting_max", item_nesting_max, ITEM_NESTING_MAX),
            ("sync_items_max", sync_items_max, SYNC_ITEMS_MAX),
            ("calls_in_flight_max", calls_in_flight_max, CALLS_IN_FLIGHT_MAX),
            ("capabilities_held_max", capabilities_held_max, CAPABILITIES_HELD_MAX),
            ("pushes_in_flight_max", pushes_in_flight_max, PUSHES_IN_FLIGHT_MAX),
        ];
        let bad = all.into_iter().find(|(_, got, max)| !(1..=*max).contains(got));
        bad.map_or(Ok(()), |(name, got, max)| Err(BadLimit { name, got, max }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_the_contracts_or_lower_and_never_nothing() {
        assert_eq!(Limits::default().check(), Ok(()));
        assert_eq!(Limits { sync_items_max: 1, ..Limits::default() }.check(), Ok(()));
        let (name, max) = ("sync_items_max", SYNC_ITEMS_MAX);
        for got in [0, max + 1, usize::MAX] {
            let limits = Limits { sync_items_max: got, ..Limits::default() };
            assert_eq!(limits.check(), Err(BadLimit { name, got, max }));
        }
    }
}
