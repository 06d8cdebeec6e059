//! What a proxy answers while its host is away, and what a client makes of it: only the host's own word ends one.

use std::sync::Arc;
use std::time::Duration;

use capshare::Client;
use capshare::client::{Backoff, ClientError, Closed, ConnectionState, Lost, WatchFrom};
use capshare::share::error::Refusal;
use object_store::memory::InMemory;

use super::queue::{items, share};
use crate::support::door::{ANNS_KEY, Served, keys};
use crate::support::relay::Relay;

/// How proxies answer for a host that is away or that they do not find, most of them by default: what that is, the answer, and
/// what a client says of it.
fn proxies() -> Vec<(&'static str, String, &'static str)> {
    let kong = r#"{"message":"no Route matched with those values"}"#;
    let gateway = r#"{"error":{"code":"AccessDenied","message":"go away"}}"#;
    vec![
        (
            "Traefik without a router",
            text("404 Not Found", "404 page not found\n"),
            "404 in plain text: 404 page not found",
        ),
        ("nginx's 404", html("404 Not Found"), "404 in HTML"),
        ("nginx's 403", until_closed("403 Forbidden", "<html></html>"), "403 in HTML"),
        ("nginx's 400", chunked("400 Bad Request", "<html></html>"), "400 in HTML"),
        (
            "a login in front",
            answer("302 Found", "Location: https://login.example.org/", ""),
            "302 with a redirect to https://login.example.org/",
        ),
        ("a login's own refusal", html("401 Unauthorized"), "401 in HTML"),
        ("a page for the time being", html("200 OK"), "200 in HTML"),
        (
            "Kong without a route",
            answer("404 Not Found", JSON, kong),
            r#"404 in JSON: {"message":"no Route matched with those values"}"#,
        ),
        (
            "an error that is not ours",
            answer("403 Forbidden", JSON, gateway),
            r#"403 in JSON: {"error":{"code":"AccessDenied","message":"go away"}}"#,
        ),
        ("a bare 426", answer("426 Upgrade Required", "X-A: b", ""), "426 without a text"),
        (
            "Envoy without a healthy host",
            text("503 Service Unavailable", "no healthy upstream"),
            "503 in plain text: no healthy upstream",
        ),
        ("a bad gateway", html("502 Bad Gateway"), "502 in HTML"),
        ("too many", answer("429 Too Many Requests", "X-A: b", ""), "429 without a text"),
    ]
}

const JSON: &str = "Content-Type: application/json";

fn answer(status: &str, header: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn html(status: &str) -> String {
    answer(status, "Content-Type: text/html", "<html><body>what nginx says</body></html>")
}

fn text(status: &str, body: &str) -> String {
    answer(status, "Content-Type: text/plain; charset=utf-8", body)
}

fn until_closed(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n{body}")
}

fn chunked(status: &str, body: &str) -> String {
    let size = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n"
    )
}

/// Attempts follow one another quickly.
const QUICK: Backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(40));

fn through(relay: &Relay) -> capshare::client::Builder {
    Client::builder(format!("http://{}", relay.address)).token(ANNS_KEY).backoff(QUICK)
}

/// S126: a producer and a follower that were connected come back after whatever a proxy answered meanwhile, with what was
/// queued.
#[tokio::test]
async fn whatever_a_proxy_answers_in_its_hosts_place_producer_and_follower_come_back() {
    let served = Served::with_keys().await;
    let relay = Relay::to(served.address).await;
    let client = through(&relay).build().unwrap();
    let share = share(&client).await;
    share.sync(items(&["a 0"])).await.unwrap();
    let mut watch = client.watch(share.id(), WatchFrom::WholeState);
    watch.next().await.unwrap().unwrap();
    let others = [("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned()), ("nothing", String::new())];
    let answers = proxies().into_iter().map(|(name, answer, _)| (name, answer)).chain(others);
    for (number, (name, answer)) in (1..).zip(answers) {
        let before = relay.answered_instead();
        relay.answer(answer);
        share.queue(items(&[&format!("a {number}")])).await.unwrap();
        // The first answer after it was connected, and one after that.
        relay.has_answered(before + 2).await;
        assert!(!matches!(*client.state().borrow(), ConnectionState::Closed(_)), "{name}");
        relay.forward();
        share.flush().await.expect(name);
        let step = watch.next().await.unwrap().expect(name);
        assert_eq!(step.changes[0].value.as_ref().unwrap().as_str(), number.to_string(), "{name}");
    }
}

/// S126: a client that was never connected says what answered, within its patience, and goes on trying.
#[tokio::test]
async fn a_first_call_says_what_answered_in_the_hosts_place() {
    let served = Served::with_keys().await;
    let relay = Relay::to(served.address).await;
    for (name, answer, said) in proxies() {
        relay.answer(answer);
        let client = through(&relay).call_timeout(Duration::from_millis(300)).build().unwrap();
        let error = client.ping().await.unwrap_err();
        assert!(matches!(&error, ClientError::Unreachable { cause: Lost::Proxy { .. }, .. }), "{name}: {error:?}");
        assert!(error.to_string().ends_with(&format!(": a proxy answered {said}")), "{name}: {error}");
        relay.forward();
        client.ping().await.expect(name);
    }
}

/// S126: a WebSocket server that does not take our protocol is not the host, which would say so in words.
#[tokio::test]
async fn a_websocket_of_another_protocol_is_not_the_host() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let _socket = async_tungstenite::tokio::accept_async(tcp).await;
        }
    });
    let client = Client::builder(url).backoff(QUICK).call_timeout(Duration::from_millis(300)).build().unwrap();
    let error = client.ping().await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("does not speak capshare.1"), "{error:?}");
}

/// S126: the host's own refusal is final, in whatever framing a proxy passes it on.
#[tokio::test]
async fn the_hosts_own_word_is_final_however_it_is_framed() {
    let served = Served::with_keys().await;
    let relay = Relay::to(served.address).await;
    let said = served.request("GET /rpc/share HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==").await;
    let (_, body) = said.split_once("\r\n\r\n").unwrap();
    assert!(body.starts_with(r#"{"error":{"code":"Unauthorized""#), "{said}");
    let (begin, end) = body.split_at(20);
    let framed = [
        format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        format!("Transfer-Encoding: chunked\r\n\r\n14\r\n{begin}\r\n{:x}\r\n{end}\r\n0\r\n\r\n", end.len()),
        format!("Connection: close\r\n\r\n{body}"),
    ];
    for framed in framed {
        relay.forward();
        let client = through(&relay).build().unwrap();
        client.ping().await.unwrap();
        relay.answer(format!("HTTP/1.1 401 Unauthorized\r\n{framed}"));
        let mut state = client.state();
        let closed = state.wait_for(|state| matches!(state, ConnectionState::Closed(_))).await.unwrap().clone();
        assert!(
            matches!(&closed, ConnectionState::Closed(Closed::Refused(Refusal::Unauthorized { .. }))),
            "{framed}: {closed:?}"
        );
    }
}

/// S126: behind a proxy that does not pass the upgrade on, the host's 426 is told as what it is, and is survived.
#[tokio::test]
async fn a_proxy_that_strips_the_upgrade_is_named() {
    let served = Served::with_keys().await;
    let relay = Relay::to(served.address).await;
    let said = served.request("GET /rpc/share HTTP/1.1").await;
    assert!(said.starts_with("HTTP/1.1 426 ") && said.contains(r#""code":"UpgradeFailed""#), "{said}");
    relay.answer(said);
    let client = through(&relay).call_timeout(Duration::from_millis(300)).build().unwrap();
    let error = client.ping().await.unwrap_err().to_string();
    assert!(error.contains("without its WebSocket upgrade: have the proxy in between pass"), "{error}");
    relay.forward();
    client.ping().await.unwrap();
}

/// S126: a proxy that is started anew closes WebSockets with 1001, one in trouble with 1011 to 1013; the client comes back, each
/// at a time of its own.
#[tokio::test]
async fn closing_as_proxies_do_is_come_back_with_jitter() {
    let served = Served::with_keys().await;
    let relay = Relay::to(served.address).await;
    for code in [1001, 1008, 1011, 1012, 1013] {
        let mut delays = Vec::new();
        for seed in 0..3 {
            // With the delays that clients have unless they say otherwise.
            let client = through(&relay).backoff(Backoff::default()).seed(seed).build().unwrap();
            client.ping().await.unwrap();
            let mut state = client.state();
            relay.close(code);
            let waiting =
                state.wait_for(|state| matches!(state, ConnectionState::Waiting { .. })).await.unwrap().clone();
            let ConnectionState::Waiting { delay, cause } = waiting else { panic!("{waiting:?}") };
            assert!(cause.to_string().contains(&code.to_string()), "{cause}");
            assert!(delay >= Duration::from_millis(200) && delay <= Duration::from_millis(400), "{code}: {delay:?}");
            delays.push(delay);
            client.ping().await.unwrap();
        }
        delays.dedup();
        assert!(delays.len() > 1, "{code}: {delays:?}");
    }
}

/// S126: a host that revokes the credential says so itself, also through a proxy.
#[tokio::test]
async fn a_credential_that_the_host_revoked_stays_final_behind_a_proxy() {
    let served = Served::over(Arc::new(InMemory::new()), keys(), |_| {}).await;
    let relay = Relay::to(served.address).await;
    let client = through(&relay).build().unwrap();
    client.ping().await.unwrap();
    let mut state = client.state();
    relay.close(4001);
    let closed = state.wait_for(|state| matches!(state, ConnectionState::Closed(_))).await.unwrap().clone();
    assert!(matches!(closed, ConnectionState::Closed(Closed::Revoked(_))), "{closed:?}");
}
