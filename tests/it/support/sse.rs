//! A reader of server-sent events over a plain socket, as `curl -N` is one.

use std::collections::VecDeque;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::door::Served;
use super::patience::within;

/// One stream.
pub(crate) struct Sse {
    socket: BufReader<TcpStream>,
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    text: String,
    read: VecDeque<Told>,
    /// The last id, as a browser keeps it.
    pub(crate) last_id: Option<String>,
    /// The last time to wait before coming back, as a browser keeps it: milliseconds.
    pub(crate) retry: Option<u64>,
}

/// What came: a comment, or an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    /// Empty for a comment, whose text is in `data`.
    pub(crate) event: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

impl Sse {
    /// A stream of a share, from nothing.
    pub(crate) async fn open(served: &Served, share: &str, headers: &[(&str, &str)]) -> Self {
        let stream = Self::get(served, &format!("/events/{share}"), headers).await;
        assert!(stream.head.starts_with("http/1.1 200 "), "{}", stream.head);
        stream
    }

    /// The answer to a request for one, whatever it is.
    pub(crate) async fn get(served: &Served, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut socket = TcpStream::connect(served.address).await.unwrap();
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", served.address);
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        socket.write_all((request + "\r\n").as_bytes()).await.unwrap();
        let mut socket = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(within("the head of an answer", socket.read_line(&mut head)).await.unwrap(), 0, "{head}");
        }
        let head = head.to_lowercase();
        Self { socket, head, text: String::new(), read: VecDeque::new(), last_id: None, retry: None }
    }

    /// The next comment or event; `None`: the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        while self.read.is_empty() {
            let mut size = String::new();
            if within("a comment or an event", self.socket.read_line(&mut size)).await.ok()? == 0 {
                return None;
            }
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            within("the rest of a chunk", self.socket.read_exact(&mut chunk)).await.ok()?;
            if size == 0 {
                return None;
            }
            self.text += std::str::from_utf8(&chunk[..size]).unwrap();
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                self.take(&block);
            }
        }
        self.read.pop_front()
    }

    fn take(&mut self, block: &str) {
        let (mut event, mut id, mut data) = (String::new(), None, Vec::new());
        for line in block.lines() {
            match line.split_once(": ").unwrap() {
                ("", comment) => self.read.push_back(Told { event: String::new(), id: None, data: comment.into() }),
                ("event", name) => event = name.to_owned(),
                ("id", name) => id = Some(name.to_owned()),
                ("data", text) => data.push(text),
                ("retry", wait) => self.retry = Some(wait.parse().unwrap()),
                (field, _) => panic!("{field}"),
            }
        }
        if !event.is_empty() {
            self.last_id = id.clone().or(self.last_id.take());
            self.read.push_back(Told { event, id, data: serde_json::from_str(&data.join("\n")).unwrap() });
        }
    }

    /// The next event of this name.
    pub(crate) async fn until(&mut self, event: &str) -> Told {
        within(event, async {
            loop {
                let told = self.next().await.unwrap_or_else(|| panic!("the stream ended before {event}"));
                if told.event == event {
                    return told;
                }
                assert!(event == "__error" || told.event != "__error", "{told:?}");
            }
        })
        .await
    }

    /// The body of an answer that is no stream.
    pub(crate) async fn body(mut self) -> Value {
        let length = self.head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        within("the body of an answer", self.socket.read_exact(&mut body)).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }
}

/// Posts a command; gives status and body.
pub(crate) async fn post(served: &Served, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let mut head = format!("POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
    for (name, value) in headers {
        head += &format!("\r\n{name}: {value}");
    }
    let mut socket = TcpStream::connect(served.address).await.unwrap();
    let request = format!("{head}\r\nHost: {}\r\nConnection: close\r\n\r\n{body}", served.address);
    // One that is refused before it is read to its end may be cut off.
    let _ = socket.write_all(request.as_bytes()).await;
    let mut answer = String::new();
    within("the end of an answer", socket.read_to_string(&mut answer)).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap())
}
