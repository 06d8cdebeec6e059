//! A host with one worker, and bare connections to it.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc;

use async_tungstenite::client_async_with_config;
use capshare::__internal::access::SingleAccount;
use capshare::__internal::ambient::Ambient;
use capshare::__internal::share_capnp::{create_result, share, share_rpc};
use capshare::__internal::wire::vat::{self, VatLimits};
use capshare::__internal::wire::websocket::{PipeOptions, ReadAhead, pipe, socket_config};
use capshare::host::{Host, HostSettings};
use object_store::memory::InMemory;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

pub(crate) fn thread() -> (Runtime, LocalSet) {
    (tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(), LocalSet::new())
}

/// A host on threads of its own, until the process ends.
pub(crate) fn serve() -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (runtime, local) = thread();
        local.block_on(&runtime, async move {
            let access = Arc::new(SingleAccount::new("local".parse().unwrap()));
            let mut settings = HostSettings::default();
            settings.workers = 1;
            settings.hub.poll = None;
            settings.doors.upgrades_per_minute = NonZeroU32::new(1_000_000).unwrap();
            settings.doors.account_upgrades_per_minute = settings.doors.upgrades_per_minute;
            let host = Host::new(Arc::new(InMemory::new()), access, Ambient::system(), settings).unwrap();
            let address = host.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
            sender.send(address).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

/// A connection to it, without the linked client.
pub(crate) async fn connect(address: SocketAddr) -> share_rpc::Client {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let url = format!("ws://{address}/rpc/share");
    let stream = ReadAhead::new(stream.compat());
    let (socket, _) = client_async_with_config(url, stream, Some(socket_config(4 << 20))).await.unwrap();
    let options = PipeOptions { message_bytes_max: 4 << 20, close_within: std::time::Duration::from_secs(1) };
    let (reader, writer, control) = pipe(socket, options);
    let limits =
        VatLimits { message_bytes_max: 4 << 20, nesting_max: 64, queued_bytes_max: None, calls_kept_max: 10_000 };
    let (vat, root) = vat::connect(reader, writer, limits);
    tokio::task::spawn_local(async move {
        let _control = control;
        vat.await
    });
    root
}

/// A share, and what is needed to sync to it by its id.
pub(crate) async fn create(root: &share_rpc::Client, session: &str) -> (share::Client, String, String) {
    let mut request = root.create_share_request();
    request.get().set_session_id(session);
    let response = request.send().promise.await.unwrap();
    let results = response.get().unwrap();
    let create_result::Which::Created(created) = results.get_result().unwrap().which().unwrap() else {
        panic!("refused")
    };
    let text = |text: capnp::text::Reader<'_>| text.to_string().unwrap();
    (results.get_share().unwrap(), text(created.get_id().unwrap()), text(created.get_secret().unwrap()))
}
