//! The floor for calls: capnp-rpc over bare TCP, with buffers and NODELAY, on one thread.
//!
//! It speaks capshare's own contract, so that both are called by the same code with the same messages, and does the least that a
//! call can do: a sync's bytes are looked at and counted, and kept nowhere.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use capnp_rpc::{RpcSystem, rpc_twoparty_capnp::Side, twoparty};
use capshare::__internal::share_capnp::{share_rpc, sync_item};
use futures::io::{AsyncReadExt as _, BufReader, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

/// Its name in tables.
pub(crate) const NAME: &str = "capnp-rpc TCP";

/// One end of a connection.
pub(crate) fn network(
    stream: TcpStream,
    side: Side,
) -> anyhow::Result<Box<twoparty::VatNetwork<impl futures::AsyncRead + Unpin>>> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.compat().split();
    let options = capnp::message::ReaderOptions::new();
    Ok(Box::new(twoparty::VatNetwork::new(BufReader::new(reader), BufWriter::new(writer), side, options)))
}

/// Serves until the process ends.
///
/// # Errors
///
/// It cannot listen.
pub(crate) fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(address).await?;
        let count = Rc::new(Cell::new(0));
        loop {
            let (stream, _) = listener.accept().await?;
            let root: share_rpc::Client = capnp_rpc::new_client(Counter(count.clone()));
            tokio::task::spawn_local(RpcSystem::new(network(stream, Side::Server)?, Some(root.client)));
        }
    })
}

struct Counter(Rc<Cell<u64>>);

impl share_rpc::Server for Counter {
    async fn create_share(
        self: Rc<Self>,
        _params: share_rpc::CreateShareParams,
        mut results: share_rpc::CreateShareResults,
    ) -> Result<(), capnp::Error> {
        let mut created = results.get().init_result().init_created();
        created.set_id("0123456789abcdef01234567");
        created.set_secret("0123456789abcdef0123456789abcdef0123456789a");
        Ok(())
    }

    async fn sync_share(
        self: Rc<Self>,
        params: share_rpc::SyncShareParams,
        mut results: share_rpc::SyncShareResults,
    ) -> Result<(), capnp::Error> {
        for item in params.get()?.get_data()? {
            if let sync_item::Which::Part(part) = item.which()? {
                std::hint::black_box(part?.as_bytes().len());
            }
        }
        self.0.set(self.0.get() + 1);
        let mut synced = results.get().init_result().init_synced();
        synced.set_sync_count(self.0.get());
        synced.set_revision(self.0.get());
        Ok(())
    }

    async fn probe_callback(
        self: Rc<Self>,
        params: share_rpc::ProbeCallbackParams,
        mut results: share_rpc::ProbeCallbackResults,
    ) -> Result<(), capnp::Error> {
        let mut request = params.get()?.get_callback()?.call_request();
        request.get().set_message("server-called");
        let response = request.send().promise.await?;
        results.get().set_reply(response.get()?.get_reply()?);
        Ok(())
    }
}
