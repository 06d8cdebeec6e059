//! What the client of NATS tells of its connection, and what is logged of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{Event, Server, ServerError};
use tokio::sync::Notify;

/// The longest pause between two attempts to reach a server.
const PAUSE_MAX: Duration = Duration::from_secs(4);

/// How long a client waits that nobody uses any more. One that reaches no server looks at nothing else than its attempts, and would go on
/// with them for ever.
pub(super) const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// What was heard of the connection.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Something has changed.
    pub(super) stirred: Notify,
    /// The server has refused a subject since this was last asked.
    refused: AtomicBool,
    /// Nobody uses the client any more.
    ended: AtomicBool,
    /// What was advised since hints last came.
    advised: Mutex<BTreeSet<&'static str>>,
}

impl Heard {
    /// The client tells of something. It tells at most 128 things that were not taken yet, so nothing is counted by them, and what
    /// matters is looked at besides.
    pub(super) fn hear(&self, event: &Event) {
        match event {
            Event::ServerError(ServerError::Other(text)) if text.to_lowercase().contains("permissions violation") => {
                self.refused.store(true, Ordering::Release);
                self.complain(text);
            }
            Event::ServerError(error) => self.complain(&error.to_string()),
            // What could not be reached is told by `try_servers`; who is slow finds that out, and a server that is about to leave
            // closes the connection when it does.
            Event::Connected
            | Event::ClientError(_)
            | Event::Disconnected
            | Event::LameDuckMode
            | Event::Draining
            | Event::Closed
            | Event::SlowConsumer(_) => {}
        }
        self.stirred.notify_one();
    }

    /// The client is about to try these servers.
    pub(super) fn try_servers(&self, servers: &[Server]) {
        servers.iter().filter_map(|server| server.last_error.as_deref()).for_each(|error| self.complain(error));
    }

    /// How long the client waits before an attempt of this number, counted from 1 since a server was last reached.
    pub(super) fn pause(&self, attempt: usize) -> Duration {
        if self.ended.load(Ordering::Acquire) {
            return FOR_EVER;
        }
        match u32::try_from(attempt.saturating_sub(2)) {
            Ok(_) if attempt < 2 => Duration::ZERO,
            Ok(doubled @ 0..=9) => PAUSE_MAX.min(Duration::from_millis(10 << doubled)),
            Ok(_) | Err(_) => PAUSE_MAX,
        }
    }

    /// Whether the server has refused a subject since this was last asked.
    pub(super) fn take_refused(&self) -> bool {
        self.refused.swap(false, Ordering::AcqRel)
    }

    /// Hints come: what goes wrong from now on is logged again.
    pub(super) fn is_well(&self) {
        self.advised().clear();
    }

    /// Nobody uses the client any more.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Logs what to do about a complaint, once.
    fn complain(&self, what: &str) {
        let advice = advice(what);
        if self.advised().insert(advice) {
            tracing::warn!(
                reason = what,
                "NATS does not serve this host: {advice}. The host serves without it, and sees what other hosts wrote later"
            );
        }
    }

    fn advised(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.advised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to do about a complaint.
fn advice(what: &str) -> &'static str {
    let what = what.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| what.contains(word));
    if says(&["authorization", "authentication", "nonce", "account"]) {
        "it refuses the credential; check the user, the password, the token or the file that the settings name"
    } else if says(&["permissions violation"]) {
        "the user may not use the subjects of this store; let it publish and subscribe to capshare.>"
    } else if says(&["certificate", "tls", "handshake"]) {
        "the encrypted connection failed; check the certificates, and that the URL names the server as its certificate does"
    } else {
        "it is not reached; check that it runs and the URLs"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_fast_and_then_every_four_seconds_until_the_client_is_not_used_any_more() {
        let heard = Heard::default();
        let ms = |attempt| heard.pause(attempt).as_millis();
        assert_eq!([0, 1, 2, 3, 4, 10, 11, 12, 1_000].map(ms), [0, 0, 10, 20, 40, 2_560, 4_000, 4_000, 4_000]);
        heard.end();
        assert_eq!(heard.pause(1), FOR_EVER);
    }

    #[test]
    fn a_refused_subject_is_told_once_and_each_advice_is_given_once() {
        let heard = Heard::default();
        let error = |text: &str| Event::ServerError(ServerError::Other(text.to_owned()));
        heard.hear(&error("Permissions Violation for Subscription to \"a\""));
        assert!(heard.take_refused() && !heard.take_refused());
        heard.hear(&error("Permissions Violation for Subscription to \"b\""));
        heard.hear(&Event::ServerError(ServerError::AuthorizationViolation));
        heard.hear(&error("IO error: Connection refused"));
        heard.hear(&error("stale connection"));
        heard.hear(&error("IO error: invalid peer certificate: UnknownIssuer"));
        assert_eq!(heard.advised().len(), 4, "{:?}", heard.advised());
        heard.hear(&Event::Connected);
        assert_eq!(heard.advised().len(), 4, "one that is refused after that is not told again");
        heard.is_well();
        assert!(heard.advised().is_empty());
    }
}
