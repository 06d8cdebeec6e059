//! Shares of one's own: by a credential of the account that created them, without their secrets.

use std::sync::Arc;

use crate::access::Principal;
use crate::rooms::Rooms;
use crate::rooms::room::Room;
use crate::share::error::Refusal;

impl Rooms {
    /// The room of a share, for the account that created it: a credential of that account which may write does everything
    /// that the share's secret does, from any machine. Asked for once for each capability; when the credential is revoked its
    /// connection is closed, and the capability with it.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] without a credential or without the scope `share:write`, whatever the id is;
    /// [`Refusal::NotFound`] for a share of another account, as if there were none; or the bucket failed.
    pub async fn open_own(&self, who: &Principal, id: &str) -> Result<Arc<Room>, Refusal> {
        if !who.owns_its_account() {
            let reason = "without a credential nobody owns a share here: show a credential of the share's account, or use \
                          the share's secret";
            return Err(Refusal::Unauthorized { reason: reason.into() });
        }
        who.may_write()?;
        let room = self.room(id).await?;
        room.refresh().await?;
        if room.owner().as_ref() != Some(&who.account) {
            return Err(Refusal::not_found(room.id().as_str()));
        }
        self.know_quota(&room).await?;
        Ok(room)
    }
}
