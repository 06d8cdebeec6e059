//! capnp-rpc's two-party network with a meter on what goes out and a gate on what comes in.
//!
//! Everything is handed on to `twoparty::VatNetwork`; only two things are added. A message that is sent is entered in the
//! [`VatMeter`], and while more than the bound is waiting there, no further message is taken from the peer.

use std::rc::Rc;

use capnp::capability::Promise;
use capnp::message::{Builder, HeapAllocator};
use capnp::{Error, ErrorKind, any_pointer};
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{Connection, FlowController, IncomingMessage, OutgoingMessage, VatNetwork};

use super::meter::VatMeter;

pub(super) struct MeteredNetwork<N> {
    inner: N,
    meter: VatMeter,
    queued_bytes_max: Option<u64>,
}

impl<N> MeteredNetwork<N> {
    pub(super) fn new(inner: N, meter: VatMeter, queued_bytes_max: Option<u64>) -> Self {
        Self { inner, meter, queued_bytes_max }
    }
}

impl<N: VatNetwork<Side>> VatNetwork<Side> for MeteredNetwork<N> {
    fn connect(&mut self, host_id: Side) -> Option<Box<dyn Connection<Side>>> {
        let inner = self.inner.connect(host_id)?;
        Some(Box::new(Metered { inner, meter: self.meter.clone(), queued_bytes_max: self.queued_bytes_max }))
    }

    fn accept(&mut self) -> Promise<Box<dyn Connection<Side>>, Error> {
        let (accepted, meter, queued_bytes_max) = (self.inner.accept(), self.meter.clone(), self.queued_bytes_max);
        Promise::from_future(async move {
            let inner = accepted.await?;
            Ok(Box::new(Metered { inner, meter, queued_bytes_max }) as Box<dyn Connection<Side>>)
        })
    }

    fn drive_until_shutdown(&mut self) -> Promise<(), Error> {
        self.inner.drive_until_shutdown()
    }
}

struct Metered<T> {
    inner: T,
    meter: VatMeter,
    queued_bytes_max: Option<u64>,
}

impl Connection<Side> for Metered<Box<dyn Connection<Side>>> {
    fn get_peer_vat_id(&self) -> Side {
        self.inner.get_peer_vat_id()
    }

    fn new_outgoing_message(&mut self, first_segment_word_size: u32) -> Box<dyn OutgoingMessage> {
        let inner = self.inner.new_outgoing_message(first_segment_word_size);
        Box::new(Metered { inner, meter: self.meter.clone(), queued_bytes_max: None })
    }

    fn receive_incoming_message(&mut self) -> Promise<Option<Box<dyn IncomingMessage>>, Error> {
        let incoming = self.inner.receive_incoming_message();
        let (meter, queued_bytes_max) = (self.meter.clone(), self.queued_bytes_max);
        Promise::from_future(async move {
            if let Some(bytes_max) = queued_bytes_max {
                meter.room(bytes_max).await;
            }
            // capnp-rpc learns from its reader alone that a connection has ended. The reader's own reason goes first.
            let message = tokio::select! {
                biased;
                message = incoming => message.map_err(as_fault)?,
                () = meter.broken() => return Err(Error::disconnected("the connection takes no more bytes".into())),
            };
            Ok(message.filter(|_| !meter.is_closed()))
        })
    }

    fn new_stream(&mut self) -> (Box<dyn FlowController>, Promise<(), Error>) {
        self.inner.new_stream()
    }

    fn shutdown(&mut self, result: capnp::Result<()>) -> Promise<(), Error> {
        self.inner.shutdown(result)
    }
}

/// Narrows an error of the stream or of a message to the kinds that travel: whoever waits for a call must be able to tell a
/// lost connection from a broken one.
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

impl OutgoingMessage for Metered<Box<dyn OutgoingMessage>> {
    fn get_body(&mut self) -> capnp::Result<any_pointer::Builder<'_>> {
        self.inner.get_body()
    }

    fn get_body_as_reader(&self) -> capnp::Result<any_pointer::Reader<'_>> {
        self.inner.get_body_as_reader()
    }

    fn send(self: Box<Self>) -> (Promise<(), Error>, Rc<Builder<HeapAllocator>>) {
        self.meter.enter((self.inner.size_in_words() as u64).saturating_mul(8));
        self.inner.send()
    }

    fn take(self: Box<Self>) -> Builder<HeapAllocator> {
        self.inner.take()
    }

    fn size_in_words(&self) -> usize {
        self.inner.size_in_words()
    }
}
