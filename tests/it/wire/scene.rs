//! What the scenes are made of: a root object with a temper, sockets in memory, a tap between two of them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::Role;
use capnp::capability::Client;
use capshare::__internal::share_capnp::{probe_callback, share_rpc, share_view};
use capshare::__internal::wire::duplex::{self, End};
use capshare::__internal::wire::guard::{Budget, HeldGuard, guard};
use capshare::__internal::wire::vat::{self, Vat, VatLimits};
use capshare::__internal::wire::websocket::{PipeControl, PipeOptions, pipe, socket_config};
use futures::{AsyncRead, AsyncWrite, StreamExt as _};
use tokio::io::DuplexStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use tokio_util::task::AbortOnDropHandle;

use crate::support::patience::within;

pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;
pub(crate) const LIMITS: VatLimits =
    VatLimits { message_bytes_max: MESSAGE_BYTES_MAX, nesting_max: 64, queued_bytes_max: None, calls_kept_max: 10_000 };
pub(crate) const PIPE: PipeOptions =
    PipeOptions { message_bytes_max: MESSAGE_BYTES_MAX, close_within: Duration::from_secs(2) };

/// Runs a scene where `spawn_local` works.
pub(crate) async fn local<T>(scene: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(scene).await
}

/// Facts that a root object leaves for the scene to read.
#[derive(Default)]
pub(crate) struct Facts {
    /// Server objects alive, views and calls included.
    pub(crate) live: Cell<i32>,
    /// Calls that hang.
    pub(crate) hanging: Cell<u32>,
    /// Bytes of results made.
    pub(crate) made: Cell<u64>,
    pub(crate) changed: Notify,
}

impl Facts {
    /// Waits until `fact` holds. Every change is announced.
    pub(crate) async fn until(&self, fact: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            if fact(self) {
                return;
            }
            within("a fact", changed).await;
        }
    }

    fn live(self: &Rc<Self>) -> Live {
        self.live.set(self.live.get() + 1);
        Live(self.clone())
    }
}

struct Live(Rc<Facts>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.live.set(self.0.live.get() - 1);
        self.0.changed.notify_waiters();
    }
}

struct Hanging(Rc<Facts>);

impl Hanging {
    fn new(facts: &Rc<Facts>) -> Self {
        facts.hanging.set(facts.hanging.get() + 1);
        facts.changed.notify_waiters();
        Self(facts.clone())
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.hanging.set(self.0.hanging.get() - 1);
        self.0.changed.notify_waiters();
    }
}

/// The root: probes answer, `hello` does what its agent is called, `viewShare` gives out held capabilities, of the share `late` when
/// something has changed.
pub(crate) struct Root {
    facts: Rc<Facts>,
    budget: Rc<Budget>,
    _live: Live,
}

/// A root behind a guard.
pub(crate) fn root(facts: &Rc<Facts>, budget: &Rc<Budget>) -> share_rpc::Client {
    guard(bare_root(facts, budget), budget)
}

pub(crate) fn bare_root(facts: &Rc<Facts>, budget: &Rc<Budget>) -> share_rpc::Client {
    capnp_rpc::new_client(Root { facts: facts.clone(), budget: budget.clone(), _live: facts.live() })
}

impl share_rpc::Server for Root {
    async fn hello(
        self: Rc<Self>,
        params: share_rpc::HelloParams,
        _results: share_rpc::HelloResults,
    ) -> Result<(), capnp::Error> {
        match params.get()?.get_agent()?.to_str()? {
            "panic" => panic!("a method that panics, as the test wants it to"),
            "hang" => {
                let _hanging = Hanging::new(&self.facts);
                std::future::pending().await
            }
            _ => Ok(()),
        }
    }

    async fn probe_value(
        self: Rc<Self>,
        params: share_rpc::ProbeValueParams,
        mut results: share_rpc::ProbeValueResults,
    ) -> Result<(), capnp::Error> {
        let input = params.get()?.get_input()?;
        let bytes = input.get_bytes()?;
        let mut output = results.get().init_output();
        output.set_when(input.get_when());
        // `when` asks for more: that many bytes of answer.
        match usize::try_from(input.get_when()) {
            Ok(wanted @ 1..) => drop(output.init_bytes(u32::try_from(wanted).unwrap())),
            _ => output.set_bytes(bytes),
        }
        self.facts.made.set(self.facts.made.get() + input.get_when().unsigned_abs());
        Ok(())
    }

    async fn probe_callback(
        self: Rc<Self>,
        params: share_rpc::ProbeCallbackParams,
        mut results: share_rpc::ProbeCallbackResults,
    ) -> Result<(), capnp::Error> {
        let mut request = params.get()?.get_callback()?.call_request();
        request.get().set_message("server-called");
        let answer = request.send().promise.await?;
        results.get().set_reply(answer.get()?.get_reply()?);
        Ok(())
    }

    async fn view_share(
        self: Rc<Self>,
        params: share_rpc::ViewShareParams,
        mut results: share_rpc::ViewShareResults,
    ) -> Result<(), capnp::Error> {
        if params.get()?.get_share_id()?.to_str()? == "late" {
            let _hanging = Hanging::new(&self.facts);
            self.facts.changed.notified().await;
            // As whatever asks a bucket.
            drop(tokio::time::sleep(Duration::ZERO));
            self.facts.made.set(1);
        }
        let view = View { _held: self.budget.hold()?, _live: self.facts.live() };
        let view: share_view::Client = capnp_rpc::new_client(view);
        results.get().set_view(guard(view, &self.budget));
        Ok(())
    }
}

struct View {
    _held: HeldGuard,
    _live: Live,
}

impl capshare::__internal::share_capnp::saved::Server for View {}
impl share_view::Server for View {}

pub(crate) struct Echo;

impl probe_callback::Server for Echo {
    async fn call(
        self: Rc<Self>,
        params: probe_callback::CallParams,
        mut results: probe_callback::CallResults,
    ) -> Result<(), capnp::Error> {
        let message = params.get()?.get_message()?.to_str()?.to_owned();
        results.get().set_reply(format!("{message}, client-answered"));
        Ok(())
    }
}

/// Sends `count` bytes there and back.
pub(crate) async fn probe(rpc: &share_rpc::Client, count: usize) -> Result<Vec<u8>, capnp::Error> {
    let mut request = rpc.probe_value_request();
    request.get().init_input().set_bytes(&vec![7; count]);
    let answer = request.send().promise.await?;
    Ok(answer.get()?.get_output()?.get_bytes()?.to_vec())
}

pub(crate) async fn hello(rpc: &share_rpc::Client, agent: &str) -> Result<(), capnp::Error> {
    let mut request = rpc.hello_request();
    request.get().set_agent(agent);
    request.send().promise.await.map(drop)
}

/// A call that hangs in the host, until what this returns is dropped.
pub(crate) async fn hang(rpc: &share_rpc::Client, facts: &Facts) -> AbortOnDropHandle<Result<(), capnp::Error>> {
    let (before, rpc) = (facts.hanging.get(), rpc.clone());
    let call = spawn_local(async move { hello(&rpc, "hang").await });
    facts.until(|facts| facts.hanging.get() == before + 1).await;
    AbortOnDropHandle::new(call)
}

pub(crate) fn roomy() -> Rc<Budget> {
    Budget::new(1024, 1024)
}

pub(crate) fn disconnected(error: &capnp::Error) -> bool {
    error.kind == capnp::ErrorKind::Disconnected
}

// Connections.

pub(crate) type Socket = WebSocketStream<Compat<DuplexStream>>;
pub(crate) type Control = PipeControl<Compat<DuplexStream>>;
pub(crate) type Ended = JoinHandle<Result<(), capnp::Error>>;

/// A host and a client over a byte pipe, both running.
pub(crate) fn over_duplex(bootstrap: Client) -> (share_rpc::Client, Ended, Ended) {
    let (host, client) = duplex::pair(64 * 1024);
    let host = spawn_local(serve_end(host, bootstrap));
    let (vat, rpc) = connect_end(client);
    (rpc, spawn_local(vat), host)
}

pub(crate) fn serve_end(end: End, bootstrap: Client) -> Vat {
    let (reader, writer) = end.split();
    vat::serve(reader, writer, bootstrap, LIMITS)
}

pub(crate) fn connect_end(end: End) -> (Vat, share_rpc::Client) {
    let (reader, writer) = end.split();
    vat::connect(reader, writer, LIMITS)
}

/// Two ends of a WebSocket in memory, the host's first.
pub(crate) async fn sockets() -> (Socket, Socket) {
    let (host, client) = tokio::io::duplex(64 * 1024);
    (socket(host, Role::Server).await, socket(client, Role::Client).await)
}

pub(crate) async fn socket<S>(io: S, role: Role) -> WebSocketStream<Compat<S>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    WebSocketStream::from_raw_socket(io.compat(), role, Some(socket_config(MESSAGE_BYTES_MAX))).await
}

/// A host on `socket`, running.
pub(crate) fn host<S>(socket: WebSocketStream<S>, bootstrap: Client) -> (PipeControl<S>, Ended)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (reader, writer, control) = pipe(socket, PIPE);
    (control, spawn_local(vat::serve(reader, writer, bootstrap, LIMITS)))
}

/// A client on `socket`, running.
pub(crate) fn client<S>(socket: WebSocketStream<S>) -> (share_rpc::Client, PipeControl<S>, Ended)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (reader, writer, control) = pipe(socket, PIPE);
    let (vat, rpc) = vat::connect(reader, writer, LIMITS);
    (rpc, control, spawn_local(vat))
}

/// A host and a client on a WebSocket, with a [`Tap`] in between.
pub(crate) struct Tapped {
    pub(crate) rpc: share_rpc::Client,
    pub(crate) client: Control,
    pub(crate) client_ended: Ended,
    pub(crate) host: Control,
    pub(crate) host_ended: Ended,
    pub(crate) tap: Tap,
}

pub(crate) async fn tapped(bootstrap: Client, cut_at: Option<usize>) -> Tapped {
    let (client_far, client_near) = sockets().await;
    let (host_near, host_far) = sockets().await;
    let tap = Tap::new(client_far, host_far, cut_at);
    let (host, host_ended) = self::host(host_near, bootstrap);
    let (rpc, client, client_ended) = client(client_near);
    Tapped { rpc, client, client_ended, host, host_ended, tap }
}

/// Hands on every message between a client and a host, notes the binary ones, and may say something of its own.
pub(crate) struct Tap {
    /// Payloads of binary messages, client's and host's.
    pub(crate) seen: Rc<RefCell<Vec<Vec<u8>>>>,
    to_client: mpsc::Sender<Message>,
    to_host: mpsc::Sender<Message>,
    pub(crate) running: JoinHandle<()>,
}

impl Tap {
    fn new(client: Socket, host: Socket, cut_at: Option<usize>) -> Self {
        let seen = Rc::<RefCell<Vec<Vec<u8>>>>::default();
        let (to_client, client_inbox) = mpsc::channel(8);
        let (to_host, host_inbox) = mpsc::channel(8);
        let running = spawn_local(relay(client, host, client_inbox, host_inbox, seen.clone(), cut_at));
        Self { seen, to_client, to_host, running }
    }

    /// Says the same to both.
    pub(crate) async fn say(&self, message: Message) {
        self.to_client.send(message.clone()).await.unwrap();
        self.to_host.send(message).await.unwrap();
    }

    /// Cuts both connections without a word.
    pub(crate) fn cut(&self) {
        self.running.abort();
    }
}

async fn relay(
    mut client: Socket,
    mut host: Socket,
    mut client_inbox: mpsc::Receiver<Message>,
    mut host_inbox: mpsc::Receiver<Message>,
    seen: Rc<RefCell<Vec<Vec<u8>>>>,
    cut_at: Option<usize>,
) {
    loop {
        let (message, to_host) = tokio::select! {
            biased;
            message = client_inbox.recv() => (message, false),
            message = host_inbox.recv() => (message, true),
            message = client.next() => (message.map(Result::unwrap), true),
            message = host.next() => (message.map(Result::unwrap), false),
        };
        let Some(message) = message else { return };
        let to = if to_host { &mut host } else { &mut client };
        if let Message::Binary(payload) = &message {
            seen.borrow_mut().push(payload.to_vec());
            if let Some(cut_at) = cut_at {
                for piece in payload.chunks(cut_at) {
                    to.send(Message::binary(piece.to_vec())).await.unwrap();
                }
                continue;
            }
        }
        if !matches!(message, Message::Pong(_)) {
            to.send(message).await.unwrap();
        }
    }
}
