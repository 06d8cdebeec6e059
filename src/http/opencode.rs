//! OpenCode's own share API, so that its unmodified client shares here: `{"enterprise": {"url": "http://host:7420"}}`.
//!
//! | method and path | what |
//! |---|---|
//! | `POST /api/share` `{sessionID}` | creates the share of a session: `{id, url, secret}` |
//! | `POST /api/share/{id}/sync` `{secret, data}` | applies a list of `SyncData`: `{success, syncCount, revision}` |
//! | `DELETE /api/share/{id}` `{secret}` | deletes it: `{success}` |
//! | `GET /api/share/{id}/data` | the state, as a list of `SyncData` |
//! | `GET /api/doc` | all of this as an OpenAPI document ([`openapi`]) |
//!
//! These operations are also served under `/api/shares`, for clients that share with the token of an account. Called by the routes
//! of HTTP. It calls the verbs of the hub that every door calls and knows no rule of its own
//! of what a share is; what it adds is what this client needs:
//!
//! - It sends its first create twice at once: both get one answer (`creates`).
//! - To an `enterprise.url` it sends no credential. What it creates is then a share of its own, whatever session it names, and
//!   later creates of that session are further shares: it does not show the secret that it has, so it cannot be told from
//!   somebody who read the session's id in the share.
//! - It puts into one request whatever has gathered, so a request may have 64 MiB and is applied as several syncs, one after
//!   the other; whichever does not fit says what was applied before it (`intake`).
//! - It forgets what it has sent before it is answered and never sends it again. So a request whose body is here is carried
//!   out whether or not somebody waits for the answer, a shutdown waits for it, and what the bucket or the queue refuses for
//!   the moment is tried again here, for up to 30 s (`intake`).
//! - It sends the next request without waiting for the last: those of one address for one share are applied in the order in which
//!   they showed the share's secret (`turns`), which stands first in this client's bodies; else an older value could come to stand
//!   over a newer one. Who has not shown it holds nobody up.
//!
//! Refuses by the one map of [`reply`](crate::http::reply), with the same order of questions as the other doors: may the origin
//! (403), too often (429), who is it (401), is the share there (404), and only then the body (400, 408, 413, 429, 503) and the
//! share's secret in it (403), as soon as that has come.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::address::AddressKey;
use crate::audit::By;
use crate::contract::sync_data::parse;
use crate::http::body_in::BodyLimit;
use crate::http::body_in::unread::Unread;
use crate::http::cors;
use crate::http::doors::Doors;
use crate::http::forwarded::address;
use crate::http::knock::{Asks, knock};
use crate::http::opencode::intake::Stopped;
use crate::http::opencode_state::Sender;
use crate::share::error::Refusal;
use crate::share::id::{SessionId, ShareId};
use crate::share::limits::Limit;
use crate::share::secret::Secret;

mod caller;
mod data;
mod intake;
pub mod openapi;

/// The name of this door in logs.
const DOOR: &str = "opencode";

/// The limit on the body of a request to create or delete, which has a session id or a secret: 64 KiB.
const SMALL_BODY: BodyLimit = BodyLimit { name: Limit::RequestBytesMax, bytes_max: 64 << 10 };

/// The routes of the API.
pub(super) fn routes() -> Router<Arc<Doors>> {
    let mut routes = Router::new();
    for family in ["/api/share", "/api/shares"] {
        routes = routes
            .route(family, post(create).options(preflight))
            .route(&format!("{family}/{{id}}"), axum::routing::delete(delete).options(preflight))
            .route(&format!("{family}/{{id}}/sync"), post(sync).options(preflight))
            .route(&format!("{family}/{{id}}/data"), get(read).options(public_preflight));
    }
    routes.route("/api/doc", get(doc).options(public_preflight))
}

async fn create(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    #[derive(Deserialize)]
    struct Create {
        #[serde(rename = "sessionID")]
        session: String,
    }
    to_its_end(doors, request, |doors, request, body| async move {
        let (knock, who) = caller::writer(&doors, &request).await?;
        let received = doors.bodies.begin(&request, knock.holder(Some(&who)), body, SMALL_BODY)?.whole().await?;
        let session: SessionId =
            parse::<Create>("{sessionID}", received.text()?)?.session.parse().map_err(Refusal::from)?;
        let from = address(&request);
        let creating = doors.opencode.creates.create(&doors.hub, &who, from, &session);
        let created = doors.tasks.track_future(creating).await?;
        Ok(json!({ "id": created.id.as_str(), "url": created.url, "secret": created.secret.reveal() }))
    })
    .await
}

async fn sync(State(doors): State<Arc<Doors>>, Path(id): Path<String>, request: Request) -> Response {
    to_its_end(doors, request, |doors, request, body| async move {
        let (knock, who) = caller::writer(&doors, &request).await?;
        let share = known(&doors, &id).await?;
        let limit = BodyLimit { name: Limit::RequestBytesMax, bytes_max: doors.opencode_settings().request_bytes_max };
        let arriving = doors.bodies.begin(&request, knock.holder(Some(&who)), body, limit)?;
        let sender = Sender { share, address: address(&request).map(AddressKey::from) };
        let (received, turn) = intake::receive(&doors.hub, &doors.opencode, &sender, arriving).await?;
        let applying = intake::apply(&doors.hub, &doors.opencode, &sender, received, turn);
        let synced = doors.tasks.track_future(applying).await?;
        Ok(json!({ "success": true, "syncCount": synced.sync_count, "revision": synced.revision.0 }))
    })
    .await
}

async fn delete(State(doors): State<Arc<Doors>>, Path(id): Path<String>, request: Request) -> Response {
    #[derive(Deserialize)]
    struct Delete {
        secret: String,
    }
    to_its_end(doors, request, |doors, request, body| async move {
        let (knock, who) = caller::writer(&doors, &request).await?;
        let id = known(&doors, &id).await?;
        let received = doors.bodies.begin(&request, knock.holder(Some(&who)), body, SMALL_BODY)?.whole().await?;
        let secret = Secret::from(parse::<Delete>("{secret}", received.text()?)?.secret.as_str());
        let by = By::Request(address(&request), Some(&who));
        doors.tasks.track_future(doors.hub.rooms().delete_by(by, &who, id.as_str(), &secret)).await?;
        Ok(json!({ "success": true }))
    })
    .await
}

async fn read(State(doors): State<Arc<Doors>>, Path(id): Path<String>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let body = async {
        let knock = knock(&doors, &request, Asks::API_READ)?;
        let (viewing, who) = knock.enter(&id).await?;
        doors.answers.document(&doors.hub, knock.holder(who.as_ref()), viewing, false, data::pieces).await
    };
    let response = match body.await {
        Ok(body) => {
            let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "private, no-store")];
            (headers, body).into_response()
        }
        Err(refusal) => doors.refuse_with(DOOR, &request, &refusal, json!({})),
    };
    cors::public(response)
}

async fn doc(State(doors): State<Arc<Doors>>) -> Response {
    cors::public(axum::Json(openapi::document(doors.opencode_settings(), &doors.hub.settings().limits)).into_response())
}

/// Answers a browser that asks whether a page may write.
async fn preflight(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    match doors.check_origin(&request.headers) {
        Ok(()) => cors::allowed(&doors, &request.headers, cors::preflight(cors::API)),
        Err(refusal) => doors.refuse_with(DOOR, &request, &refusal, json!({})),
    }
}

/// Answers a browser that asks whether a page may read with a credential.
async fn public_preflight() -> Response {
    cors::public(cors::preflight(cors::API))
}

/// Reads the id of a share, and looks whether there is such a share. One that cannot be looked for now, because the bucket does not
/// answer, is taken for one that exists.
async fn known(doors: &Doors, id: &str) -> Result<ShareId, Refusal> {
    let share: ShareId = id.parse().map_err(|_| Refusal::not_found(id))?;
    match doors.hub.rooms().look_up(&share).await {
        Err(refusal) if !refusal.is_transient() => Err(refusal),
        Ok(()) | Err(_) => Ok(share),
    }
}

/// Answers a request on a task of its own: a client that leaves takes with it what it was still sending, and nothing else. A
/// shutdown waits for what is carried out, and for no body that is still on its way.
async fn to_its_end<F>(
    doors: Arc<Doors>,
    request: Request,
    answer: impl FnOnce(Arc<Doors>, Arc<Parts>, Unread) -> F,
) -> Response
where
    F: Future<Output = Result<Value, Stopped>> + Send + 'static,
{
    let (request, body) = request.into_parts();
    let body = Unread::new(&request.headers, body);
    let request = Arc::new(request);
    let answer = tokio::spawn(answer(Arc::clone(&doors), Arc::clone(&request), body)).await.unwrap_or_else(|error| {
        tracing::error!(%error, "the handler of a request panicked");
        Err(Refusal::Unspecified {
            message: "the request was not carried out to its end: the host's log says why".into(),
        }
        .into())
    });
    let mut response = match answer {
        Ok(answer) => axum::Json(answer).into_response(),
        Err(Stopped { refusal, facts }) => doors.refuse_with(DOOR, &request, &refusal, facts),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    cors::allowed(&doors, &request.headers, response)
}
