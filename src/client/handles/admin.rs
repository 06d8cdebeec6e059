//! Administration of a host, for clients whose credential has the scope `admin`.
//!
//! Calls about connections are about those of the one host that this client is connected to; calls about shares are about all
//! shares of its bucket. Calls that reach or close connections are made once: if their connection is lost on the way, they may or
//! may not have been carried out. Calls that hide and delete shares are made again, as doing so twice does no more than once.

use std::cell::Cell;
use std::rc::Rc;

use crate::client::answers::Page;
use crate::client::calls;
use crate::client::driver::handle::Client;
use crate::client::driver::link::Policy;
use crate::client::error::ClientError;
use crate::client::handles::listing::{Fetched, Listing};
use crate::client::options::PageRequest;
use crate::client::session::Session;
use crate::contract::admin::{
    read_connections, read_count, read_erased, read_hosts, read_stats, write_filter, write_share_filter, write_which,
};
use crate::contract::push::write_action;
use crate::contract::visibility::read_visibility_set;
use crate::share::admin::{
    BroadcastFilter, CloseWhich, ConnectionInfo, ConnectionPage, Erased, HostStats, ShareFilter,
};
use crate::share::error::Refusal;
use crate::share::host::HostStanding;
use crate::share::id::{AccountId, HostId, ShareId};
use crate::share::push::Action;
use crate::share::time::Timestamp;
use crate::share_capnp::admin;

/// Administration of the host. The host refuses each call of a client whose credential has not the scope `admin`.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
    /// The host that calls about connections go to; `None`: the one that the client is connected to.
    at: Option<HostId>,
}

impl Client {
    /// Administration of the host, for clients whose credential has the scope `admin`. The host is not asked before its first call.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin { client: self.clone(), at: None }
    }
}

impl Admin {
    /// The hosts of the deployment that this host knows, itself the first.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`] without the scope `admin`.
    pub async fn hosts(&self) -> Result<Vec<HostStanding>, ClientError> {
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Again, |session| {
                    let request = object(&session, None).hosts_request();
                    async move {
                        let response = session.ask(request).await?;
                        Ok(read_hosts(response.get()?.get_result()?)?)
                    }
                })
                .await
            })
        });
        run.await
    }

    /// Administration of another host of the deployment, by way of this one. Its calls about connections and its counters are
    /// those of that host; a call that it does not answer within 5 s is refused as [`Refusal::Unavailable`]. Draining, and calls about
    /// shares, are not served there: make them here, or connect to that host.
    #[must_use]
    pub fn at(&self, host: &HostId) -> Self {
        Self { client: self.client.clone(), at: Some(host.clone()) }
    }

    /// One page of the connections that are admitted to this host, the oldest first.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`] without the scope `admin`.
    pub async fn connections_page(&self, page: PageRequest) -> Result<ConnectionPage, ClientError> {
        let at = self.at.clone();
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Again, |session| {
                    let mut request = object(&session, at.as_ref()).connections_request();
                    request.get().set_cursor(page.cursor.as_str());
                    request.get().set_limit(page.limit);
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

    /// The connections that are admitted to this host, the oldest first, in one stream; pages are fetched behind it.
    #[must_use]
    pub fn connections(&self) -> Listing<ConnectionInfo> {
        let admin = self.clone();
        Listing::new(move |page| {
            let admin = admin.clone();
            async move {
                // A connection may have 16 KiB of states: the host's own page length fits into a message, a thousand lines need not.
                let page = admin.connections_page(page.limit(0)).await?;
                Ok(Fetched { lines: page.connections, damaged: Vec::new(), next_cursor: page.next_cursor })
            }
        })
    }

    /// Closes the connections that match, tells their clients not to come back, and gives the number of connections closed. If this
    /// client's own connection is among them, it ends after the answer.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`] without the scope `admin`.
    pub async fn close(&self, which: CloseWhich) -> Result<u64, ClientError> {
        let at = self.at.clone();
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Once, |session| {
                    let mut request = object(&session, at.as_ref()).close_request();
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

    /// Pushes to every connection of an account, whatever its credential, and gives the number of connections that the push is on
    /// its way to. Their answers are not read, so an [`Action::Ping`] is refused.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`] without the scope `admin`.
    pub async fn send_to_account(&self, account: &AccountId, action: &Action) -> Result<u64, ClientError> {
        let (account, action) = (account.clone(), action.clone());
        let at = self.at.clone();
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Once, |session| {
                    let mut request = object(&session, at.as_ref()).send_to_account_request();
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

    /// Pushes to every connection that the filter lets through, but for those named in `except`, and gives the number of
    /// connections that the push is on its way to. Their answers are not read, so an [`Action::Ping`] is refused.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`] without the scope `admin`.
    pub async fn broadcast(
        &self,
        action: &Action,
        except: &[String],
        filter: &BroadcastFilter,
    ) -> Result<u64, ClientError> {
        let (action, except, filter) = (action.clone(), except.to_vec(), filter.clone());
        let at = self.at.clone();
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Once, |session| {
                    let mut request = object(&session, at.as_ref()).broadcast_request();
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

    /// Has the host take no more connections but administrators', and let its clients go to other hosts: evenly until `deadline` by
    /// the host's clock (`None`: at once), each when its calls are answered, and at `deadline` all that are left. Gives the number
    /// of connections that are to go. This client's own is not among them: it stays until the host ends, which it may do by itself
    /// when the others are gone.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`] without the scope `admin`, and [`Refusal::InvalidInput`] for a
    /// deadline that is more than a day ahead.
    pub async fn drain(&self, deadline: Option<Timestamp>) -> Result<u64, ClientError> {
        let at = self.at.clone();
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Once, |session| {
                    let mut request = object(&session, at.as_ref()).drain_request();
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

    /// Takes [`drain`](Self::drain) back: the host takes connections again, and those that it has not closed yet stay. Gives the
    /// number of connections that there are. On a host that does not drain nothing else happens.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`] without the scope `admin`.
    pub async fn undrain(&self) -> Result<u64, ClientError> {
        let at = self.at.clone();
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Once, |session| {
                    let request = object(&session, at.as_ref()).undrain_request();
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

    /// One page of the shares of all accounts that a filter lets through. The limit of the page is how many shares the host looks
    /// at; so a page may have no lines though there is a next one.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`] without the scope `admin`.
    pub async fn shares_page(&self, filter: &ShareFilter, page: PageRequest) -> Result<Page, ClientError> {
        let filter = filter.clone();
        let at = self.at.clone();
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Again, |session| {
                    let mut request = object(&session, at.as_ref()).shares_request();
                    request.get().set_cursor(page.cursor.as_str());
                    request.get().set_limit(page.limit);
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

    /// The shares of all accounts that a filter lets through, in one stream; pages are fetched behind it.
    #[must_use]
    pub fn shares(&self, filter: ShareFilter) -> Listing {
        let admin = self.clone();
        Listing::new(move |page| {
            let (admin, filter) = (admin.clone(), filter.clone());
            async move { Ok(admin.shares_page(&filter, page).await?.into()) }
        })
    }

    /// Hides a share from everybody but its own account and those who hold one of its tokens. Its owner may show it again.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`] without the scope `admin`, and [`Refusal::NotFound`] if
    /// there is no such share.
    pub async fn hide_share(&self, id: &ShareId) -> Result<(), ClientError> {
        let id = id.clone();
        let at = self.at.clone();
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Again, |session| {
                    let mut request = object(&session, at.as_ref()).hide_share_request();
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

    /// Deletes a share of any account for good.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`] without the scope `admin`, and [`Refusal::NotFound`] if
    /// there is no such share, which counts as success when the call was made again after a lost answer.
    pub async fn delete_share(&self, id: &ShareId) -> Result<(), ClientError> {
        let id = id.clone();
        let at = self.at.clone();
        let run = self.client.run(move |link| {
            Box::pin(async move {
                let tries = Cell::new(0);
                let delete = |session: Rc<Session>| {
                    tries.set(tries.get() + 1);
                    let mut request = object(&session, at.as_ref()).delete_share_request();
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

    /// Deletes up to 100 shares of an account. Call it without a cursor first, then with the cursor of the answer before, until
    /// an answer has none. Shares that the account creates meanwhile may lie before the cursor: nothing of the account is left
    /// only once a whole run from the beginning deleted nothing and failed at nothing. The account's tokens are not touched.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`] without the scope `admin`. Shares that were deleted by then
    /// stay deleted.
    pub async fn erase_account(&self, account: &AccountId, cursor: Option<&str>) -> Result<Erased, ClientError> {
        let (account, cursor) = (account.clone(), cursor.unwrap_or_default().to_owned());
        let at = self.at.clone();
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Again, |session| {
                    let mut request = object(&session, at.as_ref()).erase_account_request();
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

    /// The counters of the host: its connections, shares and calls.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`] without the scope `admin`.
    pub async fn stats(&self) -> Result<HostStats, ClientError> {
        let at = self.at.clone();
        let run = self.client.run(move |link| {
            Box::pin(async move {
                link.call(Policy::Again, |session| {
                    let request = object(&session, at.as_ref()).stats_request();
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

/// The administration object of a host, as a promise that calls are pipelined on: if it is refused, each call on it is.
fn object(session: &Session, at: Option<&HostId>) -> admin::Client {
    let admin = session.rpc.admin_request().send().pipeline.get_admin();
    let Some(host) = at else { return admin };
    let mut request = admin.at_request();
    request.get().set_host_id(host.as_str());
    request.send().pipeline.get_admin()
}
