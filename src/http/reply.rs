//! The one map of refusals to HTTP: a status, and a JSON body `{"error":{"code","message", facts...}}`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::share::error::Refusal;
use crate::share::limits::Limit;

/// The HTTP answer for a refusal.
#[must_use]
pub fn refused(refusal: &Refusal) -> Response {
    refused_with(refusal, json!({}))
}

/// As [`refused`], with further members of the error: an object of facts.
#[must_use]
pub fn refused_with(refusal: &Refusal, further: Value) -> Response {
    let mut error = json!({
        "code": refusal.code(),
        "message": refusal.to_string(),
        "transient": refusal.is_transient(),
    });
    let (status, facts) = status_and_facts(refusal);
    if let (Value::Object(error), Value::Object(facts), Value::Object(further)) = (&mut error, facts, further) {
        error.extend(facts);
        error.extend(further);
    }
    let mut response = (status, axum::Json(json!({ "error": error }))).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if matches!(refusal, Refusal::UpgradeFailed { status: 426, .. }) {
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    } else if matches!(refusal, Refusal::Unauthorized { .. }) {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    } else if let Refusal::Unavailable { retry_after_ms } = refusal {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(u64::from(retry_after_ms.div_ceil(1_000))));
    }
    response
}

fn status_and_facts(refusal: &Refusal) -> (StatusCode, Value) {
    match refusal {
        Refusal::Unauthorized { .. } => (StatusCode::UNAUTHORIZED, json!({})),
        Refusal::NotFound { id } => (StatusCode::NOT_FOUND, json!({ "id": id })),
        Refusal::InvalidSecret { id } => (StatusCode::FORBIDDEN, json!({ "id": id.as_str() })),
        Refusal::RouteMismatch { route } => (StatusCode::NOT_FOUND, json!({ "route": route })),
        Refusal::ProtocolMismatch { expected, got } => {
            (StatusCode::BAD_REQUEST, json!({ "expected": expected, "got": got }))
        }
        Refusal::StorageFailure { operation, trouble } => {
            let facts = json!({ "operation": operation.as_str(), "trouble": trouble.as_str() });
            (StatusCode::SERVICE_UNAVAILABLE, facts)
        }
        Refusal::UpgradeFailed { status, reason } => {
            (StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST), json!({ "reason": reason }))
        }
        Refusal::LimitExceeded { limit, max, got } => {
            (status_of(limit), json!({ "limit": limit.name(), "max": max, "got": got }))
        }
        Refusal::InvalidInput { index, reason } => {
            (StatusCode::BAD_REQUEST, json!({ "index": index, "reason": reason }))
        }
        Refusal::StaleProducer { epoch } => (StatusCode::CONFLICT, json!({ "epoch": epoch })),
        Refusal::NotYet { feature } => (StatusCode::NOT_IMPLEMENTED, json!({ "feature": feature })),
        Refusal::Unavailable { retry_after_ms } => {
            (StatusCode::SERVICE_UNAVAILABLE, json!({ "retryAfterMs": retry_after_ms }))
        }
        Refusal::Unspecified { .. } => (StatusCode::INTERNAL_SERVER_ERROR, json!({})),
    }
}

/// The status for something past this limit: 429 for a rate of requests and for a bound on what is open at once over HTTP, where the
/// answer has a Retry-After; 408 and 431 for a body that is too slow and a head that is too long; 413 for every other limit.
fn status_of(limit: &Limit) -> StatusCode {
    match limit {
        Limit::UpgradesPerMinute
        | Limit::AccountUpgradesPerMinute
        | Limit::ConnectionsMax
        | Limit::FailedCredentialsPerMinute
        | Limit::ApiRequestsPerMinute
        | Limit::BodiesBytesMax
        | Limit::AnswersMax => StatusCode::TOO_MANY_REQUESTS,
        Limit::BodyMsMax => StatusCode::REQUEST_TIMEOUT,
        Limit::HeadBytesMax => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Limit::AccountBytesMax
        | Limit::AccountBytesPerDayMax
        | Limit::AccountSharesMax
        | Limit::AskAnswersMax
        | Limit::AskChoiceBytesMax
        | Limit::AskChoicesMax
        | Limit::AskQuestionBytesMax
        | Limit::AskWithinMsMax
        | Limit::AsksOpenMax
        | Limit::CallsInFlightMax
        | Limit::CapabilitiesHeldMax
        | Limit::CommandsInFlightMax
        | Limit::GrantLabelBytesMax
        | Limit::IdBytesMax
        | Limit::ItemBytesMax
        | Limit::ItemNestingMax
        | Limit::ListPageMax
        | Limit::MessageBytesMax
        | Limit::PrincipalsMax
        | Limit::PushBytesMax
        | Limit::RequestBytesMax
        | Limit::RequestItemsMax
        | Limit::ShareBytesMax
        | Limit::ShareGrantsMax
        | Limit::ShareItemsMax
        | Limit::ShareTtlMsMax
        | Limit::StatesMax
        | Limit::SyncItemsMax
        | Limit::TitleTextBytesMax
        | Limit::UplinkBytesMax
        | Limit::ViewerNameBytesMax
        | Limit::Other(_) => StatusCode::PAYLOAD_TOO_LARGE,
    }
}
