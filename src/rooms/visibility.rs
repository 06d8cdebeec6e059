//! Who may see a share: coming in to look, and saying who may.
//!
//! Every door that shows a share to somebody goes through [`Rooms::enter`], which gives a [`Viewing`]: the share's room, and the
//! [`Pass`] that the caller may look with. A viewer's feed is given the pass ([`Feed::within`](crate::rooms::feed::Feed::within))
//! and ends when that is over; what else is answered to the viewer asks [`Rooms::check_pass`] first. So a share that becomes visible
//! to fewer is closed to the others on this host at once, and on other hosts within one look.
//!
//! On a host that needs no credential everybody who comes as its one account is the owner of all of it: there, visibilities keep
//! out only viewers who show nothing.

use std::sync::Arc;

use crate::access::Principal;
use crate::rooms::Rooms;
use crate::rooms::grants::{Restored, no_such_token};
use crate::rooms::pass::Pass;
use crate::rooms::room::Room;
use crate::share::entry::Entry;
use crate::share::error::{Refusal, StoreOperation};
use crate::share::grant::{GrantToken, Right};
use crate::share::secret::Secret;
use crate::share::state::Outcome;
use crate::share::visibility::Visibility;

/// A share, for a caller who may see it.
#[derive(Debug, Clone)]
pub struct Viewing {
    /// The share.
    pub room: Arc<Room>,
    /// What lets them see it: reading, and no more.
    pub pass: Pass,
}

impl Rooms {
    /// Lets somebody in who comes to look at a share: by the id, with the principal of the connection if it has one.
    /// `token` is the text of a saved capability (see [`GrantToken`]); a caller who shows one comes by that alone, and goes when
    /// it is revoked.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] if there is no such share, [`Refusal::Unauthorized`] for who may not see it or shows a token
    /// that does not give that, or the bucket failed.
    pub async fn enter(&self, id: &str, who: Option<&Principal>, token: Option<&Secret>) -> Result<Viewing, Refusal> {
        if let Some(token) = token {
            return self.enter_by_token(id, token).await;
        }
        let room = self.room(id).await?;
        room.refresh().await?;
        let owner = room.read(|state| state.opened().map(|opened| opened.account.clone()))?;
        // Without a credential one is nobody, except to what is one's own.
        let comes_as = |who: &&Principal| who.credential.is_shown() || owner.as_ref() == Some(&who.account);
        let account = who.filter(comes_as).filter(|who| who.may_read().is_ok()).map(|who| who.account.clone());
        let pass = account.map_or(Pass::VIEWER, Pass::of_account);
        if let Err(Refusal::Unauthorized { .. }) = self.check(&room, &pass) {
            // Another host may have opened it to more since we last looked.
            room.catch_up(std::time::Duration::ZERO).await?;
        }
        self.check(&room, &pass)?;
        Ok(Viewing { room, pass })
    }

    async fn enter_by_token(&self, id: &str, token: &Secret) -> Result<Viewing, Refusal> {
        let token = GrantToken::parse(token.reveal()).filter(|token| token.share().as_str() == id);
        let Restored { room, pass } = self.redeem(&token.ok_or_else(no_such_token)?).await?;
        if pass.right() == Right::Write {
            let reason = "this token is for writing and does not read: ask the share's owner for one that does";
            return Err(Refusal::Unauthorized { reason: reason.into() });
        }
        Ok(Viewing { room, pass: pass.narrowed(Right::Read, None) })
    }

    /// The room of a share, for reading by a caller who knows its id.
    ///
    /// # Errors
    /// As [`Rooms::enter`] for somebody who shows nothing.
    pub async fn view(&self, id: &str) -> Result<Arc<Room>, Refusal> {
        Ok(self.enter(id, None, None).await?.room)
    }

    /// Says who may see a share that the caller has opened, from now on. As [`Rooms::sync_room`], it is queued when this
    /// returns. When it is answered, it is in the bucket, and nobody who may not see it any more is told anything by this
    /// host. The line of the audit log is the caller's, who knows who it is.
    ///
    /// # Errors
    /// The share is gone, or the bucket failed.
    pub fn set_visibility(
        &self,
        room: &Arc<Room>,
        visibility: Visibility,
    ) -> impl Future<Output = Result<(), Refusal>> + Send + use<> {
        let at = self.ambient.clock.now();
        let queued = room.append(Entry::Visibility { at, visibility }, StoreOperation::Sync);
        let id = room.id().clone();
        async move {
            match queued.await? {
                Outcome::Opened => Ok(()),
                Outcome::Void
                | Outcome::Deleted
                | Outcome::Synced { .. }
                | Outcome::Duplicate { .. }
                | Outcome::Refused(_) => Err(Refusal::not_found(id.as_str())),
            }
        }
    }
}
