//! Calls by the code that the schema's compiler makes: over capshare's WebSocket, and over the bare TCP of the floor.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_tungstenite::tokio::client_async_with_config;
use capnp_rpc::{RpcSystem, rpc_twoparty_capnp::Side};
use capshare::contract::convert::read_synced;
use capshare::share_capnp::{create_result, probe_callback, share_rpc};
use capshare::wire::vat::{self, VatLimits};
use capshare::wire::websocket::{PipeOptions, pipe, socket_config};
use tokio::net::TcpStream;

use crate::drive::calls::caller::Caller;
use crate::systems::capnp_tcp;

/// One message at most, as the contract has it.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// A root, and the one share that all connections sync.
pub(crate) struct Bare {
    root: share_rpc::Client,
    id: String,
    secret: String,
    callback: probe_callback::Client,
}

impl Bare {
    /// To a host of capshare.
    ///
    /// # Errors
    ///
    /// There is no connection, or no share.
    pub(crate) async fn web_socket(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let url = format!("ws://{address}/rpc/share");
        let (socket, _) = client_async_with_config(url, stream, Some(socket_config(MESSAGE_BYTES_MAX))).await?;
        let options = PipeOptions { message_bytes_max: MESSAGE_BYTES_MAX, close_within: Duration::from_secs(1) };
        let (reader, writer, control) = pipe(socket, options);
        let limits = VatLimits { message_bytes_max: MESSAGE_BYTES_MAX, nesting_max: 64, queued_bytes_max: None };
        let (vat, root) = vat::connect(reader, writer, limits);
        tokio::task::spawn_local(async move {
            let _control = control;
            vat.await
        });
        Self::with_share(root).await
    }

    /// To the floor.
    ///
    /// # Errors
    ///
    /// There is no connection.
    pub(crate) async fn tcp(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let mut rpc = RpcSystem::new(capnp_tcp::network(stream, Side::Client)?, None);
        let root = rpc.bootstrap(Side::Server);
        tokio::task::spawn_local(rpc);
        Self::with_share(root).await
    }

    /// Sharing a session again gives the same share, so each connection asks for it.
    async fn with_share(root: share_rpc::Client) -> anyhow::Result<Self> {
        let mut request = root.create_share_request();
        request.get().set_session_id("ses_1");
        let response = request.send().promise.await?;
        let create_result::Which::Created(created) = response.get()?.get_result()?.which()? else {
            bail!("the host refused to share")
        };
        let (id, secret) = (created.get_id()?.to_string()?, created.get_secret()?.to_string()?);
        Ok(Self { root, id, secret, callback: capnp_rpc::new_client(Callback) })
    }
}

impl Caller for Bare {
    async fn sync(&self, _lane: usize, part: String) -> anyhow::Result<u64> {
        let mut request = self.root.sync_share_request();
        request.get().set_share_id(self.id.as_str());
        request.get().set_secret(self.secret.as_str());
        request.get().init_data(1).get(0).set_part(part.as_str());
        let response = request.send().promise.await?;
        Ok(read_synced(response.get()?.get_result()?)?.sync_count)
    }

    async fn callback(&self) -> anyhow::Result<()> {
        let mut request = self.root.probe_callback_request();
        request.get().set_callback(self.callback.clone());
        let response = request.send().promise.await?;
        let reply = response.get()?.get_reply()?.to_str().context("the callback's reply")?;
        anyhow::ensure!(reply == "done", "the reply is {reply}");
        Ok(())
    }
}

struct Callback;

impl probe_callback::Server for Callback {
    async fn call(
        self: Rc<Self>,
        _params: probe_callback::CallParams,
        mut results: probe_callback::CallResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_reply("done");
        Ok(())
    }
}
