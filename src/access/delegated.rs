//! An access behind a shared pointer is an access too, so that an embedder may keep it beside its host.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::access::{Access, Principal, Readiness};
use crate::share::error::Refusal;
use crate::share::secret::Secret;

impl<A: Access + ?Sized> Access for Arc<A> {
    fn anonymous(&self) -> Option<Principal> {
        (**self).anonymous()
    }

    fn authenticate<'a>(&'a self, token: &'a Secret) -> BoxFuture<'a, Result<Principal, Refusal>> {
        (**self).authenticate(token)
    }

    fn recognises(&self, token: &Secret) -> bool {
        (**self).recognises(token)
    }

    fn recheck<'a>(&'a self, who: &'a Principal) -> BoxFuture<'a, Result<(), Refusal>> {
        (**self).recheck(who)
    }

    fn readiness(&self) -> Readiness {
        (**self).readiness()
    }

    fn tend(&self) -> BoxFuture<'_, ()> {
        (**self).tend()
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}
