//! Whether the host is there, what it says of itself, and how long a round trip takes.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use crate::client::answers::{Measured, ProbeValue};
use crate::client::calls;
use crate::client::driver::link::Policy;
use crate::client::error::ClientError;
use crate::client::handles::client::Client;
use crate::client::state::Hello;
#[cfg(doc)]
use crate::share::error::Refusal;

impl Client {
    /// Waits for a connection, dialling if there was none, and gives what the host said of itself.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] after the call timeout, or [`ClientError::Closed`].
    pub async fn hello(&self) -> Result<Arc<Hello>, ClientError> {
        self.run(|link| {
            Box::pin(async move { link.call(Policy::Again, |session| async move { Ok(session.hello.clone()) }).await })
        })
        .await
    }

    /// Sends a value and gets it back.
    ///
    /// # Errors
    /// As every call.
    pub async fn probe_value(&self, value: ProbeValue) -> Result<Measured<ProbeValue>, ClientError> {
        self.run(|link| {
            Box::pin(
                async move { link.call(Policy::Again, |session| calls::probe_value(session, value.clone())).await },
            )
        })
        .await
    }

    /// Has the host call back once; the answer of `callback` to its words comes back as the value. It runs on the
    /// driver's thread: it must not block.
    ///
    /// # Errors
    /// As every call; [`Refusal::LimitExceeded`] (`itemBytesMax`) if the callback's answer is larger than an item may be;
    /// [`ClientError::Disconnected`] when the connection was lost, as it may have been called then.
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
                            callback.ok_or_else(|| ClientError::Failed("the probe was made twice".into()))?;
                        calls::call_back(session, callback).await
                    }
                })
                .await
            })
        })
        .await
    }

    /// How long a round trip takes.
    ///
    /// # Errors
    /// As every call.
    pub async fn ping(&self) -> Result<Duration, ClientError> {
        Ok(self.probe_value(ProbeValue::default()).await?.round_trip)
    }
}
