//! Asks those who watch a share a question, and waits until it is settled: `cargo run --example ask --features testing`.
//!
//! Questions travel by the viewer channel (`schema/viewer.md`): JSON in a WebSocket, in any language. Here the owner and one viewer
//! are two sockets of this program; a browser that shows the share's page could answer as well.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::{ConnectStream, connect_async};
use async_tungstenite::tungstenite::Message;
use capshare::testing::Scene;
use futures::StreamExt as _;
use serde_json::{Value, json};

type Socket = WebSocketStream<ConnectStream>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let scene = Scene::new();
    let address = scene.host().listen("127.0.0.1:0".parse()?).await?;
    let share = scene.client_builder().build()?.create(&"ses_example".parse()?, None).await?;
    let channel = format!("ws://{address}/ws/{}", share.id());
    let (mut owner, _) = connect_async(channel.as_str()).await?;
    let (mut viewer, _) = connect_async(channel.as_str()).await?;

    // The share's secret says that this is its owner.
    let secret = share.secret().ok_or("a created share has a secret")?.reveal();
    let question = json!({
        "question": "Deploy?", "choices": ["yes", "no"], "needed": 1, "withinMs": 60_000, "secret": secret,
    });
    send(&mut owner, "share.ask", question).await?;

    let asked = event(&mut viewer, "ask").await?;
    println!("the viewer is asked: {} {}", asked["question"], asked["choices"]);
    send(&mut viewer, "share.answer", json!({"ask": asked["ask"], "choice": "yes"})).await?;

    let settled = event(&mut owner, "settled").await?;
    println!("settled: {} for {}", settled["outcome"], settled["choice"]);
    scene.host().shutdown().await;
    Ok(())
}

/// Sends a command by the viewer channel.
async fn send(socket: &mut Socket, procedure: &str, input: Value) -> Result<(), Box<dyn Error>> {
    let command = json!({"id": 1, "procedure": procedure, "input": input});
    Ok(socket.send(Message::text(command.to_string())).await?)
}

/// The payload of the next event of this name.
async fn event(socket: &mut Socket, name: &str) -> Result<Value, Box<dyn Error>> {
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        let mut frame: Value = serde_json::from_str(&text)?;
        if frame["ok"] == false {
            return Err(frame["error"].to_string().into());
        }
        if frame["event"] == name {
            return Ok(frame["payload"].take());
        }
    }
    Err("the host closed the channel".into())
}
