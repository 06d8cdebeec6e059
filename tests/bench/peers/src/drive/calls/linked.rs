//! Calls by the client that services link, with its driver's thread and its channels.

use std::net::SocketAddr;

use capshare::Client;
use capshare::client::{Items, Share};

use crate::drive::caller::Caller;

/// Lanes of the first connection and of each further one: 256 in flight on one, or on sixteen together.
const LANES: (usize, usize) = (256, 16);

/// A client, and a share for each lane.
pub(crate) struct Linked {
    client: Client,
    shares: Vec<Share>,
}

impl Linked {
    /// To a host; `connection` tells sessions of this one from those of others.
    ///
    /// # Errors
    ///
    /// There is no connection, or no share.
    pub(crate) async fn connect(address: SocketAddr, connection: usize) -> anyhow::Result<Self> {
        let client = Client::builder(format!("ws://{address}")).build()?;
        let mut shares = Vec::new();
        for lane in 0..if connection == 0 { LANES.0 } else { LANES.1 } {
            shares.push(client.create(&format!("ses_{connection}_{lane}").parse()?, None).await?);
        }
        Ok(Self { client, shares })
    }
}

impl Caller for Linked {
    async fn sync(&self, lane: usize, part: String) -> anyhow::Result<u64> {
        let mut items = Items::new();
        items.put("part", &part)?;
        Ok(self.shares[lane].sync(items).await?.sync_count)
    }

    async fn callback(&self) -> anyhow::Result<()> {
        let reply = self.client.probe_callback(|_| "done".to_owned()).await?.value;
        anyhow::ensure!(reply == "done", "the reply is {reply}");
        Ok(())
    }
}
