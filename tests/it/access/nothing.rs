//! Who is let in without a credential, and what that gives: on a host for its own machine, and on one for everybody.

use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use capshare::__internal::access::{Access, Credential, Principal, Scopes, SingleAccount, Way};
use capshare::__internal::connections::comer::{Comer, Door};
use capshare::__internal::share_capnp::{authenticate_result, share_rpc};
use capshare::__internal::wire::vat::{self, VatLimits};
use capshare::__internal::wire::websocket::{PipeOptions, pipe};
use capshare::client::{ClientError, CreateOptions, ListScope};
use capshare::share::admin::{BroadcastFilter, CloseWhich};
use capshare::share::error::Refusal;
use capshare::share::push::Action;
use capshare::share::secret::Secret;
use capshare::share::visibility::Visibility;
use futures::future::BoxFuture;
use object_store::memory::InMemory;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::support::door::{Served, close_frame, next_json};
use crate::support::http;
use crate::support::items::part;
use crate::support::raw::refusal_in;

/// What a proxy leaves in a head.
const PROXIED: [(&str, &str); 3] =
    [("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=127.0.0.1"), ("Via", "1.1 a-proxy")];

async fn of_this_machine() -> Served {
    let access = SingleAccount::of_this_machine("local".parse().unwrap());
    Served::over(Arc::new(InMemory::new()), Arc::new(access), |_| {}).await
}

/// The answer to a create of OpenCode's, for a host that is called by this name.
async fn create(served: &Served, host: &str, headers: &[(&str, &str)]) -> http::Answer {
    let body = json!({ "sessionID": "ses_http" }).to_string();
    let mut request = format!("POST /api/share HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let mut socket = TcpStream::connect(served.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    http::read(&answer)
}

/// S124: through a proxy, and by any other name than this machine's, nobody comes as its account, at no door that writes,
/// whatever is shown.
#[tokio::test]
async fn whoever_comes_through_a_proxy_is_not_of_this_machine() {
    let served = of_this_machine().await;
    let own = served.address.to_string();
    let localhost = format!("localhost:{}", served.address.port());
    let whatever = ("Authorization", "Bearer whatever");
    for name in [&own, &localhost] {
        assert_eq!(create(&served, name, &[]).await.status, 200, "{name}");
        assert_eq!(create(&served, name, &[whatever]).await.status, 200, "{name}");
    }
    drop(served.knock("/rpc/share", &[]).await.unwrap());
    for shown in [&[][..], &[whatever]] {
        for name in ["share.example.org", "127.0.0.1.example.org", "192.0.2.7"] {
            let refused = create(&served, name, shown).await;
            assert_eq!((refused.status, &refused.json()["error"]["code"]), (401, &json!("Unauthorized")), "{name}");
        }
        for header in PROXIED {
            let headers = [&[header], shown].concat();
            assert_eq!(create(&served, &own, &headers).await.status, 401, "{headers:?}");
            let (status, body) = served.refused("/rpc/share", &headers).await;
            let message = body["error"]["message"].as_str().unwrap();
            assert!(status == 401 && message.contains("capshare token create"), "{headers:?}: {status} {message}");
        }
    }
}

/// S124: nor inside a connection that may show its credential there.
#[tokio::test]
async fn what_is_shown_inside_a_connection_does_not_change_where_it_comes_from() {
    let served = of_this_machine().await;
    let private = CreateOptions::new().visible_to(Visibility::Grant);
    let client = served.client(None);
    let share = client.create_with(&"ses_1".parse().unwrap(), Some(part("p", "x")), private).await.unwrap();

    let path = format!("/ws/{}?auth=inband", share.id());
    let show = json!({ "id": 1, "procedure": "share.authenticate", "input": { "token": "whatever" } }).to_string();
    for (headers, is_let_in) in [(&[][..], true), (&PROXIED[..1], false)] {
        let mut socket = served.knock(&path, headers).await.unwrap();
        socket.send(Message::text(show.clone())).await.unwrap();
        let answer = next_json(&mut socket).await;
        if is_let_in {
            assert_eq!((&answer["ok"], &answer["data"]["account"]), (&json!(true), &json!("local")), "{answer}");
        } else {
            assert_eq!((&answer["ok"], &answer["error"]["code"]), (&json!(false), &json!("Unauthorized")), "{answer}");
            assert_eq!(close_frame(&mut socket).await.0, 4001);
        }
    }

    let within = async {
        for (headers, is_let_in) in [(&[][..], true), (&PROXIED[..1], false)] {
            let socket = served.knock("/rpc/share?auth=inband", headers).await.unwrap();
            let (reader, writer, _control) =
                pipe(socket, PipeOptions { message_bytes_max: 1 << 20, close_within: Duration::from_secs(2) });
            let limits =
                VatLimits { message_bytes_max: 1 << 20, nesting_max: 64, queued_bytes_max: None, calls_kept_max: 10 };
            let (vat, root): (_, share_rpc::Client) = vat::connect(reader, writer, limits);
            let vat = tokio::task::spawn_local(vat);
            let mut request = root.authenticate_request();
            request.get().set_token("whatever");
            let response = request.send().promise.await.unwrap();
            let result = response.get().unwrap().get_result().unwrap();
            if is_let_in {
                assert!(matches!(result.which().unwrap(), authenticate_result::Which::Account(_)));
            } else {
                let refusal = refusal_in!(capshare::__internal::share_capnp::authenticate_result, result);
                assert!(matches!(refusal, Refusal::Unauthorized { .. }), "{refusal:?}");
            }
            vat.abort();
        }
    };
    LocalSet::new().run_until(within).await;
}

/// An embedder's way in that gives everybody everything.
#[derive(Debug)]
struct Generous;

impl Generous {
    fn anybody() -> Principal {
        let (account, credential) = ("local".parse().unwrap(), Credential::None);
        Principal { account, credential, scopes: Scopes::ALL, expires_at: None }
    }
}

impl Access for Generous {
    fn anonymous(&self) -> Option<Principal> {
        Some(Self::anybody())
    }

    fn authenticate<'a>(&'a self, _: &'a Secret) -> BoxFuture<'a, Result<Principal, Refusal>> {
        Box::pin(std::future::ready(Ok(Self::anybody())))
    }

    fn describe(&self) -> String {
        "generous".to_owned()
    }
}

/// S124: without a credential nobody is an administrator, however the host lets them in; what they try happens to nobody.
#[tokio::test]
async fn without_a_credential_nobody_is_an_administrator() {
    let local = || "local".parse().unwrap();
    let all: [Arc<dyn Access>; 3] =
        [Arc::new(SingleAccount::new(local())), Arc::new(SingleAccount::of_this_machine(local())), Arc::new(Generous)];
    for access in all {
        let served = Served::over(Arc::new(InMemory::new()), access, |_| {}).await;
        for token in [None, Some("whatever")] {
            let client = served.client(token);
            client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
            let (admin, notice, everybody) =
                (client.admin(), Action::Notice("hello".to_owned()), BroadcastFilter::default());
            let tried: [Result<(), ClientError>; 8] = [
                admin.drain(None).await.map(drop),
                admin.undrain().await.map(drop),
                admin.close(CloseWhich::Account("local".to_owned())).await.map(drop),
                admin.connections().into_vec().await.map(drop),
                admin.stats().await.map(drop),
                admin.send_to_account(&local(), &notice).await.map(drop),
                admin.broadcast(&notice, &[], &everybody).await.map(drop),
                client.list(ListScope::EveryAccount).try_next().await.map(drop),
            ];
            for (at, tried) in tried.into_iter().enumerate() {
                assert!(matches!(tried, Err(ClientError::Refused(Refusal::Unauthorized { .. }))), "{at}: {tried:?}");
            }
            client.close().await;
        }
        let registry = served.host.hub().connections().registry();
        assert!(!registry.is_shut());
        drop(
            registry
                .register(Comer::new(Door::Rpc, None, None, Way::Relayed), served.host.hub().ambient().clock.now())
                .unwrap(),
        );
        assert!(served.request("GET /readyz HTTP/1.1").await.starts_with("HTTP/1.1 200 "));
    }
}
