//! Follows a share and keeps a copy of it, while its owner changes it: `cargo run --example follow --features testing`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use capshare::client::{Items, Replica, WatchFrom};
use capshare::testing::Scene;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // A host and its clients in this process. Elsewhere: `Client::builder("wss://share.example.org").build()?`.
    let scene = Scene::new();
    let (owner, follower) = (scene.client_builder().build()?, scene.client_builder().build()?);
    let share = owner.create(&"ses_example".parse()?, None).await?;

    let writing = tokio::spawn(async move {
        for text in ["I", "I am", "I am an agent."] {
            let mut items = Items::new();
            items.put_value("part", &serde_json::json!({"id": "prt_1", "messageID": "msg_1", "text": text}))?;
            share.sync(items).await?;
        }
        share.delete().await?;
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });

    let id = owner.list(Default::default()).try_next().await?.ok_or("there is a share")?.id;
    let (mut watch, mut replica) = (follower.watch(&id, WatchFrom::WholeState), Replica::new());
    // A step has what changed since the step before: one for each sync, or fewer where the follower is slower than the owner.
    while let Some(step) = watch.next().await {
        match step {
            Ok(step) => replica.apply(&step)?,
            Err(error) => {
                println!("the end: {error}");
                break;
            }
        }
        println!("revision {}:", replica.revision());
        for (key, value) in replica.iter() {
            println!("  {key} {}", value.as_str());
        }
    }
    writing.await?.map_err(|error| error.to_string())?;
    Ok(())
}
