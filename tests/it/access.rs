//! Credentials: which are let in, which are not, and what becomes of those that were.
//!
//! `nothing` is about who shows none, `tokens` about those of the store, `signed` about JSON Web Tokens, `guesses` about who tries
//! wrong ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use capshare::__internal::access::{Credential, Principal, Scopes};
use capshare::__internal::ambient::Clock;
use capshare::share::time::Timestamp;

mod guesses;
mod nothing;
mod signed;
mod tokens;

/// A time of day that is set by hand.
#[derive(Debug, Clone)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn at(ms: i64) -> Self {
        Self(Arc::new(AtomicI64::new(ms)))
    }

    fn set(&self, ms: i64) {
        self.0.store(ms, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// Somebody who may do this.
fn somebody(account: &str, scopes: Scopes) -> Principal {
    Principal { account: account.parse().unwrap(), credential: Credential::Key, scopes, expires_at: None }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}
