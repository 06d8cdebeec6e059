#!/usr/bin/env bash
# capnp-rpc 0.27.3 (Rust): a call that its caller cancels is never returned, and its question id is in use until the connection ends.
#
# A peer sends Bootstrap 0, Call 1 on the root (whose answer never comes), Finish 1. By rpc.capnp the callee now answers with a Return
# (`canceled`, or the results), after which both sides forget the question and the caller may use its id again. The C++ library
# does so (pycapnp 2.2.4 and libcapnp 0.9.2 as hosts). capnp-rpc drops the call and sends nothing; a Call 1 after that ends the
# connection. A server's memory grows with each cancelled call.
#
# Output seen:
#     after the Finish: returned [0]
#     after a further Call 1: Abort "Received a new call on in-use question id 1"
# Exits 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "cancelled-call"
version = "0.0.0"
edition = "2024"

[dependencies]
capnp = "=0.27.3"
capnp-rpc = "=0.27.3"
futures = "=0.3.34"
TOML
cat > src/main.rs <<'RUST'
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use capnp::message::{Builder, ReaderOptions};
use capnp_rpc::rpc_capnp::message;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, twoparty};
use futures::executor::LocalPool;
use futures::task::LocalSpawnExt as _;

/// Both directions of a pipe in memory: what the peer has sent, and what the library has.
#[derive(Clone, Default)]
struct Pipe(Rc<RefCell<Wire>>);

#[derive(Default)]
struct Wire {
    sent: Vec<u8>,
    answered: Vec<u8>,
    reader: Option<Waker>,
}

impl Pipe {
    fn send(&self, write: impl FnOnce(message::Builder<'_>)) {
        let mut built = Builder::new_default();
        write(built.init_root());
        let mut wire = self.0.borrow_mut();
        wire.sent.extend(capnp::serialize::write_message_to_words(&built));
        wire.reader.take().map(Waker::wake);
    }

    /// The ids that were returned so far, and the reason of an Abort.
    fn answers(&self) -> (Vec<u32>, Option<String>) {
        let wire = self.0.borrow();
        let (mut rest, mut returned, mut aborted) = (&wire.answered[..], Vec::new(), None);
        while !rest.is_empty() {
            let read = capnp::serialize::read_message(&mut rest, ReaderOptions::new()).unwrap();
            match read.get_root::<message::Reader<'_>>().unwrap().which().unwrap() {
                message::Return(answer) => returned.push(answer.unwrap().get_answer_id()),
                message::Abort(abort) => aborted = Some(abort.unwrap().get_reason().unwrap().to_string().unwrap()),
                _ => {}
            }
        }
        (returned, aborted)
    }
}

impl futures::AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.0.borrow_mut();
        if wire.sent.is_empty() {
            wire.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buffer.len().min(wire.sent.len());
        buffer[..count].copy_from_slice(&wire.sent[..count]);
        wire.sent.drain(..count);
        Poll::Ready(Ok(count))
    }
}

impl futures::AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().answered.extend(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn main() {
    let pipe = Pipe::default();
    let root: capnp::capability::Client = capnp_rpc::new_future_client(std::future::pending());
    let network = twoparty::VatNetwork::new(pipe.clone(), pipe.clone(), Side::Server, ReaderOptions::new());
    let mut pool = LocalPool::new();
    let system = RpcSystem::new(Box::new(network), Some(root));
    pool.spawner().spawn_local(async { drop(system.await) }).unwrap();

    let call = |message: message::Builder<'_>| {
        let mut call = message.init_call();
        call.set_question_id(1);
        call.init_target().set_imported_cap(0);
    };
    pipe.send(|message| message.init_bootstrap().set_question_id(0));
    pipe.send(call);
    pool.run_until_stalled();
    pipe.send(|message| message.init_finish().set_question_id(1));
    pool.run_until_stalled();
    let (returned, _) = pipe.answers();
    println!("after the Finish: returned {returned:?}");
    pipe.send(call);
    pool.run_until_stalled();
    let (_, aborted) = pipe.answers();
    let aborted = aborted.unwrap_or_default();
    println!("after a further Call 1: Abort {aborted:?}");
    assert!(returned == [0] && aborted.contains("in-use question id 1"), "the library has changed");
}
RUST
CARGO_TARGET_DIR="$folder/target" cargo run --quiet
