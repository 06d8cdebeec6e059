//! The network of a vat: one peer, at the other end of a byte stream.
//!
//! capnp-rpc comes with a network of its own, whose queue wakes a task and makes three allocations for each message; with the
//! meter that a vat needs around it, that was a good part of what a call costs. Here a message that is sent is entered
//! in the [`VatMeter`], which is the queue, and one task writes the queue; after each message it flushes, which tells the
//! stream where the message ends. While more than the bound is waiting there, no further message is taken from the peer.
//!
//! It ends as capnp-rpc expects it: a failed write ends the connection as disconnected and the network with the error; else
//! everything that was sent is written before the network ends with what it was shut down with. It does not close the stream.

mod incoming;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::IoSlice;
use std::rc::{Rc, Weak};
use std::task::Poll;

use capnp::capability::Promise;
use capnp::message::{Builder, HeapAllocator, ReaderOptions};
use capnp::{Error, ErrorKind, OutputSegments, any_pointer};
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{Connection, IncomingMessage, OutgoingMessage, VatNetwork};
use futures::channel::oneshot;
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use self::incoming::Incoming;
#[cfg(fuzzing)]
pub(in crate::wire) use self::incoming::fuzzing::{messages_in, reader_options_for};
use super::VatLimits;
use super::ledger::{Ledger, TakenIn};
use super::meter::{Message, VatMeter};

/// Words of one segment of a message that is made, unless one value needs more: half a MiB. Segments grow as the message does, and a last one of
/// twice that would be mostly empty.
const SEGMENT_WORDS_MAX: u32 = 64 << 10;

pub(super) struct Network<R> {
    side: Side,
    /// The peer, until the connection is accepted.
    accepted: Option<Rc<Peer<R>>>,
    peer: Weak<Peer<R>>,
    driver: Option<Promise<(), Error>>,
}

/// The peer, for as long as the RPC system holds the connection to it.
struct Peer<R> {
    side: Side,
    incoming: RefCell<Incoming<R>>,
    meter: VatMeter,
    ledger: Ledger,
    options: ReaderOptions,
    queued_bytes_max: Option<u64>,
    /// Dropped with the connection, which the driver waits for.
    _held: oneshot::Sender<()>,
}

impl<R: AsyncRead + Unpin + 'static> Network<R> {
    pub(super) fn new<W: AsyncWrite + Unpin + 'static>(
        reader: R,
        writer: W,
        side: Side,
        limits: VatLimits,
        meter: &VatMeter,
        ledger: &Ledger,
    ) -> Self {
        let (held, let_go) = oneshot::channel();
        let peer = Rc::new(Peer {
            side,
            incoming: RefCell::new(Incoming::new(reader, limits.reader_options())),
            meter: meter.clone(),
            ledger: ledger.clone(),
            options: limits.reader_options(),
            queued_bytes_max: limits.queued_bytes_max,
            _held: held,
        });
        let meter = meter.clone();
        let driver = Promise::from_future(async move {
            let result = write_all(writer, &meter).await;
            let _dropped = let_go.await;
            result
        });
        Self { side, peer: Rc::downgrade(&peer), accepted: Some(peer), driver: Some(driver) }
    }
}

impl<R: AsyncRead + Unpin + 'static> VatNetwork<Side> for Network<R> {
    fn connect(&mut self, host_id: Side) -> Option<Box<dyn Connection<Side>>> {
        if host_id == self.side {
            return None;
        }
        Some(Box::new(Link(self.peer.upgrade()?)))
    }

    fn accept(&mut self) -> Promise<Box<dyn Connection<Side>>, Error> {
        match self.accepted.take() {
            Some(peer) => Promise::ok(Box::new(Link(peer)) as Box<dyn Connection<Side>>),
            None => Promise::from_future(std::future::pending()),
        }
    }

    fn drive_until_shutdown(&mut self) -> Promise<(), Error> {
        self.driver.take().unwrap_or_else(|| Promise::from_future(std::future::pending()))
    }
}

struct Link<R>(Rc<Peer<R>>);

impl<R: AsyncRead + Unpin + 'static> Connection<Side> for Link<R> {
    fn get_peer_vat_id(&self) -> Side {
        self.0.side
    }

    fn new_outgoing_message(&mut self, first_segment_word_size: u32) -> Box<dyn OutgoingMessage> {
        let first = first_segment_word_size.min(SEGMENT_WORDS_MAX);
        let message =
            Builder::new(HeapAllocator::new().max_segment_words(SEGMENT_WORDS_MAX).first_segment_words(first));
        Box::new(Outgoing { message, meter: self.0.meter.clone(), ledger: self.0.ledger.clone() })
    }

    fn receive_incoming_message(&mut self) -> Promise<Option<Box<dyn IncomingMessage>>, Error> {
        let peer = Rc::clone(&self.0);
        peer.ledger.handled();
        Promise::from_future(poll_fn(move |cx| {
            let (meter, ledger) = (&peer.meter, &peer.ledger);
            if ledger.is_full() {
                let text = "too many calls were given up on this connection: make a new one";
                return Poll::Ready(Err(Error::disconnected(text.into())));
            }
            if let Some(finish) = ledger.due() {
                return Poll::Ready(Ok(Some(Box::new(finish) as Box<dyn IncomingMessage>)));
            }
            let wants = peer.queued_bytes_max.filter(|bytes_max| !meter.is_at_most(*bytes_max));
            if wants.is_none() {
                // capnp-rpc learns from its reader alone that a connection has ended. The reader's own reason goes first.
                let polled = peer.incoming.borrow_mut().poll_message(cx);
                if let Poll::Ready(message) = polled {
                    let Some(message) = message.map_err(as_fault)?.filter(|_| !meter.is_closed()) else {
                        return Poll::Ready(Ok(None));
                    };
                    return match ledger.take_in(message, peer.options) {
                        TakenIn::HandOn(message) => {
                            Poll::Ready(Ok(Some(Box::new(message) as Box<dyn IncomingMessage>)))
                        }
                        TakenIn::End => Poll::Ready(Ok(None)),
                        TakenIn::Done(answer) => {
                            if let Some(answer) = answer {
                                meter.enter(Rc::new(answer));
                            }
                            // One at a time, as those that are handed on.
                            cx.waker().wake_by_ref();
                            Poll::Pending
                        }
                    };
                }
                if meter.is_broken() {
                    return Poll::Ready(Err(Error::disconnected("the connection takes no more bytes".into())));
                }
            }
            meter.register_reader(cx, wants);
            Poll::Pending
        }))
    }

    fn shutdown(&mut self, result: capnp::Result<()>) -> Promise<(), Error> {
        let when_done = self.0.meter.end(result);
        Promise::from_future(async move {
            when_done.await.map_err(|_| Error::disconnected("the connection takes no more bytes".into()))
        })
    }
}

/// Narrows an error of the stream or of a message to the kinds that travel, so that callers can tell a lost connection from a
/// broken one.
pub(super) fn as_fault(error: Error) -> Error {
    if error.kind == ErrorKind::PrematureEndOfFile {
        Error::disconnected("the connection was cut in the middle of a message".into())
    } else if matches!(
        error.kind,
        ErrorKind::Disconnected | ErrorKind::Overloaded | ErrorKind::Unimplemented | ErrorKind::Failed
    ) {
        error
    } else {
        Error::failed(error.to_string())
    }
}

struct Outgoing {
    message: Builder<HeapAllocator>,
    meter: VatMeter,
    ledger: Ledger,
}

impl OutgoingMessage for Outgoing {
    fn get_body(&mut self) -> capnp::Result<any_pointer::Builder<'_>> {
        self.message.get_root()
    }

    fn get_body_as_reader(&self) -> capnp::Result<any_pointer::Reader<'_>> {
        self.message.get_root_as_reader()
    }

    /// Queues the message. The promise is ready at once, because capnp-rpc never waits for it.
    fn send(self: Box<Self>) -> (Promise<(), Error>, Message) {
        let instead = self.ledger.send_out(&self.message);
        let message = Rc::new(self.message);
        self.meter.enter(instead.map_or_else(|| Rc::clone(&message), Rc::new));
        if self.ledger.has_news() {
            self.meter.wake_reader();
        }
        (Promise::ok(()), message)
    }

    fn take(self: Box<Self>) -> Builder<HeapAllocator> {
        self.message
    }

    fn size_in_words(&self) -> usize {
        self.message.size_in_words()
    }
}

/// Writes the queue, until its end or until a write fails.
async fn write_all<W: AsyncWrite + Unpin>(mut writer: W, meter: &VatMeter) -> Result<(), Error> {
    loop {
        let next = poll_fn(|cx| {
            if let Some(message) = meter.next() {
                return Poll::Ready(Ok(message));
            }
            if let Some(result) = meter.ended() {
                return Poll::Ready(Err(result));
            }
            meter.register_writer(cx);
            Poll::Pending
        });
        let message = match next.await {
            Ok(message) => message,
            Err(result) => return result,
        };
        if let Err(error) = write(&mut writer, message.get_segments_for_output()).await {
            meter.fail();
            return Err(error.into());
        }
        meter.strike_off();
    }
}

async fn write<W: AsyncWrite + Unpin>(writer: &mut W, segments: OutputSegments<'_>) -> std::io::Result<()> {
    if let [segment] = &*segments {
        let mut table = [0; 8];
        table[4..].copy_from_slice(&words(segment).to_le_bytes());
        writer.write_all(&table).await?;
        writer.write_all(segment).await?;
    } else {
        let others = u32::try_from(segments.len() - 1).unwrap_or(u32::MAX);
        let lengths = segments.iter().map(|segment| words(segment));
        let mut table: Vec<u8> = std::iter::once(others).chain(lengths).flat_map(u32::to_le_bytes).collect();
        table.resize(table.len().next_multiple_of(8), 0);
        // In one go, if the writer takes it: then it knows how much comes.
        let pieces: Vec<_> = std::iter::once(&*table).chain(segments.iter().copied()).collect();
        let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut written = writer.write_vectored(&slices).await?;
        for piece in pieces {
            let here = written.min(piece.len());
            written -= here;
            writer.write_all(&piece[here..]).await?;
        }
    }
    writer.flush().await
}

/// A segment's length for the table. Segments are whole words of 8 bytes, and no message of this host is near the 32 GiB
/// that the table can say.
fn words(segment: &[u8]) -> u32 {
    u32::try_from(segment.len() / 8).unwrap_or(u32::MAX)
}
