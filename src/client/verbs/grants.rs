//! Grants: capabilities that are saved as tokens, listed and revoked.

use std::cell::Cell;
use std::rc::Rc;

use capnp::capability::FromClientHook as _;

use crate::client::access::{Owner, ReadAccess, WriteAccess};
use crate::client::calls::read_deleted;
use crate::client::driver::handle::Client;
use crate::client::driver::link::Policy;
use crate::client::error::ClientError;
use crate::client::session::Session;
use crate::contract::error::read_refusal;
use crate::contract::grants::{read_grants, read_saved};
use crate::share::error::Refusal;
use crate::share::grant::{GrantInfo, GrantToken, Label, Right};
use crate::share::id::GrantId;
use crate::share::time::Timestamp;
use crate::share_capnp::{restore_result, saved};

/// A capability to be saved.
#[derive(Debug, Clone)]
pub(crate) enum Saveable {
    Write(WriteAccess),
    Read(ReadAccess),
}

impl From<WriteAccess> for Saveable {
    fn from(access: WriteAccess) -> Self {
        Self::Write(access)
    }
}

impl From<ReadAccess> for Saveable {
    fn from(access: ReadAccess) -> Self {
        Self::Read(access)
    }
}

impl Client {
    /// The right that a token gives.
    pub(crate) async fn right_of(&self, token: &GrantToken) -> Result<Right, ClientError> {
        let token = token.clone();
        self.run(move |link| {
            Box::pin(async move { link.call(Policy::Again, |session| right_of(session, token.clone())).await })
        })
        .await
    }

    pub(crate) async fn save(
        &self,
        what: Saveable,
        label: &Label,
        expires_at: Option<Timestamp>,
    ) -> Result<GrantToken, ClientError> {
        let label = label.clone();
        // The call may be made twice: the first then leaves a grant whose token nobody has.
        let save = move |session: Rc<Session>| {
            let of: Result<saved::Client, ClientError> = match &what {
                Saveable::Write(access) => access.writer(&session).map(|writer| writer.client.cast_to()),
                Saveable::Read(access) => access.view(&session).map(|view| view.client.cast_to()),
            };
            let label = label.clone();
            async move {
                let mut request = of?.save_request();
                request.get().set_label(label.as_str());
                request.get().set_expires_at(expires_at.map_or(0, |at| at.0));
                let response = session.ask(request).await?;
                Ok(read_saved(response.get()?.get_result()?)?)
            }
        };
        self.run(|link| Box::pin(async move { link.call(Policy::Again, save).await })).await
    }

    pub(crate) async fn grants(&self, owner: Owner) -> Result<Vec<GrantInfo>, ClientError> {
        let grants = move |session: Rc<Session>| {
            let share = owner.share(&session);
            async move {
                let response = session.ask(share?.grants_request()).await?;
                Ok(read_grants(response.get()?.get_result()?)?)
            }
        };
        self.run(|link| Box::pin(async move { link.call(Policy::Again, grants).await })).await
    }

    pub(crate) async fn revoke_grant(&self, owner: Owner, grant: &GrantId) -> Result<(), ClientError> {
        let grant = grant.clone();
        self.run(|link| {
            Box::pin(async move {
                let tries = Cell::new(0);
                let revoke = |session: Rc<Session>| {
                    tries.set(tries.get() + 1);
                    let (share, grant) = (owner.share(&session), grant.clone());
                    async move {
                        let mut request = share?.revoke_grant_request();
                        request.get().set_grant_id(grant.as_str());
                        let response = session.ask(request).await?;
                        read_deleted(response.get()?.get_result()?)
                    }
                };
                match link.call(Policy::Again, revoke).await {
                    Err(ClientError::Refused(Refusal::InvalidInput { .. })) if tries.get() > 1 => Ok(()),
                    settled => settled,
                }
            })
        })
        .await
    }
}

async fn right_of(session: Rc<Session>, token: GrantToken) -> Result<Right, ClientError> {
    let mut request = session.rpc.restore_request();
    request.get().set_token(token.reveal());
    let response = session.ask(request).await?;
    match response.get()?.get_result()?.which()? {
        restore_result::Which::Share(()) => Ok(Right::Full),
        restore_result::Which::Writer(()) => Ok(Right::Write),
        restore_result::Which::View(()) => Ok(Right::Read),
        restore_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}
