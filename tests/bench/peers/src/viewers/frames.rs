//! As much of WebSocket frames as a viewer needs: to tell messages, pings and the end apart, and to say small things.

/// A frame that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// Text or bytes, or a piece of such.
    Message(&'a [u8]),
    Ping(&'a [u8]),
    Pong,
    /// With its code, if it has one.
    Close(Option<u16>),
}

/// The first frame of what came, and how many bytes it takes; `None` if it is not complete.
pub(crate) fn first(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let (kind, length) = (bytes.first()? & 0x0f, bytes.get(1)? & 0x7f);
    let (length, head) = match length {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
        short => (u64::from(short), 2),
    };
    let end = head + usize::try_from(length).ok()?;
    let payload = bytes.get(head..end)?;
    let frame = match kind {
        8 => Frame::Close(payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]]))),
        9 => Frame::Ping(payload),
        10 => Frame::Pong,
        _ => Frame::Message(payload),
    };
    Some((frame, end))
}

/// A text frame of a client.
pub(crate) fn text(payload: &[u8]) -> Vec<u8> {
    masked(0x81, payload)
}

/// A binary frame of a client.
pub(crate) fn binary(payload: &[u8]) -> Vec<u8> {
    masked(0x82, payload)
}

/// The answer to a ping.
pub(crate) fn pong(payload: &[u8]) -> Vec<u8> {
    masked(0x8a, payload)
}

/// A client's frames must be masked; a mask of zeros is one. For at most 64 KiB.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ ..=125) => frame.push(0x80 | length),
        Ok(_) | Err(_) => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::{Frame, first};

    #[test]
    fn frames_are_told_apart_and_wait_until_they_are_whole() {
        assert_eq!(first(b"\x81\x02hi\x89\x00"), Some((Frame::Message(b"hi"), 4)));
        assert_eq!(first(b"\x89\x01a"), Some((Frame::Ping(b"a"), 3)));
        assert_eq!(first(b"\x88\x02\x03\xe8"), Some((Frame::Close(Some(1000)), 4)));
        let mut long = b"\x82\x7e\x01\x00".to_vec();
        long.extend([7; 255]);
        assert_eq!(first(&long), None);
        long.push(7);
        assert_eq!(first(&long), Some((Frame::Message(&[7; 256]), 260)));
    }
}
