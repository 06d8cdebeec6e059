//! The doors of one host: what all of them share, and how each says no.
//!
//! A door is a group of routes that lets callers of one kind in: RPC, viewers, documents of shares, OpenCode's API. What a door
//! asks of a request before it does anything for it is in `http/knock.rs`.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::audit::{self, By};
use crate::connections::comer::Door;
use crate::http::body_in::Bodies;
use crate::http::body_out::Answers;
use crate::http::forwarded::address;
use crate::http::opencode_state::OpenCode;
use crate::http::page_cache::Pages;
use crate::http::rates::Rates;
use crate::http::reply;
use crate::http::settings::{DoorSettings, OpenCodeSettings};
use crate::http::state_cache::States;
use crate::hub::Hub;
use crate::metrics::ReasonLabel;
use crate::rpc::worker::Workers;
use crate::share::error::Refusal;
use crate::viewer::ViewerSettings;
use crate::viewer::life::Viewers;
use crate::viewer::member::Members;
use crate::viewer::streams::Streams;
use crate::web::WebSettings;

/// Commands that are posted without a stream and not answered yet: a page of history of 256 KiB each is 16 MiB.
const POSTS_MAX: usize = 64;

/// What the doors of one host share.
#[derive(Debug)]
pub struct Doors {
    /// The hub that the doors lead to.
    pub hub: Arc<Hub>,
    /// The viewers that are being served, by the names of their channels.
    pub members: Arc<Members>,
    /// The viewers that take server-sent events, counted by their credentials.
    pub streams: Arc<Streams>,
    /// The viewers' lives: who is parked, and how they are served.
    pub viewers: Arc<Viewers>,
    pub(super) viewer: ViewerSettings,
    /// Bound: [`POSTS_MAX`]; past it a command that is posted without a stream is answered 503.
    pub(super) posts: Arc<Semaphore>,
    pub(super) workers: Workers,
    pub(super) settings: DoorSettings,
    pub(super) web: WebSettings,
    pub(super) rates: Rates,
    /// Bodies that come in.
    pub(super) bodies: Bodies,
    /// Large bodies that go out.
    pub(super) answers: Answers,
    /// Pages and pictures of shares.
    pub(super) pages: Pages,
    /// What shares hold, packed for pages that load it.
    pub(super) states: States,
    pub(super) opencode: OpenCode,
    /// What goes on though nobody waits for its answer any more; a shutdown waits for it.
    pub(super) tasks: TaskTracker,
}

impl Doors {
    /// Doors to a hub. `tasks` is what its host waits for when it shuts down.
    #[must_use]
    pub fn new(
        hub: Arc<Hub>,
        workers: Workers,
        settings: DoorSettings,
        viewer: ViewerSettings,
        web: WebSettings,
        tasks: TaskTracker,
    ) -> Arc<Self> {
        let (members, streams, posts) = (Arc::default(), Arc::default(), Arc::new(Semaphore::new(POSTS_MAX)));
        let (metrics, one_max) = (hub.metrics(), settings.opencode.request_bytes_max);
        let bodies = Bodies::new(settings.body_within, settings.bodies_bytes_max, one_max, metrics.body_bytes.clone());
        let answers = Answers::new(settings.documents_max, metrics.large_answers.clone());
        let (viewers, rates) = (Viewers::new(Arc::clone(&hub), viewer), Rates::new(&settings));
        let (pages, states, opencode) = (Pages::default(), States::default(), OpenCode::default());
        Arc::new(Self {
            hub,
            members,
            streams,
            viewers,
            viewer,
            posts,
            workers,
            settings,
            web,
            rates,
            bodies,
            answers,
            pages,
            states,
            opencode,
            tasks,
        })
    }

    /// Forgets addresses, accounts and creates that have not been heard of lately: to be called about once a minute.
    pub fn forget(&self) {
        self.rates.forget();
        self.opencode.forget();
    }

    /// The settings of OpenCode's API.
    pub(super) fn opencode_settings(&self) -> &OpenCodeSettings {
        &self.settings.opencode
    }

    /// Drops what is kept of a share, if this refusal says that it is gone.
    pub(super) fn forget_if_gone(&self, id: &str, refusal: &Refusal) {
        if let (Refusal::NotFound { .. }, Ok(id)) = (refusal, id.parse()) {
            self.pages.forget(&id);
            self.states.forget(&id);
        }
    }

    /// The answer to a request that is refused at a door: logged and counted.
    pub(super) fn refuse(&self, door: Door, request: &Parts, refusal: &Refusal) -> Response {
        self.refuse_with(door.as_str(), request, refusal, json!({}))
    }

    /// As [`Doors::refuse`], of a door by its name in logs, with further facts for the answer: members of an object.
    pub(super) fn refuse_with(&self, door: &str, request: &Parts, refusal: &Refusal, facts: Value) -> Response {
        audit::refused(By::Request(address(request), None), door, refusal);
        let reason = refusal.code();
        self.hub.metrics().requests_refused.get_or_create(&ReasonLabel { reason }).inc();
        let mut response = reply::refused_with(refusal, facts);
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            let seconds = self.rates.retry_after(refusal);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
