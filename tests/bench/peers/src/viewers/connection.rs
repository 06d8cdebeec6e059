//! One viewer: where it stands in its script, and what it makes of the bytes that come.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;

use super::frames::{self, Frame};
use super::mark;
use super::script::{Framing, Script};

/// A viewer that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) to: SocketAddr,
    /// The address of the loopback that it comes from: limits by address then count it as of that one, and there are ports enough.
    pub(crate) from: Ipv4Addr,
    pub(crate) script: Arc<Script>,
    /// It stops reading as soon as it has said its first words, with the smallest buffer that the kernel gives.
    pub(crate) dead: bool,
}

/// Where a viewer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Head,
    Step(usize),
    Ready,
}

/// One viewer.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    pub(crate) dead: bool,
    /// What it was made from.
    pub(crate) wanted: Wanted,
    script: Arc<Script>,
    stage: Stage,
    /// What came and could not be read to its end.
    rest: Vec<u8>,
}

/// Why a viewer is one no more.
pub(crate) type Ended = String;

impl Connection {
    /// Begins to connect.
    ///
    /// # Errors
    ///
    /// The kernel has no socket for it.
    pub(crate) fn begin(wanted: &Wanted) -> std::io::Result<Self> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        if wanted.dead {
            socket.set_recv_buffer_size(1)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((wanted.from, 0)).into())?;
        match socket.connect(&wanted.to.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(EINPROGRESS) || error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let socket = TcpStream::from_std(socket.into());
        let script = Arc::clone(&wanted.script);
        Ok(Self {
            socket,
            dead: wanted.dead,
            wanted: wanted.clone(),
            script,
            stage: Stage::Connecting,
            rest: Vec::new(),
        })
    }

    pub(crate) fn is_connecting(&self) -> bool {
        self.stage == Stage::Connecting
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// The socket can be written to: says the first words.
    ///
    /// # Errors
    ///
    /// It did not come about.
    pub(crate) fn connected(&mut self) -> Result<(), Ended> {
        if let Ok(Some(error)) | Err(error) = self.socket.take_error() {
            return Err(error.to_string());
        }
        // Without it, what is said later in the script waits for an acknowledgement.
        let _later = self.socket.set_nodelay(true);
        self.stage = if self.dead { Stage::Ready } else { Stage::Head };
        say(&mut self.socket, &self.script.hello)
    }

    /// The socket can be read from. Each mark that comes once it is ready is handed over.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub(crate) fn readable(&mut self, buffer: &mut [u8], mut heard: impl FnMut(Duration)) -> Result<(), Ended> {
        loop {
            let count = match self.socket.read(buffer) {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.to_string()),
            };
            if self.rest.is_empty() {
                let done = self.take(&buffer[..count], &mut heard)?;
                self.rest.extend_from_slice(&buffer[done..count]);
            } else {
                let mut all = std::mem::take(&mut self.rest);
                all.extend_from_slice(&buffer[..count]);
                let done = self.take(&all, &mut heard)?;
                self.rest.extend_from_slice(&all[done..]);
            }
            // It gave less than there was room for: there is no more, and more will be told.
            if count < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Reads what can be read; gives how much that was.
    fn take(&mut self, bytes: &[u8], heard: &mut impl FnMut(Duration)) -> Result<usize, Ended> {
        let mut done = 0;
        if self.stage == Stage::Head {
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(0) };
            let wanted: &[u8] = if self.script.framing == Framing::WebSocket { b" 101" } else { b" 200" };
            if bytes.get(8..12) != Some(wanted) {
                let said = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).replace("\r\n", " | ");
                return Err(format!("refused: {said}"));
            }
            done = end + 4;
            self.advance(0);
        }
        match self.script.framing {
            Framing::WebSocket => {
                while let Some((frame, length)) = frames::first(&bytes[done..]) {
                    done += length;
                    match frame {
                        Frame::Message(payload) => self.message(payload, heard)?,
                        Frame::Ping(payload) => say(&mut self.socket, &frames::pong(payload))?,
                        Frame::Pong => {}
                        Frame::Close(code) => return Err(format!("closed with {code:?}")),
                    }
                }
                Ok(done)
            }
            Framing::Events => {
                while let Stage::Step(at) = self.stage {
                    let until = self.script.steps[at].until;
                    let Some(found) = memchr::memmem::find(&bytes[done..], until) else {
                        // All but what may be the beginning of it.
                        return Ok(bytes.len().saturating_sub(until.len()).max(done));
                    };
                    done += found + until.len();
                    self.step(at)?;
                }
                Ok(done + mark::read(&bytes[done..], heard))
            }
        }
    }

    fn message(&mut self, payload: &[u8], heard: &mut impl FnMut(Duration)) -> Result<(), Ended> {
        let script = Arc::clone(&self.script);
        if let Some((_, answer)) = script.answers.iter().find(|(asked, _)| *asked == payload) {
            return say(&mut self.socket, answer);
        }
        if let Stage::Step(at) = self.stage {
            if memchr::memmem::find(payload, script.steps[at].until).is_some() {
                self.step(at)?;
            }
        } else {
            mark::read(payload, heard);
        }
        Ok(())
    }

    fn step(&mut self, at: usize) -> Result<(), Ended> {
        let script = Arc::clone(&self.script);
        if !script.steps[at].say.is_empty() {
            say(&mut self.socket, &script.steps[at].say)?;
        }
        self.advance(at + 1);
        Ok(())
    }

    fn advance(&mut self, to: usize) {
        self.stage = if to < self.script.steps.len() { Stage::Step(to) } else { Stage::Ready };
    }
}

/// `EINPROGRESS`: a connection has begun, and is not there yet.
const EINPROGRESS: i32 = 115;

/// What a viewer says is small, and the socket's buffer empty: it fits, or something is wrong.
fn say(socket: &mut TcpStream, words: &[u8]) -> Result<(), Ended> {
    match socket.write(words) {
        Ok(count) if count == words.len() => Ok(()),
        Ok(_) => Err("the socket takes no more".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
