//! Connections between hosts of one deployment: what moves a [`Link`]'s work over Cap'n Proto RPC, at either end.
//!
//! Each end exports a `HostPeer` and has the other's. One task makes the calls of a link, one after the other: what gathers while a call
//! is on its way is the next. A call that is not answered within `ANSWER_WITHIN` ends the connection, and where there is nothing to
//! say, an empty `news` is called every `BEAT_EVERY`: so a host that hangs, or a network that swallows everything, is noticed after
//! ten seconds at most. The vat, the objects and all calls end with the future that serves them.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use capnp::Error;
use futures::stream::{FuturesUnordered, StreamExt as _};
use futures::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, SetOnce};
use tokio::time::timeout;

use crate::hub::Hub;
use crate::peers::{Link, Outgoing};
use crate::rpc::{MESSAGE_NESTING_MAX, question};
use crate::share::id::{HostId, ShareId};
use crate::share::limits::hosts::{PEER_ASKS_MAX, PEER_FOLLOWS_MAX, PEER_NEWS_MAX};
use crate::share::limits::{CALLS_KEPT_MAX, MESSAGE_BYTES_MAX};
use crate::share_capnp::host_peer;
use crate::wire::guard::{Budget, guard};
use crate::wire::vat::{self, VatLimits};
use crate::wire::websocket::{KeepAlive, PipeOptions, pipe};

/// How long the other host may take to answer a call that only notes something.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How often the other host is called if there is nothing to say.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// How long a Close frame may take to be answered.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Calls of the other host that are unanswered at once: its questions, and a few besides.
const CALLS_MAX: u32 = PEER_ASKS_MAX as u32 + 8;

/// Serves a connection that another host opened, over a WebSocket, until it ends.
pub async fn serve_websocket<S>(hub: Arc<Hub>, link: Link, socket: WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let options = PipeOptions { message_bytes_max: MESSAGE_BYTES_MAX, close_within: CLOSE_WITHIN };
    let (reader, writer, control) = pipe(socket, options);
    let keep_alive = KeepAlive { interval: BEAT_EVERY, write_stall: ANSWER_WITHIN, silence_code: 4003 };
    let host = link.host().clone();
    let ended = tokio::select! {
        biased;
        ended = serve(hub, link, reader, writer) => ended,
        _ = control.keepalive(keep_alive) => Ok(()),
    };
    if let Err(error) = &ended {
        tracing::info!(%host, %error, "the connection of another host ends");
    }
    control.close(if ended.is_ok() { 1000 } else { 1011 }, "").await;
}

/// Serves a connection that another host opened, until it ends.
///
/// # Errors
/// The other host did not answer, or broke the protocol.
pub async fn serve<R, W>(hub: Arc<Hub>, link: Link, reader: R, writer: W) -> Result<(), Error>
where
    R: AsyncRead + Unpin + 'static,
    W: AsyncWrite + Unpin + 'static,
{
    let (link, met) = (Rc::new(link), Rc::new(Met::default()));
    let root = export(hub, Rc::new(SetOnce::new_with(Some(Rc::downgrade(&link)))), Some(Rc::clone(&met)));
    let vat = vat::serve(reader, writer, root.client, limits());
    let driving = async {
        let peer = timeout(ANSWER_WITHIN, met.peer()).await;
        drive(&link, &peer.map_err(|_| Error::failed("the other host did not call meet".into()))?).await
    };
    run(vat, driving).await
}

/// Serves a connection that this host opened, until it ends. The link is entered once the other host has said that it is the one that
/// is meant.
///
/// # Errors
/// It is another host, it did not answer, or it broke the protocol; or this host takes no link.
pub async fn call<R, W>(hub: Arc<Hub>, host: &HostId, reader: R, writer: W) -> Result<(), Error>
where
    R: AsyncRead + Unpin + 'static,
    W: AsyncWrite + Unpin + 'static,
{
    let (vat, peer): (_, host_peer::Client) = vat::connect(reader, writer, limits());
    let entered = Entered::default();
    let own = export(Arc::clone(&hub), Rc::clone(&entered), None);
    let driving = async {
        let mut meeting = peer.meet_request();
        meeting.get().set_peer(own);
        let met = answered(meeting.send().promise).await?;
        if met.get()?.get_host_id()?.to_str()? != host.as_str() {
            return Err(Error::failed("another host answers there".into()));
        }
        let link = hub.peers().link(host.clone()).map_err(|refusal| Error::failed(refusal.to_string()))?;
        let link = Rc::new(link);
        // It is set here alone.
        let _first = entered.set(Rc::downgrade(&link));
        drive(&link, &peer).await
    };
    run(vat, driving).await
}

/// Runs a vat beside what makes its calls, until one of them ends.
async fn run(vat: vat::Vat, driving: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    tokio::select! {
        biased;
        driven = driving => driven,
        ended = vat => match ended {
            Err(error) if error.kind != capnp::ErrorKind::Disconnected => Err(error),
            Ok(()) | Err(_) => Ok(()),
        },
    }
}

/// What a host takes from the other one, whichever of them opened the connection: if each waits for the other to read, the calls of both
/// are late, and both end the connection.
fn limits() -> VatLimits {
    VatLimits {
        message_bytes_max: MESSAGE_BYTES_MAX,
        nesting_max: MESSAGE_NESTING_MAX,
        queued_bytes_max: Some(2 * MESSAGE_BYTES_MAX as u64),
        calls_kept_max: CALLS_KEPT_MAX,
    }
}

/// Makes the calls of a link until it is to end.
async fn drive(link: &Link, peer: &host_peer::Client) -> Result<(), Error> {
    let mut asking = FuturesUnordered::new();
    let mut closing = pin!(link.closing());
    loop {
        let sending = async {
            match timeout(BEAT_EVERY, link.next()).await {
                Ok(Outgoing::Ask(asked)) => return Ok(Some(asked)),
                Ok(Outgoing::Follow { shares, wanted }) => follow(link, peer, &shares, wanted).await?,
                Ok(Outgoing::News(messages)) => news(peer, &messages).await?,
                Err(_nothing_to_say) => news(peer, &[]).await?,
            }
            Ok::<_, Error>(None)
        };
        let mut sending = pin!(sending);
        let asked = loop {
            tokio::select! {
                biased;
                () = &mut closing => return Ok(()),
                sent = &mut sending => break sent?,
                Some(()) = asking.next() => {}
            }
        };
        // A question past those that may wait is dropped, by which who asked it is told that it was not answered.
        if let Some(asked) = asked.filter(|_| asking.len() < PEER_ASKS_MAX) {
            let mut question = peer.ask_request();
            question.get().set_question(question::read(&asked.question)?.get_root()?)?;
            let answering = question.send().promise;
            asking.push(async move {
                let mut asked = asked;
                let answer = tokio::select! {
                    biased;
                    // It takes no place any more, and the other host is told.
                    () = asked.given_up() => return,
                    answer = timeout(2 * ANSWER_WITHIN, answering) => answer,
                };
                // Without an answer the question is dropped, by which who asked it is told so.
                if let Ok(Ok(answer)) = answer
                    && let Ok(answer) = answer.get().and_then(|results| results.get_answer())
                {
                    let mut message = capnp::message::Builder::new_default();
                    if message.set_root(answer).is_ok() {
                        asked.answer(question::bytes(&message));
                    }
                }
            });
        }
    }
}

async fn follow(link: &Link, peer: &host_peer::Client, shares: &[ShareId], wanted: bool) -> Result<(), Error> {
    let mut request = peer.follow_request();
    let mut list = request.get().init_shares(shares.len() as u32);
    for (at, share) in (0..).zip(shares) {
        list.set(at, share.as_str());
    }
    request.get().set_wanted(wanted);
    answered(request.send().promise).await?;
    if wanted {
        link.took_effect(shares);
    }
    Ok(())
}

async fn news(peer: &host_peer::Client, messages: &[bytes::Bytes]) -> Result<(), Error> {
    let mut request = peer.news_request();
    let mut list = request.get().init_messages(messages.len() as u32);
    for (at, message) in (0..).zip(messages) {
        list.set(at, message);
    }
    answered(request.send().promise).await.map(drop)
}

async fn answered<T>(calling: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let answer = timeout(ANSWER_WITHIN, calling).await;
    answer.unwrap_or_else(|_| Err(Error::failed("the other host did not answer within 5 s".into())))
}

/// The other end of a connection, once it is known. Whoever drives takes it out: it must not be kept by an object that the other
/// host holds, or neither would ever be let go of.
#[derive(Default)]
struct Met {
    has_met: Cell<bool>,
    peer: RefCell<Option<host_peer::Client>>,
    known: Notify,
}

impl Met {
    async fn peer(&self) -> host_peer::Client {
        loop {
            let known = self.known.notified();
            if let Some(peer) = self.peer.take() {
                return peer;
            }
            known.await;
        }
    }
}

/// The link of a connection, from when it is entered. It ends with the task that drives it, however long the other host's references
/// to this host's object are kept.
type Entered = Rc<SetOnce<Weak<Link>>>;

/// What the other host may call; `met`: where it hands over its own end, if it opened the connection.
fn export(hub: Arc<Hub>, link: Entered, met: Option<Rc<Met>>) -> host_peer::Client {
    let object = Peer { hub, link, met };
    guard(capnp_rpc::new_client(object), &Budget::new(CALLS_MAX, 1))
}

struct Peer {
    hub: Arc<Hub>,
    link: Entered,
    met: Option<Rc<Met>>,
}

impl Peer {
    /// The link. The other host may call before this one has entered it.
    async fn link(&self) -> Result<Rc<Link>, Error> {
        self.link
            .wait()
            .await
            .upgrade()
            .ok_or_else(|| Error::disconnected("the connection between the hosts has ended".into()))
    }
}

impl host_peer::Server for Peer {
    async fn meet(
        self: Rc<Self>,
        params: host_peer::MeetParams,
        mut results: host_peer::MeetResults,
    ) -> Result<(), Error> {
        let Some(met) = &self.met else {
            return Err(Error::failed("the host that was called does not call meet".into()));
        };
        let peer = params.get()?.get_peer()?;
        if met.has_met.replace(true) {
            return Err(Error::failed("meet is called once".into()));
        }
        *met.peer.borrow_mut() = Some(peer);
        met.known.notify_one();
        results.get().set_host_id(self.hub.hosts().id().as_str());
        Ok(())
    }

    async fn follow(self: Rc<Self>, params: host_peer::FollowParams, _: host_peer::FollowResults) -> Result<(), Error> {
        let params = params.get()?;
        let shares = params.get_shares()?;
        if shares.len() as usize > PEER_FOLLOWS_MAX {
            return Err(Error::failed("more shares than one call may have".into()));
        }
        let ids = shares.iter().filter_map(|id| id.ok()?.to_str().ok()?.parse().ok());
        self.link().await?.followed(ids, params.get_wanted());
        Ok(())
    }

    async fn news(self: Rc<Self>, params: host_peer::NewsParams, _: host_peer::NewsResults) -> Result<(), Error> {
        let messages = params.get()?.get_messages()?;
        if messages.len() as usize > PEER_NEWS_MAX {
            return Err(Error::failed("more messages than one call may have".into()));
        }
        let link = self.link().await?;
        for message in messages.iter() {
            link.heard(message?);
        }
        Ok(())
    }

    async fn ask(
        self: Rc<Self>,
        params: host_peer::AskParams,
        mut results: host_peer::AskResults,
    ) -> Result<(), Error> {
        let question = params.get()?.get_question()?;
        let link = self.link().await?;
        question::answer(&self.hub, link.host(), question, results.get().init_answer()).await
    }
}
