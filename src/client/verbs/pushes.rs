//! Setting and removing the handler of pushes.

use std::sync::Arc;

use tokio::time::timeout;

use crate::client::driver::handle::Client;
use crate::client::driver::link::Link;
use crate::client::error::{ClientError, Closed};
use crate::client::push::PushHandler;

impl Client {
    /// Sets the handler that answers the host's pushes, on this connection and on all later ones; it takes the place of the handler
    /// before. Connects if there is no connection. When this returns, the host can push.
    ///
    /// ```no_run
    /// # async fn scene(client: capshare::Client) -> Result<(), capshare::client::ClientError> {
    /// use capshare::client::{Answer, Push};
    ///
    /// client
    ///     .on_push(|push| async move {
    ///         match push {
    ///             Push::Notice(_text) => Ok(Answer::Done),
    ///             Push::Custom { name, .. } if name == "version" => Ok(Answer::custom(r#"{"version": 3}"#)),
    ///             _ => Err("not known here"),
    ///         }
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ClientError`], as for every call. The handler stays set, and is offered to the host on the next connection.
    pub async fn on_push(&self, handler: impl PushHandler + 'static) -> Result<(), ClientError> {
        let handler: Arc<dyn PushHandler> = Arc::new(handler);
        self.run(move |link| Box::pin(async move { set_handler(&link, Some(handler)).await })).await
    }

    /// Removes the handler of pushes: the host can push no more to this client.
    ///
    /// # Errors
    /// [`ClientError`], as for every call.
    pub async fn stop_pushes(&self) -> Result<(), ClientError> {
        self.run(|link| Box::pin(async move { set_handler(&link, None).await })).await
    }
}

/// Sets or removes the handler, and waits until the host has taken note.
async fn set_handler(link: &Link, handler: Option<Arc<dyn PushHandler>>) -> Result<(), ClientError> {
    let taken_by_host = link.offers.set(handler);
    let after = link.settings.call_timeout;
    let taken = async {
        // The first call dials.
        link.session().await.map_err(ClientError::Closed)?;
        tokio::select! {
            biased;
            closed = link.closed() => Err(ClientError::Closed(closed)),
            result = taken_by_host => result.unwrap_or(Err(ClientError::Closed(Closed::Here))),
        }
    };
    timeout(after, taken).await.unwrap_or(Err(ClientError::Timeout { after }))
}
