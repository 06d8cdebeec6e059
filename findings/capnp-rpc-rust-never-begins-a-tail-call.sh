#!/usr/bin/env bash
# capnp-rpc 0.27.3 (Rust): a tail call (Call.sendResultsTo = yourself) is taken in and never begun, and never returned.
#
# A callee that answers by calling its own caller may have the results stay where they are wanted: it sends a Call whose results go to
# "yourself", and a Return that takes from it. By rpc.capnp the receiver runs such a call as any other, and returns it as
# `resultsSentElsewhere`. The C++ library does (pycapnp 2.2.4, libcapnp 0.9.2). capnp-rpc hands the call to the object and then
# never polls what that gives: here the same call is made twice, once each way, on an object that counts what was run.
#
# Output seen:
#     called 2, run 1, returned [0, 2]
# Exits 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "tail-call"
version = "0.0.0"
edition = "2024"

[dependencies]
capnp = "=0.27.3"
capnp-rpc = "=0.27.3"
futures = "=0.3.34"
TOML
cat > src/main.rs <<'RUST'
use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use capnp::MessageSize;
use capnp::any_pointer::Owned;
use capnp::capability::{Client, Promise, Request};
use capnp::message::{Builder, ReaderOptions};
use capnp::private::capability::{ClientHook, ParamsHook, ResultsHook};
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

    /// The ids that were returned so far.
    fn returned(&self) -> Vec<u32> {
        let wire = self.0.borrow();
        let (mut rest, mut returned) = (&wire.answered[..], Vec::new());
        while !rest.is_empty() {
            let read = capnp::serialize::read_message(&mut rest, ReaderOptions::new()).unwrap();
            if let message::Return(answer) = read.get_root::<message::Reader<'_>>().unwrap().which().unwrap() {
                returned.push(answer.unwrap().get_answer_id());
            }
        }
        returned
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

/// An object that counts the calls that come to it and those that are run.
#[derive(Clone, Default)]
struct Object {
    called: Rc<Cell<u32>>,
    run: Rc<Cell<u32>>,
}

impl ClientHook for Object {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        Box::new(self.clone())
    }

    fn new_call(&self, _: u64, _: u16, _: Option<MessageSize>) -> Request<Owned, Owned> {
        unimplemented!("nobody on this side calls it")
    }

    fn call(&self, _: u64, _: u16, _: Box<dyn ParamsHook>, results: Box<dyn ResultsHook>) -> Promise<(), capnp::Error> {
        self.called.set(self.called.get() + 1);
        let run = self.run.clone();
        Promise::from_future(async move {
            run.set(run.get() + 1);
            drop(results);
            Ok(())
        })
    }

    fn get_brand(&self) -> usize {
        0
    }

    fn get_ptr(&self) -> usize {
        1
    }

    fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
        None
    }

    fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, capnp::Error>> {
        None
    }

    fn when_resolved(&self) -> Promise<(), capnp::Error> {
        Promise::ok(())
    }
}

fn main() {
    let (pipe, object) = (Pipe::default(), Object::default());
    let network = twoparty::VatNetwork::new(pipe.clone(), pipe.clone(), Side::Server, ReaderOptions::new());
    let mut pool = LocalPool::new();
    let system = RpcSystem::new(Box::new(network), Some(Client::new(Box::new(object.clone()))));
    pool.spawner().spawn_local(async { drop(system.await) }).unwrap();

    pipe.send(|message| message.init_bootstrap().set_question_id(0));
    for (question, is_tail) in [(1, true), (2, false)] {
        pipe.send(|message| {
            let mut call = message.init_call();
            call.set_question_id(question);
            call.reborrow().init_target().set_imported_cap(0);
            if is_tail {
                call.init_send_results_to().set_yourself(());
            }
        });
    }
    pool.run_until_stalled();
    let (called, run, returned) = (object.called.get(), object.run.get(), pipe.returned());
    println!("called {called}, run {run}, returned {returned:?}");
    assert!((called, run) == (2, 1) && returned == [0, 2], "the library has changed");
}
RUST
CARGO_TARGET_DIR="$folder/target" cargo run --quiet
