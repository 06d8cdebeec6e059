//! The server-sent streams of one host: how many each login session, token or account may have. A browser opens a new one
//! without knowing of the old, so past that number it is the oldest that goes. Those without a credential are counted with
//! all other connections of their address, by the [registry](crate::connections::registry).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::access::Credential;
use crate::audit;
use crate::connections::close::CloseReason;
use crate::connections::entry::Entry;
use crate::connections::registry::Registry;
use crate::viewer::ViewerSettings;

/// Counts the server-sent streams of one host by their credentials.
#[derive(Debug, Default)]
pub struct Streams {
    /// The streams by their credential (see `scope`), the oldest first. Bound: what the registry admits.
    live: Mutex<HashMap<String, Vec<Arc<Entry>>>>,
}

/// The place of a stream among those of its credential. Dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    streams: Arc<Streams>,
    entry: Arc<Entry>,
}

impl Streams {
    /// Gives a stream that was admitted its place; `None` if it showed no credential. If its credential has more streams than it may
    /// now, the oldest are closed with 4004.
    #[must_use]
    pub fn enter(
        self: &Arc<Self>,
        registry: &Registry,
        entry: &Arc<Entry>,
        settings: &ViewerSettings,
    ) -> Option<Place> {
        let scope = scope(entry)?;
        let surplus: Vec<_> = {
            let mut all = self.live();
            let streams = all.entry(scope).or_default();
            streams.push(Arc::clone(entry));
            // Those that were closed are on their way out.
            let open: Vec<_> = streams.iter().filter(|entry| !entry.is_closed()).collect();
            let surplus = open.len().saturating_sub(settings.streams_max.max(1));
            open[..surplus].iter().map(|entry| Arc::clone(entry)).collect()
        };
        for oldest in surplus {
            if registry.close_matching(CloseReason::TOO_MANY, |other| other.id == oldest.id) > 0 {
                audit::over_cap(oldest.by(oldest.identity().as_ref()));
            }
        }
        Some(Place { streams: Arc::clone(self), entry: Arc::clone(entry) })
    }

    fn live(&self) -> MutexGuard<'_, HashMap<String, Vec<Arc<Entry>>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Its principal has not changed since it came in.
        let Some(scope) = scope(&self.entry) else { return };
        let mut all = self.streams.live();
        if let Some(streams) = all.get_mut(&scope) {
            streams.retain(|entry| !Arc::ptr_eq(entry, &self.entry));
            if streams.is_empty() {
                all.remove(&scope);
            }
        }
    }
}

/// The login session, token or account by which a stream is counted; `None` if it showed no credential.
fn scope(entry: &Entry) -> Option<String> {
    let who = entry.principal.as_ref()?;
    match &who.credential {
        Credential::Session(id) => Some(format!("session {id}")),
        Credential::Token(id) => Some(format!("token {id}")),
        Credential::Key => Some(format!("account {}", who.account)),
        Credential::Machine | Credential::None => None,
    }
}
