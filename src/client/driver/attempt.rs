//! One attempt at a connection to one host, up to its answer to `hello`; and what a failure of it means.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::client::defaults::NESTING_MAX;
use crate::client::dial::{Connection, Control, DialError, DialRequest};
use crate::client::driver::greeting::greet;
use crate::client::driver::moving::{Requests, mover};
use crate::client::ending::Ending;
use crate::client::error::{ClientError, Lost};
use crate::client::hosts::{HostNumber, Way};
use crate::client::session::Session;
use crate::client::settings::Settings;
use crate::share::limits::{CALLS_KEPT_MAX, MESSAGE_BYTES_MAX};
use crate::wire::vat::{Vat, VatLimits, connect};

/// A connection on which the host answered `hello`, and the future that serves it.
pub(super) struct Established {
    pub(super) session: Rc<Session>,
    pub(super) vat: Vat,
    /// The host's requests to go elsewhere.
    pub(super) requests: Requests,
}

/// A failed attempt at a connection: what follows, and the shortest delay that the host asked for.
pub(super) struct Failure {
    pub(super) ending: Ending,
    pub(super) after: Option<Duration>,
}

/// Makes one attempt at a connection, within the connect timeout.
pub(super) async fn attempt(host: HostNumber, way: &Way, settings: &Settings) -> Result<Established, Failure> {
    timeout(settings.connect_timeout, establish(host, way, settings)).await.unwrap_or_else(|_late| {
        let text = format!("the host did not answer within {:?}", settings.connect_timeout);
        Err(Failure { ending: Ending::Again(Lost::Connection(text)), after: None })
    })
}

async fn establish(host: HostNumber, way: &Way, settings: &Settings) -> Result<Established, Failure> {
    let request = DialRequest {
        token: settings.token.clone().filter(|_| !settings.in_band),
        in_band: settings.in_band,
        message_bytes_max: MESSAGE_BYTES_MAX,
    };
    let Connection { reader, writer, control } = way.dialer.dial(&request).await?;
    let control: Option<Rc<dyn Control>> = control.map(Rc::from);
    let limits = VatLimits {
        message_bytes_max: MESSAGE_BYTES_MAX,
        nesting_max: NESTING_MAX,
        queued_bytes_max: None,
        calls_kept_max: CALLS_KEPT_MAX,
    };
    let (mut vat, root) = connect(reader, writer, limits);
    let (mover, requests) = mover();
    let reached_at = way.url.as_ref().map_or_else(String::new, |url| url.origin());
    let greeted = tokio::select! {
        biased;
        greeted = greet(root, settings, mover, reached_at) => Some(greeted),
        _ended = &mut vat => None,
    };
    let ended = || control.as_ref().and_then(|control| control.end_reason());
    let failure = match (greeted, ended()) {
        (Some(Ok((rpc, hello))), _) => {
            let session = Rc::new(Session {
                rpc,
                hello: hello.into(),
                control,
                meter: vat.meter(),
                planted: settings.planted,
                host,
                gone: CancellationToken::new(),
                calls: Default::default(),
            });
            return Ok(Established { session, vat, requests });
        }
        // How the connection ended says more than how its calls failed.
        (_, Some(end)) => Failure { ending: end.into(), after: None },
        (Some(Err(error)), None) => error.into(),
        (None, None) => {
            let text = "the connection ended before the host had answered hello";
            Failure { ending: Ending::Again(Lost::Connection(text.into())), after: None }
        }
    };
    drop(vat);
    say_goodbye(control);
    Err(failure)
}

/// Closes a connection in the background.
pub(super) fn say_goodbye(control: Option<Rc<dyn Control>>) {
    if let Some(control) = control {
        tokio::task::spawn_local(async move { control.close(1000, "").await });
    }
}

impl From<DialError> for Failure {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Final(refusal) => Self { ending: Ending::Final(refusal.into()), after: None },
            DialError::Later { cause, after } => {
                let after = after.map(|after| after.min(crate::client::defaults::RETRY_AFTER_MAX));
                Self { ending: Ending::Again(cause), after }
            }
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => DialError::from(refusal).into(),
            ClientError::Closed(closed) => Self { ending: Ending::Final(closed), after: None },
            other @ (ClientError::Overloaded(_)
            | ClientError::Unreachable { .. }
            | ClientError::Disconnected { .. }
            | ClientError::Timeout { .. }
            | ClientError::QueueFull { .. }
            | ClientError::Failed(_)) => {
                Self { ending: Ending::Again(Lost::Connection(other.to_string())), after: None }
            }
        }
    }
}
