//! Calls by jsonrpsee's WebSocket client.

use std::net::SocketAddr;

use anyhow::bail;
use jsonrpsee::core::client::ClientT as _;
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::{WsClient, WsClientBuilder};

use crate::drive::caller::Caller;

/// A connection.
pub(crate) struct JsonRpc(WsClient);

impl JsonRpc {
    /// # Errors
    ///
    /// There is no connection.
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let builder = WsClientBuilder::default().max_concurrent_requests(512);
        Ok(Self(builder.build(format!("ws://{address}")).await?))
    }
}

impl Caller for JsonRpc {
    async fn sync(&self, _lane: usize, part: String) -> anyhow::Result<u64> {
        Ok(self.0.request("syncShare", rpc_params!["share", "secret", part]).await?)
    }

    async fn callback(&self) -> anyhow::Result<()> {
        bail!("a server of JSON-RPC cannot call its client")
    }
}
