//! The server-sent streams of one host: how many each viewer may have. A browser opens a new one without knowing of the old,
//! so past that number it is the oldest that goes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::hub::access::Credential;
use crate::hub::address::AddressKey;
use crate::hub::audit;
use crate::hub::registry::{CloseReason, Entry, Registry};
use crate::viewer::ViewerSettings;

/// Whose streams are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Scope {
    /// Of a login session, a token or an account.
    Login(String),
    /// Of everybody without a credential at an address; `None`: within the process.
    Address(Option<AddressKey>),
}

/// The streams of one host.
#[derive(Debug, Default)]
pub struct Streams {
    /// Oldest first. As many as the registry admits.
    live: Mutex<HashMap<Scope, Vec<Arc<Entry>>>>,
}

/// A stream's place. Dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    streams: Arc<Streams>,
    entry: Arc<Entry>,
}

impl Streams {
    /// Gives a stream that was admitted its place. If its scope has more than it may now, the oldest are closed with 4004.
    #[must_use]
    pub fn enter(self: &Arc<Self>, registry: &Registry, entry: &Arc<Entry>, settings: &ViewerSettings) -> Place {
        let scope = scope(entry);
        let max = match scope {
            Scope::Login(_) => settings.streams_max,
            Scope::Address(_) => settings.address_streams_max,
        };
        let surplus: Vec<_> = {
            let mut all = self.live();
            let streams = all.entry(scope).or_default();
            streams.push(Arc::clone(entry));
            // Those that were closed are on their way out.
            let open: Vec<_> = streams.iter().filter(|entry| !entry.is_closed()).collect();
            let surplus = open.len().saturating_sub(max.max(1));
            open[..surplus].iter().map(|entry| Arc::clone(entry)).collect()
        };
        for oldest in surplus {
            if registry.close_matching(CloseReason::TOO_MANY, |other| other.id == oldest.id) > 0 {
                audit::over_cap(&oldest);
            }
        }
        Place { streams: Arc::clone(self), entry: Arc::clone(entry) }
    }

    fn live(&self) -> MutexGuard<'_, HashMap<Scope, Vec<Arc<Entry>>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.streams.live();
        // Neither its principal nor its address has changed since it came in.
        let scope = scope(&self.entry);
        if let Some(streams) = all.get_mut(&scope) {
            streams.retain(|entry| !Arc::ptr_eq(entry, &self.entry));
            if streams.is_empty() {
                all.remove(&scope);
            }
        }
    }
}

fn scope(entry: &Entry) -> Scope {
    match &entry.principal {
        Some(who) => match &who.credential {
            Credential::Session(id) => Scope::Login(format!("session {id}")),
            Credential::Token(id) => Scope::Login(format!("token {id}")),
            Credential::Key => Scope::Login(format!("account {}", who.account)),
            Credential::Machine | Credential::None => {
                Scope::Address(entry.address.get().copied().map(AddressKey::from))
            }
        },
        None => Scope::Address(entry.address.get().copied().map(AddressKey::from)),
    }
}
