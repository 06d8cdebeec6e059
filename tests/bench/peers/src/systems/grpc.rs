//! gRPC by tonic: a unary call that counts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use tonic::{Request, Response, Status};

/// Its name in tables.
pub(crate) const NAME: &str = "tonic unary";

/// A sync.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SyncRequest {
    #[prost(string, tag = "1")]
    pub(crate) share_id: String,
    #[prost(string, tag = "2")]
    pub(crate) secret: String,
    #[prost(string, tag = "3")]
    pub(crate) data: String,
}

/// Its answer.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SyncReply {
    #[prost(uint64, tag = "1")]
    pub(crate) sync_count: u64,
}

/// What `build.rs` describes.
#[allow(clippy::all, unreachable_pub, missing_debug_implementations, reason = "written by tonic-build, not by us")]
pub(crate) mod generated {
    include!(concat!(env!("OUT_DIR"), "/bench.Shares.rs"));
}

/// Serves until the process ends, with the threads that tonic's users have: one for each core.
///
/// # Errors
///
/// It cannot listen.
pub(crate) fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let service = generated::shares_server::SharesServer::new(Counter::default());
    let server = tonic::transport::Server::builder().tcp_nodelay(true).add_service(service);
    tokio::runtime::Runtime::new()?.block_on(server.serve(address))?;
    Ok(())
}

#[derive(Debug, Default)]
struct Counter(AtomicU64);

#[tonic::async_trait]
impl generated::shares_server::Shares for Counter {
    async fn sync(&self, request: Request<SyncRequest>) -> Result<Response<SyncReply>, Status> {
        std::hint::black_box(request.into_inner().data.len());
        Ok(Response::new(SyncReply { sync_count: self.0.fetch_add(1, Ordering::Relaxed) + 1 }))
    }
}
