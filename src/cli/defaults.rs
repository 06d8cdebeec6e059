//! What holds where the command line, the environment and the settings file say nothing, and more than one command must know it.

use capshare::share::limits::MESSAGE_BYTES_MAX;

/// The address where a host listens, and where client commands look for one.
pub(crate) const LISTEN: &str = "127.0.0.1:7420";

/// Bytes of items that wait for the host to take them: one batch that is on its way, and the next one. More would only be memory, for a
/// file can be read on when a batch is gone.
pub(crate) const QUEUE_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;
