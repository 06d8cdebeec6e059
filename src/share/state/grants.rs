//! The grants of a share: made, listed, revoked, and forgotten when their time is over.

use std::collections::HashSet;

use super::State;
use crate::share::error::Refusal;
use crate::share::grant::Grant;
use crate::share::id::GrantId;
use crate::share::limits::{Limit, SHARE_GRANTS_MAX};

/// The grants in the order in which they were made, so that each stands behind its parent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Grants(Vec<Grant>);

impl State {
    /// The grants that were not revoked, oldest first. The fold knows no clock: those whose time is over are among them until
    /// another one is made.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.grants.0.iter()
    }

    /// The grant with this id, unless it was revoked.
    #[must_use]
    pub fn grant(&self, id: &GrantId) -> Option<&Grant> {
        self.grants().find(|grant| grant.info.id == *id)
    }
}

impl Grants {
    /// Adds one. Those that were over when it was made go.
    pub(super) fn make(&mut self, grant: &Grant) -> Result<(), Refusal> {
        let now = grant.info.created_at;
        self.0.retain(|grant| grant.info.expires_at.is_none_or(|at| at > now));
        let knows = |id: &GrantId| self.0.iter().any(|grant| grant.info.id == *id);
        if knows(&grant.info.id) {
            return Ok(());
        }
        // Revoked in the meantime, and what would come through it with it.
        if let Some(parent) = grant.parent.as_ref().filter(|parent| !knows(parent)) {
            return Err(no_grant(parent));
        }
        if self.0.len() == SHARE_GRANTS_MAX {
            return Err(Refusal::limit(Limit::ShareGrantsMax, SHARE_GRANTS_MAX, SHARE_GRANTS_MAX + 1));
        }
        self.0.push(grant.clone());
        Ok(())
    }

    /// Removes one, and all that came of it.
    pub(super) fn revoke(&mut self, id: &GrantId) -> Result<(), Refusal> {
        let mut gone = HashSet::new();
        self.0.retain(|grant| {
            let goes = grant.info.id == *id || grant.parent.as_ref().is_some_and(|parent| gone.contains(parent));
            if goes {
                gone.insert(grant.info.id.clone());
            }
            !goes
        });
        if gone.is_empty() { Err(no_grant(id)) } else { Ok(()) }
    }

    pub(super) fn save(&self) -> Vec<Grant> {
        self.0.clone()
    }

    pub(super) fn restore(&mut self, saved: Vec<Grant>) {
        self.0 = saved;
    }
}

fn no_grant(id: &GrantId) -> Refusal {
    Refusal::invalid(0, format!("this share has no grant {id}: it was never made, was revoked, or has expired"))
}
