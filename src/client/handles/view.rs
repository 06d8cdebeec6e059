//! A handle that may read a share and do nothing else.

use crate::client::access::ReadAccess;
use crate::client::driver::handle::Client;
use crate::client::error::ClientError;
use crate::client::handles::watch::Watch;
use crate::client::options::WatchFrom;
use crate::client::replica::Replica;
use crate::share::grant::{GrantToken, Label};
use crate::share::id::ShareId;
use crate::share::time::Timestamp;
use crate::share::view::ShareInfo;

/// A share that this client may read, and do nothing else with. [`Client::view`], [`Client::restore`] and
/// [`Share::narrow_to_read`](crate::client::Share::narrow_to_read) give one. The host keeps nothing for it.
#[derive(Debug, Clone)]
pub struct View {
    client: Client,
    access: ReadAccess,
}

impl Client {
    /// A share to read, by its id. The host is not asked before the view's first call, which it refuses if this client may not
    /// see the share.
    #[must_use]
    pub fn view(&self, id: &ShareId) -> View {
        View::new(self.clone(), ReadAccess::Id(id.clone()))
    }
}

impl View {
    pub(crate) fn new(client: Client, access: ReadAccess) -> Self {
        Self { client, access }
    }

    /// The share's id, which its link is made of.
    #[must_use]
    pub fn id(&self) -> &ShareId {
        self.access.id()
    }

    /// Asks the host for the share's facts: its title, counts, revision and times.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`](crate::share::error::Refusal::Unauthorized) once this view has
    /// expired or is revoked.
    pub async fn info(&self) -> Result<ShareInfo, ClientError> {
        self.client.info_by(self.access.clone()).await
    }

    /// Reads the whole state of the share; see [`Client::snapshot`].
    ///
    /// # Errors
    /// As [`info`](Self::info).
    pub async fn snapshot(&self) -> Result<Replica, ClientError> {
        self.client.snapshot_by(&self.access).await
    }

    /// Follows the share, from its whole state or from a revision on. The watch ends with an error when this view expires or is
    /// revoked.
    #[must_use]
    pub fn watch(&self, from: WatchFrom) -> Watch {
        Watch::new(self.client.clone(), self.access.clone(), from)
    }

    /// Saves this view as a token, from which [`Client::restore`] gives a view again. It expires no later than this view does; see
    /// [`Share::save`](crate::client::Share::save).
    ///
    /// # Errors
    /// As [`Share::save`](crate::client::Share::save).
    pub async fn save(&self, label: &Label, expires_at: Option<Timestamp>) -> Result<GrantToken, ClientError> {
        self.client.save(self.access.clone().into(), label, expires_at).await
    }
}
