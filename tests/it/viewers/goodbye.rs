//! The host's last words to a viewer are heard, whatever the viewer is doing at that moment; and one that does not want to go
//! is gone all the same.

use capshare::__internal::connections::close::CloseReason;
use capshare::__internal::connections::comer::Door;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::door::Served;

const VIEWERS: usize = 50;

/// A pong that nobody asked for, which a WebSocket may send at any time: of one byte, masked with zeros.
const PONG: [u8; 7] = [0x8a, 0x81, 0, 0, 0, 0, 7];

/// Each of 50 viewers that send without end is told why it was closed: what they send meanwhile does not make the kernel throw
/// it away.
#[tokio::test]
async fn a_viewer_that_sends_without_end_is_told_why_it_is_closed() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let mut viewers = Vec::new();
    for _ in 0..VIEWERS {
        let (mut down, mut up) = upgraded(&served, share.id().as_str()).await.into_split();
        viewers.push(tokio::spawn(async move {
            let (mut heard, pongs, mut at) = (Vec::new(), PONG.repeat(1_000), 0);
            // It stops as the rules have it: when it has read a Close.
            while close_code(&heard).is_none() {
                tokio::select! {
                    read = down.read_buf(&mut heard) => assert_ne!(read.unwrap(), 0, "no Close"),
                    sent = up.write(&pongs[at..]) => at = (at + sent.unwrap()) % pongs.len(),
                }
            }
            close_code(&heard)
        }));
    }
    let registry = served.host.hub().connections().registry();
    let in_all = || -> u64 { registry.connections().iter().map(|entry| entry.traffic.bytes_in()).sum() };
    let before = in_all();
    while in_all() == before {
        tokio::task::yield_now().await;
    }
    assert_eq!(registry.close_matching(CloseReason::REVOKED, |entry| entry.door == Door::Viewer), VIEWERS);
    for viewer in viewers {
        assert_eq!(viewer.await.unwrap(), Some(CloseReason::REVOKED.code));
    }
}

/// One that never closes its side, silent or not, is not waited for longer than a goodbye may take.
#[tokio::test]
async fn a_viewer_that_does_not_close_is_gone_all_the_same() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let _silent = upgraded(&served, share.id().as_str()).await;
    let mut loud = upgraded(&served, share.id().as_str()).await;
    let loud = tokio::spawn(async move { while loud.write_all(&PONG.repeat(1_000)).await.is_ok() {} });
    let registry = served.host.hub().connections().registry();
    assert_eq!(registry.close_matching(CloseReason::REVOKED, |entry| entry.door == Door::Viewer), 2);
    while registry.taken() > 1 {
        tokio::task::yield_now().await;
    }
    loud.await.unwrap();
}

/// A viewer on a bare socket, that has been told that it is ready.
async fn upgraded(served: &Served, share: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // So that not megabytes of what it sends are on their way at once.
    socket.set_send_buffer_size(16 << 10).unwrap();
    let mut socket = socket.connect(served.address).await.unwrap();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
    let key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";
    let request = format!("GET /ws/{share} HTTP/1.1\r\nHost: host\r\n{upgrade}\r\n{key}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    while !said.windows(7).any(|word| word == b"\"ready\"") {
        assert_ne!(socket.read_buf(&mut said).await.unwrap(), 0);
    }
    socket
}

/// The code of the Close frame that is the last of these.
fn close_code(heard: &[u8]) -> Option<u16> {
    let reason = CloseReason::REVOKED.reason.as_bytes();
    let frame = heard.strip_suffix(reason)?;
    let [.., 0x88, length, high, low] = frame else { return None };
    (usize::from(*length) == 2 + reason.len()).then_some(u16::from_be_bytes([*high, *low]))
}
