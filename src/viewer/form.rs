//! The forms in which a viewer's frames travel: a message of a WebSocket, or a server-sent event, in a chunk of HTTP/1.1 or as
//! it is.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::connections::moving::Moving;
use crate::share::revision::Revision;
use crate::viewer::frame;

/// The form in which a frame travels on a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A text message of a WebSocket, header included.
    Message,
    /// A server-sent event in a chunk of HTTP/1.1.
    Chunk,
    /// A server-sent event.
    Event,
}

/// The heartbeat of a WebSocket, and a ping that is to be answered: two frames in one write.
const HEARTBEAT_MESSAGE: &[u8] = b"\x81\x12{\"heartbeat\":true}\x89\x00";

/// The heartbeat of a stream of events: a comment of 13 bytes, as a chunk.
const HEARTBEAT_CHUNK: &[u8] = b"d\r\n: heartbeat\n\n\r\n";

impl Form {
    /// A frame in this form; `id`: the revision that the viewer stands at with it.
    pub(super) fn of(self, text: &str, id: Option<Revision>) -> Bytes {
        match self {
            Self::Message => message(text.as_bytes()),
            Self::Chunk => chunk(&frame::server_sent(text.as_bytes(), id)),
            Self::Event => frame::server_sent(text.as_bytes(), id),
        }
    }

    /// The frame that says that the viewer is to move. As a server-sent event it also says after what time one is to come back who can do
    /// nothing else.
    pub(super) fn moving(self, moving: &Moving) -> Bytes {
        let text = frame::moving(moving);
        let event = || {
            let mut event = BytesMut::from(format!("retry: {}\n", moving.retry.as_millis()).as_bytes());
            event.put_slice(&frame::server_sent(text.as_bytes(), None));
            event.freeze()
        };
        match self {
            Self::Message => message(text.as_bytes()),
            Self::Chunk => chunk(&event()),
            Self::Event => event(),
        }
    }

    /// The heartbeat in this form.
    pub(super) fn heartbeat(self) -> Bytes {
        match self {
            Self::Message => Bytes::from_static(HEARTBEAT_MESSAGE),
            Self::Chunk => Bytes::from_static(HEARTBEAT_CHUNK),
            Self::Event => content_of(&Bytes::from_static(HEARTBEAT_CHUNK)),
        }
    }
}

/// Makes a message of a WebSocket, as a server sends it, from a text: RFC 6455 section 5.2, final, not masked.
pub(super) fn message(text: &[u8]) -> Bytes {
    const TEXT: u8 = 0x81;
    let mut out = BytesMut::with_capacity(10 + text.len());
    out.put_u8(TEXT);
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(length @ ..126), _) => out.put_u8(length),
        (_, Ok(length)) => {
            out.put_u8(126);
            out.put_u16(length);
        }
        (_, Err(_)) => {
            out.put_u8(127);
            out.put_u64(text.len() as u64);
        }
    }
    out.put_slice(text);
    out.freeze()
}

/// The text of a [`message`].
pub(super) fn text_of(message: &Bytes) -> Bytes {
    let header = match message.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    message.slice(header.min(message.len())..)
}

/// Makes a chunk of an HTTP/1.1 body from bytes: RFC 9112 section 7.1.
pub(super) fn chunk(bytes: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(12 + bytes.len());
    out.put_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
    out.put_slice(bytes);
    out.put_slice(b"\r\n");
    out.freeze()
}

/// The content of a [`chunk`].
pub(super) fn content_of(chunk: &Bytes) -> Bytes {
    let begins = memchr::memchr(b'\n', chunk).map_or(0, |at| at + 1);
    chunk.slice(begins..chunk.len().saturating_sub(2).max(begins))
}

#[cfg(test)]
mod tests {
    use std::io;

    use async_tungstenite::tungstenite::Message;
    use async_tungstenite::tungstenite::protocol::{Role, WebSocket};

    use super::*;

    /// Reads what was written as a client does; a server's frames are not masked.
    fn read(bytes: &[u8]) -> Vec<Message> {
        let mut socket = WebSocket::from_raw_socket(io::Cursor::new(bytes.to_vec()), Role::Client, None);
        std::iter::from_fn(|| socket.read().ok()).collect()
    }

    #[test]
    fn messages_are_what_a_websocket_client_reads() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 300_000] {
            let text = "x".repeat(length);
            let message = message(text.as_bytes());
            assert_eq!(read(&message), [Message::text(text.as_str())], "{length}");
            assert_eq!(text_of(&message), text.as_bytes(), "{length}");
        }
        let beat = [Message::text(frame::HEARTBEAT), Message::Ping(Bytes::new())];
        assert_eq!(read(HEARTBEAT_MESSAGE), beat);
    }

    #[test]
    fn chunks_have_their_length_before_them() {
        assert_eq!(chunk(b": heartbeat\n\n"), HEARTBEAT_CHUNK);
        for length in [1, 15, 16, 70_000] {
            let bytes = vec![b'\n'; length];
            let chunk = chunk(&bytes);
            assert!(chunk.starts_with(format!("{length:x}\r\n").as_bytes()) && chunk.ends_with(b"\n\r\n"));
            assert_eq!(content_of(&chunk), bytes, "{length}");
        }
    }
}
