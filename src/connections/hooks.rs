//! Connection hooks: how the service around the host hears of connections.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::connections::entry::Entry;

/// Hears of connections. Implement it to keep something of your own for each; give it to
/// [`HostBuilder::hooks`](crate::host::HostBuilder::hooks).
pub trait ConnectionHooks: fmt::Debug + Send + Sync {
    /// A connection was admitted. Nothing of it is dispatched until this is done. It is dropped if the connection is closed
    /// meanwhile.
    ///
    /// # Errors
    /// The connection is closed with 1011 then, and [`closed`](Self::closed) is not called. The error is logged.
    fn opened<'a>(&'a self, connection: &'a Arc<Entry>) -> BoxFuture<'a, Result<(), HookError>>;

    /// A connection is gone: out of the registry, and nothing of it runs any more. Called once for each whose
    /// [`opened`](Self::opened) was begun and did not fail. It must not block.
    fn closed(&self, connection: &Entry);
}

/// Why a hook failed.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

impl dyn ConnectionHooks {
    /// Within a `Drop`, where a panic would end the process.
    pub(super) fn tell_closed(&self, connection: &Entry) {
        if catch_unwind(AssertUnwindSafe(|| self.closed(connection))).is_err() {
            tracing::error!(connection = %connection.id, "the embedder's hook panicked when a connection was closed");
        }
    }
}
