//! The client over real sockets: what the wire says, and what the client makes of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_tungstenite::tungstenite::handshake::server::{Request, Response};
use capshare::__internal::access::{Scopes, SharedKeys};
use capshare::__internal::wire::websocket::{KeepAlive, PipeControl, PipeEnd, PipeOptions, pipe, socket_config};
use capshare::Client;
use capshare::client::{ClientError, Closed, ConnectionState, Share};
use capshare::share::error::Refusal;
use capshare::share::limits::Limit;
use capshare::share::secret::Secret;
use capshare::testing::Scene;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use super::queue::{items, share};
use super::relay::local;
use crate::support::patience::within;

/// A door on a loopback port before a host in this process: what the upgrades asked for, and the controls of the connections.
struct Door<S> {
    url: String,
    upgrades: Arc<Mutex<Vec<Request>>>,
    controls: mpsc::Receiver<PipeControl<Compat<S>>>,
}

async fn door<S, F>(scene: &Scene, scheme: &str, accept: impl Fn(tokio::net::TcpStream) -> F + 'static) -> Door<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Future<Output = S>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("{scheme}://localhost:{}", listener.local_addr().expect("its address").port());
    let (sender, controls) = mpsc::channel(16);
    let upgrades = Arc::<Mutex<Vec<Request>>>::default();
    let (host, seen) = (scene.host().clone(), upgrades.clone());
    spawn_local(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let stream = accept(tcp).await.compat();
            let (mut token, mut in_band) = (None, false);
            #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
            let answer = |request: &Request, mut response: Response| {
                let shown = request.headers().get("authorization").and_then(|shown| shown.to_str().ok());
                token = shown.and_then(|shown| shown.strip_prefix("Bearer ")).map(Secret::from);
                in_band = request.uri().query().is_some_and(|query| query.contains("auth=inband"));
                seen.lock().expect("no panics").push(request.clone());
                response.headers_mut().insert("Sec-WebSocket-Protocol", "capshare.1".parse().expect("a value"));
                Ok(response)
            };
            let socket =
                async_tungstenite::accept_hdr_async_with_config(stream, answer, Some(socket_config(4 << 20))).await;
            let Ok(socket) = socket else { continue };
            let options = PipeOptions { message_bytes_max: 4 << 20, close_within: Duration::from_secs(2) };
            let (reader, writer, control) = pipe(socket, options);
            let (host_reader, host_writer) = host.connect(token.as_ref(), in_band).await.expect("a host").split();
            spawn_local(async move {
                // Whichever end goes takes the other along.
                tokio::select! {
                    () = carry(reader, host_writer) => {}
                    () = carry(host_reader, writer) => {}
                }
            });
            sender.send(control).await.expect("the scene listens");
        }
    });
    Door { url, upgrades, controls }
}

async fn carry(mut from: impl futures::AsyncRead + Unpin, mut to: impl futures::AsyncWrite + Unpin) {
    use futures::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..count]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

async fn plain(scene: &Scene) -> Door<tokio::net::TcpStream> {
    door(scene, "ws", |tcp| async { tcp }).await
}

/// How many items the host has of a share, after how many syncs.
async fn held(scene: &Scene, share: &Share) -> (usize, u64) {
    let state = scene.client().snapshot(share.id()).await.expect("the share is there");
    (state.len(), state.sync_count())
}

#[tokio::test]
async fn the_upgrade_carries_subprotocol_credential_and_headers_to_the_rpc_door() {
    local(async {
        let keys = [("ann", "tok"), ("bob", "right")];
        let keys = keys.map(|(name, key)| (name.parse().unwrap(), Secret::from(key), Scopes::SHARE));
        let scene = Scene::builder().access(SharedKeys::new(keys)).build();
        let mut door = plain(&scene).await;
        let client = Client::builder(&door.url).token("tok").header("X-Extra", "yes").build().unwrap();
        share(&client).await.sync(items(&["a 1"])).await.unwrap();
        let upgrade = door.upgrades.lock().unwrap()[0].clone();
        assert_eq!(upgrade.uri(), "/rpc/share");
        assert_eq!(upgrade.headers()["sec-websocket-protocol"], "capshare.1");
        assert_eq!(upgrade.headers()["authorization"], "Bearer tok");
        assert_eq!(upgrade.headers()["x-extra"], "yes");

        // The goodbye is a Close frame. The host reads on after its vat has ended, by its pings.
        let control = door.controls.recv().await.unwrap();
        let often =
            KeepAlive { interval: Duration::from_millis(20), write_stall: Duration::from_secs(5), silence_code: 4003 };
        let (end, ()) = futures::join!(control.keepalive(often), client.close());
        assert_eq!(end, PipeEnd::ClosedByPeer { code: 1000, reason: String::new() });
        within("an empty host", async {
            while scene.host().hub().connections().registry().taken() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;

        let client = Client::builder(format!("{}/other?x=1", door.url)).token("right").in_band().build().unwrap();
        assert_eq!(client.hello().await.unwrap().account, "bob");
        let upgrade = door.upgrades.lock().unwrap()[1].clone();
        assert_eq!(upgrade.uri(), "/other?x=1&auth=inband");
        assert!(!upgrade.headers().contains_key("authorization"));
    })
    .await;
}

/// The client takes 4001 as final: no reconnect, queued work fails; and it does not reconnect on 4004. (That the host sends
/// them comes with revocation and caps.)
#[tokio::test]
async fn a_final_close_code_ends_the_client_and_fails_what_is_queued() {
    let mismatch = Refusal::ProtocolMismatch { expected: "ProtocolMismatch: no".into(), got: "capshare.1".into() };
    for (code, reason, closed) in [
        (4001, "token revoked", Closed::Revoked("token revoked".into())),
        (4004, "a newer one", Closed::TooManyConnections("a newer one".into())),
        (1003, "ProtocolMismatch: no", Closed::Refused(mismatch)),
    ] {
        local(async {
            let scene = Scene::new();
            let mut door = plain(&scene).await;
            let client = Client::builder(&door.url).build_local().unwrap();
            let share = share(&client).await;
            share.queue(items(&["a 1"])).await.unwrap();
            let control = door.controls.recv().await.unwrap();
            control.close(code, reason).await;
            let error = ClientError::Closed(closed.clone());
            assert_eq!(share.flush().await, Err(error.clone()));
            assert_eq!(client.ping().await, Err(error));
            assert_eq!(*client.state().borrow(), ConnectionState::Closed(closed));
            let (_, sync_count) = held(&scene, &share).await;
            assert_eq!((door.upgrades.lock().unwrap().len(), sync_count), (1, 0));
        })
        .await;
    }
}

#[tokio::test]
async fn any_other_close_code_is_followed_by_another_connection() {
    local(async {
        let scene = Scene::new();
        let mut door = plain(&scene).await;
        let client = Client::builder(&door.url).build_local().unwrap();
        let share = share(&client).await;
        share.queue(items(&["a 1"])).await.unwrap();
        door.controls.recv().await.unwrap().close(1012, "restart").await;
        share.flush().await.unwrap();
        assert_eq!((held(&scene, &share).await.0, door.upgrades.lock().unwrap().len()), (1, 2));
    })
    .await;
}

#[tokio::test]
async fn a_client_speaks_tls_and_believes_only_who_it_was_told_to() {
    local(async {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = CertificateDer::from(made.cert.der().to_vec());
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(ring.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
        let scene = Scene::new();
        let strangers = Arc::<Mutex<u32>>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stranger = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        spawn_local({
            let (acceptor, strangers) = (acceptor.clone(), strangers.clone());
            async move {
                while let Ok((tcp, _)) = listener.accept().await {
                    *strangers.lock().unwrap() += u32::from(acceptor.accept(tcp).await.is_err());
                }
            }
        });
        let door = door(&scene, "https", move |tcp| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(tcp).await.unwrap() }
        })
        .await;

        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate).unwrap();
        let trusting = rustls::ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder(&door.url).tls_config(Arc::new(trusting)).build_local().unwrap();
        share(&client).await.sync(items(&["a 1"])).await.unwrap();

        // With the platform's certificates the same host is a stranger.
        let wary = Client::builder(&stranger).call_timeout(Duration::from_millis(500)).build_local().unwrap();
        assert!(matches!(wary.ping().await, Err(ClientError::Unreachable { .. })));
        assert!(*strangers.lock().unwrap() > 0);
    })
    .await;
}

/// Answers every request with this, in two pieces.
async fn answering(answer: String) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("its address"));
    spawn_local(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _read = tcp.read(&mut request).await;
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
            let _written = tcp.write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes()).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            let _written = tcp.write_all(body.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn an_http_answer_instead_of_an_upgrade_is_a_typed_refusal_and_final_where_it_must_be() {
    local(async {
        let finals = [
            (
                r#"401 Unauthorized#{"error":{"code":"Unauthorized","message":"show a token"}}"#,
                Refusal::Unauthorized { reason: "show a token".into() },
            ),
            (
                r#"404 Not Found#{"error":{"code":"RouteMismatch","message":"no","route":"/x"}}"#,
                Refusal::RouteMismatch { route: "/x".into() },
            ),
            (
                r#"426 Upgrade Required#{"error":{"code":"ProtocolMismatch","message":"no","expected":"capshare.2","got":"capshare.1"}}"#,
                Refusal::ProtocolMismatch { expected: "capshare.2".into(), got: "capshare.1".into() },
            ),
        ];
        for (answer, refusal) in finals {
            let url = answering(format!("HTTP/1.1 {}", answer.replace('#', "\r\n\r\n"))).await;
            let client = Client::builder(url).build_local().unwrap();
            assert_eq!(client.ping().await, Err(ClientError::Closed(Closed::Refused(refusal))));
        }
        let passing = [
            (
                r#"503 Service Unavailable#{"error":{"code":"StorageFailure","message":"the store is away"}}"#,
                Refusal::Unspecified { message: "the store is away".into() },
            ),
            (
                r#"429 Too Many Requests#{"error":{"code":"LimitExceeded","message":"no","limit":"upgradesPerMinute","max":3,"got":4}}"#,
                Refusal::LimitExceeded { limit: Limit::UpgradesPerMinute, max: 3, got: 4 },
            ),
        ];
        for (answer, refusal) in passing {
            let url = answering(format!("HTTP/1.1 {}", answer.replace('#', "\r\n\r\n"))).await;
            let client = Client::builder(url).call_timeout(Duration::from_millis(150)).build_local().unwrap();
            let error = client.ping().await.unwrap_err();
            assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
            assert_eq!(error.refusal(), Some(&refusal));
        }
    })
    .await;
}
