//! A share that exists: opened by its secret, or by its account's credential.

use crate::client::access::{Owner, ReadAccess, WriteAccess};
use crate::client::driver::upload::Progress;
use crate::client::error::ClientError;
use crate::client::handles::client::Client;
use crate::client::handles::share::{Facts, Share};
#[cfg(doc)]
use crate::share::error::Refusal;
use crate::share::id::ShareId;
use crate::share::secret::Secret;

impl Client {
    /// A share that exists, to be written, by its id and secret; the token of a full capability is as good as a secret.
    ///
    /// # Errors
    /// As every call; [`Refusal::NotFound`] and [`Refusal::InvalidSecret`] among them.
    pub async fn open(&self, id: &ShareId, secret: &Secret) -> Result<Share, ClientError> {
        self.open_by(Owner::of(id, secret)).await
    }

    /// A share of this client's own account, by its credential alone: what [`open`](Self::open) gives, without a secret.
    ///
    /// # Errors
    /// As every call; [`Refusal::Unauthorized`] without a credential or without the scope `share:write`, [`Refusal::NotFound`]
    /// for a share of another account too, and [`Refusal::NotYet`] from a host older than this call.
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
