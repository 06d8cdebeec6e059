//! What is asked at the doors before anybody is let in, over real sockets.

use std::num::NonZeroU32;
use std::sync::Arc;

use async_tungstenite::tungstenite::Message;
use capshare::__internal::access::{SingleAccount, Way};
use capshare::__internal::connections::comer::{Comer, Door};
use capshare::__internal::contract::SUBPROTOCOL;
use capshare::Client;
use capshare::client::{ClientError, Closed};
use capshare::share::error::Refusal;
use object_store::memory::InMemory;

use crate::support::door::{ANNS_KEY, Served, close_frame, next_json};
use crate::support::items::part;

/// S1: an upgrade on `/rpc/share` is answered 101 by the one root host; two clients land on the same host.
#[tokio::test]
async fn two_clients_land_on_the_same_host() {
    let served = Served::open().await;
    let answer = async_tungstenite::tokio::connect_async(served.upgrade("/rpc/share", &[])).await.unwrap().1;
    assert_eq!(answer.status(), 101);
    let (one, two) = (served.client(None), served.client(None));
    let share = one.create(&"ses_1".parse().unwrap(), Some(part("p", "x"))).await.unwrap();
    assert_eq!(two.info(share.id()).await.unwrap().sync_count, 1);
    let (one, two) = (one.hello().await.unwrap(), two.hello().await.unwrap());
    let run = |id: &str| id.split_once('-').unwrap().0.to_owned();
    assert_ne!(one.connection_id, two.connection_id);
    assert_eq!(run(&one.connection_id), run(&two.connection_id));
}

/// S2: anything but an upgrade on `/rpc/share` or `/ws/{id}` gets 426; bad Upgrade or Connection headers too.
#[tokio::test]
async fn anything_but_an_upgrade_gets_426() {
    let served = Served::open().await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    for path in ["/rpc/share", "/ws/abcdefghijklmnopqrstuvwxyz"] {
        for head in [
            format!("GET {path} HTTP/1.1"),
            format!("POST {path} HTTP/1.1\r\nContent-Length: 0"),
            format!("GET {path} HTTP/1.1\r\nConnection: Upgrade"),
            format!("GET {path} HTTP/1.1\r\n{}", upgrade.replace("websocket\r", "h2c\r")),
            format!("GET {path} HTTP/1.1\r\n{}", upgrade.replace("Connection: Upgrade", "Connection: keep-alive")),
            format!("GET {path} HTTP/1.1\r\n{}", upgrade.replace("13", "8")),
            format!("GET {path} HTTP/1.1\r\n{}", upgrade.replace("==", "")),
        ] {
            let answer = served.request(&head).await;
            assert!(answer.starts_with("HTTP/1.1 426 "), "{head}\n{answer}");
            assert!(answer.to_lowercase().contains("\r\nupgrade: websocket\r\n"), "{answer}");
            assert!(answer.contains(r#""code":"UpgradeFailed""#), "{answer}");
        }
    }
    assert_eq!(served.host.hub().connections().registry().count(), 0);
}

/// S3: with credentials configured, a missing or wrong one gets 401 and no connection is registered.
#[tokio::test]
async fn without_the_right_credential_nobody_is_registered() {
    let served = Served::with_keys().await;
    let bearer = |token: &str| format!("Bearer {token}");
    for headers in [
        vec![],
        vec![("Authorization", bearer("not-the-key-0123456"))],
        vec![("Authorization", bearer(""))],
        vec![("Authorization", format!("Basic {ANNS_KEY}"))],
        vec![("Authorization", ANNS_KEY.to_owned())],
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (status, body) = served.refused("/rpc/share", &headers).await;
        assert_eq!((status, body["error"]["code"].as_str()), (401, Some("Unauthorized")));
        assert_eq!(served.host.hub().connections().registry().count(), 0);
    }
    let (status, body) = served.refused(&format!("/rpc/share?token={ANNS_KEY}"), &[]).await;
    assert_eq!(status, 401, "{body}");
    assert!(!body.to_string().contains(ANNS_KEY));
    let socket = served.knock("/rpc/share", &[("Authorization", &bearer(ANNS_KEY))]).await.unwrap();
    assert_eq!(served.host.hub().connections().registry().taken(), 1);
    drop(socket);
}

/// S4: a disallowed Origin gets 403, no Origin passes; origin is asked before the credential, and that before the rest.
#[tokio::test]
async fn a_foreign_origin_is_refused_before_anything_else() {
    let served = Served::with_keys().await;
    let (status, _) = served.refused("/rpc/share", &[("Origin", "https://evil.example")]).await;
    assert_eq!(status, 403);
    let bearer = format!("Bearer {ANNS_KEY}");
    let own = format!("http://{}", served.address);
    assert_eq!(served.refused("/rpc/share", &[("Origin", &own)]).await.0, 401);
    for headers in [vec![("Authorization", bearer.as_str())], vec![("Authorization", &bearer), ("Origin", &own)]] {
        drop(served.knock("/rpc/share", &headers).await.unwrap());
    }
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    let allowing =
        Served::over(Arc::new(InMemory::new()), access, |s| s.doors.origins.push("https://app.example".into())).await;
    drop(allowing.knock("/rpc/share", &[("Origin", "https://app.example")]).await.unwrap());
    assert_eq!(allowing.refused("/rpc/share", &[("Origin", "https://app.example.evil")]).await.0, 403);
}

/// S6: a Cap'n Proto frame on `/ws/{id}`, and a JSON text frame on `/rpc/share`, each fail at once with ProtocolMismatch.
#[tokio::test]
async fn each_door_refuses_the_others_frames_by_name() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();

    let mut rpc = served.knock("/rpc/share", &[]).await.unwrap();
    rpc.send(Message::text(r#"{"id":1,"procedure":"share.ping"}"#)).await.unwrap();
    let (code, reason) = close_frame(&mut rpc).await;
    assert_eq!(code, 1003);
    assert!(reason.starts_with("ProtocolMismatch"), "{reason}");

    let mut viewer = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    assert_eq!(next_json(&mut viewer).await["event"], "snapshot");
    assert_eq!(next_json(&mut viewer).await["event"], "ready");
    viewer.send(Message::binary(vec![0, 0, 0, 0, 1, 0, 0, 0])).await.unwrap();
    let error = next_json(&mut viewer).await;
    assert_eq!(
        (error["event"].as_str(), error["payload"]["code"].as_str()),
        (Some("__error"), Some("ProtocolMismatch"))
    );
    assert_eq!(close_frame(&mut viewer).await.0, 1003);
}

/// S7: a client built on an incompatible version of the contract is refused with ProtocolMismatch before any call runs.
#[tokio::test]
async fn another_version_of_the_contract_is_refused_at_the_door() {
    let served = Served::open().await;
    let (status, body) = served.refused("/rpc/share", &[("Sec-WebSocket-Protocol", "capshare.2")]).await;
    assert_eq!((status, body["error"]["code"].as_str()), (400, Some("ProtocolMismatch")));
    assert_eq!(body["error"]["expected"], SUBPROTOCOL);
    assert_eq!(served.host.hub().connections().registry().count(), 0);
    drop(served.knock("/rpc/share", &[("Sec-WebSocket-Protocol", "capshare.2, capshare.1")]).await.unwrap());
}

/// S8: more upgrades than allowed get 429 with `Retry-After`.
#[tokio::test]
async fn too_many_upgrades_get_429_and_are_told_when_to_come_back() {
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    let served = Served::over(Arc::new(InMemory::new()), access, |settings| {
        settings.doors.upgrades_per_minute = NonZeroU32::new(3).unwrap();
    })
    .await;
    for _ in 0..3 {
        drop(served.knock("/rpc/share", &[]).await.unwrap());
    }
    let response = served.knock("/rpc/share", &[]).await.expect_err("a refusal");
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "20");
    let body: serde_json::Value = serde_json::from_slice(response.body().as_deref().unwrap()).unwrap();
    assert_eq!(body["error"]["limit"], "upgradesPerMinute");
    // Pages are not upgrades.
    assert!(served.request("GET /healthz HTTP/1.1").await.starts_with("HTTP/1.1 200 "));
}

/// S14: RouteMismatch, ProtocolMismatch, Unauthorized, UpgradeFailed and LimitExceeded are told apart by type on the client.
#[tokio::test]
async fn what_a_door_refuses_is_told_apart_on_the_client() {
    let served = Served::with_keys().await;
    let refusal = |path: &str, token: Option<&str>| {
        let mut builder = Client::builder(served.url(path));
        if let Some(token) = token {
            builder = builder.token(token);
        }
        let client = builder.build().unwrap();
        async move {
            match client.hello().await {
                Err(ClientError::Refused(refusal) | ClientError::Closed(Closed::Refused(refusal))) => refusal,
                other => panic!("{other:?}"),
            }
        }
    };
    assert!(matches!(refusal("", None).await, Refusal::Unauthorized { .. }));
    assert!(matches!(refusal("", Some("wrong-key-0123456789")).await, Refusal::Unauthorized { .. }));
    let route = refusal("/nowhere", Some(ANNS_KEY)).await;
    assert_eq!(route, Refusal::RouteMismatch { route: "/nowhere".into() });
    let viewers = refusal("/ws/abcdefghijklmnopqrstuvwxyz", Some(ANNS_KEY)).await;
    assert!(matches!(viewers, Refusal::RouteMismatch { .. }), "{viewers:?}");
    let page = refusal("/share/abcdefghijklmnopqrstuvwxyz.json", Some(ANNS_KEY)).await;
    assert_eq!(page, Refusal::not_found("abcdefghijklmnopqrstuvwxyz"));
}

/// A path that is no door gets 404 and a JSON body that says so.
#[tokio::test]
async fn a_path_that_is_no_door_gets_404_by_name() {
    let served = Served::open().await;
    for head in
        ["GET / HTTP/1.1", "GET /rpc HTTP/1.1", "POST /healthz HTTP/1.1\r\nContent-Length: 0", "GET /ws/a/b HTTP/1.1"]
    {
        let answer = served.request(head).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        assert!(answer.contains(r#""code":"RouteMismatch""#), "{answer}");
    }
}

#[tokio::test]
async fn a_host_past_its_connections_admits_nobody_until_one_leaves() {
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    let served = Served::over(Arc::new(InMemory::new()), access, |s| s.hub.connections_max = 2).await;
    let first = served.knock("/rpc/share", &[]).await.unwrap();
    let _second = served.knock("/rpc/share", &[]).await.unwrap();
    let (status, body) = served.refused("/rpc/share", &[]).await;
    assert_eq!((status, body["error"]["limit"].as_str()), (429, Some("connectionsMax")));
    drop(first);
    while served.host.hub().connections().registry().taken() > 1 {
        tokio::task::yield_now().await;
    }
    drop(served.knock("/rpc/share", &[]).await.unwrap());
}

#[tokio::test]
async fn health_readiness_and_metrics_are_pages() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), Some(part("p", "x"))).await.unwrap();
    for path in ["/healthz", "/readyz"] {
        assert!(served.request(&format!("GET {path} HTTP/1.1")).await.starts_with("HTTP/1.1 200 "));
    }
    let metrics = served.request("GET /metrics HTTP/1.1").await;
    assert!(metrics.contains("capshare_syncs_total 1\n"), "{metrics}");
    assert!(metrics.contains("capshare_connections_admitted_total{door=\"rpc\"} 1\n"), "{metrics}");
    assert!(metrics.contains("capshare_connections_open{door=\"rpc\"} 1\n"), "{metrics}");
    assert!(!metrics.contains(share.id().as_str()));
}

#[tokio::test]
async fn a_port_in_use_is_an_error_and_not_a_panic() {
    let served = Served::open().await;
    let second = Served::open().await;
    let error = second.host.listen(served.address).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn shutdown_closes_every_connection_and_says_come_back() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let mut rpc = served.knock("/rpc/share", &[]).await.unwrap();
    let mut viewer = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    let (stopped, rpc, viewer) = tokio::join!(served.host.shutdown(), close_frame(&mut rpc), close_frame(&mut viewer));
    assert!(stopped);
    assert_eq!((rpc.0, viewer.0), (1012, 1012));
    assert!(tokio::net::TcpStream::connect(served.address).await.is_err());
    // Whoever was on the way in when the others were told comes too late.
    let registry = served.host.hub().connections().registry();
    let late = registry.register(Comer::new(Door::Rpc, None, None, Way::Relayed), capshare::share::time::Timestamp(0));
    assert!(matches!(late, Err(Refusal::Unavailable { .. })), "{late:?}");
    assert_eq!(registry.count(), 0);
}
