//! Calls in Cap'n Web, from Rust, so that no Node client is in the way.
//!
//! The part of the protocol that a call needs: texts of JSON over a WebSocket. `["push", ["pipeline", 0, [method], [arguments]]]`
//! makes a call on the other side's root, whose answer has the next number from 1 on; `["pull", n]` asks for it, `["resolve",
//! n, value]` brings it, and `["release", n, 1]` lets it go. A callback is exported as `["export", -n]`; the other side then
//! pushes a call on it, which is answered in the same way. The official package's server only counts; a capshare host is called for a
//! share that was created first, with the part as an item.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context as _, bail};
use async_tungstenite::tokio::{TokioAdapter, client_async};
use async_tungstenite::tungstenite::Message;
use async_tungstenite::{WebSocketReceiver, WebSocketSender};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};

use crate::drive::caller::Caller;

type Socket = TokioAdapter<TcpStream>;

/// A connection: one task reads, one writes what has gathered and flushes once.
pub(crate) struct CapnWeb {
    session: Rc<Session>,
    /// The id and the secret of the share that is synced to; `None`: the system only counts.
    share: Option<(Value, Value)>,
}

#[derive(Default)]
struct Session {
    /// The number of the last call that we pushed, and of our last export.
    pushed: Cell<i64>,
    exported: Cell<i64>,
    /// Calls without an answer; as many as the driver keeps in flight.
    open: RefCell<HashMap<i64, oneshot::Sender<Value>>>,
    /// What waits to be written: a few texts for each call in flight.
    queue: RefCell<Vec<String>>,
    news: Notify,
}

impl CapnWeb {
    /// # Errors
    ///
    /// There is no connection.
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        Self::open(address, "/").await
    }

    /// Connects to a capshare host, and creates a share.
    ///
    /// # Errors
    ///
    /// There is no connection, or no share.
    pub(crate) async fn capshare(address: SocketAddr) -> anyhow::Result<Self> {
        let mut connection = Self::open(address, "/rpc/share/web").await?;
        let created = connection.call("createShare", json!(["ses_1"])).await?;
        connection.share = Some((created["id"].clone(), created["secret"].clone()));
        Ok(connection)
    }

    async fn open(address: SocketAddr, path: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (socket, _) = client_async(format!("ws://{address}{path}"), stream).await?;
        let (sender, receiver) = socket.split();
        let session = Rc::new(Session::default());
        tokio::task::spawn_local(session.clone().write(sender));
        tokio::task::spawn_local(session.clone().read(receiver));
        Ok(Self { session, share: None })
    }

    async fn call(&self, method: &str, arguments: Value) -> anyhow::Result<Value> {
        self.call_text(method, &arguments.to_string()).await
    }

    async fn call_text(&self, method: &str, arguments: &str) -> anyhow::Result<Value> {
        let session = &self.session;
        let number = session.pushed.get() + 1;
        session.pushed.set(number);
        let (answer, answered) = oneshot::channel();
        session.open.borrow_mut().insert(number, answer);
        session.send_text(format!(r#"["push",["pipeline",0,["{method}"],{arguments}]]"#));
        session.send(&json!(["pull", number]));
        let value = answered.await.context("the connection ended")?;
        session.send(&json!(["release", number, 1]));
        Ok(value)
    }
}

impl Caller for CapnWeb {
    async fn sync(&self, _lane: usize, part: String) -> anyhow::Result<u64> {
        if let Some((id, secret)) = &self.share {
            // A part has no array, which would have to be wrapped.
            let arguments = format!(r#"[{id},{secret},[[{{"type":"part","data":{part}}}]]]"#);
            let value = self.call_text("syncShare", &arguments).await?;
            return value["syncCount"].as_u64().with_context(|| format!("no count: {value}"));
        }
        let value = self.call("syncShare", json!(["share", "secret", part])).await?;
        value.as_u64().with_context(|| format!("no count: {value}"))
    }

    async fn callback(&self) -> anyhow::Result<()> {
        let export = self.session.exported.get() - 1;
        self.session.exported.set(export);
        let reply = self.call("probeCallback", json!([["export", export]])).await?;
        anyhow::ensure!(reply == "done", "the reply is {reply}");
        Ok(())
    }
}

impl Session {
    fn send(&self, message: &Value) {
        self.send_text(message.to_string());
    }

    fn send_text(&self, text: String) {
        self.queue.borrow_mut().push(text);
        self.news.notify_one();
    }

    async fn write(self: Rc<Self>, mut sender: WebSocketSender<Socket>) -> anyhow::Result<()> {
        loop {
            self.news.notified().await;
            // Whoever else is ready adds to what is written at once.
            tokio::task::yield_now().await;
            let queue = self.queue.take();
            for text in queue {
                sender.feed(Message::text(text)).await?;
            }
            sender.flush().await?;
        }
    }

    /// Ends with the connection; the calls that are open then fail.
    async fn read(self: Rc<Self>, mut receiver: WebSocketReceiver<Socket>) {
        let ended = async {
            while let Some(message) = receiver.next().await {
                if let Message::Text(text) = message? {
                    self.hear(serde_json::from_str(text.as_str())?)?;
                }
            }
            Ok::<(), anyhow::Error>(())
        };
        if let Err(error) = ended.await {
            crate::report::say(&format!("Cap'n Web: {error:#}"));
        }
        self.open.borrow_mut().clear();
    }

    fn hear(&self, message: Value) -> anyhow::Result<()> {
        match message[0].as_str() {
            Some("resolve") => {
                let number = message[1].as_i64().context("an answer without a number")?;
                if let Some(answer) = self.open.borrow_mut().remove(&number) {
                    // Whoever asked may have gone.
                    let _asked = answer.send(message[2].clone());
                }
            }
            // A call of our callback, the one thing that we export: its answer waits for the pull.
            Some("push" | "release") => {}
            Some("pull") => {
                let number = message[1].as_i64().context("a pull without a number")?;
                self.send(&json!(["resolve", number, "done"]));
            }
            _ => bail!("unexpected: {message}"),
        }
        Ok(())
    }
}
