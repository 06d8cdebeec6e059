//! The documents of a share: `GET` and `HEAD` of `/share/{id}`, and of the same with `.json`, `.md` and `.png`.
//!
//! | path | what |
//! |---|---|
//! | `/share/{id}` | the web page: the newest of the share as HTML, and the script that makes it live; for `Accept: text/markdown` or `application/json` that asks for no HTML, those |
//! | `/share/{id}.json` | the whole share in the shape of an OpenCode export |
//! | `/share/{id}.md` | the whole share as Markdown |
//! | `/share/{id}.png` | a picture for previews of links; only with the feature `card` |
//!
//! What they hold is made by [`render`](crate::viewer::render). Here is who may have it, and how it travels: every answer has
//! the revision as its entity tag and must be asked for again each time (`no-cache`), so that a change is seen and a deletion
//! shows at once; asking again costs a 304. Pages and pictures are kept by revision; the whole documents
//! stream. Nothing runs in a document but our own script, and nobody may frame one or index it.
//!
//! Whoever may see the share may have them, by `Authorization: Bearer` where it is private. A browser cannot say that when it
//! opens a page, so it gets an empty one of a private share, whose script asks the viewer channel. Any other refusal is a page
//! for a browser, and JSON for everybody else. A credential in the query is refused, though it be right.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};

use crate::connections::comer::Door;
use crate::http::assets;
use crate::http::body_out::Items;
use crate::http::bound::Holder;
use crate::http::doors::Doors;
use crate::http::knock::{Asks, check_query, knock};
use crate::http::page_cache::Made;
use crate::http::page_cache::form::Form;
use crate::http::page_cache::shell;
use crate::rooms::visibility::Viewing;
use crate::share::error::Refusal;
use crate::share::id::ShareId;
use crate::share::revision::Revision;
use crate::share::visibility::Visibility;
use crate::viewer::render::Document;

/// Answers for `/share/{name}`, where the name is a share's id, perhaps with the ending of a form such as `.json`.
pub async fn serve(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    // Not decoded: no character of an id needs to be encoded.
    let name = request.uri.path().trim_start_matches("/share/");
    let (id, form) = match name.rsplit_once('.') {
        Some((id, "json")) => (id, Form::Json),
        Some((id, "md")) => (id, Form::Markdown),
        Some((id, "png")) if cfg!(feature = "card") => (id, Form::Picture),
        Some(_) | None => (name, Form::asked_for(&request.headers)),
    };
    let mut response = match answer(&doors, &request, id, form).await {
        Ok(response) => response,
        Err(Refusal::Unauthorized { .. })
            if form == Form::Html && id.parse::<ShareId>().is_ok() && is_as_browsers_ask(&request) =>
        {
            private(doors.hub.rooms().public_url(), id)
        }
        Err(refusal) => {
            doors.forget_if_gone(id, &refusal);
            refused(&doors, &request, form, &refusal)
        }
    };
    dress(&doors, form, &mut response);
    response
}

/// Answers for `/share/{name}/`: the document stands at the path without the last stroke.
pub async fn without_stroke(request: Request) -> Response {
    let name = request.uri().path().trim_start_matches("/share/").trim_end_matches('/');
    match name.parse::<ShareId>() {
        // Relative, because a proxy may have taken the beginning of the path off.
        Ok(id) => Redirect::permanent(&format!("../{id}")).into_response(),
        Err(_) => crate::http::wrong_route(request).await,
    }
}

/// Answers for `/`: to a browser, what this host is. It says nothing of what it holds.
pub async fn landing(State(doors): State<Arc<Doors>>, request: Request) -> Response {
    let asks_html =
        request.headers().get_all(header::ACCEPT).iter().any(|accept| accept.as_bytes().starts_with(b"text/html"));
    if !asks_html {
        return crate::http::wrong_route(request).await;
    }
    if let Err(misdirected) = doors.check_called(&request) {
        return *misdirected;
    }
    let caching = [(header::CONTENT_TYPE, Form::Html.content_type()), (header::CACHE_CONTROL, "no-cache")];
    let mut response = (caching, shell::landing(doors.hub.rooms().public_url())).into_response();
    dress(&doors, Form::Html, &mut response);
    response
}

/// Sets the headers that every document has.
fn dress(doors: &Doors, form: Form, response: &mut Response) {
    let policy = form.policy(&doors.hub.connections().other_urls());
    let headers = response.headers_mut();
    // It has nothing but letters, digits and signs.
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let mut set = |name: HeaderName, value| drop(headers.insert(name, HeaderValue::from_static(value)));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("x-robots-tag"), "noindex");
    set(header::VARY, "accept, accept-encoding, authorization");
}

async fn answer(doors: &Arc<Doors>, request: &Parts, id: &str, form: Form) -> Result<Response, Refusal> {
    let knock = knock(doors, request, Asks::DOCUMENT)?;
    let (viewing, who) = knock.enter(id).await?;
    let holder = knock.holder(who.as_ref());
    let (revision, visibility) = viewing.room.read(|state| (state.revision(), state.visibility()))?;
    let etag = etag(revision);
    let mut response = if has(&request.headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if request.method == Method::HEAD && !matches!(form, Form::Html | Form::Picture) {
        // How long it would be is not known before it is made; an empty body would say that it is empty.
        Body::from_stream(futures::stream::empty::<Result<Bytes, Infallible>>()).into_response()
    } else {
        match form {
            Form::Html => {
                let made = doors.pages.page(doors.hub.rooms().public_url(), &viewing.room).await?;
                copy(doors, request, holder, viewing, made).await?
            }
            Form::Picture => {
                let made = doors.pages.picture(&viewing.room).await?;
                copy(doors, request, holder, viewing, made).await?
            }
            Form::Json => {
                let pieces = |items: Items| Box::new(Document::gather(items).json().map(Bytes::from));
                document(doors, request, holder, viewing, pieces).await?
            }
            Form::Markdown => {
                let pieces = |items: Items| Box::new(Document::gather(items).markdown().map(Bytes::from));
                document(doors, request, holder, viewing, pieces).await?
            }
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    let caching = if visibility == Visibility::Link { "no-cache" } else { "no-store" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if !headers.contains_key(header::ETAG)
        && let Ok(etag) = HeaderValue::from_str(&etag)
    {
        headers.insert(header::ETAG, etag);
    }
    Ok(response)
}

/// The answer with a document that is made for its asker, packed for those who accept gzip.
async fn document<P>(
    doors: &Doors,
    asker: &Parts,
    holder: Holder,
    viewing: Viewing,
    pieces: impl FnOnce(Items) -> P + Send + 'static,
) -> Result<Response, Refusal>
where
    P: Iterator<Item = Bytes> + Send + Unpin + 'static,
{
    let is_packed = assets::takes_gzip(&asker.headers);
    let mut response = doors.answers.document(&doors.hub, holder, viewing, is_packed, pieces).await?.into_response();
    if is_packed {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// The answer with a page or a picture, packed for those who accept gzip.
async fn copy(doors: &Doors, asker: &Parts, holder: Holder, viewing: Viewing, made: Made) -> Result<Response, Refusal> {
    let packed = made.gzip.filter(|_| assets::takes_gzip(&asker.headers));
    let is_packed = packed.is_some();
    let pass = Some((Arc::clone(&doors.hub), viewing));
    let mut response = doors.answers.copy(holder, packed.unwrap_or(made.bytes), pass).await?.into_response();
    let headers = response.headers_mut();
    if is_packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Ok(etag) = HeaderValue::from_str(&etag(made.revision)) {
        headers.insert(header::ETAG, etag);
    }
    Ok(response)
}

/// The entity tag of the documents that this version of the program makes of a revision. Weak, because nobody promises equal bytes.
fn etag(revision: Revision) -> String {
    format!("W/\"{revision}-{}\"", shell::version())
}

/// Whether the asker says that it has the document of this entity tag.
fn has(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).map(str::trim).any(|tag| tag == etag || tag == "*")
}

/// Whether a request shows no credential, in its header or, where none belongs, in its query.
fn is_as_browsers_ask(request: &Parts) -> bool {
    !request.headers.contains_key(header::AUTHORIZATION) && check_query(request.uri.query().unwrap_or_default()).is_ok()
}

/// The empty page of a private share: nothing of the share but its id, which the asker knows, and the script.
fn private(public_url: &str, id: &str) -> Response {
    let caching = [(header::CONTENT_TYPE, Form::Html.content_type()), (header::CACHE_CONTROL, "no-store")];
    (caching, shell::private(public_url, id)).into_response()
}

/// The answer that refuses: a page where one was asked for, else JSON.
fn refused(doors: &Doors, request: &Parts, form: Form, refusal: &Refusal) -> Response {
    let mut response = doors.refuse(Door::Viewer, request, refusal);
    if form == Form::Html {
        *response.body_mut() = Body::from(shell::refused(response.status(), refusal));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
        headers.remove(header::CONTENT_LENGTH);
    }
    response
}
