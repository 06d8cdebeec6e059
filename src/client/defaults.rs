//! Limits and times of the client, with the arithmetic behind each. A [`Builder`](crate::client::Builder) changes those that
//! callers may change.

use std::time::Duration;

use crate::share::limits::{CALLS_IN_FLIGHT_MAX, ITEM_BYTES_MAX, MESSAGE_BYTES_MAX, SYNC_ITEMS_MAX};

/// Longest time that one attempt at a connection may take: name resolution, TCP, TLS, the WebSocket upgrade and `hello`. On a bad
/// line they are five round trips of a second; this is twice that.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time that one call may take, with its wait for a connection: one attempt to connect, and two of the longest delays
/// between attempts.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Shortest delay between the loss of a connection and the next attempt, before jitter is added.
pub const BACKOFF_MIN: Duration = Duration::from_millis(200);

/// Longest delay between two attempts at a connection, with jitter, unless the host asks for a longer one.
pub const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Longest delay that a host may ask for, by `Retry-After` or `retryAfterMs`: a deployment takes less.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Hosts that a client knows: those that it was given, and those that hosts name, sixteen at once. Further ones are passed over.
pub(crate) const HOSTS_KNOWN_MAX: usize = 4 * HOSTS_GIVEN_MAX;

/// Hosts that a client may be given: more is a list that a host should tell.
pub const HOSTS_GIVEN_MAX: usize = 8;

/// Longest time that what is in flight on a connection may keep it, after the client has gone on at another host: as long as a call
/// may take.
pub(crate) const LEAVE_WITHIN: Duration = CALL_TIMEOUT;

/// Age that a connection has at least when the client leaves it because its host asks for that. So hosts that send a client to and fro
/// make it dial five times a second at most, and it has left at most 150 connections that are not closed yet.
pub(crate) const MOVE_AFTER: Duration = Duration::from_millis(200);

/// Age from which a connection counts as stable: after it the delays begin at the shortest again.
pub const STABLE_AFTER: Duration = Duration::from_secs(10);

/// Age from which the loss of a connection begins a new round of all hosts, so that the next is dialled at once: a client that is sent to and
/// fro by its hosts then dials once a second at most, and waits between shorter connections.
pub(crate) const NEW_ROUND_AFTER: Duration = Duration::from_secs(1);

/// Time from the first queued item of a share until the queue is sent: a second, in which a streamed part changes some fifty times.
pub const SYNC_WINDOW: Duration = Duration::from_secs(1);

/// Items that the queue of one share may hold, with the batch that is on its way: five full syncs.
pub const QUEUE_ITEMS_MAX: usize = 5 * SYNC_ITEMS_MAX;

/// Bytes that the queue of one share may hold, with the batch that is on its way: eight full messages, 32 MiB.
pub const QUEUE_BYTES_MAX: usize = 8 * MESSAGE_BYTES_MAX;

/// Bytes of items in one sync, as [`ITEM_OVERHEAD_BYTES`] counts them. The 64 KiB less than a message hold the id, the
/// secret, the stamp, the framing, and the key of an item of the largest size.
pub(crate) const BATCH_BYTES_MAX: usize = ITEM_BYTES_MAX;

/// Bytes of a message that are left for everything but items.
pub(crate) const BATCH_RESERVE_BYTES: usize = MESSAGE_BYTES_MAX - BATCH_BYTES_MAX;

/// Bytes that an item takes in a message beside its key and text: a struct of one data word and two pointers, and the padding of
/// two texts to whole words.
pub(crate) const ITEM_OVERHEAD_BYTES: usize = 3 * 8 + 2 * 8;

/// Calls of one client that may be on their way at once; further calls wait. It is half of what the host takes, so that batches and
/// watches, one call each, have the other half.
pub(crate) const CALLS_AT_ONCE_MAX: usize = CALLS_IN_FLIGHT_MAX / 2;

/// Commands that may wait for the driver. Each call sends one as soon as it has a place among `CALLS_AT_ONCE_MAX`; further commands
/// wait to be sent.
pub(crate) const COMMANDS_MAX: usize = 64;

/// Time between pings. Proxies commonly drop connections that were silent for 60 s.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(20);

/// Longest time that a message may be stuck in the socket: 4 MiB in 30 s are 1.1 Mbit/s.
pub(crate) const WRITE_STALL: Duration = Duration::from_secs(30);

/// Longest time that a connection's closing handshake may take.
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Longest time that the driver goes on sending queued items after every handle was dropped.
pub(crate) const LINGER: Duration = Duration::from_secs(30);

/// Depth of structs and lists within one another in a message: capnp's default; the contract needs nine.
pub(crate) const NESTING_MAX: u16 = 64;

/// Bytes of an HTTP answer's body that the client reads, when its upgrade was refused.
pub(crate) const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Longest time to wait for the body of an HTTP answer that refuses the upgrade.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Bytes that the parameters of one call may take, as they are measured before the call is sent. It is the size of a message less
/// 2 KiB for the segment table and the call around the parameters, and less a word for each of the two texts of every item of a
/// full sync, which a text needs that lies in another segment than its item.
pub(crate) const PARAMS_BYTES_MAX: usize = MESSAGE_BYTES_MAX - (2 << 10) - 2 * SYNC_ITEMS_MAX * size_of::<u64>();

/// The close code that the client sends to a host that was silent.
pub(crate) const SILENCE_CODE: u16 = 4002;
