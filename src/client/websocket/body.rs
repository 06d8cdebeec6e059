//! The body of an HTTP answer to the upgrade: what the handshake left of it on the stream, within bounds in bytes and in time.
//!
//! A host announces the length of what it says; a proxy that passes it on may send it in chunks, or until it closes.

use futures::{AsyncRead, AsyncReadExt as _};
use http::{Response, StatusCode, header};
use httparse::{Status, parse_chunk_size};
use tokio::time::timeout;

use crate::client::defaults::{ANSWER_BYTES_MAX, ANSWER_WITHIN};

/// Waits for the part of the body that did not come with the answer's head, and takes the body out of its framing. A body that does
/// not come whole within its bounds is cut where it stopped.
pub(super) async fn read_rest(answer: &mut Response<Option<Vec<u8>>>, mut stream: impl AsyncRead + Unpin) {
    let framing = Framing::of(answer);
    let mut body = answer.body_mut().take().unwrap_or_default();
    let read = async {
        let mut piece = [0; 4 << 10];
        while !framing.is_whole(&body) && body.len() < ANSWER_BYTES_MAX {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(count) => body.extend_from_slice(&piece[..count]),
            }
        }
    };
    let _late = timeout(ANSWER_WITHIN, read).await;
    *answer.body_mut() = Some(framing.unwrap(body));
}

/// How the end of a body is known.
enum Framing {
    /// The body has this number of bytes.
    Length(usize),
    /// The body comes in chunks; an empty one is the last.
    Chunks,
    /// The body ends with the connection.
    UntilClosed,
}

impl Framing {
    fn of(answer: &Response<Option<Vec<u8>>>) -> Self {
        let said = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        if matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            Self::Length(0)
        } else if said(header::TRANSFER_ENCODING).is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            Self::Chunks
        } else {
            said(header::CONTENT_LENGTH).map_or(Self::UntilClosed, |length| Self::Length(length.parse().unwrap_or(0)))
        }
    }

    fn is_whole(&self, body: &[u8]) -> bool {
        match self {
            Self::Length(length) => body.len() >= *length,
            Self::Chunks => join_chunks(body).1,
            Self::UntilClosed => false,
        }
    }

    fn unwrap(&self, mut body: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Length(length) => {
                body.truncate(*length);
                body
            }
            Self::Chunks => join_chunks(&body).0,
            Self::UntilClosed => body,
        }
    }
}

/// The contents of the chunks that came so far, and whether to wait no longer: because the last chunk has come, or because what
/// came is no valid chunk.
fn join_chunks(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let (begin, size) = match parse_chunk_size(rest) {
            Ok(Status::Complete((begin, size))) => (begin, usize::try_from(size).unwrap_or(usize::MAX)),
            Ok(Status::Partial) => return (body, false),
            Err(_) => return (body, true),
        };
        if size == 0 {
            return (body, true);
        }
        let chunk = rest.get(begin..).unwrap_or_default();
        body.extend_from_slice(&chunk[..size.min(chunk.len())]);
        // After a chunk stands a line break.
        match chunk.get(size.saturating_add(2)..) {
            Some(next) => rest = next,
            None => return (body, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_wherever_they_are_cut() {
        let whole = b"4\r\n{\"a\"\r\n3;x=y\r\n:1}\r\n0\r\n\r\n";
        assert_eq!(join_chunks(whole), (b"{\"a\":1}".to_vec(), true));
        for end in 0..whole.len() - 4 {
            let (body, is_whole) = join_chunks(&whole[..end]);
            assert!(!is_whole && b"{\"a\":1}".starts_with(&body), "{end}: {body:?}");
        }
        for wrong in [&b"no chunk"[..], b"4\r\n{\"a\"\r\nzz"] {
            assert!(join_chunks(wrong).1, "there is nothing to wait for");
        }
        assert_eq!(join_chunks(b"ffffffffffffffff\r\nab"), (b"ab".to_vec(), false));
    }
}
