//! That a connection lives, on both sides.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::SingleAccount;
use object_store::memory::InMemory;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::door::{Served, next_frame};

async fn served(heartbeat_ms: u64, pong_within_ms: u64) -> Served {
    let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
    Served::over(Arc::new(InMemory::new()), access, |settings| {
        settings.viewer.heartbeat = Duration::from_millis(heartbeat_ms);
        settings.viewer.pong_within = Duration::from_millis(pong_within_ms);
    })
    .await
}

/// S65: `{heartbeat:true}` comes at its interval, to a viewer that answers pings for as long as it likes.
#[tokio::test]
async fn heartbeats_come_for_as_long_as_a_viewer_answers() {
    let served = served(50, 500).await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let mut viewer = served.knock(&format!("/ws/{}", share.id()), &[]).await.unwrap();
    let mut heartbeats = 0;
    while heartbeats < 30 {
        heartbeats += usize::from(next_frame(&mut viewer).await == serde_json::json!({ "heartbeat": true }));
    }
}

/// The socket of a viewer that speaks no WebSocket by itself, after its upgrade was asked for.
async fn mute(served: &Served, share: &str) -> TcpStream {
    let mut mute = TcpStream::connect(served.address).await.unwrap();
    let head = format!(
        "GET /ws/{share} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        served.address
    );
    mute.write_all(head.as_bytes()).await.unwrap();
    mute
}

/// RFC 6455 section 7.4.1: a text that is not UTF-8 ends the socket with 1007, a frame that is none with 1002.
#[tokio::test]
async fn what_is_wrong_with_a_frame_is_in_the_code_that_ends_its_socket() {
    let served = Served::open().await;
    let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
    for (frame, code) in [
        // A masked text of the one byte 0xff; the same with an opcode that is reserved.
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007_u16),
        (&[0x83, 0x81, 0, 0, 0, 0, 0xff], 1002),
    ] {
        let mut viewer = mute(&served, share.id().as_str()).await;
        viewer.write_all(frame).await.unwrap();
        let mut all = Vec::new();
        viewer.read_to_end(&mut all).await.unwrap();
        let close = all.windows(4).find(|window| window[0] == 0x88).map(|window| [window[2], window[3]]);
        assert_eq!(close, Some(code.to_be_bytes()), "{}", String::from_utf8_lossy(&all));
    }
}

/// S65: a viewer that reads and does not answer is dropped within the interval and a limit, though the interval is
/// shorter than the limit: a deadline that runs is not put off.
#[tokio::test]
async fn a_viewer_that_does_not_answer_is_dropped() {
    for (heartbeat, limit) in [(20, 300), (300, 20)] {
        let served = served(heartbeat, limit).await;
        let share = served.client(None).create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let mut mute = mute(&served, share.id().as_str()).await;
        let mut all = Vec::new();
        // To its end, which is the host's doing.
        mute.read_to_end(&mut all).await.unwrap();
        let text = String::from_utf8_lossy(&all);
        assert!(text.contains("heartbeat") && text.contains("nothing was heard"), "{text}");
        // A Close frame of the code 4003.
        assert!(all.windows(2).any(|code| code == 4003_u16.to_be_bytes()));
    }
}
