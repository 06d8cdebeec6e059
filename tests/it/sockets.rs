//! Sockets before there is a connection: how long they may take, how many there may be, and what a request's head must be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::SingleAccount;
use capshare::__internal::ambient::Ambient;
use capshare::host::{Host, HostError, HostSettings};
use object_store::memory::InMemory;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support::door::{ANNS_KEY, Served, keys};

/// What fails a scene that would hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where sockets come from that show nothing. All of 127.0.0.0/8 is this machine's on Linux.
const SILENT: [&str; 2] = ["127.0.0.2:0", "127.0.0.3:0"];

/// What HTTP/2 with prior knowledge begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

async fn open(change: impl FnOnce(&mut HostSettings)) -> Served {
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    Served::over(Arc::new(InMemory::new()), access, change).await
}

/// A socket that sends this, and then waits for the host to end it.
async fn ends(address: SocketAddr, sent: &[u8]) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(sent).await.unwrap();
    let mut rest = Vec::new();
    // A reset is an end as well.
    let _end = timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("the host ends the socket");
}

/// S125: whatever a socket begins with, and in whichever version of HTTP, it ends if no request comes of it in time.
#[tokio::test]
async fn every_socket_has_a_deadline_from_its_first_byte() {
    let served = open(|settings| settings.sockets.head_within = Duration::from_millis(200)).await;
    let settings = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    // A HEADERS frame of a request that says that more of its head is to come.
    let half_a_head = [&settings, &[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82][..]].concat();
    for sent in [b"", &b"P"[..], b"PR", b"PRI", PREFACE, &settings, &half_a_head, b"G", b"GET / HTTP/1.1\r\nHost: a"] {
        ends(served.address, sent).await;
    }
    // Bytes that come one by one are no further time.
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    let trickle = async {
        while slow.write_all(b"x").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, trickle).await.expect("the host ends the socket");
}

/// S125: a connection of HTTP/2 without a request under way ends, and not before its requests are answered.
#[tokio::test]
async fn an_idle_connection_of_http2_ends() {
    let served = open(|settings| settings.sockets.idle_within = Duration::from_millis(200)).await;
    let socket = TcpStream::connect(served.address).await.unwrap();
    let (requests, connection) = h2::client::handshake(socket).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut requests = requests.ready().await.unwrap();
    let request = http::Request::get(format!("http://{}/healthz", served.address)).body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    let mut said = Vec::new();
    while let Some(piece) = body.data().await {
        said.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(said, br#"{"ok":true}"#);
    drop(body);
    // It is told to go, and not cut.
    timeout(PATIENCE, connection).await.expect("the host ends the connection").unwrap().unwrap();
}

/// A socket from this address of the machine to the host.
async fn connect_from(from: &str, host: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(from.parse().unwrap()).unwrap();
    socket.connect(host).await.unwrap()
}

/// S125: sockets that show nothing, from several addresses and more of them than a host has places, keep nobody out, with a
/// credential or without.
#[tokio::test]
async fn sockets_that_show_nothing_shut_nobody_out() {
    let served = Served::over(Arc::new(InMemory::new()), keys(), |settings| {
        settings.hub.connections_max = 8;
        settings.sockets.besides_max = 8;
        settings.sockets.head_within = Duration::from_secs(3_600);
    })
    .await;
    let mut silent = Vec::new();
    // Each address may have half of the places: together they have all of them.
    for (sent, from) in ["", "PRI", "GET / HTTP/1.1\r\n"].repeat(20).into_iter().zip(SILENT.into_iter().cycle()) {
        let mut socket = connect_from(from, served.address).await;
        socket.write_all(sent.as_bytes()).await.unwrap();
        silent.push(socket);
    }
    let answered = timeout(PATIENCE, served.request("GET /healthz HTTP/1.1")).await.expect("an answer");
    assert!(answered.starts_with("HTTP/1.1 200 "), "{answered}");
    let client = served.client(Some(ANNS_KEY));
    timeout(PATIENCE, client.hello()).await.expect("an answer").unwrap();
    // The connection keeps its socket, however many come after it, from its own address too.
    for from in SILENT.into_iter().chain(["127.0.0.1:0"]).cycle().take(60) {
        silent.push(connect_from(from, served.address).await);
    }
    timeout(PATIENCE, served.request("GET /healthz HTTP/1.1")).await.expect("an answer");
    client.ping().await.unwrap();
}

/// A host admits as many connections as it may have descriptors for, and says so, instead of failing to read its store.
#[tokio::test]
async fn no_more_connections_are_admitted_than_fit() {
    let served = open(|settings| settings.sockets.descriptors_max = Some(8)).await;
    assert_eq!(served.host.hub().connections().registry().connections_max(), 5);
    let mut connections = Vec::new();
    for _ in 0..5 {
        connections.push(served.knock("/rpc/share", &[]).await.unwrap());
    }
    let (status, body) = served.refused("/rpc/share", &[]).await;
    assert_eq!((status, body["error"]["limit"].as_str()), (429, Some("connectionsMax")));
}

/// As many come at once as after a proxy's restart: none of them has to try again.
#[tokio::test]
async fn a_burst_of_connects_waits_in_the_kernel() {
    let served = open(|_| {}).await;
    // Blocking, on the host's only thread: nothing is accepted meanwhile.
    let connect = || std::net::TcpStream::connect_timeout(&served.address, PATIENCE).expect("room in the queue");
    let burst: Vec<_> = (0..400).map(|_| connect()).collect();
    assert!(served.request("GET /healthz HTTP/1.1").await.starts_with("HTTP/1.1 200 "));
    drop(burst);
}

/// The whole answer to this head.
async fn answer(address: SocketAddr, head: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // The host may answer, and close, before all of it is sent.
    let _all = socket.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _end = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("an end");
    String::from_utf8(answer).unwrap()
}

/// RFC 9112 section 3.2: a request names its host once; and its head has a bound.
#[tokio::test]
async fn a_head_names_one_host_and_is_not_too_long() {
    let served = open(|_| {}).await;
    let host = format!("Host: {}\r\n", served.address);
    for (headers, status) in [
        (host.clone(), 200),
        (String::new(), 400),
        (format!("{host}{host}"), 400),
        ("Host: a b\r\n".to_owned(), 400),
        (format!("{host}X: {}\r\n", "x".repeat(70_000)), 431),
        (format!("{host}X: {}\r\n", "x".repeat(60_000)), 200),
    ] {
        let head = format!("GET /healthz HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
        let answer = answer(served.address, &head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{} bytes: {answer}", head.len());
    }
    let old = answer(served.address, "GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(old.contains(" 200 "), "{old}");
}

/// A page that was loaded by whatever name this machine has for itself is the host's own; a foreign name, which its owner may
/// let lead here, is not, and learns nothing of a host that needs no credential.
#[tokio::test]
async fn a_host_is_found_by_its_machines_own_names_and_by_no_foreign_one() {
    let served = open(|_| {}).await;
    let port = served.address.port();
    let origin = |name: &str| format!("http://{name}:{port}");
    for name in ["localhost", "127.0.0.1", "[::1]"] {
        drop(served.knock("/rpc/share", &[("Origin", &origin(name))]).await.expect(name));
    }
    for foreign in [origin("evil.example"), "http://localhost:1".to_owned(), origin("localhost.evil.example")] {
        assert_eq!(served.refused("/rpc/share", &[("Origin", &foreign)]).await.0, 403, "{foreign}");
    }
    let with_keys = Served::with_keys().await;
    for path in ["/metrics", "/readyz"] {
        let get = |host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        for host in ["localhost:1", "127.0.0.1", "[::1]:7420", "192.0.2.1"] {
            assert!(answer(served.address, &get(host)).await.starts_with("HTTP/1.1 200 "), "{path} {host}");
        }
        let rebound = answer(served.address, &get("evil.example")).await;
        assert!(rebound.starts_with("HTTP/1.1 421 ") && rebound.contains("--public-url"), "{rebound}");
        assert!(answer(with_keys.address, &get("evil.example")).await.starts_with("HTTP/1.1 200 "), "{path}");
    }
    let rebound = |upgrade: &str| {
        format!(
            "GET /rpc/share HTTP/1.1\r\nHost: evil.example:{port}\r\nOrigin: {}\r\nConnection: Upgrade, close\r\n{upgrade}\r\n",
            origin("evil.example"),
        )
    };
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let refused = answer(served.address, &rebound(upgrade)).await;
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
}

/// A host that is not there yet.
fn host(change: impl FnOnce(&mut HostSettings)) -> Result<Host, HostError> {
    let mut settings = HostSettings::default();
    change(&mut settings);
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    Host::new(Arc::new(InMemory::new()), access, Ambient::system(), settings)
}

/// What a setting cannot be is said before there is a host.
#[test]
fn settings_that_cannot_be_right_make_no_host() {
    let high = host(|settings| settings.hub.limits.sync_items_max = 1_000_000).unwrap_err();
    assert_eq!(high.to_string(), "the limit sync_items_max is 1000000: set it from 1 to 2000, the contract's own");
    for url in ["https://share.example.org/#f", "https://share.example.org/?q", "share.example.org", "https://u@a/"] {
        let bad = host(|settings| settings.public_url = Some(url.to_owned())).unwrap_err();
        assert!(matches!(bad, HostError::BadPublicUrl { .. }) && bad.to_string().contains(url), "{bad}");
    }
}

/// A host that listens on every address says by which one it is reached.
#[tokio::test]
async fn a_host_on_every_address_gives_urls_that_lead_to_it() {
    let host = host(|_| {}).unwrap();
    let address = host.listen("0.0.0.0:0".parse().unwrap()).await.unwrap();
    assert_eq!(host.hub().rooms().public_url(), format!("http://127.0.0.1:{}", address.port()));
}
