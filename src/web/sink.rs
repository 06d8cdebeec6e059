//! Sinks: pushing to a client through the function that it handed over.
//!
//! A connection has one sink, the newest that was offered. From the first on, deliveries are taken from the connection's outlet and the
//! function is called with them, in order, while no more than a chunk waits to be written. A push whose answer somebody waits for holds
//! its place among those in flight until the client has returned, however long that takes; what is sent to many is a notification,
//! whose answer is not asked for.

use std::sync::Arc;

use futures::FutureExt as _;
use tokio::sync::mpsc;

use crate::capnweb::{Text, Value};
use crate::connections::moving::Moving;
use crate::connections::outlet::{Delivery, PushError, SinkNumber};
use crate::connections::push::{Action, Answer as PushAnswer};
use crate::share::item::nesting;
use crate::share::limits::ITEM_NESTING_MAX;
use crate::web::caller::{Answer, Caller, Context, Held, Running, Served};
use crate::web::functions::{Sink, keep};
use crate::web::give::New;
use crate::web::json;
use crate::web::link::{AskedOfPeer, Kept};
use crate::web::names::Registered;

/// A registration that the client holds.
struct Registration {
    caller: std::sync::Weak<Caller>,
    number: SinkNumber,
    _held: Held,
}

impl Served for Registration {
    fn call(&self, _: Context, _: &str, _: Vec<Value>) -> Option<(Running, bool)> {
        None
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(caller) = self.caller.upgrade()
            && caller.entry.outlet.withdraw(self.number)
        {
            caller.set_sink(None);
        }
    }
}

/// Registers a sink: the host's pushes to this connection go to it from now on, until the client disposes of what this gives.
///
/// # Errors
/// The connection holds as many objects as it may, or the client has taken the function back.
pub(super) fn register(caller: &Arc<Caller>, sink: &Sink) -> Answer<New<Registered>> {
    let held = caller.hold()?;
    let kept = keep(caller, sink.0)?;
    let pushes_max = caller.hub.settings().limits.pushes_in_flight_max;
    let (number, deliveries) = caller.entry.outlet.open(pushes_max);
    caller.set_sink(Some(kept));
    if let Some(deliveries) = deliveries {
        caller.link.spawn(deliver(Arc::clone(caller), deliveries).boxed());
    }
    Ok(New::of(Registration { caller: Arc::downgrade(caller), number, _held: held }))
}

/// Calls the sink with each delivery, in order, until the connection is over.
async fn deliver(caller: Arc<Caller>, mut deliveries: mpsc::Receiver<Delivery>) {
    while let Some(delivery) = deliveries.recv().await {
        caller.until_at_most_a_chunk().await;
        if delivery.is_given_up() || caller.entry.is_closing() {
            continue;
        }
        // Withdrawn meanwhile: whoever waits finds no return path.
        let Some(sink) = caller.sink() else { continue };
        push(&caller, &sink, delivery);
    }
}

/// Makes one call of the sink.
fn push(caller: &Arc<Caller>, sink: &Arc<Kept>, delivery: Delivery) {
    let argument = [argument(delivery.action())];
    if !delivery.is_awaited() {
        // Unsent only if the session has ended or is about to.
        let _unsent = caller.link.tell(sink.object(), &[], &argument);
        return;
    }
    match caller.link.ask(sink.object(), &[], &argument) {
        Ok(asked) => caller.link.spawn(settle(Arc::clone(sink), asked, delivery).boxed()),
        Err(_ended) => delivery.settle(Err(PushError::ConnectionGone)),
    }
}

/// Waits for the answer of a push, and keeps its place and the function until then.
async fn settle(_sink: Arc<Kept>, asked: AskedOfPeer, delivery: Delivery) {
    let answer = match asked.await {
        Some(Ok(value)) => answer(delivery.action(), value),
        Some(Err(error)) => Err(PushError::ClientError(words(&error))),
        None => Err(PushError::ConnectionGone),
    };
    delivery.settle(answer);
}

/// Tells the client that it is to go to another host, if it has handed over a function. Nobody waits for its answer.
pub(super) fn tell_of_move(caller: &Arc<Caller>, moving: &Moving) {
    let Some(sink) = caller.sink() else { return };
    let text = Text::from_static;
    let urls: Vec<Value> = moving.urls.iter().map(|url| url.as_str().into()).collect();
    let within = i64::try_from(moving.within.as_millis()).unwrap_or(i64::MAX);
    let argument = Value::Object(vec![
        (text("type"), text("moving").into()),
        (text("urls"), urls.into()),
        (text("withinMs"), within.into()),
    ]);
    // Unsent only if the session has ended or is about to.
    let _unsent = caller.link.tell(sink.object(), &[], &[argument]);
}

/// What the function is called with.
fn argument(action: &Action) -> Value {
    let text = Text::from_static;
    let members = match action {
        Action::Ping(nonce) => {
            vec![(text("type"), text("ping").into()), (text("nonce"), nonce.to_string().into())]
        }
        Action::Notice(notice) => {
            vec![(text("type"), text("notice").into()), (text("text"), notice.as_str().into())]
        }
        Action::Custom { name, data } => vec![
            (text("type"), text("custom").into()),
            (text("name"), name.as_str().into()),
            (text("data"), json::of_text(data.as_str().into())),
        ],
    };
    Value::Object(members)
}

/// What the client answered.
fn answer(action: &Action, value: Value) -> Result<PushAnswer, PushError> {
    let invalid = |reason: String| PushError::InvalidAnswer { reason };
    match action {
        Action::Notice(_) => Ok(PushAnswer::Done),
        Action::Ping(_) => {
            let nonce = value.as_text().and_then(|nonce| nonce.parse().ok());
            nonce.map(PushAnswer::Pong).ok_or_else(|| invalid("expected the nonce of the ping as a string".to_owned()))
        }
        Action::Custom { .. } => {
            let text = json::text(value).map_err(|wrong| invalid(wrong.of("push", "answer").to_string()))?;
            let answer = PushAnswer::Custom(text.to_string());
            answer.check_size().map_err(|refusal| invalid(refusal.to_string()))?;
            if nesting(&text) > ITEM_NESTING_MAX {
                return Err(invalid(format!("the answer is nested more than {ITEM_NESTING_MAX} levels")));
            }
            Ok(answer)
        }
    }
}

/// The client's own words of an error.
fn words(error: &Value) -> String {
    if let Value::Error(fault) = error {
        return fault.message.to_string();
    }
    error.as_text().map_or_else(
        || "the client's function threw something that is not an Error".to_owned(),
        |text| text.to_string(),
    )
}
