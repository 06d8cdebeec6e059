//! Calls by tonic's client: one channel is one HTTP/2 connection.

use std::net::SocketAddr;

use anyhow::bail;
use tonic::transport::{Channel, Endpoint};

use crate::drive::caller::Caller;
use crate::systems::grpc::SyncRequest;
use crate::systems::grpc::generated::shares_client::SharesClient;

/// A channel.
pub(crate) struct Grpc(SharesClient<Channel>);

impl Grpc {
    /// # Errors
    ///
    /// There is no connection.
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true).connect().await?;
        Ok(Self(SharesClient::new(channel)))
    }
}

impl Caller for Grpc {
    async fn sync(&self, _lane: usize, data: String) -> anyhow::Result<u64> {
        let request = SyncRequest { share_id: "share".to_owned(), secret: "secret".to_owned(), data };
        Ok(self.0.clone().sync(request).await?.into_inner().sync_count)
    }

    async fn callback(&self) -> anyhow::Result<()> {
        bail!("a server of gRPC cannot call its client")
    }
}
