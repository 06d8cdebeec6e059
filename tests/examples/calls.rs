//! Calls both ways between a client and the service that embeds the host: `cargo run --example calls --features testing`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use capshare::client::{Answer, CallError, Push};
use capshare::host::connections::{Action, CallContext, CallFailure};
use capshare::testing::Scene;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Serialize)]
struct Order {
    plan: &'static str,
}

#[derive(Deserialize)]
struct Receipt {
    plan: String,
    confirmed: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let scene = Scene::new();
    // The service: a call named "order", which asks the caller back before it answers.
    scene.host().on_call("order", async |caller: CallContext, order: Value| {
        let asked = caller.push_back(Action::custom("confirm", &order)).await;
        let confirmed = matches!(asked, Ok(Answer::Custom { .. }));
        if order["plan"] == "none" {
            return Err(CallFailure::new("unknown-plan", "there is no such plan"));
        }
        Ok(json!({"plan": order["plan"], "confirmed": confirmed}))
    });

    // The client: it answers what the service asks, and calls it by types.
    let client = scene.client_builder().build()?;
    client
        .on_push(|push| async move {
            if let Push::Custom { name, data } = push
                && name == "confirm"
            {
                println!("the service asks to confirm {data}");
                return Ok(Answer::custom(json!({"yes": true})));
            }
            Err("this client answers nothing else")
        })
        .await?;
    let receipt = client.call_as::<Receipt>("order", &Order { plan: "team" }).await?;
    println!("plan {}, confirmed: {}", receipt.plan, receipt.confirmed);

    match client.call_as::<Receipt>("order", &Order { plan: "none" }).await {
        Err(CallError::Failed { code, message }) => println!("refused: {code}: {message}"),
        other => return Err(format!("not refused: {:?}", other.err()).into()),
    }
    Ok(())
}
