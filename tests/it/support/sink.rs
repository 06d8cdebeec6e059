//! Sinks of bare Cap'n Proto, for what the linked client's never does.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use capshare::__internal::connections::entry::ConnectionId;
use capshare::__internal::contract::push::{read_action, write_answer};
use capshare::__internal::share_capnp::{client_sink, hello_result, offer_result, registration};
use capshare::share::push::{Action, Answer};
use capshare::testing::Scene;
use tokio::sync::Notify;

use super::patience::within;
use super::raw::Raw;

/// What a sink does with a push.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// What it should.
    Answers,
    /// Gives this, whatever it was asked.
    Says(Answer),
    Throws(capnp::Error),
    /// Never returns.
    Hangs,
    /// Returns as it should when it is released.
    Waits,
}

/// What a sink was asked, and what it does from now on.
pub(crate) struct Script {
    pub(crate) does: RefCell<Does>,
    pub(crate) seen: RefCell<Vec<Action>>,
    /// Calls that have begun and not returned, cancelled ones not among them.
    pub(crate) open: Cell<usize>,
    pub(crate) open_most: Cell<usize>,
    changed: Notify,
    released: Notify,
}

impl Script {
    pub(crate) fn new(does: Does) -> Rc<Self> {
        Rc::new(Self {
            does: RefCell::new(does),
            seen: RefCell::default(),
            open: Cell::new(0),
            open_most: Cell::new(0),
            changed: Notify::new(),
            released: Notify::new(),
        })
    }

    pub(crate) fn client(self: &Rc<Self>) -> client_sink::Client {
        capnp_rpc::new_client(Sink(Rc::clone(self)))
    }

    /// Lets the calls that wait return.
    pub(crate) fn release(&self) {
        *self.does.borrow_mut() = Does::Answers;
        self.released.notify_waiters();
    }

    /// Waits until it was asked so often.
    pub(crate) async fn until_seen(&self, count: usize) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.seen.borrow().len() >= count {
                return;
            }
            within("a push", changed).await;
        }
    }
}

struct Open<'a>(&'a Script);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}

struct Sink(Rc<Script>);

impl client_sink::Server for Sink {
    async fn push(
        self: Rc<Self>,
        params: client_sink::PushParams,
        mut results: client_sink::PushResults,
    ) -> Result<(), capnp::Error> {
        let action =
            read_action(params.get()?.get_action()?).map_err(|error| capnp::Error::failed(error.to_string()))?;
        let script = &self.0;
        script.seen.borrow_mut().push(action.clone());
        script.open.set(script.open.get() + 1);
        script.open_most.set(script.open_most.get().max(script.open.get()));
        let _open = Open(script);
        script.changed.notify_waiters();
        let does = script.does.borrow().clone();
        let answer = match does {
            Does::Throws(error) => return Err(error),
            Does::Hangs => return std::future::pending().await,
            Does::Says(answer) => answer,
            Does::Waits => {
                script.released.notified().await;
                right(&action)
            }
            Does::Answers => right(&action),
        };
        write_answer(&answer, results.get().init_answer());
        Ok(())
    }
}

/// What the contract asks for.
pub(crate) fn right(action: &Action) -> Answer {
    match action {
        Action::Ping(nonce) => Answer::Pong(*nonce),
        Action::Notice(_) => Answer::Done,
        Action::Custom { data, .. } => Answer::custom(data),
        action => panic!("no answer to {action:?} is known here"),
    }
}

/// A connection of bare Cap'n Proto with a sink.
pub(crate) struct Peer {
    pub(crate) raw: Raw,
    pub(crate) id: ConnectionId,
    pub(crate) script: Rc<Script>,
    /// Dropping it would withdraw the sink.
    _registration: registration::Client,
}

impl Peer {
    pub(crate) async fn connect(scene: &Scene, token: Option<&str>, does: Does) -> Self {
        let raw = Raw::connect(scene.host(), token).await;
        Self::over(scene, raw, does).await
    }

    pub(crate) async fn over(scene: &Scene, raw: Raw, does: Does) -> Self {
        let script = Script::new(does);
        let registration = offer(&raw, &script).await;
        let id = connection_id(scene, &raw).await;
        Self { raw, id, script, _registration: registration }
    }
}

/// Offers a sink, and gives what withdraws it.
pub(crate) async fn offer(raw: &Raw, script: &Rc<Script>) -> registration::Client {
    let mut request = raw.root.offer_sink_request();
    request.get().set_sink(script.client());
    let response = request.send().promise.await.unwrap();
    let answer = response.get().unwrap();
    assert!(matches!(answer.get_result().unwrap().which().unwrap(), offer_result::Which::Registered(())));
    answer.get_registration().unwrap()
}

/// The host's name for a connection.
pub(crate) async fn connection_id(scene: &Scene, raw: &Raw) -> ConnectionId {
    let mut request = raw.root.hello_request();
    request.get().set_contract_version(1);
    let response = request.send().promise.await.unwrap();
    let name = match response.get().unwrap().get_result().unwrap().which().unwrap() {
        hello_result::Which::Welcome(welcome) => welcome.get_connection_id().unwrap().to_string().unwrap(),
        hello_result::Which::Refused(_) => panic!("refused"),
    };
    named(scene.host(), &name)
}

/// The connection of this name.
pub(crate) fn named(host: &capshare::host::Host, name: &str) -> ConnectionId {
    let entries = host.hub().connections().registry().connections();
    entries.iter().find(|entry| entry.id.as_str() == name).expect("it is connected").id.clone()
}
