//! How a viewer's connection ends after the host's last words, so that they are heard.
//!
//! A kernel that closes a socket in which there are bytes to be read resets the connection, and throws away what the other side
//! has not read yet: the Close frame of a viewer that is just saying something. So the host closes its own side first, and takes
//! what still comes, unheard, until the viewer has closed as well (RFC 6455 section 7.1.1). Called by who says goodbye, for
//! which there is a time; bound in bytes by [`UNHEARD_BYTES_MAX`].

use std::io;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::consume_budget;

/// What is taken from a viewer that sends on after its goodbye: 16 MiB, more than the 10 MiB that Linux holds for a connection
/// by default, 4 on the sender's side and 6 on ours. One that sends more does not read.
const UNHEARD_BYTES_MAX: usize = 16 << 20;

/// What is taken at once: 4 KiB, of the stack.
const READ_BYTES: usize = 4 << 10;

/// Ends a connection whose last words are written. Dropping the future ends it at once.
pub(in crate::viewer) async fn hang_up(mut tcp: TcpStream) {
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
