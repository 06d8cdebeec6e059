//! Calls by the code that the schema's compiler makes: over capshare's WebSocket, and over the bare TCP of the floor.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_tungstenite::tokio::client_async_with_config;
use capnp_rpc::{RpcSystem, rpc_twoparty_capnp::Side};
use capshare::__internal::contract::convert::read_synced;
use capshare::__internal::share_capnp::{create_result, probe_callback, share_rpc};
use capshare::__internal::wire::vat::{self, VatLimits};
use capshare::__internal::wire::websocket::{PipeOptions, pipe, socket_config};
use tokio::net::TcpStream;

use crate::drive::caller::Caller;
use crate::systems::capnp_tcp;

/// One message at most, as the contract has it.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// A root, and the shares that are synced: lane 0 syncs the first, and so on around.
pub(crate) struct Bare {
    root: share_rpc::Client,
    /// Their ids and secrets.
    shares: Vec<(String, String)>,
    callback: probe_callback::Client,
}

impl Bare {
    /// To a host of capshare, with a share for each of these sessions.
    ///
    /// # Errors
    ///
    /// There is no connection, or no share.
    pub(crate) async fn web_socket(address: SocketAddr, sessions: &[String]) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let url = format!("ws://{address}/rpc/share");
        let (socket, _) = client_async_with_config(url, stream, Some(socket_config(MESSAGE_BYTES_MAX))).await?;
        let options = PipeOptions { message_bytes_max: MESSAGE_BYTES_MAX, close_within: Duration::from_secs(1) };
        let (reader, writer, control) = pipe(socket, options);
        let limits = VatLimits { message_bytes_max: MESSAGE_BYTES_MAX, nesting_max: 64, queued_bytes_max: None, calls_kept_max: 10_000 };
        let (vat, root) = vat::connect(reader, writer, limits);
        tokio::task::spawn_local(async move {
            let _control = control;
            vat.await
        });
        Self::with_shares(root, sessions).await
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
        Self::with_shares(root, &["ses_1".to_owned()]).await
    }

    /// What it calls.
    pub(crate) fn root(&self) -> &share_rpc::Client {
        &self.root
    }

    /// The id of its first share.
    pub(crate) fn id(&self) -> &str {
        self.shares.first().map_or("", |(id, _)| id)
    }

    /// Sharing a session again gives the same share, so each connection asks for those that it syncs.
    async fn with_shares(root: share_rpc::Client, sessions: &[String]) -> anyhow::Result<Self> {
        let mut shares = Vec::new();
        for session in sessions {
            let mut request = root.create_share_request();
            request.get().set_session_id(session.as_str());
            let response = request.send().promise.await?;
            let create_result::Which::Created(created) = response.get()?.get_result()?.which()? else {
                bail!("the host refused to share")
            };
            shares.push((created.get_id()?.to_string()?, created.get_secret()?.to_string()?));
        }
        Ok(Self { root, shares, callback: capnp_rpc::new_client(Callback) })
    }
}

impl Caller for Bare {
    async fn sync(&self, lane: usize, part: String) -> anyhow::Result<u64> {
        let (id, secret) = &self.shares[lane % self.shares.len()];
        let mut request = self.root.sync_share_request();
        request.get().set_share_id(id.as_str());
        request.get().set_secret(secret.as_str());
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
