//! Calls to the service that embeds the host.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::calls;
use crate::client::driver::handle::Client;
use crate::client::driver::link::Policy;
use crate::client::error::{CallError, ClientError};
use crate::contract::sync_data::check_json;
use crate::share::error::Refusal;
use crate::share::limits::{ID_BYTES_MAX, Limit, Limits};

impl Client {
    /// Makes a call to the service that embeds the host, by a name of at most 256 bytes. The argument is anything whose `Display`
    /// is JSON, such as a `serde_json::Value` or a JSON text; the answer is JSON text. [`call_as`](Self::call_as) reads and
    /// writes types.
    ///
    /// The call is made once: if its connection is lost, it may or may not have been carried out.
    ///
    /// # Errors
    /// [`CallError`]: the call did not reach the service, the service has no call of this name, or it answered with an error.
    pub async fn call(&self, name: &str, data: impl fmt::Display) -> Result<String, CallError> {
        self.call_within(name, data, self.call_timeout()).await
    }

    /// Makes a [call](Self::call) with an argument of one type, and reads its answer into another:
    ///
    /// ```no_run
    /// # #[derive(serde::Serialize)] struct Order { count: u32 }
    /// # #[derive(serde::Deserialize)] struct Receipt { number: u64 }
    /// # async fn scene(client: capshare::Client) -> Result<(), capshare::client::CallError> {
    /// let receipt = client.call_as::<Receipt>("order", &Order { count: 3 }).await?;
    /// # let _ = receipt.number;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`call`](Self::call); [`CallError::Argument`] if the argument cannot be written as JSON, and nothing was sent then;
    /// [`CallError::Answer`] if the answer is not of the type, and the call was carried out then.
    pub async fn call_as<T: DeserializeOwned>(
        &self,
        name: &str,
        argument: &(impl Serialize + ?Sized),
    ) -> Result<T, CallError> {
        let argument = serde_json::to_string(argument)
            .map_err(|error| CallError::Argument { name: name.to_owned(), message: error.to_string() })?;
        let answer = self.call(name, argument).await?;
        serde_json::from_str(&answer)
            .map_err(|error| CallError::Answer { name: name.to_owned(), message: error.to_string() })
    }

    /// Makes a [call](Self::call) that is to be answered within this time, which the host is told. A time longer than the call
    /// timeout is cut to it.
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
