//! The viewers' doors: `/ws/{id}` for WebSockets, `/events/{id}` for server-sent events and for the commands of those who take
//! them, and `/manifest.json`, which says what is spoken there.
//!
//! The questions are those of `http/knock.rs`, in its order, and are equal on both paths. A web page of
//! another origin that may connect is told so in the headers of every answer that it reads.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, Uri, Version, header};
use axum::response::{IntoResponse as _, Response};
use hyper::upgrade::OnUpgrade;
use serde::Deserialize;

use crate::connections::comer::Door;
use crate::connections::registry::Pending;
use crate::contract::SUBPROTOCOL_PREFIX;
use crate::http::assets::takes_gzip;
use crate::http::body_in::BodyLimit;
use crate::http::body_in::unread::Unread;
use crate::http::cors;
use crate::http::doors::Doors;
use crate::http::handover::Handover;
use crate::http::knock::{Asks, knock};
use crate::http::reply;
use crate::http::upgrade::{UpgradeKey, offered, upgraded};
use crate::rooms::event::Values;
use crate::rooms::visibility::Viewing;
use crate::share::error::Refusal;
use crate::share::limits::Limit;
use crate::share::revision::Revision;
use crate::viewer::command::Caller;
use crate::viewer::frame;
use crate::viewer::manifest::manifest;
use crate::viewer::member::Member;
use crate::viewer::sse::{Admitted, Stream};
use crate::viewer::uplink::{Defaults, UPLINK_BYTES_MAX, Uplink, read_defaults};
use crate::viewer::ws;

/// The header that says after which event a stream goes on that was cut off; a browser sends it by itself.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The limit on the body of a command that is posted.
const UPLINK: BodyLimit = BodyLimit { name: Limit::UplinkBytesMax, bytes_max: UPLINK_BYTES_MAX };

/// The query of a viewer's URL.
#[derive(Deserialize)]
struct Params {
    #[serde(default)]
    cursor: Option<u64>,
    #[serde(default)]
    input: Option<String>,
    /// `inband`: a WebSocket that cannot set headers shows its credential in its first frame.
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    values: Wanted,
}

/// How a viewer wants to be told the new value of an item that it holds.
#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    /// By the difference, where that is less.
    #[default]
    Patched,
    /// By its whole value.
    Whole,
}

impl From<Wanted> for Values {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Patched => Self::Patched,
            Wanted::Whole => Self::Whole,
        }
    }
}

/// Answers for `/ws/{id}`: an upgrade to the viewer channel.
pub async fn socket(State(doors): State<Arc<Doors>>, Path(id): Path<String>, request: Request) -> Response {
    let (mut request, _) = request.into_parts();
    match socket_admission(&doors, &id, &request).await {
        Ok((key, pending, asked)) => {
            let upgrade = request.extensions.remove::<OnUpgrade>();
            tokio::spawn(async move {
                if let Some((socket, received)) = upgraded(upgrade).await {
                    let (viewers, members) = (Arc::clone(&doors.viewers), Arc::clone(&doors.members));
                    ws::serve(viewers, members, pending, asked, socket, received).await;
                }
            });
            key.answer(None)
        }
        Err(refusal) => doors.refuse(Door::Viewer, &request, &refusal),
    }
}

async fn socket_admission(
    doors: &Doors,
    id: &str,
    request: &Parts,
) -> Result<(UpgradeKey, Pending, ws::Asked), Refusal> {
    let key = UpgradeKey::of(request)?;
    let knock = knock(doors, request, Asks::CONNECTION)?;
    if offered(&request.headers).iter().any(|name| name.starts_with(SUBPROTOCOL_PREFIX)) {
        return Err(Refusal::RouteMismatch { route: "/ws/{id}".into() });
    }
    let Params { cursor, input, auth, values } = params(&request.uri)?;
    let (cursor, defaults) = (cursor.map_or(Revision::EMPTY, Revision), defaults(input)?);
    // A page cannot set headers, and one that has a credential shows it in its first frame.
    let is_page = request.headers.contains_key(header::ORIGIN);
    let is_in_band = (is_page || auth.as_deref() == Some("inband")) && !knock.shows_credential();
    let (feed, principal) = match knock.enter(id).await {
        Ok((Viewing { room, pass }, principal)) => {
            (Some(doors.hub.rooms().follow(&room, cursor).await?.within(pass)), principal)
        }
        Err(Refusal::Unauthorized { .. }) if is_in_band => (None, None),
        Err(refusal) => return Err(refusal),
    };
    let pending = knock.register(Door::Viewer, principal, feed.is_none())?;
    Ok((key, pending, ws::Asked { id: id.to_owned(), cursor, values: values.into(), feed, defaults }))
}

/// Answers for `GET /events/{id}`: the viewer channel as server-sent events.
pub async fn events(State(doors): State<Arc<Doors>>, Path(id): Path<String>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let response = match begin_stream(&doors, &id, &request).await {
        Ok(admitted) => {
            let mut response = Response::new(stream_body(&doors, admitted, &request));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
            if takes_gzip(&request.headers) {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        }
        Err(refusal) => doors.refuse(Door::Sse, &request, &refusal),
    };
    cors::allowed(&doors, &request.headers, response)
}

/// The body of a stream of events. Where HTTP gives its socket away the body is empty, and the viewer is served on the socket.
fn stream_body(doors: &Arc<Doors>, admitted: Admitted, request: &Parts) -> Body {
    let viewers = Arc::clone(&doors.viewers);
    // The answer to HEAD has no body, and to HTTP/1.0 no chunks.
    let is_packed = takes_gzip(&request.headers);
    let (has_body, in_chunks) = (request.method == Method::GET, request.version == Version::HTTP_11);
    if let Some(handover) = request.extensions.get::<Handover>().filter(|_| has_body) {
        return Body::new(
            handover.leave(move |tcp| drop(tokio::spawn(admitted.serve(viewers, tcp, in_chunks, is_packed)))),
        );
    }
    // Boxed: what is handed on from one piece to the next would take the room of three.
    let stream = Box::new(Stream::new(&viewers, admitted, is_packed));
    Body::from_stream(futures::stream::unfold(stream, async |mut stream| {
        let bytes = stream.next().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), stream))
    }))
}

async fn begin_stream(doors: &Arc<Doors>, id: &str, request: &Parts) -> Result<Admitted, Refusal> {
    let knock = knock(doors, request, Asks::CONNECTION)?;
    let Params { cursor, input, values, .. } = params(&request.uri)?;
    // Taken with each post; here it is only looked at, so that who gets it wrong hears of it now.
    defaults(input)?;
    // One that is no number is another server's.
    let last = request.headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.trim().parse().ok());
    let (Viewing { room, pass }, principal) = knock.enter(id).await?;
    let feed = doors
        .hub
        .rooms()
        .follow(&room, last.or(cursor).map_or(Revision::EMPTY, Revision))
        .await?
        .within(pass)
        .telling(values.into());
    let pending = knock.register(Door::Sse, principal, false)?;
    let connection = doors.hub.connections().admit(pending).await.map_err(|turned_away| turned_away.into_refusal())?;
    let place = doors.streams.enter(doors.hub.connections().registry(), connection.entry(), &doors.viewer);
    Admitted::new(&doors.viewers, &doors.members, connection, feed, place)
}

/// Answers for `POST /events/{id}`: one command, answered in the same frame as on a WebSocket. A frame that is refused is an answer too, with
/// status 200; any other status is about the request around it.
pub async fn post(State(doors): State<Arc<Doors>>, Path(id): Path<String>, request: Request) -> Response {
    let (request, body) = request.into_parts();
    let body = Unread::new(&request.headers, body);
    let response = match run_posted(&doors, &id, &request, body).await {
        Ok(answer) => {
            let json = [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (json, answer).into_response()
        }
        Err(refusal) => doors.refuse(Door::Sse, &request, &refusal),
    };
    cors::allowed(&doors, &request.headers, response)
}

async fn run_posted(doors: &Arc<Doors>, id: &str, request: &Parts, body: Unread) -> Result<Body, Refusal> {
    let knock = knock(doors, request, Asks::CONNECTION)?;
    let defaults = defaults(params(&request.uri)?.input)?;
    let (Viewing { room, pass }, principal) = knock.enter(id).await?;
    let holder = knock.holder(principal.as_ref());
    let received = doors.bodies.begin(request, holder.clone(), body, UPLINK)?.whole().await?;
    let refused = |id: &serde_json::Value, refusal: &Refusal| Ok(frame::refused(id, refusal).into());
    let uplink = match Uplink::read(received.bytes(), &defaults) {
        Ok(uplink) => uplink,
        Err((id, refusal)) => return refused(&id, &refusal),
    };
    let member = match &uplink.channel {
        None => None,
        Some(channel) => match doors.members.get(channel, &room) {
            None => {
                let reason = "unknown channel: its stream has ended, or belongs to another host or another share; open a stream and use the \
                     channel of its ready event";
                return refused(&uplink.id, &Refusal::invalid(0, reason));
            }
            member => member,
        },
    };
    let _leave = match member.as_ref().map(Member::begin_command).transpose() {
        Ok(leave) => leave,
        Err(refusal) => return refused(&uplink.id, &refusal),
    };
    // Whoever has no stream shares a few places with all who have none.
    let place =
        || Arc::clone(&doors.posts).try_acquire_owned().map_err(|_| Refusal::Unavailable { retry_after_ms: 1_000 });
    let _place = member.is_none().then(place).transpose()?;
    let viewing = Viewing { room: Arc::clone(&room), pass: pass.clone() };
    let caller = Caller { hub: Arc::clone(&doors.hub), room, pass, member, principal, is_on_socket: false };
    let answer = uplink.answer(&caller, doors.viewer.command_within).await;
    doors.answers.copy(holder, answer.into(), Some((Arc::clone(&doors.hub), viewing))).await
}

/// Answers for `OPTIONS /events/{id}`: a browser asks whether a page of another origin may read this.
pub async fn preflight(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    if let Err(refusal) = knock(&doors, &request, Asks::CONNECTION) {
        return doors.refuse(Door::Sse, &request, &refusal);
    }
    cors::allowed(&doors, &request.headers, cors::preflight(cors::EVENTS))
}

/// Answers for `GET /manifest.json`: the manifest of the viewer channel.
pub async fn describe(method: Method) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return reply::refused(&Refusal::RouteMismatch { route: "/manifest.json".into() });
    }
    // It has nothing of anybody, so every page may read it.
    cors::public(axum::Json(manifest()).into_response())
}

fn params(uri: &Uri) -> Result<Params, Refusal> {
    let params = Query::<Params>::try_from_uri(uri).map_err(|error| Refusal::invalid(0, error.to_string()))?;
    Ok(params.0)
}

fn defaults(input: Option<String>) -> Result<Defaults, Refusal> {
    input.map_or_else(|| Ok(Defaults::new()), |input| read_defaults(&input))
}
