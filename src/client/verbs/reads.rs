//! Calls that read. All of them are made again when their connection is lost.

use std::ops::ControlFlow;

use crate::client::access::ReadAccess;
use crate::client::answers::Page;
use crate::client::calls;
use crate::client::driver::handle::Client;
use crate::client::driver::link::Policy;
use crate::client::error::ClientError;
use crate::client::options::{ListScope, PageRequest};
use crate::client::replica::Replica;
use crate::client::snapshot::Reading;
use crate::share::id::ShareId;
use crate::share::revision::Revision;
use crate::share::view::{Chunk, ShareInfo};

impl Client {
    /// Asks the host for a share's facts: its title, counts, revision and times.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`](crate::share::error::Refusal::Unauthorized) if this client
    /// may not see the share.
    pub async fn info(&self, id: &ShareId) -> Result<ShareInfo, ClientError> {
        self.info_by(ReadAccess::Id(id.clone())).await
    }

    pub(crate) async fn info_by(&self, access: ReadAccess) -> Result<ShareInfo, ClientError> {
        self.run(|link| {
            Box::pin(async move { link.call(Policy::Again, |session| calls::info(session, access.clone())).await })
        })
        .await
    }

    /// Reads the whole state of a share, as of one revision. It is read in chunks, and the call timeout holds for each chunk.
    ///
    /// # Errors
    /// [`ClientError`], as for every call.
    pub async fn snapshot(&self, id: &ShareId) -> Result<Replica, ClientError> {
        self.snapshot_by(&ReadAccess::Id(id.clone())).await
    }

    pub(crate) async fn snapshot_by(&self, access: &ReadAccess) -> Result<Replica, ClientError> {
        let mut reading = Reading::new(self.planted);
        loop {
            let (since, cursor) = reading.next();
            match reading.take(&self.read(access, since, cursor).await?) {
                ControlFlow::Continue(next) => reading = next,
                ControlFlow::Break(replica) => return Ok(replica),
            }
        }
    }

    async fn read(&self, access: &ReadAccess, since: Revision, cursor: u64) -> Result<Chunk, ClientError> {
        let access = access.clone();
        self.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Again, |session| calls::read(session, access.clone(), since, cursor)).await
            })
        })
        .await
    }

    /// One page of the shares of this client's account, or of every account.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`](crate::share::error::Refusal::Unauthorized) for every
    /// account without the scope `admin`.
    pub async fn list_page(&self, scope: ListScope, page: PageRequest) -> Result<Page, ClientError> {
        self.run(move |link| {
            Box::pin(async move { link.call(Policy::Again, |session| calls::list(session, scope, page.clone())).await })
        })
        .await
    }
}
