//! Every limit of a share and of a connection, with its arithmetic.
//!
//! The constants are the contract's: those of `schema/share.capnp` by the same names, which a test compares, and for viewers
//! those of `schema/viewer.md`. A host may be configured lower ([`Limits`]), never higher, so that what one host accepted
//! every other host can hold.

mod named;

pub use named::Limit;

/// One RPC message, and so one WebSocket frame: 4 MiB. A connection's buffers grow to its largest message, so this times
/// the connections that just moved one is what a host must be able to hold.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// What one chunk of a read or an event carries, unless a single item is larger: 256 KiB, or a sixteenth of a message.
pub const CHUNK_BYTES_MAX: usize = 256 << 10;

/// One item's JSON text: a message less 64 KiB for the key, the secret and the framing around it.
pub const ITEM_BYTES_MAX: usize = MESSAGE_BYTES_MAX - (64 << 10);

/// Arrays and objects inside one another in an item. Real sessions stay below 15; JSON readers refuse at 128.
pub const ITEM_NESTING_MAX: usize = 100;

/// Items in one sync. The recorded session's largest has 12, a whole session of the median size about 200.
pub const SYNC_ITEMS_MAX: usize = 2_000;

/// Items that a share holds: a thousand times the reported mean of 97 parts a session.
pub const SHARE_ITEMS_MAX: usize = 100_000;

/// Bytes of keys and texts that a share holds: 256 MiB, the size of the largest session reported.
pub const SHARE_BYTES_MAX: usize = 256 << 20;

/// An id inside an item, and the type of an unknown one. Real ids have 30 bytes.
pub const ID_BYTES_MAX: usize = 256;

/// A session id. Real ones have 30 bytes; a key in the bucket may have 1,024 and holds an account and a session.
pub const SESSION_ID_BYTES_MAX: usize = 128;

/// Secrets of one share that are valid at once; a further one displaces the oldest.
pub const SHARE_SECRETS_MAX: usize = 32;

/// Grants of one share that are good at once; a further one is refused. Each is 256 bytes in a fold, unpacked, and its label.
pub const SHARE_GRANTS_MAX: usize = 256;

/// Bytes of a grant's label: a line on a screen.
pub const GRANT_LABEL_BYTES_MAX: usize = 128;

/// Producers whose last batch a share remembers; a further one displaces the one not heard for longest.
pub const SHARE_PRODUCERS_MAX: usize = 64;

/// Revisions, sync counts and places of items: what a JSON number holds exactly in every reader. At a million syncs a second it
/// takes 285 years to come there.
pub const COUNT_MAX: u64 = 1 << 53;

/// Bytes of removed keys that a share remembers, so that followers can be told what went: 128 KiB, about 2,000 keys. A
/// follower that was away for longer gets the whole state.
pub const REMOVED_BYTES_MAX: usize = 128 << 10;

/// Unanswered calls of one connection.
pub const CALLS_IN_FLIGHT_MAX: usize = 512;

/// Calls of one connection that may be unanswered for ever, because their caller gave them up before they were begun, or because
/// the peer never answered what was given up: at some 200 bytes each, 2 MB. Past it the connection is made anew.
pub const CALLS_KEPT_MAX: usize = 10_000;

/// Capabilities that the host holds open for one connection.
pub const CAPABILITIES_HELD_MAX: usize = 1_024;

/// Milliseconds that a share may be given to live, unless it is to stay: 100 years, so that no sum of times overflows.
pub const SHARE_TTL_MS_MAX: u64 = 36_525 * 24 * 60 * 60 * 1_000;

/// Bytes of the text that an administrator looks for in titles.
pub const TITLE_TEXT_BYTES_MAX: usize = 256;

/// Entries in one page of a listing.
pub const LIST_PAGE_MAX: usize = 1_000;

/// Entries in a page of a listing that did not say how many.
pub const LIST_PAGE_DEFAULT: usize = 100;

/// What one push carries, and its answer: 64 KiB. A push is a signal; what is larger belongs into a share.
pub const PUSH_BYTES_MAX: usize = 64 << 10;

/// Pushes to one connection that its client has not answered: more than anyone asks of a client at once. Those that it never
/// answers keep their places, which are then all that it can make the host hold: 64 times 64 KiB, 4 MiB.
pub const PUSHES_IN_FLIGHT_MAX: usize = 64;

/// What was sent to many (a broadcast) and one connection has not acknowledged: twice as many, and places of their own, so
/// that a burst of notices leaves room for pushes. Past it the connection is skipped. What waits in the queue is shared by
/// all connections that it goes to, so a place there costs some hundred bytes.
pub const CASTS_IN_FLIGHT_MAX: usize = 128;

/// Names of states that one connection may have. They are the embedder's own; thousands would be a leak.
pub const STATES_MAX: usize = 64;

/// Bytes of the name that a viewer shows to the others: a full name.
pub const VIEWER_NAME_BYTES_MAX: usize = 64;

/// Names of viewers that are told; the others are counted. With the longest names, a frame of 7 kB.
pub const VIEWER_NAMES_MAX: usize = 100;

/// Questions that one share has open: each has a card on every viewer's screen.
pub const ASKS_OPEN_MAX: usize = 8;

/// Bytes of a question: a paragraph.
pub const ASK_QUESTION_BYTES_MAX: usize = 2 << 10;

/// Choices of a question; each is a button of at most [`ASK_CHOICE_BYTES_MAX`].
pub const ASK_CHOICES_MAX: usize = 8;

/// Bytes of a choice: what fits on a button.
pub const ASK_CHOICE_BYTES_MAX: usize = 64;

/// Answers that a question may need, and that are counted: as many as a host has connections by default.
pub const ASK_ANSWERS_MAX: usize = 10_000;

/// Milliseconds that a question may be open: a day.
pub const ASK_WITHIN_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// What one host enforces: the contract's limits, or lower ones. What a share holds is the same on every host, so it is none of
/// these.
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

/// A limit of a host that the contract does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the limit {name} is {got}: set it from 1 to {max}, the contract's own")]
pub struct BadLimit {
    /// The field of [`Limits`].
    pub name: &'static str,
    /// What it was set to.
    pub got: usize,
    /// The most that it may be.
    pub max: usize,
}

impl Limits {
    /// Passes limits that the contract allows: what one host accepted every other host can hold.
    ///
    /// # Errors
    /// The first that is 0, or higher than the contract's.
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
