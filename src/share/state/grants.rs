//! The grants of a share: made, listed, revoked, and forgotten once they have expired.

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
    /// The grants that were not revoked, oldest first. The state knows no clock: expired grants are among them until another
    /// grant is made.
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
    /// Adds a grant. Grants that had expired when it was made are forgotten.
    pub(super) fn make(&mut self, grant: &Grant) -> Result<(), Refusal> {
        let now = grant.info.created_at;
        self.0.retain(|grant| grant.info.expires_at.is_none_or(|at| at > now));
        let knows = |id: &GrantId| self.0.iter().any(|grant| grant.info.id == *id);
        if knows(&grant.info.id) {
            return Ok(());
        }
        // The parent was revoked in the meantime, and with it whatever is made by way of it.
        if let Some(parent) = grant.parent.as_ref().filter(|parent| !knows(parent)) {
            return Err(no_grant(parent));
        }
        if self.0.len() == SHARE_GRANTS_MAX {
            return Err(Refusal::limit(Limit::ShareGrantsMax, SHARE_GRANTS_MAX, SHARE_GRANTS_MAX + 1));
        }
        self.0.push(grant.clone());
        Ok(())
    }

    /// Removes a grant, and all grants that were made by way of it.
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
