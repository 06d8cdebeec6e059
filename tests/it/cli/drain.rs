//! A host of the program that is asked to stop, or drained by an administrator.

use std::net::SocketAddr;
use std::time::Duration;

use async_tungstenite::tokio::connect_async;
use async_tungstenite::tungstenite::Message;
use futures::StreamExt as _;
use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::admin::administrator;
use super::program::{EXPORT, Home, Served};
use crate::drain::most_within;
use crate::support::patience::within;

/// Connections of each kind: streams of events, viewers on WebSockets, and RPC.
const EACH: usize = 100;
const WITHIN: Duration = Duration::from_secs(5);

/// When a connection was ended, and by what code if it has one.
type Ended = (Instant, Option<u16>);

async fn stream(address: SocketAddr, share: String) -> JoinHandle<Ended> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /events/{share} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    assert_ne!(socket.read(&mut [0; 64]).await.unwrap(), 0);
    tokio::spawn(async move {
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.unwrap();
        let at = Instant::now();
        let text = String::from_utf8(rest).unwrap();
        assert!(text.contains("event: moving") && text.contains("event: __error"), "{text}");
        (at, None)
    })
}

async fn socket(address: SocketAddr, path: String) -> JoinHandle<Ended> {
    let (mut socket, _) = connect_async(format!("ws://{address}{path}")).await.unwrap();
    tokio::spawn(async move {
        loop {
            if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
                return (Instant::now(), Some(frame.unwrap().code.into()));
            }
        }
    })
}

/// Connects three hundred of them to a host that has a share.
async fn connect_all(home: &Home, host: &Served) -> Vec<JoinHandle<Ended>> {
    let pushed = home.run(&["push", "--to", &host.url, EXPORT, "--json"]).ends_with(0).objects();
    let share = pushed[0]["id"].as_str().unwrap();
    let address: SocketAddr = host.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut all = Vec::new();
    for _ in 0..EACH {
        all.push(stream(address, share.to_owned()).await);
        all.push(socket(address, format!("/ws/{share}")).await);
        all.push(socket(address, "/rpc/share".to_owned()).await);
    }
    all
}

/// S103: a host that is asked to stop lets 300 connections go over 5 s, no 100 ms with more than a twentieth of them, and ends with
/// code 0.
#[test]
fn a_host_that_is_asked_to_stop_lets_its_connections_go_evenly_and_ends() {
    let home = Home::new();
    let host = home.serve(&["--drain-within", "5s", "--address-connections-max", "none"]);
    let runtime = Runtime::new().unwrap();
    let ended = runtime.block_on(async {
        let all = connect_all(&home, &host).await;
        host.program.signal("-TERM");
        let began = Instant::now();
        let ended = within("the end of all connections", join_all(all)).await;
        let ended: Vec<_> = ended.into_iter().map(Result::unwrap).collect();
        let last = ended.iter().map(|(at, _)| *at).max().unwrap() - began;
        assert!(last > WITHIN / 2 && last < WITHIN + Duration::from_secs(2), "{last:?}");
        ended
    });
    assert!(ended.iter().all(|(_, code)| code.is_none_or(|code| code == 1012)));
    let moments: Vec<_> = ended.iter().map(|(at, _)| *at).collect();
    let most = most_within(&moments, Duration::from_millis(100));
    assert!(most <= 3 * EACH / 20, "{most} within 100 ms");
    host.program.wait().ends_with(0);
}

/// S103: an administrator drains a host, sees how far it is, and may take it back; when nobody is left the host ends by itself.
#[test]
fn an_administrator_drains_a_host_which_then_ends_by_itself() {
    let home = Home::new();
    let host = home.serve(&[]);
    let root = administrator(&home);
    let admin = |arguments: &[&str]| {
        let ran = root.run(&[&["admin"], arguments, &["--to", &host.url, "--json"]].concat()).ends_with(0);
        ran.objects().remove(0)
    };
    let pushed = home.run(&["push", "--to", &host.url, EXPORT, "--json"]).ends_with(0).objects();
    let share = pushed[0]["id"].as_str().unwrap().to_owned();
    let address: SocketAddr = host.url.strip_prefix("http://").unwrap().parse().unwrap();
    let runtime = Runtime::new().unwrap();
    let mut viewer = runtime.block_on(stream(address, share));
    let draining = admin(&["drain", "--within", "1h"]);
    assert_eq!((draining["event"].as_str(), draining["count"].as_u64()), (Some("draining"), Some(1)));
    let stats = admin(&["stats"]);
    assert_eq!((&stats["draining"], &stats["viewers"]), (&true.into(), &1.into()), "{stats}");
    home.run(&["probe", "--to", &host.url, "--timeout", "1s"]).ends_with(5);
    let serving = admin(&["undrain"]);
    assert_eq!(
        (serving["event"].as_str(), serving["count"].as_u64()),
        (Some("serving"), Some(2)),
        "the viewer and itself"
    );
    home.run(&["probe", "--to", &host.url, "--timeout", "10s"]).ends_with(0);
    assert!(runtime.block_on(async { timeout(Duration::from_millis(1), &mut viewer).await }).is_err());
    root.run(&["admin", "drain", "--within", "25h", "--to", &host.url]).ends_with(2);
    admin(&["drain", "--within", "1s"]);
    runtime.block_on(async { within("the end of the viewer", viewer).await.unwrap() });
    let said = host.program.wait().ends_with(0).stderr;
    assert!(said.contains("the host was drained"), "{said}");
}

/// A second signal ends a host at once, however long it may drain.
#[test]
fn a_second_signal_ends_a_host_that_drains() {
    let home = Home::new();
    let mut host = home.serve(&["--drain-within", "1h"]);
    let pushed = home.run(&["push", "--to", &host.url, EXPORT, "--json"]).ends_with(0).objects();
    let share = pushed[0]["id"].as_str().unwrap().to_owned();
    let address: SocketAddr = host.url.strip_prefix("http://").unwrap().parse().unwrap();
    let runtime = Runtime::new().unwrap();
    let viewer = runtime.block_on(async {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /events/{share} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        assert_ne!(socket.read(&mut [0; 64]).await.unwrap(), 0);
        socket
    });
    host.program.signal("-TERM");
    host.program.stderr.wait_for(|line| line.contains("stopping"));
    host.program.signal("-TERM");
    host.program.wait().ends_with(130);
    drop(viewer);
}
