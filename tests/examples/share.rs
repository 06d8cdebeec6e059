//! Shares a session with a host that runs: `cargo run --example share -- ws://127.0.0.1:7420`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use capshare::client::{Client, Items};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:7420".into());
    let client = Client::builder(url).build()?;
    let share = client.create(&"ses_example".parse()?, None).await?;
    let mut items = Items::new();
    items.put("session", r#"{"id": "ses_example", "title": "An example"}"#)?;
    items.put("message", r#"{"id": "msg_1", "role": "user"}"#)?;
    let synced = share.sync(items).await?;
    println!("{} is at revision {}", share.url(), synced.revision);
    share.delete().await?;
    Ok(())
}
