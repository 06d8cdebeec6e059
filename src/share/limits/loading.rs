//! The limits of what viewers load of a share before they follow it, and of what is packed for them.

use std::time::Duration;

/// Bytes of the items that come first: 32 KiB, a fifth of a second at 50 kB/s when they are packed.
pub const FIRST_BYTES: usize = 32 << 10;

/// Items that come first: some screens of the smallest.
pub const FIRST_ITEMS_MAX: usize = 120;

/// Bytes of a value beyond which what comes first has it cut: a picture must not hold up the text below it.
pub const FIRST_VALUE_BYTES_MAX: usize = 8 << 10;

/// Bytes of the newest values that are not cut: a share of fewer comes whole.
pub const WHOLE_BYTES: usize = 256 << 10;

/// Bytes of a line.
pub const STATE_LINE_BYTES: usize = 64 << 10;

/// Items at most on each side of one that was asked for.
pub const AROUND_ITEMS_MAX: usize = 40;

/// Items that may be asked for at once.
pub const ITEMS_ASKED_MAX: usize = 64;

/// Bytes of the items in one answer, unless a single one is larger.
pub const ITEMS_ANSWER_BYTES: usize = 256 << 10;

/// Bytes of all documents that are kept: 32 MiB, some ten of the largest shares or thousands of usual ones.
pub const STATES_KEPT_BYTES_MAX: u64 = 32 << 20;

/// How many documents may be kept.
pub const STATES_KEPT_MAX: usize = 10_000;

/// Documents that are made at once: each is made by a thread that reads up to 256 MiB.
pub const STATES_MADE_MAX: usize = 2;

/// How old a document may be though the share has changed: what came meanwhile is told by the channel.
pub const STATE_FRESH_FOR: Duration = Duration::from_secs(5);

/// Bytes of an event that are packed by the thread that tells it, and others: 512 KiB take it some 3 ms. What is larger goes out as it is.
pub const EVENT_PACKED_BYTES_MAX: usize = 512 << 10;
