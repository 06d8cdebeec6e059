//! A service with a host inside, over a directory, for its own accounts: `cargo run --example embed --features server`.

use std::sync::Arc;

use capshare::access::{Access, Credential, Principal, Scopes};
use capshare::ambient::Ambient;
use capshare::host::storage::{S3Options, StoreLocation, open};
use capshare::host::{Host, HostSettings};
use capshare::share::error::Refusal;
use capshare::share::secret::Secret;
use futures::future::BoxFuture;

/// Who may come in is up to the service: here, whoever names an account.
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
        "whoever names an account".into()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let location = StoreLocation::Directory(folder.path().to_owned());
    let store = open(&location, &S3Options::default()).await?;
    let host = Host::new(store, Arc::new(Accounts), Ambient::system(), HostSettings::default())?;
    let address = host.listen("127.0.0.1:0".parse()?).await?;

    let client = capshare::Client::builder(format!("ws://{address}")).token("ann").build()?;
    let share = client.create(&"ses_example".parse()?, None).await?;
    let mut out = std::io::stdout().lock();
    std::io::Write::write_fmt(
        &mut out,
        format_args!("{} is shared by {}\n", share.url(), client.hello().await?.account),
    )?;
    host.shutdown().await;
    Ok(())
}
