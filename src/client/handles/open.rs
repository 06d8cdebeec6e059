//! Opening a share that exists: by its secret, or by its account's credential.

use crate::client::access::{Owner, ReadAccess, WriteAccess};
use crate::client::driver::handle::Client;
use crate::client::driver::upload::Progress;
use crate::client::error::ClientError;
use crate::client::handles::share::{Facts, Share};
#[cfg(doc)]
use crate::share::error::Refusal;
use crate::share::id::ShareId;
use crate::share::secret::Secret;

impl Client {
    /// Opens a share by its id and secret. The token of a full grant does as well as a secret.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::NotFound`] if there is no such share, and [`Refusal::InvalidSecret`] if the
    /// secret is not its.
    pub async fn open(&self, id: &ShareId, secret: &Secret) -> Result<Share, ClientError> {
        self.open_by(Owner::of(id, secret)).await
    }

    /// Opens a share of this client's own account by the client's credential, without the share's secret.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`] without a credential or without the scope `share:write`,
    /// [`Refusal::NotFound`] for a share of another account too, and [`Refusal::NotYet`] from a host older than this call.
    pub async fn own_share(&self, id: &ShareId) -> Result<Share, ClientError> {
        self.open_by(Owner::Account(id.clone())).await
    }

    async fn open_by(&self, owner: Owner) -> Result<Share, ClientError> {
        let info = self.info_by(ReadAccess::Full(owner.clone())).await?;
        let facts = Facts { owner: owner.clone(), url: info.url, existed: true };
        let progress = Progress { sync_count: info.sync_count, revision: info.revision };
        Ok(Share::new(facts, self.writer(WriteAccess::Full(owner), progress).await?))
    }
}
