//! What is done with one client of NATS: subscriptions, and whether hints come.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Request, RequestErrorKind};
use tokio::time::{Instant, timeout};

use super::interest::Interest;
use super::{Link, Nats};
use crate::hints::{Hints, Why};
use crate::share::id::ShareId;

/// How often the connection is looked at if nothing is told of it.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// How long the server may take to answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// How long a host waits before it asks anew for subjects that were refused: until somebody has changed what it may.
const ANEW_AFTER: Duration = Duration::from_secs(30);

/// What one client is used for.
pub(super) struct Session<'a> {
    nats: &'a Nats,
    link: Link,
    hints: Arc<Hints>,
    interest: Interest,
    /// Number of the connection, counted from 1, over which all subscriptions were found to be in effect; `None`: of none.
    heard_by: Option<u64>,
    /// Shares that were subscribed to, of which it is not known whether that is in effect.
    unsure: BTreeSet<ShareId>,
    /// When to ask anew for subjects that were refused.
    refused_until: Option<Instant>,
    /// Number of requests to the server.
    requests: u64,
}

impl<'a> Session<'a> {
    pub(super) fn new(nats: &'a Nats, link: Link, hints: Arc<Hints>) -> Self {
        let interest = Interest::new(link.clone(), Arc::clone(&hints));
        let (heard_by, unsure, refused_until, requests) = (None, BTreeSet::new(), None, 0);
        Self { nats, link, hints, interest, heard_by, unsure, refused_until, requests }
    }

    /// Subscribes to what a host always hears.
    pub(super) async fn begin(&mut self) {
        self.interest.begin().await;
    }

    /// Does what is due.
    pub(super) async fn round(&mut self) {
        // Before all else: what is found out below may be of a later connection, and then is found out again.
        let connection = self.link.client.statistics().connects.load(Ordering::Acquire);
        if self.link.client.connection_state() != State::Connected || self.is_refused().await {
            self.hears_nothing();
            return;
        }
        self.unsure.extend(self.interest.suit(self.nats.take_changes()).await);
        let is_new = self.heard_by != Some(connection);
        if !is_new && self.unsure.is_empty() {
            return;
        }
        if !self.is_answered().await {
            self.hears_nothing();
            return;
        }
        if is_new {
            self.heard_by = Some(connection);
            self.nats.heard.is_well();
            self.nats.serves.store(true, Ordering::Release);
            if self.hints.is_connected() {
                self.hints.look_all(Why::Reconnect);
            } else {
                self.hints.connected(true);
            }
        }
        for share in mem::take(&mut self.unsure) {
            self.hints.look(&share, Why::Begin);
        }
    }

    fn hears_nothing(&mut self) {
        self.heard_by = None;
        self.nats.serves.store(false, Ordering::Release);
        self.hints.connected(false);
    }

    /// Whether the server refused a subject, so that nobody knows what comes. After a while it is asked anew, over a new connection.
    async fn is_refused(&mut self) -> bool {
        if self.nats.heard.take_refused() {
            self.refused_until = Some(Instant::now() + ANEW_AFTER);
        }
        let Some(until) = self.refused_until else { return false };
        if until <= Instant::now() {
            self.refused_until = None;
            // It fails only if the client is gone.
            drop(self.link.client.force_reconnect().await);
        }
        true
    }

    /// Whether the server answers. Nobody subscribes to the subject, so the server itself says that nobody answers, and it does so
    /// after it has taken what was sent to it before: the subscriptions.
    async fn is_answered(&mut self) -> bool {
        self.requests += 1;
        let (subjects, client) = (&self.link.subjects, &self.link.client);
        let request = Request::new().inbox(subjects.answer(self.requests)).timeout(None);
        match timeout(ANSWERED_WITHIN, client.send_request(subjects.nobody(), request)).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => error.kind() == RequestErrorKind::NoResponders,
            Err(_) => false,
        }
    }
}
