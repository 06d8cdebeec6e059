#!/usr/bin/env bash
# tungstenite 0.30.0 (Rust): a Close frame with 1014 is reported as 1002, "Protocol violation", and its reason is lost.
#
# 1014 is registered with IANA as "Bad Gateway": a proxy closes with it when what stands behind it is gone, which a client should answer
# by coming back. tungstenite has no name for it and counts it among the codes that nobody may send: `read` gives a Close frame with
# the code `Protocol` in place of the one that came, as if the peer had accused this side, and answers the peer with that.
# 1012, 1013 and the codes from 3000 on arrive as they were sent.
#
# Output seen:
#     1012 -> 1012 upstream is away
#     1013 -> 1013 upstream is away
#     1014 -> 1002 Protocol violation
#     3000 -> 3000 upstream is away
# Exits 0 as long as that is so, 2 if it could not be tried.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "close-1014"
version = "0.0.0"
edition = "2024"

[dependencies]
tungstenite = { version = "=0.30.0", default-features = false, features = ["handshake"] }
TOML
cat > src/main.rs <<'RUST'
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use tungstenite::handshake::derive_accept_key;
use tungstenite::{Message, client};

/// A server that answers the handshake and sends one Close frame, written byte by byte, so that no library has a say in it.
fn closes_with(listener: &TcpListener, code: u16) {
    let (mut socket, _) = listener.accept().unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let key = head.lines().find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key")));
    let accept = derive_accept_key(key.unwrap().1.as_bytes());
    write!(
        socket,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .unwrap();
    let reason = b"upstream is away";
    let mut frame = vec![0x88, 2 + reason.len() as u8];
    frame.extend(code.to_be_bytes());
    frame.extend(reason);
    socket.write_all(&frame).unwrap();
    // The client's answer.
    let _ = socket.read(&mut [0; 64]);
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for code in [1012, 1013, 1014, 3000] {
        let listener = listener.try_clone().unwrap();
        let server = std::thread::spawn(move || closes_with(&listener, code));
        let (mut socket, _) = client(format!("ws://{address}/"), TcpStream::connect(address).unwrap()).unwrap();
        let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("no Close frame") };
        println!("{code} -> {} {}", u16::from(frame.code), frame.reason);
        drop(socket);
        server.join().unwrap();
    }
}
RUST
cargo build --quiet --release || exit 2
seen=$(./target/release/close-1014)
printf '%s\n' "$seen"
wanted='1012 -> 1012 upstream is away
1013 -> 1013 upstream is away
1014 -> 1002 Protocol violation
3000 -> 3000 upstream is away'
[ "$seen" = "$wanted" ] || { echo 'This has changed.' >&2; exit 1; }
