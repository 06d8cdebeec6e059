//! A share as somebody holds it who may read it and nothing else.

use crate::client::access::ReadAccess;
use crate::client::error::ClientError;
use crate::client::handles::client::Client;
use crate::client::handles::watch::Watch;
use crate::client::replica::Replica;
use crate::share::grant::{GrantToken, Label};
use crate::share::id::ShareId;
use crate::share::time::Timestamp;
use crate::share::view::{Revision, ShareInfo};

/// A share that may be read: what [`Share::narrow_to_read`](crate::client::Share::narrow_to_read) and [`Client::restore`] give.
/// Nothing is held at the host for it; dropping it lets go of nothing but itself.
#[derive(Debug, Clone)]
pub struct View {
    client: Client,
    access: ReadAccess,
}

impl Client {
    /// A share for reading, by its id. It asks nothing of the host yet; its calls are refused to who may not see it.
    #[must_use]
    pub fn view(&self, id: &ShareId) -> View {
        View::new(self.clone(), ReadAccess::Id(id.clone()))
    }
}

impl View {
    pub(crate) fn new(client: Client, access: ReadAccess) -> Self {
        Self { client, access }
    }

    /// The share's id: the link.
    #[must_use]
    pub fn id(&self) -> &ShareId {
        self.access.id()
    }

    /// The share's facts, as the host has them now.
    ///
    /// # Errors
    /// As every call; [`Refusal::Unauthorized`](crate::share::error::Refusal::Unauthorized) once this is over or revoked.
    pub async fn info(&self) -> Result<ShareInfo, ClientError> {
        self.client.info_by(self.access.clone()).await
    }

    /// The whole state of the share; see [`Client::snapshot`].
    ///
    /// # Errors
    /// As [`info`](Self::info).
    pub async fn snapshot(&self) -> Result<Replica, ClientError> {
        self.client.snapshot_by(&self.access).await
    }

    /// Follows the share from a revision on; 0 means from the whole state. The watch ends with an error when this is over or
    /// revoked.
    #[must_use]
    pub fn watch(&self, since: Revision) -> Watch {
        Watch::new(self.client.clone(), self.access.clone(), since)
    }

    /// Saves this as a token, which ends no later than this does; see [`Share::save`](crate::client::Share::save).
    ///
    /// # Errors
    /// As [`Share::save`](crate::client::Share::save).
    pub async fn save(&self, label: &Label, expires_at: Option<Timestamp>) -> Result<GrantToken, ClientError> {
        self.client.save(self.access.clone().into(), label, expires_at).await
    }
}
