//! Keys that come from a URL.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use capshare::__internal::access::JwtAccess;
use capshare::__internal::access::jwt::JwtKeys;
use capshare::__internal::ambient::{Clock as _, SystemClock};
use jsonwebtoken::Algorithm;
use object_store::memory::InMemory;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::bearer;
use super::{jwk, named, p256, pass, rsa, settings};
use crate::support::door::Served;

/// A server of keys that can be told to fail.
struct KeyServer {
    url: String,
    up: Arc<AtomicBool>,
    keys: Arc<Mutex<Value>>,
}

impl KeyServer {
    async fn start(keys: Value) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks?tenant=1", listener.local_addr().unwrap());
        let (up, keys) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(keys)));
        let (is_up, set) = (up.clone(), keys.clone());
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let _request = socket.read(&mut [0; 4_096]).await;
                let body = json!({ "keys": *set.lock().unwrap() }).to_string();
                let status = if is_up.load(Ordering::Relaxed) { "200 OK" } else { "500 Internal Server Error" };
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _gone = socket.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        Self { url, up, keys }
    }
}

/// S3: through the real door, with keys from a URL. While their source is down the old keys stay, and readiness says so; a
/// host that never had any says that it is not ready, and not that a token is wrong.
#[tokio::test]
async fn a_host_gets_its_keys_from_a_url_and_lives_on_when_that_is_down() {
    let server = KeyServer::start(json!([jwk("first", Algorithm::RS256, &rsa())])).await;
    let now = SystemClock.now().0 / 1_000;
    let host = async || {
        let access = JwtAccess::new(JwtKeys::SetUrl(server.url.clone()), settings(), Arc::new(SystemClock)).unwrap();
        Served::over(Arc::new(InMemory::new()), Arc::new(access), |_| {}).await
    };
    let served = host().await;
    let first = bearer(&named(Some("first"), Algorithm::RS256, now, &rsa()));
    let second = bearer(&named(Some("second"), Algorithm::ES256, now, &p256()));
    drop(served.knock("/rpc/share", &[("Authorization", &first)]).await.unwrap());
    let ready = served.request("GET /readyz HTTP/1.1").await;
    assert!(ready.starts_with("HTTP/1.1 200 ") && !ready.contains("warning"), "{ready}");
    let (status, body) = served.refused("/rpc/share", &[("Authorization", &second)]).await;
    assert_eq!(status, 401, "{body}");

    server.up.store(false, Ordering::Relaxed);
    *server.keys.lock().unwrap() = json!([jwk("second", Algorithm::ES256, &p256())]);
    pass(31).await;
    assert_eq!(served.refused("/rpc/share", &[("Authorization", &second)]).await.0, 401);
    drop(served.knock("/rpc/share", &[("Authorization", &first)]).await.unwrap());
    let ready = served.request("GET /readyz HTTP/1.1").await;
    assert!(ready.starts_with("HTTP/1.1 200 ") && ready.contains("\"warning\":\"the keys of signed tokens"), "{ready}");

    let keyless = host().await;
    assert_eq!(keyless.refused("/rpc/share", &[("Authorization", &first)]).await.0, 503);
    assert!(keyless.request("GET /readyz HTTP/1.1").await.starts_with("HTTP/1.1 503 "));

    server.up.store(true, Ordering::Relaxed);
    pass(31).await;
    drop(served.knock("/rpc/share", &[("Authorization", &second)]).await.unwrap());
    assert_eq!(served.refused("/rpc/share", &[("Authorization", &first)]).await.0, 401);
    drop(keyless.knock("/rpc/share", &[("Authorization", &second)]).await.unwrap());
}
