//! Calls of the service around the host.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::client::calls;
use crate::client::driver::link::Policy;
use crate::client::error::{CallError, ClientError};
use crate::client::handles::client::Client;
use crate::contract::sync_data::check_json;
use crate::share::error::Refusal;
use crate::share::limits::{ID_BYTES_MAX, Limit, Limits};

impl Client {
    /// Calls what the service around the host serves under this name of at most 256 bytes. `data` is anything whose `Display` is JSON, such as a
    /// `serde_json::Value`, or JSON text; so is what comes back.
    ///
    /// It is made once: where its connection is lost, it may or may not have been carried out.
    ///
    /// # Errors
    /// As every call; that there is nothing of this name; or what the service itself fails with.
    pub async fn call(&self, name: &str, data: impl fmt::Display) -> Result<String, CallError> {
        self.call_within(name, data, self.call_timeout()).await
    }

    /// The same for a caller who waits no longer than this, which the host is told. Longer than the call timeout it is cut to
    /// that.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_within(
        &self,
        name: &str,
        data: impl fmt::Display,
        within: Duration,
    ) -> Result<String, CallError> {
        let (name, data) = (name.to_owned(), data.to_string());
        if name.len() > ID_BYTES_MAX {
            return Err(ClientError::from(Refusal::limit(Limit::IdBytesMax, ID_BYTES_MAX, name.len())).into());
        }
        check_json("call", &data, &Limits::default()).map_err(ClientError::Refused)?;
        let within_ms = u32::try_from(within.min(self.call_timeout()).as_millis()).unwrap_or(u32::MAX).max(1);
        let called = self.run(move |link| {
            Box::pin(async move {
                let (name, data) = (Rc::<str>::from(name), Rc::<str>::from(data));
                let call = |session| calls::call(session, name.clone(), data.clone(), within_ms);
                link.call(Policy::Once, call).await
            })
        });
        called.await?
    }
}
