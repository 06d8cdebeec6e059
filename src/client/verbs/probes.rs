//! Probes: whether the host is reachable, what it says about itself, and how long a round trip takes.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use crate::client::answers::{Measured, ProbeValue};
use crate::client::calls;
use crate::client::driver::handle::Client;
use crate::client::driver::link::Policy;
use crate::client::error::ClientError;
use crate::client::state::Hello;
#[cfg(doc)]
use crate::share::error::Refusal;

impl Client {
    /// Connects, unless the client is connected, and waits for the connection. Gives what the host said about itself and this connection.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] after the call timeout, or [`ClientError::Closed`].
    pub async fn hello(&self) -> Result<Arc<Hello>, ClientError> {
        self.run(|link| {
            Box::pin(async move { link.call(Policy::Again, |session| async move { Ok(session.hello.clone()) }).await })
        })
        .await
    }

    /// Sends a value to the host, which sends it back: for measuring the way.
    ///
    /// # Errors
    /// [`ClientError`], as for every call.
    pub async fn probe_value(&self, value: ProbeValue) -> Result<Measured<ProbeValue>, ClientError> {
        self.run(|link| {
            Box::pin(
                async move { link.call(Policy::Again, |session| calls::probe_value(session, value.clone())).await },
            )
        })
        .await
    }

    /// Has the host call this client back once. The value that this gives is the answer of `callback` to the host's message, as
    /// it came back from the host. The callback runs on the driver's thread and must not block.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::LimitExceeded`] (`itemBytesMax`) if the callback's answer is larger than an
    /// item may be. When the connection is lost, the callback may have been called.
    pub async fn probe_callback(
        &self,
        callback: impl FnOnce(String) -> String + Send + 'static,
    ) -> Result<Measured<String>, ClientError> {
        self.run(|link| {
            Box::pin(async move {
                let callback = Cell::new(Some(Box::new(callback) as calls::Callback));
                link.call(Policy::Once, |session| {
                    let callback = callback.take();
                    async move {
                        let callback =
                            callback.ok_or_else(|| ClientError::Failed("the client made a probe twice".into()))?;
                        calls::call_back(session, callback).await
                    }
                })
                .await
            })
        })
        .await
    }

    /// Measures the time of one round trip to the host.
    ///
    /// # Errors
    /// [`ClientError`], as for every call.
    pub async fn ping(&self) -> Result<Duration, ClientError> {
        Ok(self.probe_value(ProbeValue::default()).await?.round_trip)
    }
}
