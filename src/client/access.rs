//! How a handle obtains its capability, anew for each call: by the share's id, by its secret, by its account's credential, or by a
//! token; and what the capability is narrowed to.
//!
//! Handles keep no capability of a connection: each call asks for its own, in the same round trip. So a handle outlives
//! connections, and at each call the host checks anew what the handle was narrowed to or restored from.

use std::rc::Rc;

use capnp::capability::FromClientHook as _;

use crate::client::error::ClientError;
use crate::client::send::send;
use crate::client::session::Session;
use crate::share::grant::GrantToken;
use crate::share::id::ShareId;
use crate::share::secret::Secret;
use crate::share::time::Timestamp;
use crate::share_capnp::{share, share_rpc, share_view, share_writer};

/// How the client obtains a full capability.
#[derive(Debug, Clone)]
pub(crate) enum Owner {
    /// By the credential of the account that created the share.
    Account(ShareId),
    /// By the share's secret.
    Secret(ShareId, Secret),
    /// By the token that the capability was saved as.
    Token(GrantToken),
}

/// How the client obtains a capability to write.
#[derive(Debug, Clone)]
pub(crate) enum WriteAccess {
    /// By using the full capability itself.
    Full(Owner),
    /// By narrowing the full capability.
    Narrowed(Owner),
    /// By the token that the capability was saved as.
    Token(GrantToken),
}

/// How the client obtains a capability to read.
#[derive(Debug, Clone)]
pub(crate) enum ReadAccess {
    /// By the share's id.
    Id(ShareId),
    /// By using the full capability itself.
    Full(Owner),
    /// By narrowing the full capability, until this time by the host's clock; `None`: without an end.
    Narrowed(Owner, Option<Timestamp>),
    /// By the token that the capability was saved as.
    Token(GrantToken),
}

impl Owner {
    /// The owner that a share's secret stands for. The secret is one that the host made, or the token of a full capability.
    pub(crate) fn of(id: &ShareId, secret: &Secret) -> Self {
        match GrantToken::parse(secret.reveal()) {
            Some(token) if token.share() == id => Self::Token(token),
            Some(_) | None => Self::Secret(id.clone(), secret.clone()),
        }
    }

    pub(crate) fn id(&self) -> &ShareId {
        match self {
            Self::Account(id) | Self::Secret(id, _) => id,
            Self::Token(token) => token.share(),
        }
    }

    /// The secret or token that is shown to the host; `None` where the credential of the connection is enough.
    pub(crate) fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Account(_) => None,
            Self::Secret(_, secret) => Some(secret),
            Self::Token(token) => Some(token.secret()),
        }
    }

    /// The capability, as a promise that calls may be pipelined on.
    ///
    /// # Errors
    /// [`Refusal::LimitExceeded`](crate::share::error::Refusal::LimitExceeded): the secret or token does not fit into a message.
    pub(crate) fn share(&self, session: &Session) -> Result<share::Client, ClientError> {
        match self {
            Self::Account(id) => {
                let mut request = session.rpc.own_share_request();
                request.get().set_share_id(id.as_str());
                Ok(send(request)?.pipeline.get_share())
            }
            Self::Secret(id, secret) => {
                let mut request = session.rpc.open_share_request();
                request.get().set_share_id(id.as_str());
                request.get().set_secret(secret.reveal());
                Ok(send(request)?.pipeline.get_share())
            }
            Self::Token(token) => Ok(restore(session, token)?.get_share()),
        }
    }
}

impl WriteAccess {
    pub(crate) fn id(&self) -> &ShareId {
        match self {
            Self::Full(owner) | Self::Narrowed(owner) => owner.id(),
            Self::Token(token) => token.share(),
        }
    }

    /// The capability, as a promise that calls may be pipelined on.
    ///
    /// # Errors
    /// [`Refusal::LimitExceeded`](crate::share::error::Refusal::LimitExceeded): the secret or token does not fit into a message.
    pub(crate) fn writer(&self, session: &Session) -> Result<share_writer::Client, ClientError> {
        match self {
            Self::Full(owner) => Ok(owner.share(session)?.client.cast_to()),
            Self::Narrowed(owner) => Ok(send(owner.share(session)?.narrow_to_write_request())?.pipeline.get_writer()),
            Self::Token(token) => Ok(restore(session, token)?.get_writer()),
        }
    }
}

impl ReadAccess {
    pub(crate) fn id(&self) -> &ShareId {
        match self {
            Self::Id(id) => id,
            Self::Full(owner) | Self::Narrowed(owner, _) => owner.id(),
            Self::Token(token) => token.share(),
        }
    }

    /// The capability, as a promise that calls may be pipelined on.
    ///
    /// # Errors
    /// [`Refusal::LimitExceeded`](crate::share::error::Refusal::LimitExceeded): the secret or token does not fit into a message.
    pub(crate) fn view(&self, session: &Rc<Session>) -> Result<share_view::Client, ClientError> {
        match self {
            Self::Id(id) => {
                let mut request = session.rpc.view_share_request();
                request.get().set_share_id(id.as_str());
                Ok(send(request)?.pipeline.get_view())
            }
            Self::Full(owner) => Ok(owner.share(session)?.client.cast_to()),
            Self::Narrowed(owner, until) => {
                let mut request = owner.share(session)?.narrow_to_read_request();
                request.get().set_until(until.map_or(0, |until| until.0));
                Ok(send(request)?.pipeline.get_view())
            }
            Self::Token(token) => Ok(restore(session, token)?.get_view()),
        }
    }
}

/// The three capabilities that a token may give, as promises. Those that it does not give refuse each call.
fn restore(session: &Session, token: &GrantToken) -> Result<share_rpc::restore_results::Pipeline, ClientError> {
    let mut request = session.rpc.restore_request();
    request.get().set_token(token.reveal());
    Ok(send(request)?.pipeline)
}
