//! Hands on a part of a share's rights as a token, and takes it back: `cargo run --example grants --features testing`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use capshare::client::{Items, Restored};
use capshare::testing::Scene;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let scene = Scene::new();
    let (owner, guest) = (scene.client_builder().build()?, scene.client_builder().build()?);
    let mut items = Items::new();
    items.put("session", r#"{"id": "ses_example", "title": "An example"}"#)?;
    let share = owner.create(&"ses_example".parse()?, Some(items)).await?;

    // A token for reading. It outlives connections and programs: keep it, or send it to somebody.
    let token = share.narrow_to_read(None).save(&"for a guest".parse()?, None).await?;

    // The guest has nothing but the token, and gets nothing but reading by it.
    let Restored::View(view) = guest.restore(&token).await? else { return Err("the token gives reading".into()) };
    println!("the guest reads {} item", view.snapshot().await?.len());

    for grant in share.grants().await? {
        println!("grant {} ({:?}, {})", grant.id, grant.right, grant.label);
        share.revoke_grant(&grant.id).await?;
    }
    match view.info().await {
        Err(error) => println!("after the revocation: {error}"),
        Ok(_) => return Err("a revoked token gives nothing".into()),
    }
    Ok(())
}
