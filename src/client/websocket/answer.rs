//! What an HTTP answer other than 101 to the upgrade request means: the one map from such answers to refusals.
//!
//! A host of ours answers `{"error": {"code": ..., "message": ..., and facts}}` with one of its codes: that is its own word,
//! and may be final. Any other answer is that of a proxy, or of whatever else stands in the host's place: the host is away,
//! and may be back at the next attempt.

use std::time::Duration;

use http::{HeaderMap, Response, StatusCode, header};
use serde::Deserialize;

use crate::client::dial::DialError;
use crate::client::error::Lost;
use crate::share::error::Refusal;
use crate::share::limits::Limit;

/// Longest text of a proxy, or address that it redirects to, that an error shows; in characters.
const WORDS_CHARS_MAX: usize = 200;

/// What an HTTP answer other than 101 means for the attempt at a connection.
pub(super) fn read_answer(response: &Response<Option<Vec<u8>>>) -> DialError {
    let status = response.status().as_u16();
    let body = response.body().as_deref().unwrap_or_default();
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    let word = serde_json::from_slice::<Answer>(body).ok().and_then(|answer| answer.error.into_refusal(status));
    let Some(refusal) = word else {
        let cause = Lost::Proxy { status, answer: describe(response.status(), response.headers(), body) };
        return DialError::Later { cause, after };
    };
    match (DialError::from(refusal), status) {
        // The host was asked for something else than an upgrade, which is what this client asked for.
        (DialError::Final(Refusal::UpgradeFailed { .. }), 426) => {
            let reason = "the host got the request without its WebSocket upgrade: have the proxy in between pass the \
                          headers Connection and Upgrade on, by HTTP/1.1";
            DialError::Later { cause: Lost::Refused(Refusal::UpgradeFailed { status, reason: reason.into() }), after }
        }
        // Too many requests, and whatever the host blames on itself, may pass.
        (DialError::Final(refusal), 408 | 425 | 429 | 500..) => {
            DialError::Later { cause: Lost::Refused(refusal), after }
        }
        (DialError::Later { cause, after: said }, _) => DialError::Later { cause, after: after.or(said) },
        (fixed @ DialError::Final(_), _) => fixed,
    }
}

#[derive(Deserialize)]
struct Answer {
    error: Facts,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    code: String,
    message: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    route: String,
    #[serde(default)]
    limit: String,
    #[serde(default)]
    max: u64,
    #[serde(default)]
    expected: String,
    /// A text for a protocol, a number for a limit.
    #[serde(default)]
    got: serde_json::Value,
    #[serde(default)]
    retry_after_ms: u32,
}

impl Facts {
    /// The refusal that these facts tell; `None` if no capshare host uses this code.
    fn into_refusal(self, status: u16) -> Option<Refusal> {
        Some(match self.code.as_str() {
            "Unauthorized" => Refusal::Unauthorized {
                reason: match self.message.strip_prefix("unauthorized: ") {
                    Some(reason) => reason.to_owned().into(),
                    None => self.message.into(),
                },
            },
            "NotFound" => Refusal::not_found(&self.id),
            "RouteMismatch" => Refusal::RouteMismatch { route: self.route.into() },
            "ProtocolMismatch" => Refusal::ProtocolMismatch {
                expected: self.expected.into(),
                got: self.got.as_str().unwrap_or_default().to_owned().into(),
            },
            "UpgradeFailed" => Refusal::UpgradeFailed { status, reason: self.reason.into() },
            "LimitExceeded" => Refusal::LimitExceeded {
                limit: Limit::named(self.limit),
                max: self.max,
                got: self.got.as_u64().unwrap_or_default(),
            },
            "Unavailable" => Refusal::Unavailable { retry_after_ms: self.retry_after_ms },
            // What they say is in their message; which of them may pass, their status tells.
            "InvalidSecret" | "StorageFailure" | "InvalidInput" | "StaleProducer" | "NotYet" | "Unspecified" => {
                Refusal::Unspecified { message: self.message.into() }
            }
            _ => return None,
        })
    }
}

/// An answer that is not the host's, for people: its form, and its first line if it is plain text or JSON.
fn describe(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    let said = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (location, kind) = (said(header::LOCATION), said(header::CONTENT_TYPE));
    if status.is_redirection() && !location.is_empty() {
        return format!("with a redirect to {}", cut(location));
    }
    let words = String::from_utf8_lossy(body);
    let words = words.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind {
        _ if words.is_empty() => "without a text".to_owned(),
        "text/html" | "application/xhtml+xml" => "in HTML".to_owned(),
        "application/json" => format!("in JSON: {}", cut(words)),
        "" | "text/plain" => format!("in plain text: {}", cut(words)),
        other => format!("in {}", cut(other)),
    }
}

fn cut(words: &str) -> String {
    words.chars().take(WORDS_CHARS_MAX).collect()
}
