#!/usr/bin/env bash
# object_store 0.14.2 (Rust), S3: a create whose answer is lost fails with AlreadyExists, because the object that it made is there.
#
# `put_opts` with `PutMode::Create` sends `If-None-Match: *`. Here a server stores the object and the connection ends before the answer.
# The client sends the request again by itself, as its retries are on by default, and the server refuses the second one with 412, as S3
# does. The caller is told that somebody else was first, and nothing tells that a request was repeated: who elects a leader, or writes a
# numbered log by such creates, would give up what it has won. A caller has to read the object and compare it with its own.
#
# Output seen:
#     requests: 2, both with If-None-Match: *
#     the create: AlreadyExists
#     the object holds what this create sent: true
# Exits 0 as long as that is so, 2 if it could not be tried.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "create-lost"
version = "0.0.0"
edition = "2024"

[dependencies]
object_store = { version = "=0.14.2", default-features = false, features = ["aws", "reqwest", "ring"] }
tokio = { version = "=1.54.1", features = ["macros", "rt"] }
TOML
cat > src/main.rs <<'RUST'
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode};

/// What the server holds, and how many creates it has seen.
#[derive(Default)]
struct Bucket {
    object: Option<Vec<u8>>,
    creates: usize,
}

/// A bucket with one object. The first request that stores it gets no answer.
fn serve(listener: TcpListener, bucket: Arc<Mutex<Bucket>>) {
    for connection in listener.incoming() {
        let mut connection = BufReader::new(connection.unwrap());
        let (mut line, mut length, mut create) = (String::new(), 0, false);
        connection.read_line(&mut line).unwrap();
        let is_put = line.starts_with("PUT");
        loop {
            line.clear();
            connection.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "if-none-match" => create = value.trim() == "*",
                _ => {}
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).unwrap();
        let mut bucket = bucket.lock().unwrap();
        let (status, body) = if !is_put {
            ("200 OK", bucket.object.clone().unwrap_or_default())
        } else {
            bucket.creates += usize::from(create);
            if bucket.object.is_some() {
                ("412 Precondition Failed", Vec::new())
            } else {
                bucket.object = Some(body);
                // The connection ends here, and the answer is lost.
                continue;
            }
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\netag: \"1\"\r\nlast-modified: Mon, 30 Nov 2026 10:00:00 GMT\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let connection = connection.get_mut();
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(&body).unwrap();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let bucket = Arc::new(Mutex::new(Bucket::default()));
    std::thread::spawn({
        let bucket = bucket.clone();
        move || serve(listener, bucket)
    });
    let store = AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_bucket_name("b")
        .with_access_key_id("key")
        .with_secret_access_key("secret")
        .build()
        .unwrap();
    let path = Path::from("log/1");
    let created = store.put_opts(&path, "mine".into(), PutMode::Create.into()).await;
    println!("requests: {}, both with If-None-Match: *", bucket.lock().unwrap().creates);
    let said = match created {
        Ok(_) => "made".to_owned(),
        Err(Error::AlreadyExists { .. }) => "AlreadyExists".to_owned(),
        Err(error) => error.to_string(),
    };
    println!("the create: {said}");
    let held = store.get(&path).await.unwrap().bytes().await.unwrap();
    println!("the object holds what this create sent: {}", held == "mine");
}
RUST
cargo build --quiet || exit 2
cargo run --quiet | tee seen
diff - seen <<'SEEN'
requests: 2, both with If-None-Match: *
the create: AlreadyExists
the object holds what this create sent: true
SEEN
