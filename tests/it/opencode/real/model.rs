//! A scripted model, so that the real client runs a session with no model behind it: OpenAI's chat completions, streamed.
//!
//! A request that offers tools gets one tool call after some text, as often as the session is to have steps, and then a
//! closing text; one without, from whoever makes titles, gets a title. The scene says how far the session may go: the step after
//! waits, and so the client can be held anywhere.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The model; ends with the scene's runtime.
pub(crate) struct Model {
    pub(crate) address: SocketAddr,
    script: Arc<Script>,
}

struct Script {
    steps: usize,
    /// Steps that may be taken.
    allowed: watch::Sender<usize>,
    /// Steps that were asked for.
    asked: watch::Sender<usize>,
}

impl Model {
    /// A model whose sessions have this many steps, none of which may be taken yet.
    pub(crate) async fn start(steps: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Script { steps, allowed: watch::Sender::new(0), asked: watch::Sender::new(0) });
        let routes = Router::new().route("/v1/chat/completions", post(complete)).with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, script }
    }

    /// The first so many steps may be taken.
    pub(crate) fn allow(&self, steps: usize) {
        self.script.allowed.send_replace(steps);
    }

    /// Waits until the client asks for what comes after this many steps: so many are done.
    pub(crate) async fn done(&self, steps: usize) {
        self.script.asked.subscribe().wait_for(|asked| *asked > steps).await.unwrap();
    }
}

async fn complete(State(script): State<Arc<Script>>, request: axum::Json<Value>) -> impl IntoResponse {
    let messages = request["messages"].as_array().cloned().unwrap_or_default();
    let is_role = |message: &Value, role: &str| message["role"] == role;
    let since_user = messages.iter().rev().take_while(|message| !is_role(message, "user"));
    let step = since_user.filter(|message| is_role(message, "tool")).count();
    let offers_tools = request["tools"].as_array().is_some_and(|tools| !tools.is_empty());
    let (text, call) = if !offers_tools {
        ("A scripted session".to_owned(), None)
    } else {
        script.asked.send_modify(|asked| *asked = (*asked).max(step + 1));
        script.allowed.subscribe().wait_for(|allowed| *allowed > step).await.unwrap();
        if step < script.steps {
            (format!("Step {step} does what a step does, and says so in some words before it."), Some(call(step)))
        } else {
            ("All steps are done.".to_owned(), None)
        }
    };
    let pieces = pieces(step, &text, call).into_iter().map(Ok::<_, Infallible>);
    ([("content-type", "text/event-stream")], Body::from_stream(futures::stream::iter(pieces)))
}

/// What a step does: it writes, changes, looks at and lists files of the session's folder.
fn call(step: usize) -> (&'static str, Value) {
    let file = format!("page-{}.md", step / 5);
    match step % 5 {
        0 => {
            let lines: String = (0..40).map(|line| format!("line {line} of step {step}\n")).collect();
            ("write", json!({ "filePath": file, "content": lines }))
        }
        1 => ("read", json!({ "filePath": file })),
        2 => ("edit", json!({ "filePath": file, "oldString": "line 7 of", "newString": "line seven of" })),
        3 => ("bash", json!({ "command": format!("wc {file} && seq {step} 400"), "description": "Count" })),
        _ => ("bash", json!({ "command": "ls -la", "description": "List" })),
    }
}

fn pieces(step: usize, text: &str, call: Option<(&str, Value)>) -> Vec<String> {
    let event = |delta: Value, finish: Option<&str>| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        let usage = finish.map(|_| json!({ "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120 }));
        let data = json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted", "choices": [choice], "usage": usage });
        format!("data: {data}\n\n")
    };
    let mut pieces = vec![event(json!({ "role": "assistant", "content": "" }), None)];
    pieces.extend(text.split_inclusive(' ').map(|word| event(json!({ "content": word }), None)));
    let finish = if call.is_some() { "tool_calls" } else { "stop" };
    if let Some((name, arguments)) = call {
        let function = json!({ "name": name, "arguments": arguments.to_string() });
        let call = json!({ "index": 0, "id": format!("call_{step}"), "type": "function", "function": function });
        pieces.push(event(json!({ "tool_calls": [call] }), None));
    }
    pieces.push(event(json!({}), Some(finish)));
    pieces.push("data: [DONE]\n\n".to_owned());
    pieces
}
