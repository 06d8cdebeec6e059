//! A client of Cap'n Web that says frames by hand.

use std::collections::VecDeque;
use std::sync::Arc;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::ConnectStream;
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::Role;
use capshare::__internal::access::Way;
use capshare::__internal::connections::comer::{Comer, Door};
use capshare::__internal::web::{WebSettings, serve_websocket};
use capshare::__internal::wire::websocket::socket_config;
use capshare::host::Host;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::{DuplexStream, duplex};
use tokio::task::spawn_local;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use crate::support::door::{Served, close_frame};
use crate::support::patience::within;

/// The path of the door.
pub(super) const PATH: &str = "/rpc/share/web";

/// Bytes that lie on a line within the process, in each direction.
const LINE_BYTES: usize = 64 << 10;

/// One end of a session.
pub(super) struct Peer<S = Compat<DuplexStream>> {
    pub(super) socket: WebSocketStream<S>,
    pushed: i64,
    /// Pushes of the host that were heard.
    heard: i64,
    /// Frames that were heard while another was waited for.
    kept: VecDeque<Value>,
}

/// An answer: the value, or the error as `[code, message]` with its members.
pub(super) type Answered = Result<Value, Value>;

impl Peer {
    /// A connection within the process, with the rights of what it shows. To be called on a `LocalSet`.
    pub(super) async fn within(host: &Host, token: Option<&str>) -> Self {
        Self::with(host, token, WebSettings::default()).await
    }

    pub(super) async fn with(host: &Host, token: Option<&str>, settings: WebSettings) -> Self {
        let hub = host.hub();
        let token = token.map(capshare::share::secret::Secret::from);
        let principal = hub.access().introduce(token.as_ref(), true, Way::Direct).await.unwrap();
        let pending = hub.connections().register(Comer::new(Door::Web, principal, None, Way::Direct)).unwrap();
        let (near, far) = duplex(LINE_BYTES);
        let (hub, config) = (Arc::clone(hub), socket_config(hub.settings().limits.message_bytes_max));
        spawn_local(async move {
            let socket = WebSocketStream::from_raw_socket(far.compat(), Role::Server, Some(config)).await;
            serve_websocket(hub, pending, socket, settings).await;
        });
        Self::over(WebSocketStream::from_raw_socket(near.compat(), Role::Client, None).await)
    }
}

impl Peer<ConnectStream> {
    /// A connection to a port.
    pub(super) async fn connect(served: &Served, headers: &[(&str, &str)]) -> Self {
        Self::over(served.knock(PATH, headers).await.unwrap())
    }
}

impl<S: futures::AsyncRead + futures::AsyncWrite + Unpin> Peer<S> {
    fn over(socket: WebSocketStream<S>) -> Self {
        Self { socket, pushed: 0, heard: 0, kept: VecDeque::new() }
    }

    /// Says a frame.
    pub(super) async fn say(&mut self, frame: &Value) {
        self.say_text(&frame.to_string()).await;
    }

    pub(super) async fn say_text(&mut self, frame: &str) {
        self.socket.send(Message::text(frame)).await.unwrap();
    }

    /// Pushes an expression, and gives the number of its result.
    pub(super) async fn push(&mut self, expression: Value) -> i64 {
        self.say(&json!(["push", expression])).await;
        self.pushed += 1;
        self.pushed
    }

    pub(super) async fn pull(&mut self, id: i64) {
        self.say(&json!(["pull", id])).await;
    }

    /// Calls a method of what has this number without asking for its answer. Arrays in the arguments are wrapped.
    pub(super) async fn begin(&mut self, on: i64, method: &str, args: Value) -> i64 {
        self.push(json!(["pipeline", on, method.split('.').collect::<Vec<_>>(), args])).await
    }

    /// Calls a method of the main object, and gives its answer.
    pub(super) async fn ask(&mut self, method: &str, args: Value) -> Answered {
        self.ask_of(0, method, args).await
    }

    /// Calls a method of what has this number, and gives its answer.
    pub(super) async fn ask_of(&mut self, on: i64, method: &str, args: Value) -> Answered {
        let id = self.begin(on, method, args).await;
        self.pull(id).await;
        self.answer(id).await
    }

    /// Waits for the answer of a result that was asked for, and releases that.
    pub(super) async fn answer(&mut self, id: i64) -> Answered {
        let is_answer = |frame: &Value| matches!(frame[0].as_str(), Some("resolve" | "reject")) && frame[1] == id;
        let frame = self.wait(is_answer).await;
        self.say(&json!(["release", id, 1])).await;
        if frame[0] == "resolve" { Ok(frame[2].clone()) } else { Err(error(&frame[2])) }
    }

    /// Waits for the host's next call of an object of this side, and gives its expression.
    pub(super) async fn called(&mut self) -> Value {
        self.wait(|frame| frame[0] == "push").await[1].clone()
    }

    /// Waits for the host's next call whose answer it asks for, and gives its expression and its number.
    pub(super) async fn asked(&mut self) -> (Value, i64) {
        let push = self.wait(|frame| frame[0] == "push").await;
        self.wait(|frame| *frame == json!(["pull", push[2]])).await;
        (push[1].clone(), push[2].as_i64().unwrap())
    }

    /// Waits for a frame; what comes before it is kept.
    pub(super) async fn wait(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&fits) {
            return self.kept.remove(at).unwrap();
        }
        loop {
            let frame = self.heard().await;
            if fits(&frame) {
                return frame;
            }
            self.kept.push_back(frame);
        }
    }

    /// The next frame.
    async fn heard(&mut self) -> Value {
        within("a frame", async {
            loop {
                match self.socket.next().await.expect("an open socket").expect("an open socket") {
                    Message::Text(text) => {
                        let mut frame: Value = serde_json::from_str(&text).unwrap();
                        if frame[0] == "push" {
                            // With its number, which is not said.
                            self.heard += 1;
                            frame.as_array_mut().unwrap().push(json!(self.heard));
                        }
                        return frame;
                    }
                    Message::Ping(_) | Message::Pong(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        })
        .await
    }

    /// The frames that were heard and not waited for.
    pub(super) fn unheard(&self) -> Vec<String> {
        self.kept.iter().map(Value::to_string).collect()
    }

    /// What the host says last: the error of its abort, and the code and the reason of its Close frame.
    pub(super) async fn ended(&mut self) -> (Value, u16, String) {
        let abort = self.wait(|frame| frame[0] == "abort").await;
        let (code, reason) = close_frame(&mut self.socket).await;
        (error(&abort[1]), code, reason)
    }

    /// The connection goes on: a probe is answered.
    pub(super) async fn goes_on(&mut self) {
        let welcome = self.ask("hello", json!([])).await.unwrap();
        assert_eq!(welcome["contractVersion"], 1);
    }

    /// Creates a share of a session, and gives its facts; the share itself is `share`.
    pub(super) async fn create(&mut self, session: &str) -> Made {
        let id = self.begin(0, "createShare", json!([session])).await;
        self.pull(id).await;
        let facts = self.answer(id).await.unwrap();
        let text = |name: &str| facts[name].as_str().unwrap().to_owned();
        Made { id: text("id"), secret: text("secret"), share: facts["share"][1].as_i64().unwrap() }
    }
}

/// A share that was created.
pub(super) struct Made {
    pub(super) id: String,
    pub(super) secret: String,
    /// The number of its object.
    pub(super) share: i64,
}

/// An error of the wire as an object of its members, with `message`.
fn error(value: &Value) -> Value {
    assert_eq!(value[0], "error", "{value}");
    let mut members = value.get(4).cloned().unwrap_or_else(|| json!({}));
    members["message"] = value[2].clone();
    members
}

/// One item, as an element of a list of items that is wrapped by the caller.
pub(super) fn part(id: &str, text: &str) -> Value {
    json!({"type": "part", "data": {"id": id, "messageID": "m", "text": text}})
}
