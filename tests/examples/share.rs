//! A service that shares a session in ten lines: `cargo run --example share -- ws://127.0.0.1:7420`.

use capshare::{Client, client::Items};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:7420".into());
    let client = Client::builder(url).build()?;
    let share = client.create(&"ses_example".parse()?, None).await?;
    let mut items = Items::new();
    items.put("session", r#"{"id": "ses_example", "title": "An example"}"#)?;
    items.put("message", r#"{"id": "msg_1", "role": "user"}"#)?;
    let synced = share.sync(items).await?;
    let mut out = std::io::stdout().lock();
    std::io::Write::write_fmt(&mut out, format_args!("{} is at revision {}\n", share.url(), synced.revision))?;
    share.delete().await?;
    Ok(())
}
