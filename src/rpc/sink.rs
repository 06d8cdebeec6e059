//! Sinks: pushing to a client through the object that it handed over.
//!
//! A connection has one sink, the newest that was offered. From the first on, a task takes deliveries from the connection's
//! outlet and calls it, each call in a task of its own: the sink is the peer's object, so whatever it does with one call ends
//! that one. A call holds its place among those in flight until the peer has returned it, however long that takes and
//! whether or not somebody still waits for the answer; so a sink that hangs stops being called, and never makes the host hold
//! more than its places. It is called only while no more than a chunk waits to be written, so what a client does not read
//! stays in the queue, where it is shared with all others that it goes to. Each call is a question of its own, which RPC
//! answers once: a second return breaks the protocol.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::connections::outlet::{Delivery, PushError, SinkNumber};
use crate::connections::push::Answer;
use crate::contract::error::peers_words;
use crate::contract::push::{read_answer, write_action};
use crate::contract::read_error::ReadError;
use crate::rpc::caller::{Caller, Held};
use crate::share::error::Refusal;
use crate::share_capnp::{client_sink, registration};
use crate::wire::guard::guard;

/// Registers a sink: the host's pushes to this connection go to it from now on. The client withdraws it by dropping the
/// registration that this gives.
///
/// # Errors
/// The connection holds as many capabilities as it may.
pub(super) fn register(caller: &Rc<Caller>, sink: client_sink::Client) -> Result<registration::Client, Refusal> {
    let held = caller.hold()?;
    let pushes_max = caller.hub.settings().limits.pushes_in_flight_max;
    let (number, deliveries) = caller.entry.outlet.open(pushes_max);
    drop(caller.set_sink(Some(sink)));
    if let Some(deliveries) = deliveries {
        tokio::task::spawn_local(deliver(Rc::clone(caller), deliveries));
    }
    let registered = Registered { caller: Rc::clone(caller), number, _held: held };
    Ok(guard(capnp_rpc::new_client(registered), caller.budget()))
}

struct Registered {
    caller: Rc<Caller>,
    number: SinkNumber,
    _held: Held,
}

impl registration::Server for Registered {}

impl Drop for Registered {
    fn drop(&mut self) {
        if self.caller.entry.outlet.withdraw(self.number) {
            drop(self.caller.set_sink(None));
        }
    }
}

/// Calls the sink with each delivery, in order, until the connection is over.
async fn deliver(caller: Rc<Caller>, mut deliveries: mpsc::Receiver<Delivery>) {
    let outlet = &caller.entry.outlet;
    loop {
        let delivery = tokio::select! {
            biased;
            () = outlet.ended() => return,
            delivery = deliveries.recv() => delivery,
        };
        let Some(delivery) = delivery else { return };
        caller.until_at_most_a_chunk().await;
        if delivery.is_given_up() || caller.entry.is_closing() {
            continue;
        }
        // Withdrawn meanwhile: whoever waits finds no return path.
        let Some(sink) = caller.sink() else { continue };
        let (sent, was_sent) = oneshot::channel();
        tokio::task::spawn_local(call(Rc::clone(&caller), sink, delivery, sent));
        // The next one looks at a queue that has this one in it. A call that panics is not waited for.
        let _ = was_sent.await;
    }
}

/// Makes one call of the sink, from its sending to its return.
async fn call(caller: Rc<Caller>, sink: client_sink::Client, delivery: Delivery, sent: oneshot::Sender<()>) {
    let mut request = sink.push_request();
    write_action(delivery.action(), request.get().init_action());
    let returned = request.send().promise;
    drop(sink);
    // Nobody listens once the connection is over.
    let _ = sent.send(());
    let answer = match returned.await {
        Ok(response) => answer(&response),
        Err(error) => Err(client_error(error, &caller).await),
    };
    delivery.settle(answer);
}

fn answer(response: &capnp::capability::Response<client_sink::push_results::Owned>) -> Result<Answer, PushError> {
    let read = response.get().and_then(|results| results.get_answer()).map_err(ReadError::Fault).and_then(read_answer);
    read.map_err(|error| PushError::InvalidAnswer { reason: error.to_string() })
}

/// How long a connection may take to end after the peer's last words, which reach the calls first.
const ENDS_WITHIN: Duration = Duration::from_millis(100);

/// The error of a push whose call of the sink was not answered. capnp-rpc marks what the peer said, be it of this call or, as its last words, of
/// the whole connection; a client may call an error of its own "disconnected", and the connection is there all the same.
async fn client_error(error: capnp::Error, caller: &Caller) -> PushError {
    let words = peers_words(&error);
    let is_disconnected = error.kind == capnp::ErrorKind::Disconnected;
    // What was not said by the peer comes from the connection itself, which may have failed because of another message.
    let is_gone = match words {
        None if is_disconnected => true,
        Some(_) if !is_disconnected => false,
        _ => timeout(ENDS_WITHIN, caller.entry.outlet.ended()).await.is_ok(),
    };
    if is_gone { PushError::ConnectionGone } else { PushError::ClientError(words.unwrap_or(&error.extra).to_owned()) }
}
