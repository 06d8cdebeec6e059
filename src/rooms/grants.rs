//! Grants: capabilities on a share that are saved as tokens, restored, listed and revoked.
//!
//! A grant is an entry in its share's log, so every host that has the share knows its grants, and they go with it. A
//! capability is a room and a [`Pass`]; the object that serves one asks [`Rooms::check`] at each call, and ends what goes on by itself
//! (a watch) with [`Rooms::until_over`]; a feed that was given the pass ends by itself. A revocation is in the bucket before
//! anybody hears of it. Then it holds on this host at once, and on others when they next look, which a pass that the log can
//! end makes them do ([`Rooms::check_pass`]).

use std::sync::Arc;
use std::time::Duration;

use crate::access::{self, Principal};
use crate::rooms::Rooms;
use crate::rooms::pass::{PASS_WAIT_MAX, Pass, earlier};
use crate::rooms::room::{Attending, Room};
use crate::share::entry::Entry;
use crate::share::error::{Refusal, StoreOperation};
use crate::share::grant::{Grant, GrantInfo, GrantToken, Label, Right};
use crate::share::id::GrantId;
use crate::share::state::Outcome;
use crate::share::time::Timestamp;

/// A capability that was restored.
#[derive(Debug, Clone)]
pub struct Restored {
    /// Its share.
    pub room: Arc<Room>,
    /// What it gives.
    pub pass: Pass,
}

impl Rooms {
    /// Saves a capability as a token that gives it again until `expires_at`, or for as long as the pass has it if that ends
    /// earlier. Only the hash of the token is kept.
    ///
    /// The share's id is in the token, and knowing the id is enough to read: a token that expires takes its capability with it,
    /// not the link.
    ///
    /// # Errors
    /// The pass is over or came without the secret or a token of the share, the time has passed, the share has [as many grants as it may
    /// have](crate::share::limits::SHARE_GRANTS_MAX), is gone, or the bucket failed.
    pub async fn grant(
        &self,
        room: &Arc<Room>,
        pass: &Pass,
        label: Label,
        expires_at: Option<Timestamp>,
    ) -> Result<GrantToken, Refusal> {
        self.check_pass(room, pass).await?;
        if pass.came_by_id() {
            let reason = "this view came by the share's id: hand that on, or save what createShare or openShare gave";
            return Err(Refusal::Unauthorized { reason: reason.into() });
        }
        let at = self.ambient.clock.now();
        if expires_at.is_some_and(|expires_at| expires_at <= at) {
            return Err(Refusal::invalid(0, "the time at which the token is to expire has passed"));
        }
        let token = self.draw_token(room)?;
        let info = GrantInfo {
            id: token.grant().clone(),
            label,
            right: pass.right(),
            created_at: at,
            expires_at: earlier(pass.until(), expires_at),
        };
        let grant = Grant { info, parent: pass.grant().cloned(), token: access::hash(token.secret()) };
        self.append_grant_entry(room, Entry::Grant { grant }).await?;
        Ok(token)
    }

    /// The capability that was saved as this text, for a principal who may have it.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] for whatever is not a token that is good, or one to write for a principal who may not;
    /// [`Refusal::NotFound`] if its share is gone; or the bucket failed.
    pub async fn restore(&self, who: &Principal, text: &str) -> Result<Restored, Refusal> {
        let Some(token) = GrantToken::parse(text) else { return Err(no_such_token()) };
        let restored = self.redeem(&token).await?;
        if restored.pass.right() != Right::Read {
            who.may_write()?;
            self.know_quota(&restored.room).await?;
        }
        Ok(restored)
    }

    /// The capability that was saved as this token, whatever principal shows it.
    pub(super) async fn redeem(&self, token: &GrantToken) -> Result<Restored, Refusal> {
        let shown = access::hash(token.secret());
        let room = self.room(token.share().as_str()).await?;
        room.refresh().await?;
        let mut pass = room.read(|state| state.grant(token.grant()).and_then(|grant| Pass::of_grant(grant, &shown)))?;
        if pass.is_none() {
            // Another host may have made it since we last looked.
            room.catch_up(Duration::ZERO).await?;
            pass = room.read(|state| state.grant(token.grant()).and_then(|grant| Pass::of_grant(grant, &shown)))?;
        }
        let pass = pass.ok_or_else(no_such_token)?;
        self.check(&room, &pass)?;
        Ok(Restored { room, pass })
    }

    /// The grants of a share that are good, oldest first.
    ///
    /// # Errors
    /// The share is gone, or the bucket failed.
    pub async fn grants(&self, room: &Arc<Room>) -> Result<Vec<GrantInfo>, Refusal> {
        // The caller is about to decide which to revoke: also those that another host has just made.
        room.catch_up(Duration::ZERO).await?;
        let now = self.ambient.clock.now();
        let good = |info: &&GrantInfo| info.expires_at.is_none_or(|at| at > now);
        room.read(|state| state.grants().map(|grant| &grant.info).filter(good).cloned().collect())
    }

    /// Revokes a grant, and all that were saved of it. When this returns, that is in the bucket, and whatever came through
    /// them is refused on this host.
    ///
    /// # Errors
    /// There is no such grant, the share is gone, or the bucket failed, and then nothing is revoked.
    pub async fn revoke_grant(&self, room: &Arc<Room>, id: &GrantId) -> Result<(), Refusal> {
        let at = self.ambient.clock.now();
        self.append_grant_entry(room, Entry::Revoke { at, grant: id.clone() }).await
    }

    /// Passes if a capability is good, as far as this host knows.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] when it is over, its grant revoked or the share visible to fewer; [`Refusal::NotFound`] when
    /// its share is gone.
    pub fn check(&self, room: &Room, pass: &Pass) -> Result<(), Refusal> {
        check(room, pass)
    }

    /// Passes if a capability is good, as far as the bucket knew not long ago: if the log can end the capability, a host that has
    /// not looked for as long as followers are content with does so. What came by the secret does not wait.
    ///
    /// # Errors
    /// As [`Rooms::check`], or the bucket failed.
    pub async fn check_pass(&self, room: &Arc<Room>, pass: &Pass) -> Result<(), Refusal> {
        if pass.can_be_taken() {
            room.refresh().await?;
        }
        self.check(room, pass)
    }

    /// Waits until a capability is no longer good, and gives the reason.
    pub async fn until_over(&self, room: &Arc<Room>, pass: &Pass) -> Refusal {
        until_over(room, pass).await
    }

    async fn append_grant_entry(&self, room: &Arc<Room>, entry: Entry) -> Result<(), Refusal> {
        match room.append(entry, StoreOperation::Sync).await? {
            Outcome::Opened => Ok(()),
            Outcome::Refused(refusal) => Err(refusal),
            Outcome::Void | Outcome::Deleted | Outcome::Synced { .. } | Outcome::Duplicate { .. } => {
                Err(Refusal::not_found(room.id().as_str()))
            }
        }
    }

    fn draw_token(&self, room: &Room) -> Result<GrantToken, Refusal> {
        let mut secret = [0; 32];
        let drawn = self.ambient.entropy.fill(&mut secret).and_then(|()| self.ambient.bits());
        let token = drawn.map(|bits| GrantToken::from_bytes(room.id().clone(), GrantId::from_bits(bits), secret));
        token.map_err(|error| {
            tracing::error!(%error, "no grant can be made");
            Refusal::Unavailable { retry_after_ms: 10_000 }
        })
    }
}

fn check(room: &Room, pass: &Pass) -> Result<(), Refusal> {
    room.read(|state| pass.holds(state, room.clock()))?
}

/// As [`Rooms::until_over`].
pub(super) async fn until_over(room: &Arc<Room>, pass: &Pass) -> Refusal {
    let losses = room.losses();
    // What other hosts may take is looked for meanwhile.
    let _attending = pass.can_be_taken().then(|| Attending::to(room));
    loop {
        // First mark the losses as seen, then look: what comes in between is looked at once more.
        let seen = losses.rung();
        if let Err(refusal) = check(room, pass) {
            return refusal;
        }
        room.take_over();
        let left = pass.left(room.clock()).unwrap_or(PASS_WAIT_MAX);
        // Whichever comes first.
        let _ = tokio::time::timeout(left, losses.after(seen)).await;
    }
}

pub(super) fn no_such_token() -> Refusal {
    Refusal::Unauthorized { reason: "this token is not good here: it is wrong, or was revoked or has expired".into() }
}
