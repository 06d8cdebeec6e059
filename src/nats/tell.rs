//! Telling the hosts of a deployment something once, by somebody who is no host: `capshare token revoke` works on the bucket alone.

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, Request, RequestErrorKind};
use tokio::time::{sleep, timeout};

use super::heard::Heard;
use super::options;
use super::settings::NatsSettings;
use super::subjects::Subjects;
use crate::hints::{Control, Message};
use crate::share::id::{HostId, StoreId, TokenId};

/// How long all of it may take.
const WITHIN: Duration = Duration::from_secs(5);

/// How often it is looked whether the server is reached.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The hosts were not told: what is in the bucket they find by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTold {
    /// The servers cannot be used with these settings.
    #[error("NATS cannot be used with these settings: check the servers' URLs and the files that are named")]
    Settings,
    /// No server answered.
    #[error("no NATS server answered within 5 s: check that it runs, the URLs, and the credential")]
    Silent,
    /// The server does not let this user publish there.
    #[error("NATS refused the message: let the user publish and subscribe to capshare.>")]
    Refused,
}

/// Tells all hosts over a store that a token was revoked, which is in the bucket already, so that they look at it now and not some
/// seconds later. `sender`: a name that no host has. When this returns, the server has the message.
///
/// # Errors
/// The hosts were not told.
pub async fn tell_of_revocation(
    settings: &NatsSettings,
    store: &StoreId,
    sender: &HostId,
    token: &TokenId,
) -> Result<(), NotTold> {
    settings.check().map_err(|_| NotTold::Settings)?;
    let (heard, subjects) = (Arc::<Heard>::default(), Subjects::new(store, sender));
    let client = options::connect(settings, sender, &heard).await.map_err(|_| NotTold::Settings)?;
    let message = Message::Control(Control::revoked(sender.clone(), token));
    let told = timeout(WITHIN, tell(&client, &subjects, &message)).await.unwrap_or(Err(NotTold::Silent));
    let is_refused = heard.take_refused();
    // Else the client would go on with its attempts.
    heard.end();
    if is_refused { Err(NotTold::Refused) } else { told }
}

async fn tell(client: &Client, subjects: &Subjects, message: &Message) -> Result<(), NotTold> {
    while client.connection_state() != State::Connected {
        sleep(LOOK_EVERY).await;
    }
    client.publish(subjects.of(message), message.encode()).await.map_err(|_| NotTold::Silent)?;
    // Nobody subscribes to that, so the server itself answers, after it has taken what was sent before.
    let request = Request::new().inbox(subjects.answer(1)).timeout(None);
    match client.send_request(subjects.nobody(), request).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == RequestErrorKind::NoResponders => Ok(()),
        Err(_) => Err(NotTold::Silent),
    }
}
