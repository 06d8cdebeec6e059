//! Into capshare: a linked client, one connection, and a sync of one item for each event.

use anyhow::Context as _;
use capshare::Client;
use capshare::client::{Items, Share};
use futures::future::LocalBoxFuture;

use super::Publisher;
use crate::running::Running;

/// Shares of one client.
#[derive(Debug)]
pub(crate) struct Shares {
    shares: Vec<Share>,
    ids: Vec<String>,
}

impl Shares {
    /// Creates so many shares.
    ///
    /// # Errors
    ///
    /// The host cannot be reached, or refuses.
    pub(crate) async fn create(running: &Running, prefix: &str, count: usize) -> anyhow::Result<Self> {
        let client = Client::builder(format!("ws://{}", running.address)).build()?;
        let mut shares = Vec::new();
        for name in super::names(prefix, count) {
            shares.push(client.create(&name.parse()?, None).await.context("a share could not be created")?);
        }
        let ids = shares.iter().map(|share| share.id().to_string()).collect();
        Ok(Self { shares, ids })
    }
}

impl Publisher for Shares {
    fn topics(&self) -> &[String] {
        &self.ids
    }

    fn publish<'a>(&'a self, topic: usize, event: String) -> LocalBoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let mut items = Items::new();
            items.put("part", &event)?;
            self.shares[topic].sync(items).await?;
            Ok(())
        })
    }
}
