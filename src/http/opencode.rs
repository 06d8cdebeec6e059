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
//! The same stands under `/api/shares` for clients that share with the token of an account. Called by the routes of
//! [`http`](crate::http). It calls the verbs of the [`Hub`](crate::hub::Hub) that every door calls and knows no rule of its own
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
//!   the moment is tried again here, for up to [`TRY_WITHIN`].
//! - It sends the next request without waiting for the last: those of one address for one share are applied in the order in which
//!   they showed the share's secret (`turns`), which stands first in this client's bodies; else an older value could come to stand
//!   over a newer one. Who has not shown it holds nobody up.
//!
//! Refuses by the one map of [`reply`](crate::http::reply), with the same order of questions as the other doors: may the origin
//! (403), too often (429), who is it (401), is the share there (404), and only then the body (400, 408, 413, 429, 503) and the
//! share's secret in it (403), as soon as that has come.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use governor::{DefaultKeyedRateLimiter, RateLimiter};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::Principal;
use crate::access::address::AddressKey;
use crate::audit::By;
use crate::contract::sync_data::parse;
use crate::http::body_in::{Arriving, BodyLimit, Unread};
use crate::http::bound::Holder;
use crate::http::cors;
use crate::http::doors::{Doors, address};
use crate::http::opencode::creates::Creates;
use crate::http::opencode::intake::Stopped;
use crate::http::opencode::turns::{Turn, Turns};
use crate::http::viewer;
use crate::share::error::Refusal;
use crate::share::id::{AccountId, SessionId, ShareId};
use crate::share::limits::Limit;
use crate::share::secret::Secret;

mod caller;
mod creates;
mod data;
mod intake;
pub mod openapi;
mod turns;

/// The name of this door in logs.
pub(super) const DOOR: &str = "opencode";

/// The body of a request to create or delete: a session id or a secret, and room.
const SMALL_BODY: BodyLimit = BodyLimit { name: Limit::RequestBytesMax, bytes_max: 64 << 10 };

/// How long a sync is tried again that the bucket or the queue refuses for the moment: longer than a host takes to restart or a
/// bucket to fail over, and short of the minutes after which nobody would know why the share moves.
pub const TRY_WITHIN: Duration = Duration::from_secs(30);

/// How OpenCode's API behaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenCodeSettings {
    /// Whose shares those are that come to `/api/share` without a credential, on a host that needs one: OpenCode sends none to
    /// its `enterprise.url`. Whoever reaches the port may then create new shares of this account, and write and delete those
    /// whose secret they have. `None`: they get 401. Default: `None`.
    pub account: Option<AccountId>,
    /// Bytes of one request's body, also when unpacked. Default 64 MiB: OpenCode sends a whole session in one request, and of
    /// 248 whole sessions of one user the mean was 0.6 MB and the largest 263 MB, of attachments.
    pub request_bytes_max: usize,
    /// Requests that one address may make in a minute, and at once. Default 60,000: one client makes one a second, and behind a
    /// proxy a thousand clients have one address.
    pub requests_per_minute: NonZeroU32,
}

impl Default for OpenCodeSettings {
    fn default() -> Self {
        let often = NonZeroU32::new(60_000).unwrap_or(NonZeroU32::MIN);
        Self { account: None, request_bytes_max: 64 << 20, requests_per_minute: often }
    }
}

/// What the API of one host remembers between requests.
#[derive(Debug)]
pub struct OpenCode {
    creates: Creates,
    /// The order of requests: of one address for one share, as they showed its secret.
    arrivals: Turns<(ShareId, AddressKey)>,
    /// One request at a time is applied to a share.
    applying: Turns<ShareId>,
    /// By address. Those not heard of lately are forgotten once a minute.
    requests: DefaultKeyedRateLimiter<AddressKey>,
}

/// Who sends a sync, as far as the order of its requests goes.
#[derive(Debug)]
struct Sender {
    share: ShareId,
    /// `None`: from within the process.
    address: Option<AddressKey>,
}

impl OpenCode {
    /// The turn of a sender who has shown the share's secret; `None` if others take too long, or it comes from within the process.
    async fn turn_of(&self, sender: &Sender) -> Option<Turn<(ShareId, AddressKey)>> {
        self.arrivals.soon((sender.share.clone(), sender.address?)).await
    }

    pub(super) fn new(settings: &OpenCodeSettings) -> Self {
        Self {
            creates: Creates::default(),
            arrivals: Turns::default(),
            applying: Turns::default(),
            requests: RateLimiter::keyed(governor::Quota::per_minute(settings.requests_per_minute)),
        }
    }

    /// Forgets what has not been heard of lately: to be called about once a minute.
    pub(super) fn forget(&self) {
        self.creates.forget();
        self.requests.retain_recent();
        self.requests.shrink_to_fit();
    }
}

/// The routes of the API.
pub(super) fn routes() -> Router<Arc<Doors>> {
    let mut routes = Router::new();
    for family in ["/api/share", "/api/shares"] {
        routes = routes
            .route(family, post(create).options(cors::preflight))
            .route(&format!("{family}/{{id}}"), axum::routing::delete(delete).options(cors::preflight))
            .route(&format!("{family}/{{id}}/sync"), post(sync).options(cors::preflight))
            .route(&format!("{family}/{{id}}/data"), get(read).options(cors::public_preflight));
    }
    routes.route("/api/doc", get(doc).options(cors::public_preflight))
}

async fn create(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    #[derive(Deserialize)]
    struct Create {
        #[serde(rename = "sessionID")]
        session: String,
    }
    to_its_end(doors, request, |doors, request, body| async move {
        let who = caller::writer(&doors, &request).await?;
        let received = begin(&doors, &request, &who, body, SMALL_BODY)?.whole().await?;
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
        let who = caller::writer(&doors, &request).await?;
        let share = known(&doors, &id).await?;
        let limit = BodyLimit { name: Limit::RequestBytesMax, bytes_max: doors.opencode_settings().request_bytes_max };
        let arriving = begin(&doors, &request, &who, body, limit)?;
        let sender = Sender { share, address: address(&request).map(AddressKey::from) };
        let (received, turn) = intake::receive(&doors.hub, &doors.opencode, &sender, arriving).await?;
        let applying = intake::apply(&doors.hub, &doors.opencode, &sender, received, turn);
        let synced = doors.tasks.track_future(applying).await?;
        Ok(json!({ "success": true, "syncCount": synced.sync_count, "revision": synced.revision }))
    })
    .await
}

async fn delete(State(doors): State<Arc<Doors>>, Path(id): Path<String>, request: Request) -> Response {
    #[derive(Deserialize)]
    struct Delete {
        secret: String,
    }
    to_its_end(doors, request, |doors, request, body| async move {
        let who = caller::writer(&doors, &request).await?;
        let id = known(&doors, &id).await?;
        let received = begin(&doors, &request, &who, body, SMALL_BODY)?.whole().await?;
        let secret = Secret::from(parse::<Delete>("{secret}", received.text()?)?.secret.as_str());
        let by = By::Request(address(&request), Some(&who));
        doors.tasks.track_future(doors.hub.delete_by(by, &who, id.as_str(), &secret)).await?;
        Ok(json!({ "success": true }))
    })
    .await
}

async fn read(State(doors): State<Arc<Doors>>, Path(id): Path<String>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let body = async {
        caller::not_too_often(&doors, &request)?;
        let (viewing, who) = viewer::enter(&doors, &id, &request).await?;
        let holder = Holder::of(who.as_ref(), address(&request));
        doors.answers.document(&doors.hub, holder, viewing, data::pieces).await
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

/// The id of a share that is there, as far as can be told now: a bucket that is away says nothing of it.
async fn known(doors: &Doors, id: &str) -> Result<ShareId, Refusal> {
    let share: ShareId = id.parse().map_err(|_| Refusal::not_found(id))?;
    match doors.hub.look_up(&share).await {
        Err(refusal) if !refusal.is_transient() => Err(refusal),
        Ok(()) | Err(_) => Ok(share),
    }
}

fn begin(doors: &Doors, request: &Parts, who: &Principal, body: Unread, limit: BodyLimit) -> Result<Arriving, Refusal> {
    doors.bodies.begin(request, Holder::of(Some(who), address(request)), body, limit)
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
        tracing::error!(%error, "a request broke off");
        Err(Refusal::Unspecified { message: "the request broke off: see the host's log".into() }.into())
    });
    let mut response = match answer {
        Ok(answer) => axum::Json(answer).into_response(),
        Err(Stopped { refusal, facts }) => doors.refuse_with(DOOR, &request, &refusal, facts),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    cors::allowed(&doors, &request.headers, response)
}
