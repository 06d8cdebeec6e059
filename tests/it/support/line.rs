//! A WebSocket in memory, from the linked client to a hub, on which things go wrong.
//!
//! Both ends are the real ones: the client's pipe with its control, and the host's RPC door. Between them lies a relay, which
//! delays what goes over it and, once, [strikes](Strike). Everything is on the caller's `LocalSet` and on tokio's clock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::Role;
use capshare::__internal::access::Way;
use capshare::__internal::connections::comer::{Comer, Door};
use capshare::__internal::hub::Hub;
use capshare::__internal::rpc::{RpcSettings, serve_websocket};
use capshare::__internal::wire::websocket::{KeepAlive, PipeControl, PipeEnd, PipeOptions, pipe, socket_config};
use capshare::client::{Connection, Control, Dial, DialError, DialRequest, Ended};
use futures::future::LocalBoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex, split};
use tokio::task::spawn_local;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use tokio_util::sync::CancellationToken;

/// Bytes that lie on a line in each direction, between an end and the relay.
const LINE_BYTES: usize = 16 << 10;

/// How long a line that fell silent stands: longer than either end waits.
const SILENCE: Duration = Duration::from_secs(120);

/// How a connection ends, before its ends would have ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strike {
    /// Without a word, be it within a frame.
    Cut,
    /// With a Close frame in the host's place.
    Close(u16, &'static str),
    /// With a text frame.
    TextFrame,
    /// With a frame that is none.
    Violation,
    /// With a frame that is larger than the client takes.
    TooLarge,
    /// With a message that is no Cap'n Proto.
    Garbage,
    /// Nothing goes over it any more, either way, and no end is told.
    Silence,
}

/// When a connection is struck.
#[derive(Debug, Clone)]
pub(crate) enum When {
    /// After this time.
    After(Duration),
    /// After the host has sent so many bytes.
    Down(u64),
    /// After the client has sent so many bytes; these the host gets.
    Up(u64),
    /// When the test says so.
    Told(CancellationToken),
}

/// What becomes of one connection.
#[derive(Default)]
pub(crate) struct Fate {
    pub(crate) strike: Option<(When, Strike)>,
    /// How long the next piece takes, either way. Default: no time.
    pub(crate) delay: Option<Box<dyn Fn() -> Duration>>,
    /// A proxy takes no frame of the client's that is larger, and closes with 1009 without saying how much it takes.
    pub(crate) proxy_bytes_max: Option<u64>,
}

/// Opens a line to a hub. `dead`: the host's end is gone without a word. `ended` is told how the client's end ended.
pub(crate) async fn connect(
    hub: Arc<Hub>,
    request: &DialRequest,
    fate: Fate,
    dead: CancellationToken,
    ended: impl Fn(&PipeEnd) + 'static,
) -> Result<Connection, DialError> {
    let principal = hub.access().introduce(None, request.in_band, Way::Direct).await?;
    let pending = hub.connections().register(Comer::new(Door::Rpc, principal, None, Way::Direct))?;
    let ((near, near_relay), (far, far_relay)) = (duplex(LINE_BYTES), duplex(LINE_BYTES));
    spawn_local({
        let (config, dead) = (socket_config(hub.settings().limits.message_bytes_max), dead.clone());
        async move {
            let socket = WebSocketStream::from_raw_socket(far.compat(), Role::Server, Some(config)).await;
            dead.run_until_cancelled(serve_websocket(hub, pending, socket, RpcSettings::default())).await
        }
    });
    spawn_local(async move {
        dead.run_until_cancelled(relay(near_relay, far_relay, fate)).await;
    });
    let config = socket_config(request.message_bytes_max);
    let socket = WebSocketStream::from_raw_socket(near.compat(), Role::Client, Some(config)).await;
    let options = PipeOptions { message_bytes_max: request.message_bytes_max, close_within: Duration::from_secs(2) };
    let (reader, writer, control) = pipe(socket, options);
    Ok(Connection::of_stream(reader, writer).controlled_by(LineControl { pipe: control, ended: Box::new(ended) }))
}

struct LineControl {
    pipe: PipeControl<Compat<DuplexStream>>,
    ended: Box<dyn Fn(&PipeEnd)>,
}

impl Control for LineControl {
    fn keepalive(&self) -> LocalBoxFuture<'_, Ended> {
        Box::pin(async {
            let settings = KeepAlive {
                interval: Duration::from_secs(20),
                write_stall: Duration::from_secs(30),
                silence_code: 4002,
            };
            let end = self.pipe.keepalive(settings).await;
            (self.ended)(&end);
            end.into()
        })
    }

    fn close<'a>(&'a self, code: u16, reason: &'a str) -> LocalBoxFuture<'a, ()> {
        Box::pin(self.pipe.close(code, reason))
    }

    fn end_reason(&self) -> Option<Ended> {
        self.pipe.end_reason().map(Ended::from)
    }
}

/// Relays until an end is gone or the line is struck.
async fn relay(near: DuplexStream, far: DuplexStream, fate: Fate) {
    let ((near_read, near_write), (far_read, far_write)) = (split(near), split(far));
    let mut up =
        Pump { from: near_read, to: far_write, bytes_left: u64::MAX, frames: Frames::default(), max: u64::MAX };
    let mut down =
        Pump { from: far_read, to: near_write, bytes_left: u64::MAX, frames: Frames::default(), max: u64::MAX };
    up.max = fate.proxy_bytes_max.unwrap_or(u64::MAX);
    let (due, delay) = (CancellationToken::new(), || fate.delay.as_ref().map_or(Duration::ZERO, |delay| delay()));
    let (when, strike) = fate.strike.unzip();
    match when {
        Some(When::Up(bytes)) => up.bytes_left = bytes,
        Some(When::Down(bytes)) => down.bytes_left = bytes,
        Some(When::After(_) | When::Told(_)) | None => {}
    }
    let clock = async {
        match when {
            Some(When::After(time)) => tokio::time::sleep(time).await,
            Some(When::Told(told)) => told.cancelled().await,
            Some(When::Up(_) | When::Down(_)) | None => std::future::pending().await,
        }
        due.cancel();
        std::future::pending::<()>().await;
    };
    let (up_end, down_end) = tokio::select! {
        biased;
        ends = futures::future::join(up.run(&due, &delay), down.run(&due, &delay)) => ends,
        () = clock => return,
    };
    let strike = match (up_end, down_end) {
        (End::Gone, _) | (_, End::Gone) => return,
        (End::Refused, _) => Strike::Close(1009, "too big"),
        (End::Due, _) => strike.unwrap_or(Strike::Cut),
    };
    match strike {
        Strike::Cut => {}
        Strike::Silence => tokio::time::sleep(SILENCE).await,
        strike => {
            if down.finish_frame().await && down.to.write_all(&strike.bytes()).await.is_ok() {
                // What the client says to it is for nobody. It leaves then.
                let _gone = tokio::io::copy(&mut up.from, &mut tokio::io::sink()).await;
            }
        }
    }
}

impl Strike {
    /// What comes in the host's place.
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Close(code, reason) => {
                let head = [0x88, 2 + reason.len() as u8];
                [&head[..], &code.to_be_bytes(), reason.as_bytes()].concat()
            }
            Self::TextFrame => b"\x81\x02hi".to_vec(),
            Self::Violation => vec![0xf3, 0],
            Self::TooLarge => [&[0x82, 127][..], &(5_u64 << 20).to_be_bytes()].concat(),
            // One segment of one word, which points to nowhere.
            Self::Garbage => [&[0x82, 16][..], &[0, 0, 0, 0, 1, 0, 0, 0], &[0xff; 8]].concat(),
            Self::Cut | Self::Silence => Vec::new(),
        }
    }
}

/// One direction.
struct Pump<R, W> {
    from: R,
    to: W,
    /// So many go over it before the line is struck.
    bytes_left: u64,
    frames: Frames,
    /// The largest frame.
    max: u64,
}

/// Why a direction stopped.
enum End {
    /// One of its ends is gone.
    Gone,
    /// The line is struck.
    Due,
    /// A frame was too large.
    Refused,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Pump<R, W> {
    async fn run(&mut self, due: &CancellationToken, delay: &impl Fn() -> Duration) -> End {
        let end = self.pump(due, delay).await;
        due.cancel();
        end
    }

    async fn pump(&mut self, due: &CancellationToken, delay: &impl Fn() -> Duration) -> End {
        let mut buffer = vec![0; LINE_BYTES];
        while self.bytes_left > 0 {
            let room = buffer.len().min(usize::try_from(self.bytes_left).unwrap_or(usize::MAX));
            let read = tokio::select! {
                biased;
                () = due.cancelled() => return End::Due,
                read = self.from.read(&mut buffer[..room]) => read,
            };
            let Ok(count @ 1..) = read else { return End::Gone };
            let delay = delay();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let taken = self.frames.follow(&buffer[..count], self.max);
            if self.to.write_all(&buffer[..taken.unwrap_or_else(|at| at)]).await.is_err() {
                return End::Gone;
            }
            if taken.is_err() {
                return End::Refused;
            }
            self.bytes_left = self.bytes_left.saturating_sub(count as u64);
        }
        End::Due
    }

    /// Goes on to the end of the frame that has begun; false if it does not come.
    async fn finish_frame(&mut self) -> bool {
        while !self.frames.is_between() {
            let mut byte = [0];
            let came = self.from.read_exact(&mut byte).await.is_ok() && self.to.write_all(&byte).await.is_ok();
            if !came || self.frames.follow(&byte, u64::MAX).is_err() {
                return false;
            }
        }
        true
    }
}

/// Where in its frames a direction is.
#[derive(Default)]
struct Frames {
    header: Vec<u8>,
    /// Bytes of the payload that are still to come.
    left: u64,
}

impl Frames {
    fn is_between(&self) -> bool {
        self.left == 0 && self.header.is_empty()
    }

    /// Follows further bytes, and says how many there are; or where the header of a frame ends that is larger than this.
    fn follow(&mut self, bytes: &[u8], max: u64) -> Result<usize, usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.left > 0 {
                let skipped = self.left.min((bytes.len() - at) as u64);
                self.left -= skipped;
                at += skipped as usize;
                continue;
            }
            self.header.push(bytes[at]);
            at += 1;
            let Some(length) = length(&self.header) else { continue };
            self.header.clear();
            self.left = length;
            if length > max {
                return Err(at);
            }
        }
        Ok(at)
    }
}

/// The length of the payload, once its frame's header is whole.
fn length(header: &[u8]) -> Option<u64> {
    let second = *header.get(1)?;
    let more = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let extended = header.get(2..2 + more)?;
    header.get(2 + more..2 + more + mask)?;
    let short = u64::from(second & 0x7f);
    Some(if more == 0 { short } else { extended.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)) })
}

/// A dialer of lines to one hub, which can be another from the next connection on.
#[derive(Debug)]
pub(crate) struct Lines {
    hub: Mutex<Arc<Hub>>,
    strikes: Mutex<VecDeque<(When, Strike)>>,
    proxy_bytes_max: Mutex<Option<u64>>,
    dialled: AtomicUsize,
}

impl Lines {
    pub(crate) fn to(hub: &Arc<Hub>) -> Arc<Self> {
        Arc::new(Self {
            hub: Mutex::new(Arc::clone(hub)),
            strikes: Mutex::default(),
            proxy_bytes_max: Mutex::default(),
            dialled: AtomicUsize::new(0),
        })
    }

    /// The next connections lead there.
    pub(crate) fn lead_to(&self, hub: &Arc<Hub>) {
        *self.hub.lock().unwrap() = Arc::clone(hub);
    }

    /// The next connection that nothing was said of yet is struck.
    pub(crate) fn strike(&self, when: When, strike: Strike) {
        self.strikes.lock().unwrap().push_back((when, strike));
    }

    /// From the next connection on, a proxy takes no larger frame, and does not say so.
    pub(crate) fn take_at_most(&self, bytes: u64) {
        *self.proxy_bytes_max.lock().unwrap() = Some(bytes);
    }

    /// How many connections there were.
    pub(crate) fn dialled(&self) -> usize {
        self.dialled.load(Ordering::Relaxed)
    }
}

impl Dial for Lines {
    fn dial<'a>(&'a self, request: &'a DialRequest) -> LocalBoxFuture<'a, Result<Connection, DialError>> {
        Box::pin(async move {
            self.dialled.fetch_add(1, Ordering::Relaxed);
            let fate = Fate {
                strike: self.strikes.lock().unwrap().pop_front(),
                delay: None,
                proxy_bytes_max: *self.proxy_bytes_max.lock().unwrap(),
            };
            let hub = Arc::clone(&self.hub.lock().unwrap());
            connect(hub, request, fate, CancellationToken::new(), |_| {}).await
        })
    }
}
