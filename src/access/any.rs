//! Several kinds of credential at one host.

use std::sync::Arc;

use futures::future::{BoxFuture, join_all};

use super::{Access, Principal, Readiness, unknown};
use crate::share::error::Refusal;
use crate::share::secret::Secret;

/// Any of several: a token is judged by the first that [recognises](Access::recognises) its form, and by no other. Of none,
/// nobody comes in.
#[derive(Debug, Clone)]
pub struct AnyOf(Vec<Arc<dyn Access>>);

impl AnyOf {
    /// These, in this order: those that take any form come last.
    #[must_use]
    pub fn new(all: impl IntoIterator<Item = Arc<dyn Access>>) -> Self {
        Self(all.into_iter().collect())
    }
}

impl Access for AnyOf {
    fn anonymous(&self) -> Option<Principal> {
        self.0.iter().find_map(|one| one.anonymous())
    }

    fn authenticate<'a>(&'a self, token: &'a Secret) -> BoxFuture<'a, Result<Principal, Refusal>> {
        match self.0.iter().find(|one| one.recognises(token)) {
            Some(one) => one.authenticate(token),
            None => Box::pin(std::future::ready(Err(unknown()))),
        }
    }

    fn recognises(&self, token: &Secret) -> bool {
        self.0.iter().any(|one| one.recognises(token))
    }

    fn recheck<'a>(&'a self, who: &'a Principal) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            // Each passes what is not its own.
            for one in &self.0 {
                one.recheck(who).await?;
            }
            Ok(())
        })
    }

    fn readiness(&self) -> Readiness {
        let all: Vec<_> = self.0.iter().map(|one| one.readiness()).collect();
        let all_are_down = all.iter().all(|one| matches!(one, Readiness::Down(_)));
        match all.into_iter().find(|one| *one != Readiness::Ready) {
            // Those of the others come in.
            Some(Readiness::Down(message)) if !all_are_down => Readiness::Stale(message),
            Some(one) => one,
            None => Readiness::Ready,
        }
    }

    fn tend(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            join_all(self.0.iter().map(|one| one.tend())).await;
        })
    }

    fn describe(&self) -> String {
        let all = self.0.iter().map(|one| one.describe()).filter(|described| !described.is_empty());
        all.collect::<Vec<_>>().join(", ")
    }
}
