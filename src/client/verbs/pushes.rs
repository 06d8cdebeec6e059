//! Taking pushes, and taking none any more.

use std::sync::Arc;

use tokio::time::timeout;

use crate::client::driver::link::Link;
use crate::client::error::{ClientError, Closed};
use crate::client::handles::client::Client;
use crate::client::push::PushHandler;

impl Client {
    /// Answers what the host pushes with `handler` from now on, over this connection and all that come after it, in the
    /// place of any handler before. Dials if there is no connection. When this returns the host can push.
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
    /// As every call. The handler stays all the same, and is offered on the next connection.
    pub async fn on_push(&self, handler: impl PushHandler + 'static) -> Result<(), ClientError> {
        let handler: Arc<dyn PushHandler> = Arc::new(handler);
        self.run(move |link| Box::pin(async move { set_handler(&link, Some(handler)).await })).await
    }

    /// Takes the handler back: the host can push no more.
    ///
    /// # Errors
    /// As every call.
    pub async fn stop_pushes(&self) -> Result<(), ClientError> {
        self.run(|link| Box::pin(async move { set_handler(&link, None).await })).await
    }
}

/// Sets the handler, and waits until the host has taken it.
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
