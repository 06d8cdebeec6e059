//! How long a scene waits for what must come: one that would hang fails instead, and says what it waited for.

use std::time::Duration;

use tokio::time::timeout;

/// By tokio's clock. Many times what anything takes, also on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for what must come.
///
/// # Panics
/// It did not come.
pub(crate) async fn within<T>(what: &str, comes: impl Future<Output = T>) -> T {
    timeout(PATIENCE, comes).await.unwrap_or_else(|_| panic!("{what} did not come within {PATIENCE:?}"))
}
