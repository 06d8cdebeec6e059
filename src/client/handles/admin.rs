//! Administration of a host, for clients whose credential has the scope `admin`.
//!
//! What is about connections is about those of the one host that this client is connected to, what is about shares about all that
//! its bucket holds. What counts connections cannot be taken back, so those calls are made once: a connection lost on the way
//! leaves open whether they were carried out. What hides and deletes shares is made again: twice is as good as once.

use std::cell::Cell;
use std::rc::Rc;

use crate::client::answers::Page;
use crate::client::calls;
use crate::client::driver::link::Policy;
use crate::client::error::ClientError;
use crate::client::handles::client::Client;
use crate::client::handles::listing::{Listing, Lists};
use crate::client::session::Session;
use crate::contract::admin::{
    read_connections, read_count, read_erased, read_stats, write_filter, write_share_filter, write_which,
};
use crate::contract::push::write_action;
use crate::contract::visibility::read_visibility_set;
use crate::share::admin::{
    BroadcastFilter, CloseWhich, ConnectionInfo, ConnectionPage, Erased, HostStats, ShareFilter,
};
use crate::share::error::Refusal;
use crate::share::id::{AccountId, ShareId};
use crate::share::push::Action;
use crate::share::time::Timestamp;
use crate::share_capnp::admin;

/// What an administrator may ask of the host. Gives nothing to whoever may not: each call is refused then.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
}

impl Client {
    /// The administration of the host.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin { client: self.clone() }
    }
}

impl Admin {
    /// One page of the admitted connections, the oldest first; 0 for `limit` is the host's choice. Begin without a cursor.
    ///
    /// # Errors
    /// As every call; unauthorized without the scope.
    pub async fn connections_page(&self, cursor: Option<&str>, limit: u32) -> Result<ConnectionPage, ClientError> {
        let cursor = cursor.unwrap_or_default().to_owned();
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Again, |session| {
                    let mut request = object(&session).connections_request();
                    request.get().set_cursor(cursor.as_str());
                    request.get().set_limit(limit);
                    async move {
                        let response = session.ask(request).await?;
                        Ok(read_connections(response.get()?.get_result()?)?)
                    }
                })
                .await
            })
        });
        run.await
    }

    /// All admitted connections, the oldest first.
    ///
    /// # Errors
    /// As [`connections_page`](Self::connections_page).
    pub async fn connections(&self) -> Result<Vec<ConnectionInfo>, ClientError> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.connections_page(cursor.as_deref(), 0).await?;
            all.extend(page.connections);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Closes exactly the matching connections, for good as far as their clients go, and says how many they were. If this
    /// one is among them, it ends after this answer.
    ///
    /// # Errors
    /// As every call; unauthorized without the scope.
    pub async fn close(&self, which: CloseWhich) -> Result<u64, ClientError> {
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Once, |session| {
                    let mut request = object(&session).close_request();
                    write_which(&which, request.get().init_which());
                    async move {
                        let response = session.ask(request).await?;
                        Ok(read_count(response.get()?.get_result()?)?)
                    }
                })
                .await
            })
        });
        run.await
    }

    /// Pushes to every connection of an account, of whatever credential, and says on how many it is on its way. Nobody reads
    /// what they answer, so an [`Action::Ping`] is refused.
    ///
    /// # Errors
    /// As every call; unauthorized without the scope.
    pub async fn send_to_account(&self, account: &AccountId, action: &Action) -> Result<u64, ClientError> {
        let (account, action) = (account.clone(), action.clone());
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Once, |session| {
                    let mut request = object(&session).send_to_account_request();
                    request.get().set_account(account.as_str());
                    write_action(&action, request.get().init_action());
                    async move {
                        let response = session.ask(request).await?;
                        Ok(read_count(response.get()?.get_result()?)?)
                    }
                })
                .await
            })
        });
        run.await
    }

    /// Pushes to every connection that the filter lets through, but for those named in `except`; as
    /// [`send_to_account`](Self::send_to_account).
    ///
    /// # Errors
    /// As every call; unauthorized without the scope.
    pub async fn broadcast(
        &self,
        action: &Action,
        except: &[String],
        filter: &BroadcastFilter,
    ) -> Result<u64, ClientError> {
        let (action, except, filter) = (action.clone(), except.to_vec(), filter.clone());
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Once, |session| {
                    let mut request = object(&session).broadcast_request();
                    let mut params = request.get();
                    write_action(&action, params.reborrow().init_action());
                    write_filter(&filter, params.reborrow().init_filter());
                    let mut list = params.init_except(u32::try_from(except.len()).unwrap_or(u32::MAX));
                    for (at, id) in (0..).zip(&except) {
                        list.set(at, id.as_str());
                    }
                    async move {
                        let response = session.ask(request).await?;
                        Ok(read_count(response.get()?.get_result()?)?)
                    }
                })
                .await
            })
        });
        run.await
    }

    /// Has the host take no more connections and tell those there are to come back elsewhere: the idle at once, the others
    /// when their calls are answered, or at `deadline` by the host's clock (`None`: at once). Says how many there were, this
    /// one included, which ends after this answer.
    ///
    /// # Errors
    /// As every call; unauthorized without the scope.
    pub async fn drain(&self, deadline: Option<Timestamp>) -> Result<u64, ClientError> {
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Once, |session| {
                    let mut request = object(&session).drain_request();
                    request.get().set_deadline(deadline.unwrap_or_default().0);
                    async move {
                        let response = session.ask(request).await?;
                        Ok(read_count(response.get()?.get_result()?)?)
                    }
                })
                .await
            })
        });
        run.await
    }

    /// One page of the shares of all accounts that a filter lets through; `limit` is how many are looked at, and 0 the host's
    /// choice. A page may have no lines and yet a next one. Begin without a cursor.
    ///
    /// # Errors
    /// As every call; unauthorized without the scope.
    pub async fn shares_page(
        &self,
        filter: &ShareFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page, ClientError> {
        let (filter, cursor) = (filter.clone(), cursor.unwrap_or_default().to_owned());
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Again, |session| {
                    let mut request = object(&session).shares_request();
                    request.get().set_cursor(cursor.as_str());
                    request.get().set_limit(limit);
                    write_share_filter(&filter, request.get().init_filter());
                    async move {
                        let response = session.ask(request).await?;
                        calls::read_page(response.get()?.get_result()?)
                    }
                })
                .await
            })
        });
        run.await
    }

    /// The shares of all accounts that a filter lets through, page by page behind the scenes.
    #[must_use]
    pub fn shares(&self, filter: ShareFilter) -> Listing {
        Listing::new(self.client.clone(), Lists::Filtered(filter))
    }

    /// Hides a share from whoever has no more than its link or another account. Its own account and the holders of its tokens
    /// still see it, and its owner may show it again.
    ///
    /// # Errors
    /// As every call; unauthorized without the scope, and [`Refusal::NotFound`].
    pub async fn hide_share(&self, id: &ShareId) -> Result<(), ClientError> {
        let id = id.clone();
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Again, |session| {
                    let mut request = object(&session).hide_share_request();
                    request.get().set_share_id(id.as_str());
                    async move {
                        let response = session.ask(request).await?;
                        read_visibility_set(response.get()?.get_result()?)?;
                        Ok(())
                    }
                })
                .await
            })
        });
        run.await
    }

    /// Deletes a share for good, whosever it is.
    ///
    /// # Errors
    /// As every call; unauthorized without the scope, and [`Refusal::NotFound`], which counts as success after a lost answer.
    pub async fn delete_share(&self, id: &ShareId) -> Result<(), ClientError> {
        let id = id.clone();
        let run = self.client.run(move |link| {
            Box::pin(async move {
                let tries = Cell::new(0);
                let delete = |session: Rc<Session>| {
                    tries.set(tries.get() + 1);
                    let mut request = object(&session).delete_share_request();
                    request.get().set_share_id(id.as_str());
                    async move {
                        let response = session.ask(request).await?;
                        calls::read_deleted(response.get()?.get_result()?)
                    }
                };
                match link.call(Policy::Again, delete).await {
                    Err(ClientError::Refused(Refusal::NotFound { .. })) if tries.get() > 1 => Ok(()),
                    settled => settled,
                }
            })
        });
        run.await
    }

    /// Deletes up to 100 of an account's shares. Begin without a cursor, and go on with the next until a page gives no cursor. What the
    /// account creates meanwhile may lie before the cursor: it is erased when a whole run from the beginning deleted nothing and
    /// failed at nothing. Its tokens are not touched.
    ///
    /// # Errors
    /// As every call; unauthorized without the scope. What was deleted by then stays deleted.
    pub async fn erase_account(&self, account: &AccountId, cursor: Option<&str>) -> Result<Erased, ClientError> {
        let (account, cursor) = (account.clone(), cursor.unwrap_or_default().to_owned());
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Again, |session| {
                    let mut request = object(&session).erase_account_request();
                    request.get().set_account(account.as_str());
                    request.get().set_cursor(cursor.as_str());
                    async move {
                        let response = session.ask(request).await?;
                        Ok(read_erased(response.get()?.get_result()?)?)
                    }
                })
                .await
            })
        });
        run.await
    }

    /// What the host counts.
    ///
    /// # Errors
    /// As every call; unauthorized without the scope.
    pub async fn stats(&self) -> Result<HostStats, ClientError> {
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Again, |session| {
                    let request = object(&session).stats_request();
                    async move {
                        let response = session.ask(request).await?;
                        Ok(read_stats(response.get()?.get_result()?)?)
                    }
                })
                .await
            })
        });
        run.await
    }
}

/// Pipelined: if the host refuses it, each call on it is answered with the same refusal.
fn object(session: &Session) -> admin::Client {
    session.rpc.admin_request().send().pipeline.get_admin()
}
