//! Bodies that come slowly or not at all, and bodies of strangers: none holds up anybody else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::SingleAccount;
use capshare::host::HostSettings;
use object_store::memory::InMemory;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::opencode::http::{Api, Shared, part};
use crate::support::door::{ANNS_KEY, Served, keys};

async fn local(change: impl FnOnce(&mut HostSettings)) -> Served {
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    Served::over(Arc::new(InMemory::new()), access, change).await
}

/// The head of a request and the first of its body, from this address of this machine.
async fn begun(from: &str, to: SocketAddr, line: &str, length: usize, first: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let mut socket = socket.connect(to).await.unwrap();
    let head = format!("{line} HTTP/1.1\r\nHost: {to}\r\nContent-Length: {length}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(first).await.unwrap();
    socket
}

/// All that comes until the host closes the connection.
async fn heard(mut socket: TcpStream) -> String {
    let mut heard = Vec::new();
    socket.read_to_end(&mut heard).await.unwrap();
    String::from_utf8(heard).unwrap()
}

fn sync_of(share: &Shared) -> String {
    format!("POST /api/share/{}/sync", share.id)
}

/// S90: a body that does not come to its end in time is refused at every door, with what to do, and its connection is closed.
#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let served = local(|settings| settings.doors.body_within = Duration::from_millis(200)).await;
    let share = Api::at(served.address).create("ses_1").await;
    let lines = [
        format!("POST /events/{}", share.id),
        "POST /api/share".to_owned(),
        sync_of(&share),
        format!("DELETE /api/share/{}", share.id),
    ];
    for line in lines {
        for first in [&b""[..], b"{"] {
            let answer = heard(begun("127.0.0.1", served.address, &line, 1_000, first).await).await;
            assert!(answer.starts_with("HTTP/1.1 408 "), "{line}: {answer}");
            assert!(answer.contains("bodyMsMax") && answer.contains("send the body faster"), "{line}: {answer}");
        }
    }
}

/// S125: a share that is not there, and a wrong secret, are refused before the rest of the body has come.
#[tokio::test]
async fn what_the_beginning_of_a_request_tells_is_refused_at_once() {
    let served = local(|_| {}).await;
    let share = Api::at(served.address).create("ses_1").await;
    let unknown = Shared { id: "abcdefghijklmnopqrstuvwxyz".to_owned(), ..share.clone() };
    for (line, first, status) in [
        (sync_of(&unknown), "", 404),
        (format!("DELETE /api/share/{}", unknown.id), "", 404),
        (sync_of(&share), r#"{"secret":"capsec_wrong","#, 403),
    ] {
        let begun_at = Instant::now();
        let answer = heard(begun("127.0.0.1", served.address, &line, 1_000, first.as_bytes()).await).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
        assert!(begun_at.elapsed() < Duration::from_secs(50), "the body has 60 s");
    }
}

/// What is refused before its body was read is told all the same, to a peer that sends all of it first.
#[tokio::test]
async fn an_early_answer_is_read_though_its_body_was_not() {
    let served = local(|_| {}).await;
    let line = "POST /api/share/abcdefghijklmnopqrstuvwxyz/sync";
    let length = 8 << 20;
    let mut socket = begun("127.0.0.1", served.address, line, length, &vec![b' '; length]).await;
    let mut answer = [0; 13];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404 ");
}

/// S125: a slow body of somebody who has not shown the share's secret does not hold up whoever has it, from the same address.
#[tokio::test]
async fn a_body_that_does_not_come_delays_no_sync_of_the_share() {
    let served = local(|_| {}).await;
    let api = Api::at(served.address);
    let share = api.create("ses_1").await;
    let mut strangers = Vec::new();
    for first in ["", "{", r#"{"data":["#, r#"{"secret":"capsec_"#] {
        strangers.push(begun("127.0.0.1", served.address, &sync_of(&share), 1_000, first.as_bytes()).await);
    }
    let begun_at = Instant::now();
    api.sync(&share, json!([part("p", "x")])).await.ok();
    // A turn that somebody else holds is waited for, for 10 s.
    assert!(begun_at.elapsed() < Duration::from_secs(9), "{:?}", begun_at.elapsed());
}

/// S125, S90: bodies of one address fill half of what there is for bodies, those without a credential three quarters, and when
/// they are gone all of it is there again.
#[tokio::test]
async fn bodies_of_strangers_leave_room_for_those_of_others() {
    let served = Served::over(Arc::new(InMemory::new()), keys(), |settings| {
        settings.doors.opencode.account = Some("guests".parse().unwrap());
        settings.doors.opencode.request_bytes_max = 1 << 20;
        settings.doors.bodies_bytes_max = 4 << 20;
    })
    .await;
    let [one, two, three] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|from| Api::from(from, served.address));
    let share = one.create("ses_1").await;
    // With what each body is charged for itself, 1 KiB short of 1 MiB.
    let most = vec![b' '; (1 << 20) - (17 << 10)];
    let held = &served.host.hub().metrics().body_bytes;
    let fill = async |from| {
        let (before, body) = (held.get(), begun(from, served.address, &sync_of(&share), 1 << 20, &most).await);
        while held.get() < before + (1 << 20) - (1 << 10) {
            tokio::task::yield_now().await;
        }
        body
    };
    let (first, second) = (fill("127.0.0.1").await, fill("127.0.0.1").await);
    let refused = one.sync(&share, json!([])).await.refused(429, "LimitExceeded");
    assert_eq!(refused["limit"], "bodiesBytesMax");
    two.sync(&share, json!([])).await.ok();
    let third = fill("127.0.0.2").await;
    three.sync(&share, json!([])).await.refused(503, "Unavailable");
    let anns = three.bearing(ANNS_KEY).create("ses_2").await;
    let large = part("p", &"x".repeat(500_000));
    three.bearing(ANNS_KEY).sync(&anns, json!([large])).await.ok();
    drop((first, second, third));
    while held.get() > 0 {
        tokio::task::yield_now().await;
    }
    one.sync(&share, json!([large])).await.ok();
}
