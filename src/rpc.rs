//! The RPC door: one connection's life, over a WebSocket or any other byte stream.
//!
//! Called by the HTTP upgrade on a worker's thread, and by in-process hosts on the caller's own. A connection comes here
//! admitted; the future that serves it ends when the peer leaves, breaks the rules or is closed by the host, and by then
//! every call of it is cancelled, every object released, and it is out of the registry. Everything here is `!Send`: it
//! lives on one thread, beside a [`LocalSet`](tokio::task::LocalSet), and reaches the hub by `Arc`.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use futures::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use crate::connections::close::CloseReason;
use crate::connections::registry::{Connection, Pending};
use crate::hub::Hub;
use crate::rpc::caller::Caller;
use crate::rpc::counting::Counting;
use crate::rpc::gateway::Gateway;
use crate::rpc::moving::{keep_asking, words};
use crate::share::limits::CALLS_KEPT_MAX;
use crate::share_capnp::share_rpc;
use crate::wire::guard::guard;
use crate::wire::vat::{self, LastWords, Ledger, VatLimits};
use crate::wire::websocket::{KeepAlive, PipeEnd, PipeOptions, pipe};

mod admin;
mod answer;
mod caller;
mod counting;
mod elsewhere;
mod gateway;
pub mod handing;
mod moving;
pub mod peer;
mod question;
mod refused;
mod share;
mod sink;
mod watch;
pub mod worker;
mod write;

/// How RPC connections are kept.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RpcSettings {
    /// Time between two pings. A peer that is silent for two of them is taken for dead. Default 30 s.
    pub ping_interval: Duration,
    /// How long a peer may take no bytes before it is cut off. Default 30 s.
    pub write_stall: Duration,
    /// How long a client that came without a credential, to show it in-band, may take to authenticate; then it is closed with
    /// 1008. Default 10 s.
    pub authenticate_within: Duration,
    /// How long the end of a connection may take, from the host's last words until the peer has closed. Default 2 s.
    pub close_within: Duration,
    /// Bytes that may wait for a peer to read before its further requests are left unread. Default 8 MiB, two messages.
    pub queued_bytes_max: u64,
    /// Number of calls that a connection may keep for ever because they were cancelled in a way that nobody answers; with one more it is
    /// closed with 1012, so that the peer makes a new one. Default 10,000.
    pub calls_kept_max: usize,
}

impl Default for RpcSettings {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
            authenticate_within: Duration::from_secs(10),
            close_within: Duration::from_secs(2),
            queued_bytes_max: 8 << 20,
            calls_kept_max: CALLS_KEPT_MAX,
        }
    }
}

/// Levels of structs and lists inside one another that a message may have: twice what the contract's deepest needs.
const MESSAGE_NESTING_MAX: u16 = 32;

/// Admits a connection and serves it over a WebSocket until it ends, and closes that with the code that says why.
pub async fn serve_websocket<S>(hub: Arc<Hub>, pending: Pending, socket: WebSocketStream<S>, settings: RpcSettings)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let message_bytes_max = hub.settings().limits.message_bytes_max;
    let (reader, writer, control) =
        pipe(socket, PipeOptions { message_bytes_max, close_within: settings.close_within });
    let keep_alive = KeepAlive {
        interval: settings.ping_interval,
        write_stall: settings.write_stall,
        silence_code: CloseReason::SILENT.code,
    };
    let id = pending.id.clone();
    let admitted = hub.connections().admit(pending).await;
    let ended = match &admitted {
        Ok(connection) => tokio::select! {
            biased;
            ended = serve(hub, connection, reader, writer, settings, |close| {
                control.begin_close(close.code, &words(connection, close));
            }) => ended,
            _ = control.keepalive(keep_alive) => Ended::Left,
        },
        Err(turned_away) => Ended::Closed(turned_away.reason.clone()),
    };
    // By now nothing of the connection runs any more. If the pipe ended by itself, `close` only sees its farewell through.
    let (code, reason) = match (&ended, &admitted) {
        (Ended::Closed(close), Ok(connection)) => (close.code, words(connection, close)),
        (Ended::Closed(close), Err(_)) => (close.code, close.reason.into()),
        (Ended::Left, _) => (1000, "".into()),
        (Ended::Broken, _) => (1002, "ProtocolMismatch: the bytes are not Cap'n Proto RPC".into()),
    };
    control.close(code, &reason).await;
    let end = control.end_reason().unwrap_or(PipeEnd::Cut);
    tracing::debug!(connection = %id, %end, "connection ended");
}

/// How a connection ended, as far as RPC can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The peer left, or the stream ended.
    Left,
    /// The peer sent what is not Cap'n Proto RPC.
    Broken,
    /// The host closed it.
    Closed(CloseReason),
}

/// Ends the connection's outlet and lets go of its sink when serving it ends, in whatever way.
struct Over(Rc<Caller>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.entry.outlet.end();
        drop(self.0.set_sink(None));
        drop(self.0.set_mover(None));
    }
}

/// Serves an admitted connection over a byte stream until it ends. If the host closes it, `farewell` is called with the reason
/// while the stream is still open.
pub async fn serve<R, W>(
    hub: Arc<Hub>,
    connection: &Connection,
    reader: R,
    writer: W,
    settings: RpcSettings,
    farewell: impl Fn(&CloseReason),
) -> Ended
where
    R: AsyncRead + Unpin + 'static,
    W: AsyncWrite + Unpin + 'static,
{
    let limits = VatLimits {
        message_bytes_max: hub.settings().limits.message_bytes_max,
        nesting_max: MESSAGE_NESTING_MAX,
        queued_bytes_max: Some(settings.queued_bytes_max),
        calls_kept_max: settings.calls_kept_max,
    };
    let caller = Caller::new(Arc::clone(&hub), connection);
    // When this returns nothing can be pushed any more, though the goodbye may take a while yet.
    let _over = Over(Rc::clone(&caller));
    let gateway = Gateway::new(Rc::clone(&caller), connection.principal.clone());
    let root: share_rpc::Client = guard(capnp_rpc::new_client(gateway), caller.budget());
    let (reader, writer) = (Counting::new(reader, connection), Counting::new(writer, connection));
    let mut vat = pin!(vat::serve(reader, writer, root.client, limits));
    let (queue, ledger) = (vat.meter(), vat.ledger());
    caller.set_queue(vat.meter());
    let closed = || {
        let reason = connection.close_reason().cloned().unwrap_or(CloseReason::GOING_AWAY);
        farewell(&reason);
        Ended::Closed(reason)
    };
    tokio::select! {
        biased;
        () = connection.closing() => closed(),
        never = keep_asking(&caller) => match never {},
        () = hub.connections().close_when_expired(connection) => closed(),
        () = hub.connections().close_unless_authenticated(connection, settings.authenticate_within) => closed(),
        () = caller.departed() => {
            // A call closed its own connection. Its answer goes out first; nothing that comes in is begun any more.
            vat.settle();
            tokio::select! {
                biased;
                () = queue.until_at_most(0) => {}
                _ended = &mut vat => {}
                () = sleep(settings.close_within) => {}
            }
            closed()
        }
        result = &mut vat => match result {
            Ok(()) | Err(_) if ledger.is_full() => {
                tracing::info!(connection = %connection.id, "too many cancelled calls are kept: the connection ends, and the client makes a new one");
                farewell(&CloseReason::WORN_OUT);
                Ended::Closed(CloseReason::WORN_OUT)
            }
            Ok(()) => {
                note_last_words(connection, &ledger);
                Ended::Left
            }
            Err(error) if error.kind == capnp::ErrorKind::Disconnected => Ended::Left,
            Err(error) => {
                tracing::debug!(connection = %connection.id, %error, "the peer broke the protocol");
                Ended::Broken
            }
        },
    }
}

/// Logs the words with which a peer ended its connection, unless it only left.
fn note_last_words(connection: &Connection, ledger: &Ledger) {
    if let Some(LastWords { is_goodbye: false, reason }) = ledger.last_words() {
        tracing::info!(connection = %connection.id, reason, "the peer ended the connection by an Abort");
    }
}
