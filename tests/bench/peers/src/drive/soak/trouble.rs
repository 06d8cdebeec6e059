//! Those who make trouble in the soak, each in a way that must leave nothing at the host: calls that are cancelled, loads that are
//! given up, and bodies that come too slowly.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use capshare::Client;
use capshare::share::id::ShareId;
use futures::future::{join, join_all};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{interval, sleep, timeout};

/// Clients that cancel calls, each on a connection that it keeps.
const CANCELLING: usize = 4;
/// Calls that each of them cancels in a second.
const CANCELLED: usize = 50;
/// Loads of unknown shares that are given up in a second.
const GIVEN_UP: usize = 50;
/// Connections that send a body slowly, at any time.
const SLOW: usize = 20;
/// What a slow body is said to have, and gets a byte of each second.
const SLOW_BYTES: usize = 1_000;

/// How often each happened.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    pub(super) cancelled: Cell<usize>,
    pub(super) given_up: Cell<usize>,
    /// Slow bodies that the host ended.
    pub(super) ended: Cell<usize>,
}

impl Trouble {
    /// Makes trouble for a host with these shares, as long as it is polled; on a `LocalSet`.
    ///
    /// # Errors
    ///
    /// The host cannot be reached any more.
    pub(super) async fn make(self: Rc<Self>, host: SocketAddr, shares: &[ShareId]) -> anyhow::Result<()> {
        let clients: anyhow::Result<Vec<_>> =
            (0..CANCELLING).map(|_| Ok(Client::builder(format!("ws://{host}")).build_local()?)).collect();
        let clients = clients?;
        let cancelling = join_all(clients.iter().zip(shares).map(|(client, share)| self.cancel_calls(client, share)));
        let slow = join_all((0..SLOW).map(|number| self.send_slowly(host, number, &shares[number % shares.len()])));
        join(join(cancelling, slow), self.give_up_loads(host)).await;
        Ok(())
    }

    /// Begins calls, lets them get on their way, and drops them.
    async fn cancel_calls(&self, client: &Client, share: &ShareId) {
        let mut ticks = interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            for _ in 0..CANCELLED {
                // Some are answered before that: how many, the machine decides.
                if timeout(Duration::from_micros(200), client.info(share)).await.is_err() {
                    self.cancelled.update(|count| count + 1);
                }
            }
        }
    }

    /// Asks for shares that are not there, and leaves without an answer.
    async fn give_up_loads(&self, host: SocketAddr) {
        let mut ticks = interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            for number in 0..GIVEN_UP {
                let Ok(mut socket) = connect(host, number).await else { continue };
                // Ids have 26 letters and digits; this one is of no share, and of no other request.
                let id = digits(self.given_up.get());
                let request = format!("GET /share/{id}.json HTTP/1.1\r\nhost: {host}\r\n\r\n");
                if socket.write_all(request.as_bytes()).await.is_ok() {
                    self.given_up.update(|count| count + 1);
                }
            }
        }
    }

    /// Posts commands whose bodies come a byte a second, one after the other.
    async fn send_slowly(&self, host: SocketAddr, number: usize, share: &ShareId) {
        loop {
            if let Ok(mut socket) = connect(host, number).await {
                let request = format!(
                    "POST /events/{share} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
                     content-length: {SLOW_BYTES}\r\n\r\n"
                );
                if socket.write_all(request.as_bytes()).await.is_ok() {
                    drip(&mut socket).await;
                    self.ended.update(|count| count + 1);
                }
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Sends a byte each second until the host answers or ends the connection.
async fn drip(socket: &mut TcpStream) {
    let mut answer = [0; 512];
    for _ in 0..SLOW_BYTES {
        match timeout(Duration::from_secs(1), socket.read(&mut answer)).await {
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(_)) => {}
            Err(_) if socket.write_all(b" ").await.is_err() => return,
            Err(_) => {}
        }
    }
}

/// A connection from one of 200 loopback addresses, none of which a viewer has.
async fn connect(host: SocketAddr, number: usize) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 0, 2, (number % 200) as u8 + 1), 0).into())?;
    socket.connect(host).await
}

/// A share's id that nobody was given: 26 letters of the ids' alphabet.
fn digits(number: usize) -> String {
    let mut rest = number;
    let letters = (0..26).map(|_| {
        let letter = b'a' + (rest % 26) as u8;
        rest /= 26;
        char::from(letter)
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use capshare::share::id::ShareId;

    use super::digits;

    #[test]
    fn digits_are_ids() {
        assert_ne!(digits(1), digits(2));
        assert!(digits(1_000_000).parse::<ShareId>().is_ok());
    }
}
