//! The floor: bare capnp-rpc over TCP, whose methods do nothing that a host does.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;

use capnp_rpc::{RpcSystem, rpc_twoparty_capnp::Side, twoparty};
use capshare::__internal::share_capnp::share_rpc;
use futures::io::{AsyncReadExt as _, BufReader, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use crate::hosts::thread;

pub(crate) struct Bare;

impl share_rpc::Server for Bare {
    async fn probe_value(
        self: Rc<Self>,
        params: share_rpc::ProbeValueParams,
        mut results: share_rpc::ProbeValueResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_output(params.get()?.get_input()?)
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

    async fn sync_share(
        self: Rc<Self>,
        params: share_rpc::SyncShareParams,
        mut results: share_rpc::SyncShareResults,
    ) -> Result<(), capnp::Error> {
        let count = params.get()?.get_data()?.len();
        results.get().init_result().init_synced().set_sync_count(count.into());
        Ok(())
    }
}

/// Serves it on a thread of its own.
pub(crate) fn serve() -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (runtime, local) = thread();
        local.block_on(&runtime, async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let root: share_rpc::Client = capnp_rpc::new_client(Bare);
                let network = network(stream, Side::Server);
                tokio::task::spawn_local(RpcSystem::new(Box::new(network), Some(root.client)));
            }
        });
    });
    receiver.recv().unwrap()
}

/// A connection to it.
pub(crate) async fn connect(address: SocketAddr) -> share_rpc::Client {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut rpc = RpcSystem::new(Box::new(network(stream, Side::Client)), None);
    let root = rpc.bootstrap(Side::Server);
    tokio::task::spawn_local(rpc);
    root
}

fn network(stream: TcpStream, side: Side) -> impl capnp_rpc::VatNetwork<Side> + 'static {
    stream.set_nodelay(true).unwrap();
    let (reader, writer) = stream.compat().split();
    twoparty::VatNetwork::new(BufReader::new(reader), BufWriter::new(writer), side, Default::default())
}
