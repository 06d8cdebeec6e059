//! Follows a share and keeps a copy of it, while its owner changes it: `cargo run --example follow --features testing`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use capshare::client::{Items, Replica, WatchFrom};
use capshare::testing::Scene;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // A host and its clients in this process. Elsewhere: `Client::builder("wss://share.example.org").build()?`.
    let scene = Scene::new();
    let (owner, follower) = (scene.client_builder().build()?, scene.client_builder().build()?);
    let share = owner.create(&"ses_example".parse()?, None).await?;
    let (mut watch, mut replica) = (follower.watch(share.id(), WatchFrom::WholeState), Replica::new());

    for text in ["I", "I am", "I am an agent."] {
        let mut items = Items::new();
        items.put_value("part", &json!({"id": "prt_1", "messageID": "msg_1", "text": text}))?;
        let synced = share.sync(items).await?;
        // A step has what changed since the step before. A follower that is slow gets fewer and larger steps.
        while replica.revision() < synced.revision {
            let step = watch.try_next().await?.ok_or("a watch ends with an error")?;
            replica.apply(&step)?;
        }
        println!("revision {}:", replica.revision());
        for (key, value) in replica.iter() {
            println!("  {key} {}", value.as_str());
        }
    }

    share.delete().await?;
    if let Some(Err(error)) = watch.next().await {
        println!("the watch ended: {error}");
    }
    Ok(())
}
