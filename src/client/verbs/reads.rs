//! The client's calls that read, each with the policy for a connection that is lost while it is on its way. All of them may
//! be made again.

use crate::client::access::ReadAccess;
use crate::client::answers::Page;
use crate::client::calls;
use crate::client::driver::link::Policy;
use crate::client::error::ClientError;
use crate::client::handles::client::Client;
use crate::client::mutation::Mutation;
use crate::client::replica::Replica;
use crate::share::id::ShareId;
use crate::share::view::{Chunk, Revision, ShareInfo};

impl Client {
    /// A share's facts. Whoever may see it may ask.
    ///
    /// # Errors
    /// As every call; [`Refusal::Unauthorized`](crate::share::error::Refusal::Unauthorized) for who may not see it.
    pub async fn info(&self, id: &ShareId) -> Result<ShareInfo, ClientError> {
        self.info_by(ReadAccess::Id(id.clone())).await
    }

    pub(crate) async fn info_by(&self, access: ReadAccess) -> Result<ShareInfo, ClientError> {
        self.run(|link| {
            Box::pin(async move { link.call(Policy::Again, |session| calls::info(session, access.clone())).await })
        })
        .await
    }

    /// The whole state of a share, read in chunks; the call timeout holds for each.
    ///
    /// # Errors
    /// As every call.
    pub async fn snapshot(&self, id: &ShareId) -> Result<Replica, ClientError> {
        self.snapshot_by(&ReadAccess::Id(id.clone())).await
    }

    pub(crate) async fn snapshot_by(&self, access: &ReadAccess) -> Result<Replica, ClientError> {
        let mut replica = Replica::new();
        'pass: loop {
            // Chunks are read from the living state: what changed since the first of them is read again.
            let since = replica.revision();
            let first = self.read(access, since, 0).await?;
            let (revision, mut cursor) = (first.revision, first.next_cursor);
            let was_one = cursor == 0;
            replica.fold(first.reset || since == 0, &first.changes);
            while cursor != 0 {
                let chunk = self.read(access, since, cursor).await?;
                cursor = chunk.next_cursor;
                replica.fold(false, &chunk.changes);
                // What was removed meanwhile is no longer known; or the connection now leads to a host that is behind the one
                // that gave the first chunk, so that this chunk is older than what is read again.
                let is_of_no_use = (chunk.reset && since != 0) || chunk.revision < revision;
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

    /// One page of the account's shares; 0 for `limit` is the host's choice. Begin without a cursor.
    ///
    /// # Errors
    /// As every call.
    pub async fn list_page(&self, cursor: Option<&str>, limit: u32, every_account: bool) -> Result<Page, ClientError> {
        let cursor = cursor.unwrap_or_default().to_owned();
        self.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Again, |session| calls::list(session, cursor.clone(), limit, every_account)).await
            })
        })
        .await
    }
}
