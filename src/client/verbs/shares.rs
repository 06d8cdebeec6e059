//! Calls about a share as a whole, by its secret: to delete it, to set its expiry, and to set who may see it.

use std::cell::Cell;
use std::time::Duration;

use crate::client::access::{Owner, WriteAccess};
use crate::client::calls;
use crate::client::driver::handle::Client;
use crate::client::driver::link::Policy;
use crate::client::error::ClientError;
use crate::share::error::Refusal;
use crate::share::id::ShareId;
use crate::share::secret::Secret;
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;

impl Client {
    /// Deletes a share for good.
    ///
    /// # Errors
    /// [`ClientError`], as for every call. After a lost answer the call is made again, and [`Refusal::NotFound`] then counts as
    /// success.
    pub async fn delete(&self, id: &ShareId, secret: &Secret) -> Result<(), ClientError> {
        self.delete_by(Owner::of(id, secret)).await
    }

    pub(crate) async fn delete_by(&self, owner: Owner) -> Result<(), ClientError> {
        self.run(move |link| {
            Box::pin(async move {
                let tries = Cell::new(0);
                let delete = |session| {
                    tries.set(tries.get() + 1);
                    calls::delete(session, owner.clone())
                };
                match link.call(Policy::Again, delete).await {
                    Err(ClientError::Refused(Refusal::NotFound { .. })) if tries.get() > 1 => Ok(()),
                    settled => settled,
                }
            })
        })
        .await
    }

    /// Sets the time that a share has left to live, counted from now; it may be shorter or longer than before. `None` asks for no
    /// end; a host that grants only a limited time then gives the longest. Returns when the share will be gone, by the host's
    /// clock; `None`: never.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::LimitExceeded`] (`shareTtlMsMax`) for a time longer than the host grants.
    pub async fn set_expiry(
        &self,
        id: &ShareId,
        secret: &Secret,
        ttl: Option<Duration>,
    ) -> Result<Option<Timestamp>, ClientError> {
        self.set_expiry_by(WriteAccess::Full(Owner::of(id, secret)), ttl).await
    }

    pub(crate) async fn set_expiry_by(
        &self,
        access: WriteAccess,
        ttl: Option<Duration>,
    ) -> Result<Option<Timestamp>, ClientError> {
        self.run(move |link| {
            Box::pin(async move {
                let set = |session| calls::set_expiry(session, access.clone(), ttl);
                link.call(Policy::Again, set).await
            })
        })
        .await
    }

    /// Sets who may see a share. Viewers that may not see it any more get nothing after this returns if they are connected to
    /// this host, and nothing after a second at other hosts.
    ///
    /// # Errors
    /// [`ClientError`], as for every call.
    pub async fn set_visibility(
        &self,
        id: &ShareId,
        secret: &Secret,
        visibility: Visibility,
    ) -> Result<(), ClientError> {
        self.set_visibility_by(Owner::of(id, secret), visibility).await
    }

    pub(crate) async fn set_visibility_by(&self, owner: Owner, visibility: Visibility) -> Result<(), ClientError> {
        self.run(move |link| {
            Box::pin(async move {
                let set = |session| calls::set_visibility(session, owner.clone(), visibility);
                link.call(Policy::Again, set).await
            })
        })
        .await
    }
}
