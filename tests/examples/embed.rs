//! A service with a host inside, from zero: a store, who may come in, a port. `cargo run --example embed --features server`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use capshare::client::Client;
use capshare::host::Host;
use capshare::host::access::{Access, Credential, Principal, Scopes};
use capshare::host::storage::StoreLocation;
use capshare::share::error::Refusal;
use capshare::share::secret::Secret;
use futures::future::BoxFuture;

/// Who may come in: here everybody who names an account. A service looks its own credentials up.
#[derive(Debug)]
struct Accounts;

impl Access for Accounts {
    fn anonymous(&self) -> Option<Principal> {
        None
    }

    fn authenticate<'a>(&'a self, token: &'a Secret) -> BoxFuture<'a, Result<Principal, Refusal>> {
        let account = token.reveal().parse().map_err(|_| Refusal::Unauthorized { reason: "name an account".into() });
        let principal = account.map(|account| Principal {
            account,
            credential: Credential::Key,
            scopes: Scopes::SHARE,
            expires_at: None,
        });
        Box::pin(std::future::ready(principal))
    }

    fn describe(&self) -> String {
        "everybody who names an account".into()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Shares are kept in a directory; `StoreLocation` also names memory and, with the feature `s3`, a bucket.
    let folder = tempfile::tempdir()?;
    let storage = StoreLocation::Directory(folder.path().to_owned());
    let host = Host::builder().storage(storage).access(Accounts).build().await?;
    // One port for clients, viewers and the web page. A port of 0 is any that is free.
    let address = host.listen("127.0.0.1:0".parse()?).await?;

    let client = Client::builder(format!("ws://{address}")).token("ann").build()?;
    let share = client.create(&"ses_example".parse()?, None).await?;
    println!("{} is shared by {}", share.url(), client.hello().await?.account);

    // Connections are told, and what was begun is committed.
    host.shutdown().await;
    Ok(())
}
