//! Admission: what happens between a place in the registry and the first call, the same at every door.
//!
//! The credential is read once more, because it may have been revoked while the upgrade was under way; then the connection
//! is admitted, and the embedder's [`ConnectionHooks`] hear of it. Until all of that is done the door serves nothing; what
//! the peer sends meanwhile waits in its socket.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::{sleep, timeout};

use crate::access::Principal;
use crate::audit;
use crate::connections::Connections;
use crate::connections::close::CloseReason;
use crate::connections::comer::Comer;
use crate::connections::entry::Entry;
use crate::connections::hooks::ConnectionHooks;
use crate::connections::registry::{Connection, Pending, TurnedAway};
use crate::metrics::DoorLabel;
use crate::share::error::{Refusal, chain};
use crate::share::secret::Secret;

/// How long the second look at a credential may take: it is one small read of the bucket, or none.
const RECHECK_WITHIN: Duration = Duration::from_secs(10);

/// The longest sleep until an expiry, so that a clock that was set anew is noticed.
const EXPIRY_SLEEP_MAX: Duration = Duration::from_secs(60);

impl Connections {
    /// Says who hears of connections. Only the first call counts; make it before the host listens.
    pub fn set_connection_hooks(&self, hooks: Arc<dyn ConnectionHooks>) {
        let _first = self.hooks.set(hooks);
    }

    /// Gives a connection a place, pending.
    ///
    /// # Errors
    /// The host has as many as it may have, or takes no more.
    pub fn register(&self, comer: Comer) -> Result<Pending, Refusal> {
        self.registry().register(comer, self.ambient.clock.now()).map_err(|refusal| self.turned_away(refusal))
    }

    /// Looks at its credential once more, admits a connection, and lets the hooks know.
    ///
    /// # Errors
    /// It was closed or its credential revoked meanwhile (4001 as a rule; nothing of it was or will be dispatched), or it could
    /// not be told, or a hook failed (1011).
    pub async fn admit(&self, pending: Pending) -> Result<Connection, TurnedAway> {
        let admitted = self.admit_quietly(pending).await;
        if let Err(turned_away) = &admitted {
            let (entry, reason) = (turned_away.entry(), &turned_away.reason);
            audit::turned_away(entry.by(entry.principal.as_ref()), entry.door.as_str(), reason.code, reason.reason);
        }
        admitted
    }

    async fn admit_quietly(&self, pending: Pending) -> Result<Connection, TurnedAway> {
        let entry = Arc::clone(&pending);
        if let Some(who) = &entry.principal {
            let look = timeout(RECHECK_WITHIN, self.access.recheck(who));
            tokio::select! {
                biased;
                // Closed meanwhile: `Pending::admit` says why.
                () = entry.closing() => {}
                looked = look => match looked {
                    Ok(Ok(())) => {}
                    Ok(Err(Refusal::Unauthorized { .. })) => return Err(pending.turn_away(CloseReason::REVOKED)),
                    Ok(Err(refusal)) => {
                        tracing::warn!(connection = %entry.id, %refusal, "a credential could not be read again");
                        return Err(pending.turn_away(CloseReason::FAULT));
                    }
                    Err(_late) => {
                        tracing::warn!(connection = %entry.id, within = ?RECHECK_WITHIN, "a credential was not read again in time");
                        return Err(pending.turn_away(CloseReason::FAULT));
                    }
                },
            }
        }
        let mut connection = pending.admit()?;
        let label = DoorLabel { door: entry.door.as_str() };
        self.metrics.connections_admitted.get_or_create(&label).inc();
        audit::admitted(entry.by(entry.principal.as_ref()), entry.door.as_str());
        let Some(hooks) = self.hooks.get() else { return Ok(connection) };
        connection.set_hooks(Some(Arc::clone(hooks)));
        let opened = AssertUnwindSafe(async { hooks.opened(&entry).await }).catch_unwind();
        let failed = tokio::select! {
            biased;
            // Its door sees that at once.
            () = entry.closing() => return Ok(connection),
            opened = opened => match opened {
                Ok(Ok(())) => return Ok(connection),
                Ok(Err(error)) => chain(error.as_ref()),
                Err(_panic) => "it panicked".to_owned(),
            },
        };
        tracing::error!(connection = %entry.id, error = failed, "the embedder's hook failed; the connection is closed");
        connection.set_hooks(None);
        Err(connection.turn_away(CloseReason::FAULT))
    }

    /// The principal of a token shown in-band, entered under the connection that showed it, and looked at once more after
    /// that: a revocation from now on closes the connection.
    ///
    /// # Errors
    /// A wrong token, one that was revoked meanwhile, or the connection was closed.
    pub async fn authenticate_within(&self, entry: &Entry, token: &Secret) -> Result<Principal, Refusal> {
        let authenticated = async {
            let who = self.access.authenticate_from(entry.way, Some(token)).await?;
            self.registry().join(entry, &who)?;
            self.access.recheck(&who).await?;
            Ok(who)
        };
        let authenticated = authenticated.await;
        match &authenticated {
            Ok(who) => audit::authenticated(entry.by(Some(who)), entry.door.as_str()),
            Err(refusal) => audit::refused(entry.by(entry.identity().as_ref()), entry.door.as_str(), refusal),
        }
        authenticated
    }

    /// Waits until a connection that came without a credential, to authenticate in-band, is too late for that, and then closes
    /// it with 1008. Of any other it waits for ever. To be run beside what serves it.
    pub async fn close_unless_authenticated(&self, entry: &Entry, within: Duration) {
        let mut late = pin!(sleep(within));
        loop {
            let joined = entry.joined_another();
            if entry.identity().is_some() {
                return std::future::pending().await;
            }
            tokio::select! {
                // Either way it looks again; in a fixed order, so that a seed gives one history.
                biased;
                () = joined => {}
                () = &mut late => break,
            }
        }
        if self.registry().close_matching(CloseReason::UNAUTHENTICATED, |other| other.id == entry.id) > 0 {
            audit::unauthenticated(entry.by(None), entry.door.as_str());
        }
    }

    /// Waits until a credential of this connection expires, and then closes it with 4001. To be run beside what serves it.
    pub async fn close_when_expired(&self, entry: &Entry) {
        loop {
            let joined = entry.joined_another();
            let Some(left) = self.good_for(entry) else {
                joined.await;
                continue;
            };
            if left.is_zero() {
                let closed = self.registry().close_matching(CloseReason::EXPIRED, |other| other.id == entry.id);
                if closed > 0 {
                    audit::expired(entry.by(entry.identity().as_ref()));
                }
                return;
            }
            tokio::select! {
                // Either way it looks again; in a fixed order, so that a seed gives one history.
                biased;
                () = joined => {}
                () = sleep(left) => {}
            }
        }
    }

    /// How long it is until the first of a connection's credentials expires, or is to be looked at again: at most a minute, as
    /// the clock may be set. `None`: none expires.
    #[must_use]
    pub fn good_for(&self, entry: &Entry) -> Option<Duration> {
        let left = entry.expires_at()?.0.saturating_sub(self.ambient.clock.now().0);
        Some(Duration::from_millis(u64::try_from(left).unwrap_or_default()).min(EXPIRY_SLEEP_MAX))
    }
}
