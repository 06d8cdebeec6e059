//! Messages that a [`Ledger`](super::Ledger) makes or changes: what is handed on in the place of what a peer sent, and what is
//! sent in the place of what capnp-rpc sends.

use capnp::any_pointer;
use capnp::message::{Builder, HeapAllocator, Reader, ReaderOptions};
use capnp::serialize::OwnedSegments;
use capnp_rpc::IncomingMessage;
use capnp_rpc::rpc_capnp::{exception, message, return_};

/// A message from the peer, as it is handed on to capnp-rpc.
pub(in crate::wire::vat) enum Incoming {
    /// The message as the peer sent it.
    Read(Reader<OwnedSegments>),
    /// A message that was made here in place of the peer's.
    Made(Builder<HeapAllocator>),
}

impl IncomingMessage for Incoming {
    fn get_body(&self) -> capnp::Result<any_pointer::Reader<'_>> {
        match self {
            Self::Read(message) => message.get_root(),
            Self::Made(message) => message.get_root_as_reader(),
        }
    }
}

/// A descriptor of a capability that is offered by way of a third party: where in memory it lies, and the peer's own object that
/// stands for the capability.
pub(super) struct Vine {
    pub(super) address: usize,
    pub(super) export: u32,
}

/// The message with the peer's own objects (their vines) in place of capabilities that are offered by way of a third party.
pub(super) fn by_their_vines(
    message: Reader<OwnedSegments>,
    vines: &[Vine],
    options: ReaderOptions,
) -> Reader<OwnedSegments> {
    let mut segments = message.into_segments();
    let begin = segments.as_ptr().addr();
    for Vine { address, export } in vines {
        // A descriptor's first word: which kind it is in the first two bytes, and in the last four the number that some kinds have.
        let at = address.wrapping_sub(begin);
        if let Some(word) = at.checked_add(8).and_then(|end| segments.get_mut(at..end)) {
            word[..2].copy_from_slice(&SENDER_HOSTED.to_le_bytes());
            word[4..].copy_from_slice(&export.to_le_bytes());
        }
    }
    Reader::new(segments, options)
}

/// The kind `senderHosted` of a descriptor: rpc.capnp, `CapDescriptor`.
const SENDER_HOSTED: u16 = 1;

/// A Return of the peer as one that says why this side makes nothing of it.
pub(super) fn failed(
    of: return_::Reader<'_>,
    kind: exception::Type,
    reason: &str,
) -> capnp::Result<Builder<HeapAllocator>> {
    let mut made = Builder::new_default();
    let mut returned = made.init_root::<message::Builder<'_>>().init_return();
    returned.set_answer_id(of.get_answer_id());
    returned.set_no_finish_needed(of.get_no_finish_needed());
    let mut exception = returned.init_exception();
    exception.set_type(kind);
    exception.set_reason(reason);
    Ok(made)
}

/// The answer to a tail call: its results are not for the caller. All capabilities that came with it are let go.
pub(super) fn sent_elsewhere(question: u32) -> Builder<HeapAllocator> {
    let mut made = Builder::new_default();
    let mut returned = made.init_root::<message::Builder<'_>>().init_return();
    returned.set_answer_id(question);
    returned.set_release_param_caps(true);
    returned.set_results_sent_elsewhere(());
    made
}

/// The answer to a call that its caller gave up.
pub(super) fn cancelled(question: u32) -> Builder<HeapAllocator> {
    let mut made = Builder::new_default();
    let mut returned = made.init_root::<message::Builder<'_>>().init_return();
    returned.set_answer_id(question);
    returned.set_release_param_caps(false);
    returned.set_canceled(());
    made
}
