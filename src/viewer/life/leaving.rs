//! A viewer that is leaving: it is told why, and its connection ends so that it hears that.
//!
//! A kernel that closes a socket in which there are bytes to be read resets the connection, and throws away what the other side
//! has not read yet: the Close frame of a viewer that is just saying something. So the host closes its own side first, and takes
//! what still comes, unheard, until the viewer has closed as well (RFC 6455 section 7.1.1). All of it takes at most
//! [`GOODBYE_WITHIN`], and what is taken is bound by [`UNHEARD_BYTES_MAX`].

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::consume_budget;
use tokio::time::timeout;

use crate::connections::close::CloseReason;
use crate::share::error::Refusal;
use crate::viewer::frame;
use crate::viewer::life::viewer::{Ended, Viewer};
use crate::viewer::socket::{Socket, Transport};

/// Why a viewer is closed whose share was deleted.
const GONE: CloseReason = CloseReason { code: 1000, reason: "the share is gone" };

/// How long a viewer may take to take its farewell, and to close its side. Its connection keeps its place in the registry so
/// long, and a shutdown waits for it.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

/// Says goodbye to a viewer that was served.
pub(super) async fn leave(mut viewer: Box<Viewer>, ended: Ended) {
    let closed = viewer.connection.close_reason().cloned();
    let (refusal, reason) = match (closed, ended) {
        (Some(reason), _) => (None, reason),
        (None, Ended::Closed) => (None, CloseReason::FAULT),
        (None, Ended::Broke(reason)) => (None, reason),
        (None, Ended::Refused(refusal)) => {
            let may_not = matches!(refusal, Refusal::Unauthorized { .. });
            (Some(refusal), if may_not { CloseReason::HIDDEN } else { GONE })
        }
        (None, Ended::Lost) => return,
    };
    // A stream of events has no close codes, and is told in words.
    let refusal = match viewer.transport {
        Transport::Socket(_) | Transport::Quiet(_) => refusal,
        Transport::Events { .. } => refusal.or_else(|| Some(in_words(&reason))),
    };
    let goodbye = async move {
        viewer.finish().await?;
        if let Some(refusal) = refusal {
            viewer.send(&frame::ended(&refusal)).await?;
        }
        viewer.transport.close(&reason).await;
        // It watches no more, and is a connection until it is closed.
        let Viewer { connection: _connection, transport, channel, place, .. } = *viewer;
        drop((channel, place));
        hang_up(transport.into_tcp()).await;
        Ok::<_, Ended>(())
    };
    // A viewer that does not take it is gone all the same.
    let _ = timeout(GOODBYE_WITHIN, goodbye).await;
}

/// Closes a socket whose viewer was never served.
pub(in crate::viewer) async fn turn_away(socket: Box<Socket>, reason: &CloseReason) {
    let mut transport = Transport::Socket(socket);
    let goodbye = async move {
        transport.close(reason).await;
        hang_up(transport.into_tcp()).await;
    };
    // A viewer that does not take the farewell is gone all the same.
    let _ = timeout(GOODBYE_WITHIN, goodbye).await;
}

/// A close code of a WebSocket as a refusal, for a stream of events: transient, if the viewer is to come back by itself.
pub(in crate::viewer) fn in_words(reason: &CloseReason) -> Refusal {
    match reason.code {
        4001 => Refusal::Unauthorized { reason: reason.reason.into() },
        4004 => Refusal::Unspecified { message: reason.reason.into() },
        _ => Refusal::Unavailable { retry_after_ms: 1_000 },
    }
}

/// Bytes that are taken from a viewer that sends on after its goodbye: 16 MiB, more than the 10 MiB that Linux holds for a
/// connection by default, 4 on the sender's side and 6 on ours. One that sends more does not read.
const UNHEARD_BYTES_MAX: usize = 16 << 20;

/// Bytes that are taken at once: 4 KiB, of the stack.
const READ_BYTES: usize = 4 << 10;

/// Ends a connection whose last words are written. Dropping the future ends it at once.
async fn hang_up(mut tcp: TcpStream) {
    if tcp.shutdown().await.is_err() {
        return;
    }
    let mut unheard = 0;
    while unheard < UNHEARD_BYTES_MAX && tcp.readable().await.is_ok() {
        // One that sends without end lets others, and its own end, in.
        consume_budget().await;
        match tcp.try_read(&mut [0; READ_BYTES]) {
            Ok(0) => return,
            Ok(count) => unheard += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    async fn both_ends() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, client)
    }

    #[tokio::test]
    async fn it_ends_when_the_other_side_has_closed_and_what_was_said_last_is_heard() {
        let (mut host, mut viewer) = both_ends().await;
        viewer.write_all(&[7; 50_000]).await.unwrap();
        host.write_all(b"goodbye").await.unwrap();
        let hung_up = tokio::spawn(hang_up(host));
        let mut heard = String::new();
        viewer.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "goodbye");
        // It was not closed while the viewer could still say something.
        viewer.write_all(&[7; 50_000]).await.unwrap();
        drop(viewer);
        hung_up.await.unwrap();
    }

    #[tokio::test]
    async fn it_ends_when_too_much_was_sent() {
        let (host, mut viewer) = both_ends().await;
        let sends = tokio::spawn(async move {
            let mut sent = 0;
            while let Ok(count) = viewer.write(&[7; 64 << 10]).await {
                sent += count;
            }
            sent
        });
        hang_up(host).await;
        assert!(sends.await.unwrap() >= UNHEARD_BYTES_MAX);
    }
}
