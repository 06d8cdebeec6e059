//! What is done to a share by way of its secret: deleting it, its expiry, and who may see it.

use std::cell::Cell;
use std::time::Duration;

use crate::client::access::{Owner, WriteAccess};
use crate::client::calls;
use crate::client::driver::link::Policy;
use crate::client::error::ClientError;
use crate::client::handles::client::Client;
use crate::share::error::Refusal;
use crate::share::id::ShareId;
use crate::share::secret::Secret;
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;

impl Client {
    /// Deletes a share for good.
    ///
    /// # Errors
    /// As every call. After a lost answer the call is made again, and "not found" then counts as success.
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

    /// Gives a share so long to live from now on, shorter or longer than before; `None`: no end or, on a host that grants
    /// none, the longest that it grants. Gives when it will be gone, by the host's clock; `None`: never.
    ///
    /// # Errors
    /// As every call; [`Refusal::LimitExceeded`] (`shareTtlMsMax`) for a time that the host does not grant.
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

    /// Says who may see a share, from now on. Those who may not any more are told nothing after this returns, at this host;
    /// at others within a second.
    ///
    /// # Errors
    /// As every call.
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
