//! Frames: from text to what the peer wants.

use super::limits::Limits;
use super::read::{Expression, Reader};
use super::scan::Malformed;
use super::text::Text;

/// One frame of the peer. Ids are the peer's: its imports are exports here.
#[derive(Debug)]
pub(super) enum Message {
    /// Evaluate the expression; the result has the next positive id.
    Push(Expression),
    /// As a push that is pulled at once, and released once it was answered.
    Stream(Expression),
    /// Make a pipe; its writable end has the next positive id.
    Pipe,
    /// Send the result with this id when it is there.
    Pull(i64),
    /// The result of a promise of the peer.
    Resolve(i64, Expression),
    /// The error of a promise of the peer.
    Reject(i64, Expression),
    /// The peer drops what it was given, so many times.
    Release(i64, i64),
    /// The peer has ended the session.
    Abort(Expression),
}

/// Reads a frame. Elements after those that are known are passed over.
pub(super) fn read(frame: &Text, limits: &Limits) -> Result<Message, Malformed> {
    let bytes = frame.bytes();
    let mut reader = Reader::new(frame, bytes, limits);
    reader.cursor.expect(b'[', "a frame is not an array")?;
    reader.cursor.peek();
    let kind = reader.cursor.string()?;
    let message = match &bytes[kind.start..kind.end] {
        b"push" => Message::Push(expression(&mut reader)?),
        b"stream" => Message::Stream(expression(&mut reader)?),
        b"pipe" => Message::Pipe,
        b"pull" => Message::Pull(integer(&mut reader)?),
        b"resolve" => Message::Resolve(integer(&mut reader)?, expression(&mut reader)?),
        b"reject" => Message::Reject(integer(&mut reader)?, expression(&mut reader)?),
        b"release" => Message::Release(integer(&mut reader)?, integer(&mut reader)?),
        b"abort" => Message::Abort(expression(&mut reader)?),
        _ => return reader.cursor.fail("a frame is of an unknown type"),
    };
    while reader.cursor.more(b']')? {
        reader.cursor.skip_bare(limits.depth)?;
    }
    if reader.cursor.peek() != 0 || reader.cursor.at != bytes.len() {
        return reader.cursor.fail("there is something after the frame's value");
    }
    Ok(message)
}

fn expression(reader: &mut Reader<'_>) -> Result<Expression, Malformed> {
    reader.cursor.expect(b',', "a frame is too short")?;
    reader.expression()
}

fn integer(reader: &mut Reader<'_>) -> Result<i64, Malformed> {
    reader.cursor.expect(b',', "a frame is too short")?;
    reader.id()
}
