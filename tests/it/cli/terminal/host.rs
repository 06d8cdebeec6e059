//! A host that says the same words wherever the contract has it say something.

use std::rc::Rc;

use async_tungstenite::accept_hdr_async_with_config;
use async_tungstenite::tungstenite::handshake::server::{Request, Response};
use capnp::Error;
use capshare::__internal::contract::error::write_refusal;
use capshare::__internal::share_capnp::{admin, share_rpc};
use capshare::__internal::wire::vat::{VatLimits, serve};
use capshare::__internal::wire::websocket::{PipeOptions, pipe, socket_config};
use capshare::share::error::Refusal;
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// It ends with the test's process.
pub(super) struct WordyHost(String);

impl WordyHost {
    pub(super) fn start(words: &'static str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, accept(listener, words));
        });
        Self(url)
    }

    pub(super) fn url(&self) -> &str {
        &self.0
    }
}

async fn accept(listener: std::net::TcpListener, words: &'static str) {
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((tcp, _)) = listener.accept().await {
        #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
        let answer = |_: &Request, mut response: Response| {
            response.headers_mut().insert("Sec-WebSocket-Protocol", "capshare.1".parse().unwrap());
            Ok(response)
        };
        let config = Some(socket_config(MESSAGE_BYTES_MAX));
        let Ok(socket) = accept_hdr_async_with_config(tcp.compat(), answer, config).await else { continue };
        let options =
            PipeOptions { message_bytes_max: MESSAGE_BYTES_MAX, close_within: std::time::Duration::from_secs(2) };
        let (reader, writer, control) = pipe(socket, options);
        let limits = VatLimits {
            message_bytes_max: MESSAGE_BYTES_MAX,
            nesting_max: 64,
            queued_bytes_max: None,
            calls_kept_max: 10,
        };
        let root: share_rpc::Client = capnp_rpc::new_client(Root(words));
        let vat = serve(reader, writer, root.client, limits);
        spawn_local(async move {
            let _ended = vat.await;
            drop(control);
        });
    }
}

struct Root(&'static str);

impl share_rpc::Server for Root {
    async fn hello(
        self: Rc<Self>,
        _: share_rpc::HelloParams,
        mut results: share_rpc::HelloResults,
    ) -> Result<(), Error> {
        let mut welcome = results.get().init_result().init_welcome();
        welcome.set_contract_version(capshare::__internal::contract::CONTRACT_VERSION);
        welcome.set_agent(self.0);
        welcome.set_connection_id(self.0);
        welcome.set_account(self.0);
        Ok(())
    }

    async fn list_shares(
        self: Rc<Self>,
        _: share_rpc::ListSharesParams,
        mut results: share_rpc::ListSharesResults,
    ) -> Result<(), Error> {
        let mut listing = results.get().init_result().init_page().init_shares(1).get(0);
        listing.set_id("aaaaaaaaaaaaaaaaaaaaaaaaaa");
        listing.set_session_id("ses_1");
        listing.set_account("ann");
        listing.set_url(format!("http://red{}", self.0).as_str());
        listing.set_title(self.0);
        Ok(())
    }

    async fn view_share(
        self: Rc<Self>,
        _: share_rpc::ViewShareParams,
        mut results: share_rpc::ViewShareResults,
    ) -> Result<(), Error> {
        let refusal = Refusal::Unauthorized { reason: self.0.into() };
        write_refusal(&refusal, results.get().init_result().init_refused());
        Ok(())
    }

    async fn admin(
        self: Rc<Self>,
        _: share_rpc::AdminParams,
        mut results: share_rpc::AdminResults,
    ) -> Result<(), Error> {
        results.get().init_result().set_admitted(());
        results.get().set_admin(capnp_rpc::new_client(WordyAdmin(self.0)));
        Ok(())
    }
}

struct WordyAdmin(&'static str);

impl admin::Server for WordyAdmin {
    async fn connections(
        self: Rc<Self>,
        _: admin::ConnectionsParams,
        mut results: admin::ConnectionsResults,
    ) -> Result<(), Error> {
        let mut connection = results.get().init_result().init_page().init_connections(1).get(0);
        connection.set_id(self.0);
        connection.set_account(self.0);
        connection.set_credential(self.0);
        connection.set_door(self.0);
        connection.init_states(1).set(0, self.0);
        Ok(())
    }
}
