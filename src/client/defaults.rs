//! Every limit and time of the client, with its arithmetic. A [`Builder`](crate::client::Builder) changes those that callers may.

use std::time::Duration;

use crate::share::limits::{CALLS_IN_FLIGHT_MAX, ITEM_BYTES_MAX, MESSAGE_BYTES_MAX, SYNC_ITEMS_MAX};

/// Name resolution, TCP, TLS, the WebSocket upgrade and `hello` together: five round trips, each a second on a bad line,
/// and as much again.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// One call, with the wait for a connection: a connect and two of its longest backoff delays.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Until the first attempt after a loss, jitter not counted.
pub const BACKOFF_MIN: Duration = Duration::from_millis(200);

/// No attempt waits longer, jitter counted, unless the host asked for it.
pub const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// The longest wait that a host may ask for (`Retry-After`, `retryAfterMs`): a deploy takes no longer.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// A connection that lived for this long was no failed attempt: the backoff begins anew after it.
pub const STABLE_AFTER: Duration = Duration::from_secs(10);

/// From the first queued item until it is sent: a second, in which a streamed part changes some fifty times.
pub const SYNC_WINDOW: Duration = Duration::from_secs(1);

/// Items that wait in one share's queue, the batch on its way included: five full syncs.
pub const QUEUE_ITEMS_MAX: usize = 5 * SYNC_ITEMS_MAX;

/// Bytes that wait in one share's queue, the batch on its way included: eight full messages, 32 MiB.
pub const QUEUE_BYTES_MAX: usize = 8 * MESSAGE_BYTES_MAX;

/// Bytes of items in one sync, as [`ITEM_OVERHEAD_BYTES`] counts them. The 64 KiB less than a message hold the id, the
/// secret, the stamp, the framing, and the key of an item of the largest size.
pub(crate) const BATCH_BYTES_MAX: usize = ITEM_BYTES_MAX;

/// What a message's `BATCH_BYTES_MAX` leaves for everything but items.
pub(crate) const BATCH_RESERVE_BYTES: usize = MESSAGE_BYTES_MAX - BATCH_BYTES_MAX;

/// What an item takes in a message besides its key and text: a struct of one data word and two pointers, and the padding
/// of two texts to whole words.
pub(crate) const ITEM_OVERHEAD_BYTES: usize = 3 * 8 + 2 * 8;

/// Calls of one client that are on their way at once; more wait their turn. Half of what the host takes, so that the
/// batches and watches, one call each, have the other half.
pub(crate) const CALLS_AT_ONCE_MAX: usize = CALLS_IN_FLIGHT_MAX / 2;

/// Commands from handles to the driver. Each call sends one, the moment that it has its turn; past the bound they wait.
pub(crate) const COMMANDS_MAX: usize = 64;

/// Between pings. Proxies commonly drop what was silent for 60 s.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long a message may be stuck in the socket: 4 MiB in 30 s is some 1.1 Mbit/s.
pub(crate) const WRITE_STALL: Duration = Duration::from_secs(30);

/// How long saying goodbye may take.
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// How long the driver goes on sending what shares have queued when every handle is gone.
pub(crate) const LINGER: Duration = Duration::from_secs(30);

/// Structs and lists inside one another in a message: capnp's default, as the contract needs nine.
pub(crate) const NESTING_MAX: u16 = 64;

/// Bytes of an HTTP answer's body that are read for its facts.
pub(crate) const ANSWER_BYTES_MAX: usize = 16 << 10;

/// How long that body may take.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What the parameters of one call may take in its message, as they are measured before it is sent: the message without 2 KiB for
/// its segment table and the call around them, and without a word for each of the two texts of as many items as one sync may
/// have, which they need where they lie in another segment than their item.
pub(crate) const PARAMS_BYTES_MAX: usize = MESSAGE_BYTES_MAX - (2 << 10) - 2 * SYNC_ITEMS_MAX * size_of::<u64>();

/// The close code for a host that was silent.
pub(crate) const SILENCE_CODE: u16 = 4002;
