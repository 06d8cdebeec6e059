//! Calls that read. All of them are made again when their connection is lost.

use crate::client::access::ReadAccess;
use crate::client::answers::Page;
use crate::client::calls;
use crate::client::driver::handle::Client;
use crate::client::driver::link::Policy;
use crate::client::error::ClientError;
use crate::client::mutation::Mutation;
use crate::client::options::{ListScope, PageRequest};
use crate::client::replica::Replica;
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
        let mut replica = Replica::new();
        'pass: loop {
            // Chunks are read from the live state: what changed since the first chunk is read again in the next pass.
            let since = replica.revision();
            let first = self.read(access, since, 0).await?;
            let (revision, mut cursor) = (first.revision, first.next_cursor);
            let was_one = cursor == 0;
            replica.fold(first.reset || since == Revision::EMPTY, &first.changes);
            while cursor != 0 {
                let chunk = self.read(access, since, cursor).await?;
                cursor = chunk.next_cursor;
                replica.fold(false, &chunk.changes);
                // The host no longer knows what was removed meanwhile; or the connection now leads to a host that is behind the one
                // that gave the first chunk, so this chunk is older than what the next pass begins with.
                let is_of_no_use = (chunk.reset && since != Revision::EMPTY) || chunk.revision < revision;
                if is_of_no_use {
                    replica = Replica::new();
                    if cursor == 0 && self.planted.is(Mutation::ForgetReset) {
                        break;
                    }
                    continue 'pass;
                }
            }
            replica.stand_at(revision, first.sync_count);
            if was_one {
                return Ok(replica);
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
