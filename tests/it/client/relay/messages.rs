//! Single messages of Cap'n Proto: what the relay heeds in them, and those that it makes.

use capnp::message::{Builder, ReaderOptions};
use capnp::serialize;
use capnp::traits::HasTypeId as _;
use capnp_rpc::rpc_capnp::{call, exception, message, return_};
use capshare::__internal::contract::convert::read_batch;
use capshare::__internal::contract::error::write_refusal;
use capshare::__internal::share_capnp::{share_rpc, share_view};
use capshare::share::change::Batch;
use capshare::share::error::Refusal;
use capshare::share::limits::Limits;
use futures::{AsyncRead, AsyncReadExt as _};

use super::Kind;

/// What the relay heeds in a message. Calls have numbers.
pub(super) enum Said {
    Call { kind: Option<Kind>, question: u32, sent: Sent },
    Finish(u32),
    Return(u32),
    Other,
}

/// What goes along with a call.
pub(super) enum Sent {
    Batch(Batch),
    /// From where on a share is watched.
    Since(u64),
    Other,
}

/// One whole message as its bytes: a table of its segments' sizes in words, and they.
pub(super) async fn next<R: AsyncRead + Unpin>(mut from: R) -> Option<(Vec<u8>, R)> {
    let number = |bytes: &[u8], at: usize| {
        let four = bytes[4 * at..4 * at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(four) as usize
    };
    let mut message = vec![0; 8];
    from.read_exact(&mut message).await.ok()?;
    let segments = number(&message, 0) + 1;
    message.resize((4 + 4 * segments).next_multiple_of(8), 0);
    from.read_exact(&mut message[8..]).await.ok()?;
    let (table, words) = (message.len(), (1..=segments).map(|at| number(&message, at)).sum::<usize>());
    message.resize(table + 8 * words, 0);
    from.read_exact(&mut message[table..]).await.ok()?;
    Some((message, from))
}

pub(super) fn said(message: &[u8]) -> Said {
    let options = ReaderOptions { traversal_limit_in_words: None, nesting_limit: 64 };
    let message = serialize::read_message(message, options).expect("a message");
    let said = || match message.get_root::<message::Reader<'_>>()?.which()? {
        message::Call(call) => said_by(call?),
        message::Finish(finish) => Ok(Said::Finish(finish?.get_question_id())),
        message::Return(returned) => Ok(Said::Return(returned?.get_answer_id())),
        _ => Ok(Said::Other),
    };
    said().expect("a message that can be read")
}

fn said_by(call: call::Reader<'_>) -> Result<Said, capnp::Error> {
    let (content, limits) = (call.get_params()?.get_content(), Limits::default());
    let (kind, sent) = match (call.get_interface_id(), call.get_method_id()) {
        (share_rpc::Client::TYPE_ID, 0) => (Some(Kind::Hello), Sent::Other),
        (share_rpc::Client::TYPE_ID, 2) => {
            let params: share_rpc::create_share_params::Reader<'_> = content.get_as()?;
            let batch = || read_batch(params.get_initial_data()?, params.get_stamp()?, &limits);
            let sent = if params.has_initial_data() { Sent::Batch(batch().expect("a batch")) } else { Sent::Other };
            (None, sent)
        }
        (share_rpc::Client::TYPE_ID, 3) => {
            let params: share_rpc::sync_share_params::Reader<'_> = content.get_as()?;
            let batch = read_batch(params.get_data()?, params.get_stamp()?, &limits);
            (Some(Kind::Sync), Sent::Batch(batch.expect("a batch")))
        }
        (share_rpc::Client::TYPE_ID, 8 | 9) => (Some(Kind::Probe), Sent::Other),
        (share_rpc::Client::TYPE_ID, 14) => (Some(Kind::Own), Sent::Other),
        (share_view::Client::TYPE_ID, 2) => {
            let params: share_view::watch_params::Reader<'_> = content.get_as()?;
            (None, Sent::Since(params.get_since()))
        }
        _ => (None, Sent::Other),
    };
    Ok(Said::Call { kind, question: call.get_question_id(), sent })
}

fn returned(question: u32, write: impl FnOnce(return_::Builder<'_>)) -> Vec<u8> {
    let mut message = Builder::new_default();
    let mut returned = message.init_root::<message::Builder<'_>>().init_return();
    returned.set_answer_id(question);
    write(returned);
    serialize::write_message_to_words(&message)
}

/// The answer of a host that does not know the call.
pub(super) fn unknown(question: u32) -> Vec<u8> {
    returned(question, |returned| {
        let mut exception = returned.init_exception();
        exception.set_type(exception::Type::Unimplemented);
        exception.set_reason("Method not implemented.");
    })
}

/// The answer of a host that refuses the call.
pub(super) fn refused(kind: Kind, question: u32, refusal: &Refusal) -> Vec<u8> {
    returned(question, |returned| {
        let content = returned.init_results().init_content();
        match kind {
            Kind::Hello => {
                let results: share_rpc::hello_results::Builder<'_> = content.init_as();
                write_refusal(refusal, results.init_result().init_refused());
            }
            Kind::Sync => {
                let results: share_rpc::sync_share_results::Builder<'_> = content.init_as();
                write_refusal(refusal, results.init_result().init_refused());
            }
            Kind::Probe | Kind::Own => panic!("no test has {kind:?} refused"),
        }
    })
}
