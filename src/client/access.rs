//! How a handle's capability is had: by the share's id, by its secret, by its account's credential, or by a token; and narrowed,
//! if it is.
//!
//! Handles keep no capability of a connection: each call takes its own along, in the same round trip, by what is kept here.
//! So a handle outlives connections, and what it was narrowed to or restored from is asked of the host anew at each call.

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

/// How a full capability is had.
#[derive(Debug, Clone)]
pub(crate) enum Owner {
    /// By the credential of the account that created the share.
    Account(ShareId),
    /// By the share's secret.
    Secret(ShareId, Secret),
    /// By the token that it was saved as.
    Token(GrantToken),
}

/// How a capability to write is had.
#[derive(Debug, Clone)]
pub(crate) enum WriteAccess {
    /// It is the full one.
    Full(Owner),
    /// Narrowed from the full one.
    Narrowed(Owner),
    /// By the token that it was saved as.
    Token(GrantToken),
}

/// How a capability to read is had.
#[derive(Debug, Clone)]
pub(crate) enum ReadAccess {
    /// By the share's id.
    Id(ShareId),
    /// It is the full one.
    Full(Owner),
    /// Narrowed from the full one, until a time if there is one.
    Narrowed(Owner, Option<Timestamp>),
    /// By the token that it was saved as.
    Token(GrantToken),
}

impl Owner {
    /// What a share's secret is: one that the host made for its producers, or the token of a full capability.
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

    /// What it is shown by, besides the credential of the connection.
    pub(crate) fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Account(_) => None,
            Self::Secret(_, secret) => Some(secret),
            Self::Token(token) => Some(token.secret()),
        }
    }

    /// The capability, before it is there.
    ///
    /// # Errors
    /// What it is had by is larger than a message may be.
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

    /// The capability, before it is there.
    ///
    /// # Errors
    /// What it is had by is larger than a message may be.
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

    /// The capability, before it is there.
    ///
    /// # Errors
    /// What it is had by is larger than a message may be.
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

/// The three of a token; those that it does not give refuse.
fn restore(session: &Session, token: &GrantToken) -> Result<share_rpc::restore_results::Pipeline, ClientError> {
    let mut request = session.rpc.restore_request();
    request.get().set_token(token.reveal());
    Ok(send(request)?.pipeline)
}
