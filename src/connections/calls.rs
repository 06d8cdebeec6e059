//! Calls of clients that the service around the host serves: `ShareRpc.call`, by name.
//!
//! An embedder registers a [`Handler`] for each name, mostly a closure. It runs on the thread of its caller's connection,
//! among that connection's other calls, and must not block it; it is cancelled when the caller drops the call or the
//! connection ends. Its [`CallContext`] says who calls and gives the connection's [`States`]; through it the handler pushes
//! back to its caller while the call is open, and broadcasts to others. What it fails with goes to its caller as it is.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::access::Principal;
use crate::connections::Connections;
use crate::connections::entry::{ConnectionId, Entry};
use crate::connections::outlet::PushError;
use crate::connections::push::{self, Action, Answer, PushOptions};
use crate::connections::states::States;

/// Serves the calls of one name. Closures of a context and JSON that give a future are handlers.
pub trait Handler: Send + Sync {
    /// Serves one call.
    fn call(&self, context: CallContext, data: Value) -> BoxFuture<'static, Result<Value, CallFailure>>;
}

impl<F, R> Handler for F
where
    F: Fn(CallContext, Value) -> R + Send + Sync,
    R: Future<Output = Result<Value, CallFailure>> + Send + 'static,
{
    fn call(&self, context: CallContext, data: Value) -> BoxFuture<'static, Result<Value, CallFailure>> {
        Box::pin(self(context, data))
    }
}

/// A handler's own error. Its caller, and nobody else, gets both texts as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CallFailure {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
}

impl CallFailure {
    /// An error of these words.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    fn timeout(within: Duration) -> Self {
        Self::new("timeout", format!("no answer within {within:?}"))
    }
}

/// Who calls, and the ways back.
#[derive(Debug, Clone)]
pub struct CallContext {
    connections: Arc<Connections>,
    entry: Arc<Entry>,
    principal: Principal,
    deadline: Instant,
}

impl CallContext {
    /// The caller's connection.
    #[must_use]
    pub fn connection(&self) -> &ConnectionId {
        &self.entry.id
    }

    /// The caller.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What is remembered of the caller's connection.
    #[must_use]
    pub fn states(&self) -> &States {
        &self.entry.states
    }

    /// Pushes to another connection of the host, as [`push_back`](Self::push_back) to the caller; the caller's deadline does not hold.
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn push(&self, to: &ConnectionId, action: Action, options: PushOptions) -> Result<Answer, PushError> {
        self.connections.push(to, action, options).await
    }

    /// The connections of the host.
    #[doc(hidden)]
    #[must_use]
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// Until when the caller waits. No push back to it outlasts that.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Pushes to the caller, on this connection, while its call is open.
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn push_back(&self, action: Action) -> Result<Answer, PushError> {
        push::check(&action).map_err(PushError::InvalidAction)?;
        let left = self.deadline.saturating_duration_since(Instant::now());
        push::push_to(&self.entry, action, self.connections.settings.push_within.min(left)).await
    }

    /// Sends to every connection that the filter lets through, and waits for no answer. Gives the number of connections whose queue took
    /// it.
    pub fn broadcast(&self, action: &Action, filter: impl Fn(&Entry) -> bool) -> usize {
        self.connections.broadcast(action, &[], filter)
    }

    /// As [`broadcast`](Self::broadcast), to all but the caller.
    pub fn broadcast_except_self(&self, action: &Action, filter: impl Fn(&Entry) -> bool) -> usize {
        self.connections.broadcast(action, std::slice::from_ref(self.connection()), filter)
    }
}

/// The handlers of one host, by name. The embedder's code is their bound.
#[derive(Default)]
pub(super) struct Calls(RwLock<HashMap<String, Arc<dyn Handler>>>);

impl Calls {
    fn get(&self, name: &str) -> Option<Arc<dyn Handler>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.read().unwrap_or_else(PoisonError::into_inner).keys()).finish()
    }
}

impl Connections {
    /// Serves the calls of this name from now on; a second handler of a name takes the place of the first.
    pub fn on_call(&self, name: impl Into<String>, handler: impl Handler + 'static) {
        self.serve_calls(name.into(), Arc::new(handler));
    }

    /// As [`Connections::on_call`], of a handler that is shared already.
    pub(crate) fn serve_calls(&self, name: String, handler: Arc<dyn Handler>) {
        self.calls.0.write().unwrap_or_else(PoisonError::into_inner).insert(name, handler);
    }

    /// Serves one call of a connection; `None` if nothing is served under this name. `within` is what the caller asked for,
    /// which can only shorten [`call_within`](crate::hub::HubSettings::call_within).
    pub async fn call(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        principal: &Principal,
        name: &str,
        data: Value,
        within: Option<Duration>,
    ) -> Option<Result<Value, CallFailure>> {
        let handler = self.calls.get(name)?;
        let within = within.map_or(self.settings.call_within, |within| within.min(self.settings.call_within));
        let deadline = Instant::now() + within;
        let context = CallContext {
            connections: Arc::clone(self),
            entry: Arc::clone(entry),
            principal: principal.clone(),
            deadline,
        };
        let served = timeout_at(deadline, handler.call(context, data)).await;
        Some(served.unwrap_or_else(|_late| Err(CallFailure::timeout(within))))
    }
}
