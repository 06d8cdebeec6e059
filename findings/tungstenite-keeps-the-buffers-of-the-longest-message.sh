#!/usr/bin/env bash
# tungstenite 0.30.0 (Rust): after one message of 4 MiB a resting connection keeps 4 MiB at either end for as long as it lives.
#
# A connection reads and writes through buffers that grow to the longest message and never shrink; the configuration bounds the size
# of a message, and has nothing that gives a buffer back. A service whose peers each send one long message, and then rest for hours,
# holds the sum of all longest messages: a thousand connections with a limit of 16 MiB may hold 16 GiB. Short messages that follow
# change nothing. Memory is counted by the program's allocator, so that the kernel and the machine have no part in it.
#
# Output seen, for twenty connections within one process:
#     after the handshakes: less than 1 MiB for each connection
#     after a message of 4 MiB on each, and ten short ones: 8 MiB for each connection
# Exits 0 as long as that is so, 2 if it could not be tried.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "kept-buffers"
version = "0.0.0"
edition = "2024"

[dependencies]
tungstenite = { version = "=0.30.0", default-features = false, features = ["handshake"] }
TOML
cat > src/main.rs <<'RUST'
use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use tungstenite::{Message, WebSocket, accept, client};

/// Bytes that are allocated now.
static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONNECTIONS: usize = 20;

type Pair = (WebSocket<TcpStream>, WebSocket<TcpStream>);

fn connect(listener: &TcpListener) -> Pair {
    let address = listener.local_addr().unwrap();
    let listener = listener.try_clone().unwrap();
    let server = std::thread::spawn(move || accept(listener.accept().unwrap().0).unwrap());
    let (client, _) = client(format!("ws://{address}/"), TcpStream::connect(address).unwrap()).unwrap();
    (client, server.join().unwrap())
}

/// Sends a message of so many bytes, reads it, and drops it.
fn send((client, mut server): Pair, bytes: usize) -> Pair {
    let sender = std::thread::spawn(move || {
        server.send(Message::binary(vec![0; bytes])).unwrap();
        server
    });
    let mut client = client;
    assert_eq!(client.read().unwrap().len(), bytes);
    (client, sender.join().unwrap())
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let before = LIVE.load(Ordering::Relaxed);
    let each = || (LIVE.load(Ordering::Relaxed) - before) as f64 / CONNECTIONS as f64 / f64::from(1 << 20);
    let mut pairs: Vec<Pair> = (0..CONNECTIONS).map(|_| connect(&listener)).collect();
    let rested = each();
    for bytes in std::iter::once(4 << 20).chain([10; 10]) {
        pairs = pairs.into_iter().map(|pair| send(pair, bytes)).collect();
    }
    let kept = each();
    println!("after the handshakes: {}", if rested < 1.0 { "less than 1 MiB for each connection" } else { "more" });
    println!("after a message of 4 MiB on each, and ten short ones: {} MiB for each connection", kept.trunc());
}
RUST
cargo build --quiet --release || exit 2
seen=$(./target/release/kept-buffers)
printf '%s\n' "$seen"
wanted='after the handshakes: less than 1 MiB for each connection
after a message of 4 MiB on each, and ten short ones: 8 MiB for each connection'
[ "$seen" = "$wanted" ] || { echo 'This has changed.' >&2; exit 1; }
