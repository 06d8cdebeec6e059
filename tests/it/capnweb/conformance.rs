//! What the official client, capnweb 0.12.0 on Node, asks of a session over a WebSocket: the questions of the package's own suite
//! that are about a server, put in our words (`tests/real/capnweb/questions.mjs`). After each question the client disposes
//! of what it was given, and the server looks whether anything is left.
//!
//! Left out are the questions about what this module refuses by name: `map()`, Blobs, streams and HTTP batches; those that are about
//! the order of releases between two JavaScript classes, which `frames.rs` plays by hand; and those that never reach a server, such
//! as about what every object of JavaScript has. `recordings.rs` compares frames with those that the package's own server sends.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;

use async_tungstenite::tokio::accept_async;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::{Bytes, Message};
use capshare::capnweb::{
    Call, CallId, Event, Fault, Import, Json, Limits, PathPart, Session, Stats, Stub, Target, Text, Value,
};
use futures::StreamExt as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::support::patience::within;
use crate::web::real::packages;

const MAIN: Target = Target(0);

#[tokio::test]
async fn the_official_client_finds_what_it_expects_and_leaves_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let folder = tokio::task::spawn_blocking(packages).await.unwrap();
    let serving = async {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            serve(accept_async(socket).await.unwrap()).await;
        }
    };
    let said = tokio::select! {
        said = ask(&folder, &url) => said,
        () = serving => unreachable!("the server goes on"),
    };
    assert_eq!(said.len(), 20, "{said:#?}");
    let wrong: Vec<_> = said.iter().filter(|answer| answer.get("error").is_some()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Runs the questions, and gives what is said of each. A server that panics meanwhile ends them too.
async fn ask(folder: &Path, url: &str) -> Vec<serde_json::Value> {
    let mut node = Command::new("node");
    node.arg(folder.join("questions.mjs")).arg(url).stdout(Stdio::piped()).kill_on_drop(true);
    let mut asking = node.spawn().unwrap();
    let mut lines = BufReader::new(asking.stdout.take().unwrap()).lines();
    let mut said: Vec<serde_json::Value> = Vec::new();
    while let Some(line) = within(&format!("what comes after {:?}", said.last()), lines.next_line()).await.unwrap() {
        said.push(serde_json::from_str(&line).unwrap());
    }
    assert!(asking.wait().await.unwrap().success());
    said
}

/// Serves one connection to its end, at which nothing may be left.
async fn serve<S>(mut socket: async_tungstenite::WebSocketStream<S>)
where
    S: futures::AsyncRead + futures::AsyncWrite + Unpin,
{
    let mut target = TestTarget::new();
    while let Some(message) = socket.next().await {
        match message.unwrap() {
            Message::Text(text) => {
                let text = Text::from_utf8(Bytes::from(text)).unwrap();
                let taken = target.session.receive(text);
                target.settle();
                while let Some(frame) = target.session.poll_frame() {
                    socket.send(Message::Text(frame.into())).await.unwrap();
                }
                if taken.is_err() {
                    let frame = CloseFrame { code: CloseCode::Protocol, reason: "".into() };
                    socket.send(Message::Close(Some(frame))).await.unwrap();
                }
            }
            Message::Close(_) => {
                // Says goodbye with the peer's own code.
                let _gone = socket.close(None).await;
                break;
            }
            _ => {}
        }
    }
    let Stats { exports, imports, calls, nodes, held_bytes, .. } = target.session.stats();
    assert_eq!((exports, imports, calls, nodes, held_bytes), (1, 1, 0, 0, 0));
    assert!(target.counters.is_empty(), "every counter was dropped");
}

/// The object that the questions are put to.
struct TestTarget {
    session: Session,
    counters: HashMap<Target, f64>,
    last: u64,
    /// Calls of this side, and what their results answer.
    asked: HashMap<Import, CallId>,
}

impl TestTarget {
    fn new() -> Self {
        let session = Session::new(Limits::default(), Some(MAIN));
        Self { session, counters: HashMap::new(), last: 0, asked: HashMap::new() }
    }

    fn settle(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Call(call) => {
                    let id = call.id;
                    match self.call(call) {
                        Ok(Some(value)) => assert!(self.session.respond(id, Ok(value))),
                        Ok(None) => {}
                        Err(fault) => assert!(self.session.respond(id, Err(fault))),
                    }
                }
                Event::Settled(import, result) => {
                    let call = self.asked.remove(&import).unwrap();
                    let result = result.map(|value| Value::object([("result", value)])).map_err(|error| match error {
                        Value::Error(fault) => *fault,
                        _ => Fault::new("something was thrown"),
                    });
                    self.session.respond(call, result);
                }
                Event::Dropped(target) => drop(self.counters.remove(&target)),
                _ => {}
            }
        }
    }

    fn call(&mut self, Call { id, target, path, args }: Call) -> Result<Option<Value>, Fault> {
        let name = match path.as_slice() {
            [PathPart::Name(name)] => name.as_str(),
            _ => "",
        };
        let missing = || Fault::type_error(format!("'{name}' is not a function."));
        let Some(args) = args else {
            let value = self.counters.get(&target).filter(|_| name == "value");
            return Ok(Some(value.map_or(Value::Undefined, |count| (*count).into())));
        };
        let mut args = args.into_iter();
        let (first, second) = (args.next().unwrap_or(Value::Undefined), args.next().unwrap_or(Value::Undefined));
        if target != MAIN {
            return if name == "increment" { self.increment(target, &first).map(Some) } else { Err(missing()) };
        }
        let number = first.as_f64().ok_or_else(|| Fault::type_error("a number is missing"));
        Ok(Some(match name {
            "square" => (number.clone()? * number?).into(),
            "returnNumber" => first,
            "returnNull" => Value::Null,
            "returnUndefined" => Value::Undefined,
            "throwError" => return Err(Fault { name: "RangeError".into(), ..Fault::new("test error") }),
            "generateFibonacci" => fibonacci(number? as usize),
            "makeCounter" => {
                self.last += 1;
                self.counters.insert(Target(self.last), number?);
                Stub::Local(Target(self.last)).into()
            }
            "incrementCounter" => match first.as_stub() {
                Some(Stub::Local(counter)) => self.increment(counter, &second)?,
                _ => return Err(Fault::type_error("a counter is missing")),
            },
            "callSquare" => return self.call_back(id, &first, &["square".into()], second),
            "callFunction" => return self.call_back(id, &first, &[], second),
            _ => return Err(missing()),
        }))
    }

    fn increment(&mut self, counter: Target, by: &Value) -> Result<Value, Fault> {
        let count = self.counters.get_mut(&counter).ok_or_else(|| Fault::type_error("a counter is missing"))?;
        *count += by.as_f64().unwrap_or(1.0);
        Ok((*count).into())
    }

    /// Calls an object with one argument, to answer with an object of the result.
    fn call_back(
        &mut self,
        id: CallId,
        object: &Value,
        path: &[PathPart],
        argument: Value,
    ) -> Result<Option<Value>, Fault> {
        match object.as_stub() {
            Some(Stub::Remote(import)) => {
                let call = self.session.call(import, path, Some(&[argument])).unwrap();
                self.session.pull(call);
                self.session.awaits_peer(id);
                self.asked.insert(call, id);
                Ok(None)
            }
            Some(Stub::Local(MAIN)) => {
                let number = argument.as_f64().unwrap_or(f64::NAN);
                Ok(Some(Value::object([("result", (number * number).into())])))
            }
            _ => Err(Fault::type_error("a function is missing")),
        }
    }
}

/// As plain data, which is how a host answers with what it has as text.
fn fibonacci(length: usize) -> Value {
    let numbers = std::iter::successors(Some((0_u64, 1_u64)), |(one, two)| Some((*two, one + two)));
    let texts: Vec<String> = numbers.take(length).map(|(number, _)| number.to_string()).collect();
    Value::Json(Json::from_json(format!("[{}]", texts.join(",")), 2).unwrap())
}
