//! Newcomers: a connection that asks for a place, the door that it comes by, and what it has shown.

use std::net::IpAddr;

use crate::access::{Principal, Way};

/// Which door a connection came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Door {
    /// `/rpc/share`, or an in-process pipe.
    Rpc,
    /// `/rpc/share/web`.
    Web,
    /// `/ws/{id}`.
    Viewer,
    /// `/events/{id}`.
    Sse,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rpc, Self::Web, Self::Viewer, Self::Sse];

    /// Its name in logs, listings and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rpc => "rpc",
            Self::Web => "web",
            Self::Viewer => "viewer",
            Self::Sse => "sse",
        }
    }
}

/// A connection that asks for a place, as its door knows it.
#[derive(Debug, Clone)]
pub struct Comer {
    /// Where it comes in.
    pub door: Door,
    /// Whose rights it has; `None` for viewers without a credential, and for clients that authenticate in-band.
    pub principal: Option<Principal>,
    /// What it has shown.
    pub shown: Shown,
    /// Where its socket comes from; `None`: from within the process.
    pub address: Option<IpAddr>,
    /// How it comes.
    pub way: Way,
}

/// What a connection has shown as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A right credential of an account or of a grant, or that it is a program of a machine whose programs need none.
    Credential,
    /// Nothing yet: it is going to authenticate in-band.
    Later,
    /// Nothing, and nothing is expected of it.
    Nothing,
}

impl Comer {
    /// A connection of this principal. At the doors of RPC one without a principal is going to authenticate in-band.
    #[must_use]
    pub fn new(door: Door, principal: Option<Principal>, address: Option<IpAddr>, way: Way) -> Self {
        let shown = match &principal {
            Some(who) if who.is_somebody() => Shown::Credential,
            None if matches!(door, Door::Rpc | Door::Web) => Shown::Later,
            Some(_) | None => Shown::Nothing,
        };
        Self { door, principal, shown, address, way }
    }

    /// Whether it is known, as it comes, that what it asks for may be an administrator's work.
    pub(super) fn may_administer(&self) -> bool {
        self.door == Door::Rpc && self.principal.as_ref().is_some_and(|who| who.may_administer().is_ok())
    }

    /// This connection with `shown` in place of what was taken for shown, where its door knows better.
    #[must_use]
    pub fn showing(self, shown: Shown) -> Self {
        Self { shown, ..self }
    }
}
