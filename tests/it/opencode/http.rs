//! Plain requests to the API, and raw ones that can be cut anywhere.

use std::net::SocketAddr;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Who calls the API of a host.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
    pub(crate) address: SocketAddr,
    headers: Vec<(String, String)>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Api {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::from("127.0.0.1", address)
    }

    /// The same, from this address of this machine.
    pub(crate) fn from(from: &str, address: SocketAddr) -> Self {
        // The client has no TLS of its own; who was first has chosen.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            client: Client::builder().no_proxy().local_address(from.parse().ok()).build().unwrap(),
            address,
            headers: Vec::new(),
        }
    }

    /// The same of another server.
    pub(crate) fn elsewhere(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// The same with a further header on each request.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut with = self.clone();
        with.headers.push((name.to_owned(), value.to_owned()));
        with
    }

    pub(crate) fn bearing(&self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let method: Method = method.parse().unwrap();
        let mut request = self.client.request(method, format!("http://{}{path}", self.address)).body(body);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn create(&self, session: &str) -> Shared {
        let answer = self.send("POST", "/api/share", json!({ "sessionID": session }).to_string()).await.ok();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Shared { id: text("id"), url: text("url"), secret: text("secret") }
    }

    pub(crate) async fn sync(&self, share: &Shared, data: Value) -> Answer {
        let body = json!({ "secret": share.secret, "data": data }).to_string();
        self.send("POST", &format!("/api/share/{}/sync", share.id), body).await
    }

    pub(crate) async fn delete(&self, share: &Shared) -> Answer {
        let body = json!({ "secret": share.secret }).to_string();
        self.send("DELETE", &format!("/api/share/{}", share.id), body).await
    }

    pub(crate) async fn data(&self, share: &Shared) -> Answer {
        self.send("GET", &format!("/api/share/{}/data", share.id), "").await
    }
}

/// What a create gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shared {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) secret: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect(&self.text)
    }

    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// The error, which has this status and code.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        let error = self.json()["error"].clone();
        assert_eq!((self.status, error["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert!(!error["message"].as_str().unwrap().is_empty());
        error
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A request of which the host has taken the head and asks for the body.
pub(crate) struct Begun(TcpStream);

impl Begun {
    /// Sends the head of a sync, and waits until the host wants its body.
    pub(crate) async fn sync(address: SocketAddr, share: &Shared, length: usize) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /api/share/{}/sync HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
            share.id
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut go_on = [0; 25];
        socket.read_exact(&mut go_on).await.unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self(socket)
    }

    pub(crate) async fn send(&mut self, body: &str) {
        self.0.write_all(body.as_bytes()).await.unwrap();
    }

    /// Says that nothing more comes, and gives the answer.
    pub(crate) async fn end(mut self) -> String {
        self.0.shutdown().await.unwrap();
        self.answer().await
    }

    pub(crate) async fn answer(mut self) -> String {
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

/// The item of a part with a text.
pub(crate) fn part(id: &str, text: &str) -> Value {
    json!({ "type": "part", "data": { "id": id, "messageID": "m", "type": "text", "text": text } })
}
