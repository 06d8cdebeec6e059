//! What an HTTP answer to the upgrade, other than 101, means: the one map from status and body to refusals.
//!
//! A host of ours answers `{"error": {"code": ..., "message": ..., and facts}}`; what stands before it (a proxy) answers
//! anything, of which the status and the first line are kept.

use std::borrow::Cow;
use std::time::Duration;

use http::Response;
use serde::Deserialize;

use super::DialError;
use crate::client::error::Lost;
use crate::share::error::Refusal;

/// What the answer means for the attempt. Too many requests, and whatever the server blames on itself, may pass.
pub(super) fn read_answer(response: &Response<Option<Vec<u8>>>) -> DialError {
    let status = response.status().as_u16();
    let body = response.body().as_deref().unwrap_or_default();
    let refusal = serde_json::from_slice::<Answer>(body)
        .ok()
        .and_then(|answer| answer.error.into_refusal())
        .unwrap_or_else(|| by_status(status, body));
    let after = response
        .headers()
        .get(http::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    match DialError::from(refusal) {
        DialError::Final(refusal) if matches!(status, 408 | 425 | 429 | 500..) => {
            DialError::Later { cause: Lost::Refused(refusal), after }
        }
        DialError::Later { cause, after: said } => DialError::Later { cause, after: after.or(said) },
        fixed @ DialError::Final(_) => fixed,
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
    #[serde(default)]
    message: String,
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
    fn into_refusal(self) -> Option<Refusal> {
        Some(match self.code.as_str() {
            "Unauthorized" => Refusal::Unauthorized {
                reason: match self.message.strip_prefix("unauthorized: ") {
                    Some(reason) => reason.to_owned().into(),
                    None => self.message.into(),
                },
            },
            "RouteMismatch" => Refusal::RouteMismatch { route: self.route.into() },
            "ProtocolMismatch" => Refusal::ProtocolMismatch {
                expected: self.expected.into(),
                got: self.got.as_str().unwrap_or_default().to_owned().into(),
            },
            "LimitExceeded" => Refusal::LimitExceeded {
                limit: self.limit.into(),
                max: self.max,
                got: self.got.as_u64().unwrap_or_default(),
            },
            "Unavailable" => Refusal::Unavailable { retry_after_ms: self.retry_after_ms },
            _ => return None,
        })
    }
}

fn by_status(status: u16, body: &[u8]) -> Refusal {
    let text = String::from_utf8_lossy(body);
    let line: String =
        text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().chars().take(200).collect();
    let known = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let reason = match (line.is_empty(), known) {
        (false, _) => Cow::Owned(line),
        (true, Some(known)) => Cow::Borrowed(known),
        (true, None) => Cow::Borrowed("no reason was given"),
    };
    Refusal::UpgradeFailed { status, reason }
}
