//! The document of a state: `GET /state/{id}`, what a share holds, packed, the newest first (see [`loading`](crate::viewer::loading)).
//!
//! It is what a page loads before it follows the share by the viewer channel, from the revision that the document has. So it
//! may be a little old: it is made for the first who asks, on a thread for blocking work, and whoever comes in the seconds after that
//! gets it too, though the share has changed meanwhile. `?around=ID` puts what is around a message or a part before all else.
//!
//! It asks what the viewer channel asks: whoever may follow the share may load it.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use crate::connections::comer::Door;
use crate::http::assets::takes_gzip;
use crate::http::body_pieces::PIECE_BYTES;
use crate::http::cors;
use crate::http::doors::Doors;
use crate::http::knock::{Asks, knock};
use crate::share::error::Refusal;
use crate::share::limits::ID_BYTES_MAX;
use crate::viewer::loading::Loading;
use crate::viewer::packing::{Packed, Unpacked, joined};

/// What comes with the path.
#[derive(Deserialize)]
struct Params {
    /// The id of a message or a part.
    #[serde(default)]
    around: Option<String>,
}

/// Answers for `GET /state/{id}`.
pub(super) async fn serve(State(doors): State<Arc<Doors>>, Path(id): Path<String>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let response = match answer(&doors, &id, &request).await {
        Ok(response) => response,
        Err(refusal) => {
            doors.forget_if_gone(&id, &refusal);
            doors.refuse(Door::Viewer, &request, &refusal)
        }
    };
    cors::allowed(&doors, &request.headers, response)
}

async fn answer(doors: &Arc<Doors>, id: &str, request: &Parts) -> Result<Response, Refusal> {
    let knock = knock(doors, request, Asks::CONNECTION)?;
    let Params { around } = Query::<Params>::try_from_uri(&request.uri)
        .map_err(|error| Refusal::invalid(0, format!("invalid query: {error}")))?
        .0;
    if around.as_ref().is_some_and(|id| id.len() > ID_BYTES_MAX) {
        return Err(Refusal::invalid(0, format!("invalid around: an id has at most {ID_BYTES_MAX} bytes")));
    }
    let (viewing, who) = knock.enter(id).await?;
    let holder = knock.holder(who.as_ref());
    let (Loading { head, newest, rest, .. }, near) = doors.states.of(&viewing.room, around).await?;
    let stretches: Vec<Packed> = [Some(head), near, Some(newest), Some(rest)].into_iter().flatten().collect();
    let pass = Some((Arc::clone(&doors.hub), viewing));
    let is_packed = takes_gzip(&request.headers);
    let body = if is_packed {
        doors.answers.copies(holder, joined(&stretches), pass).await?
    } else {
        doors.answers.pieces(holder, Unpacked::of(&stretches, PIECE_BYTES), pass).await?
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}
