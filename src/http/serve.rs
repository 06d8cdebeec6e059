//! One socket's life in HTTP: which version it speaks, how long it may take, and what each of its requests is given on its way.
//!
//! Every socket has a deadline from its accept on: until the head of its first request is complete, however little or much it
//! has sent and in whichever version of HTTP. After that HTTP/1.1 has a deadline for each further head, and a connection of
//! HTTP/2 one for being without a request under way. A socket whose place somebody else needs ends at once.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, Version, header};
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

use crate::connections::Connections;
use crate::connections::sockets::SocketPlace;
use crate::http::activity::{Activity, Underway};
use crate::http::forwarded::{self, Peer, ProxyNet};
use crate::http::handover::{self, Begun, Handover};
use crate::http::head::{self, HEAD_BYTES_MAX};
use crate::http::reply;
use crate::http::settings::SocketSettings;
use crate::http::stall;
use crate::share::error::Refusal;

/// Bytes that HTTP holds for a peer that does not read, besides one piece of a body: for a connection of HTTP/1, and for each stream
/// of HTTP/2. Also the bytes that it reads of a head that has no end.
const HTTP_BUFFER_BYTES: usize = 64 << 10;

/// Requests that one connection of HTTP/2 may have at once: a reverse proxy may bring all its viewers over a few connections.
const HTTP2_STREAMS_MAX: u32 = 200;

/// Time between two pings on a connection of HTTP/2.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(30);

/// What every socket of a host is served with.
#[derive(Debug)]
pub struct Serving {
    /// What answers the requests.
    pub routes: Router,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted: Arc<[ProxyNet]>,
    /// How long a socket may take.
    pub settings: SocketSettings,
    /// How long a peer may take nothing of an answer.
    pub write_stall: Duration,
    /// The connections of the host. While they are drained, a peer is to send its next request over a new socket, by which it may
    /// come to another host.
    pub connections: Arc<Connections>,
}

/// Serves HTTP on a socket that was just accepted, until it ends or is handed over.
pub(super) async fn serve(socket: TcpStream, peer: SocketAddr, place: SocketPlace, serving: Arc<Serving>) {
    // Small messages go out at once: waiting for the peer's acknowledgement costs 40 ms for each.
    let _ = socket.set_nodelay(true);
    let (activity, settings) = (Arc::new(Activity::default()), &serving.settings);
    let beginning = activity.overdue(settings.head_within, None);
    let begun = tokio::select! {
        biased;
        () = place.displaced() => return,
        () = beginning => return,
        begun = first_bytes(&socket) => match begun {
            Ok(begun) => begun,
            Err(_) => return,
        },
    };
    let is_http2 = begun.is(HTTP2_BEGINS);
    let handover = Handover::default();
    let offered = (!is_http2).then(|| handover.clone());
    let routes = TowerToHyperService::new(serving.routes.clone());
    let (asked, trusted, of_place) = (Arc::clone(&activity), Arc::clone(&serving.trusted), place.clone());
    let connections = Arc::clone(&serving.connections);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        let underway = asked.begin();
        of_place.asked();
        let checked = head::check(&mut request).map_err(|refusal| wrong_head(request.version(), &refusal));
        // Asked anew at each: a proxy sends the requests of many over one connection.
        let client = forwarded::client(peer, request.headers(), &trusted);
        let extensions = request.extensions_mut();
        extensions.insert(Peer(client));
        extensions.insert(of_place.clone());
        if let Some(handover) = &offered {
            extensions.insert(handover.clone());
        }
        // Called only if its head is right.
        let is_http1 = request.version() < Version::HTTP_2;
        let answer = checked.map(|()| routes.call(request));
        let connections = Arc::clone(&connections);
        async move {
            let mut response = match answer {
                Ok(answer) => answer.await?,
                Err(refused) => *refused,
            };
            if is_http1 && connections.is_draining() {
                response.headers_mut().entry(header::CONNECTION).or_insert(HeaderValue::from_static("close"));
            }
            Ok::<_, std::convert::Infallible>(
                response.map(|body| Tracked { body: stall::watched(body), _underway: underway }),
            )
        }
    });
    let socket = handover::HttpSocket::new(socket, begun, handover.clone(), serving.write_stall);
    let served = if is_http2 {
        let mut builder = http2::Builder::new(stall::Http2Streams::new(serving.write_stall));
        builder.timer(TokioTimer::new()).keep_alive_interval(HTTP2_PING_EVERY);
        builder.keep_alive_timeout(settings.head_within).max_concurrent_streams(HTTP2_STREAMS_MAX);
        builder.max_send_buf_size(HTTP_BUFFER_BYTES);
        builder.max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
        // Boxed: a proxy has a few of these, and each viewer by itself would take their room.
        let mut connection = Box::pin(builder.serve_connection(socket, service));
        let mut overdue = pin!(activity.overdue(settings.head_within, Some(settings.idle_within)));
        let mut is_told_to_go = false;
        loop {
            tokio::select! {
                biased;
                () = place.displaced() => return,
                served = connection.as_mut() => break served,
                () = overdue.as_mut() => {
                    connection.as_mut().graceful_shutdown();
                    // A request that crosses the word is answered, or left to its time.
                    break timeout(settings.head_within, connection).await.unwrap_or(Ok(()));
                }
                () = serving.connections.draining(), if !is_told_to_go => {
                    // What is under way goes on, streams of events included.
                    connection.as_mut().graceful_shutdown();
                    is_told_to_go = true;
                }
            }
        }
    } else {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(settings.head_within).max_buf_size(HTTP_BUFFER_BYTES);
        let mut connection = builder.serve_connection(socket, service).with_upgrades();
        let served = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
            Poll::Pending if handover.is_due() => Poll::Ready(Ok(())),
            polled @ (Poll::Ready(_) | Poll::Pending) => polled,
        });
        let served = tokio::select! {
            biased;
            () = place.displaced() => return,
            served = served => served,
            () = activity.overdue(settings.head_within, None) => return,
        };
        if handover.is_due()
            && let Some(parts) = connection.into_parts()
        {
            handover.complete(parts.io);
        }
        served
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "an HTTP connection ended");
    }
}

/// The first bytes of a connection of HTTP/2 with prior knowledge; no method of HTTP/1 begins with them.
const HTTP2_BEGINS: [u8; 3] = *b"PRI";

/// Reads what tells HTTP/2 from HTTP/1: three bytes, or fewer if they cannot become those of HTTP/2.
async fn first_bytes(socket: &TcpStream) -> io::Result<Begun> {
    let mut begun = Begun::default();
    while begun.may_become(HTTP2_BEGINS) {
        socket.readable().await?;
        match socket.try_read(begun.room()) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => begun.filled(count),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(begun)
}

/// The body of an answer; its request counts as under way until this is dropped.
struct Tracked {
    body: Body,
    _underway: Underway,
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The answer to a request whose head is wrong. On HTTP/1 it is the connection's last: nobody can tell what the rest of it would be.
fn wrong_head(version: Version, refusal: &Refusal) -> Box<Response> {
    let mut response = reply::refused(refusal);
    if version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Box::new(response)
}
