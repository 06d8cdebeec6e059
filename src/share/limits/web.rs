//! The limits of the Cap'n Web door, beside those that it shares with the RPC door.
//!
//! At that door one text frame carries one message, of at most [`MESSAGE_BYTES_MAX`] bytes; calls in
//! flight and objects that a connection holds are bounded as at the RPC door.

use std::time::Duration;

use super::MESSAGE_BYTES_MAX;

/// Arrays and objects inside one another in a frame, the frame included: what the official package takes. An item may have 100
/// of them, and stands inside four others.
pub const WEB_NESTING_MAX: usize = 256;

/// Values that one frame is taken apart into; what is inside an item's data counts as one. A sync of 2,000 items has 8,000.
pub const WEB_VALUES_MAX: usize = 65_536;

/// Digits of a bigint: those of the largest 64-bit number, and some more.
pub const WEB_BIGINT_DIGITS_MAX: usize = 64;

/// Calls in flight, and results that a client has neither fetched nor released, together: each call that is never awaited leaves
/// one. Past this number a call is refused before it runs, unless a result can be dropped that is older than [`WEB_RESULT_KEPT_FOR`].
pub const WEB_RESULTS_MAX: usize = 512;

/// How long the result of a call is kept for a client that has not asked for it. A client that makes many calls at once asks for
/// their results behind all of them.
pub const WEB_RESULT_KEPT_FOR: Duration = Duration::from_secs(10);

/// Bytes of one frame of a client that has not authenticated, on a host that needs a credential: a long token fits in.
pub const WEB_STRANGER_FRAME_BYTES_MAX: usize = 64 << 10;

/// Bytes that the calls and results of a client hold that has not authenticated, on a host that needs a credential: 256 MB for the 1,024
/// connections of one address.
pub const WEB_STRANGER_HELD_BYTES_MAX: usize = 256 << 10;

/// Bytes that are read of a client that has not authenticated, on a host that needs a credential; the rest is left unread until it has.
pub const WEB_STRANGER_BYTES_MAX: usize = 128 << 10;

/// Bytes that wait for a client to read that has not authenticated, before its further frames are left unread.
pub const WEB_STRANGER_QUEUED_BYTES_MAX: usize = 64 << 10;

/// Functions and objects of the client that the host holds at once: the observers of watches, and the arguments of calls.
pub const WEB_IMPORTS_MAX: usize = 1_024;

/// Objects of the host that a client was given and has not disposed of: those that take a place among the objects that a connection
/// holds, and those that take none, which are what `authenticate` gives and the two of `restore` that refuse every call.
pub const WEB_EXPORTS_MAX: usize = 4_096;

/// Promises of the client in its arguments that it has not resolved yet.
pub const WEB_PROMISES_MAX: usize = 256;

/// Calls of one connection's client by the host that have no answer: 64 pushes, and one for each of the watches that a
/// connection can hold.
pub const WEB_CALLS_OUT_MAX: usize = 1_152;

/// Bytes that the calls in progress and the kept results of one connection hold: four of the largest frames.
pub const WEB_HELD_BYTES_MAX: usize = 4 * MESSAGE_BYTES_MAX;

/// Units of work for one client beyond reading its frames, as `capnweb::Limits` counts them, that may be asked for at once: sixteen for
/// each byte of a longest frame.
pub const WEB_WORK_MAX: usize = 16 * MESSAGE_BYTES_MAX;

/// Bytes that wait for one client to read: four of the largest frames. The door leaves requests unread long before, so only a
/// client that has many calls answered at once while it reads nothing comes here, and is closed.
pub const WEB_QUEUED_BYTES_MAX: usize = 4 * MESSAGE_BYTES_MAX;

/// Bytes of a frame that are kept for what stands around an item's data: its key, its revisions, the call. Half of what a largest
/// item leaves of a message, so that such an item fits unless thousands of arrays in it have their brackets doubled.
pub const WEB_ENVELOPE_BYTES: usize = 32 << 10;

/// Bytes of a change beside its key and its data, at most: `{"key":"","revision":,"first":,"type":"","data":},` with two numbers of
/// 16 digits, and a type that is as long as the key again.
pub const WEB_CHANGE_BYTES: usize = 256;
