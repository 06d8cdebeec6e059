//! A client of bare Cap'n Proto, for what the linked client never does.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use capnp::capability::FromClientHook as _;
use capshare::__internal::contract::convert::{read_step, write_items};
use capshare::__internal::contract::error::read_refusal;
use capshare::__internal::share_capnp::{observer, probe_callback, share, share_rpc, share_view};
use capshare::__internal::wire::duplex;
use capshare::__internal::wire::vat::{self, VatLimits};
use capshare::host::Host;
use capshare::share::change::Change;
use capshare::share::error::Refusal;
use capshare::share::secret::Secret;
use capshare::share::view::Step;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// A connection of bare Cap'n Proto to a host in this process.
pub(crate) struct Raw {
    pub(crate) root: share_rpc::Client,
    vat: AbortHandle,
}

impl Raw {
    pub(crate) async fn connect(host: &Host, token: Option<&str>) -> Self {
        Self::over(host.connect(token.map(Secret::from).as_ref(), true).await.unwrap())
    }

    pub(crate) fn over(end: duplex::End) -> Self {
        let (reader, writer) = end.split();
        let limits =
            VatLimits { message_bytes_max: 64 << 20, nesting_max: 64, queued_bytes_max: None, calls_kept_max: 10_000 };
        let (vat, root) = vat::connect(reader, writer, limits);
        Self { root, vat: tokio::task::spawn_local(vat).abort_handle() }
    }

    /// Cuts the connection.
    pub(crate) fn cut(&self) {
        self.vat.abort();
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.cut();
    }
}

/// The same pipe, with a way of `delay` in each direction.
pub(crate) fn with_delay(end: duplex::End, delay: Duration) -> duplex::End {
    let (near, far) = duplex::pair(64 << 10);
    let (host_reads, host_writes) = tokio::io::split(end.into_inner());
    let (client_reads, client_writes) = tokio::io::split(near.into_inner());
    tokio::task::spawn_local(carry(host_reads, client_writes, delay));
    tokio::task::spawn_local(carry(client_reads, host_writes, delay));
    far
}

/// The same pipe, for a client that never reads: what the host writes stays in its pipe.
pub(crate) fn deaf(end: duplex::End) -> duplex::End {
    let (near, far) = duplex::pair(64 << 10);
    let (host_reads, host_writes) = tokio::io::split(end.into_inner());
    let (client_reads, client_writes) = tokio::io::split(near.into_inner());
    tokio::task::spawn_local(async move {
        let _open = (host_reads, client_writes);
        carry(client_reads, host_writes, Duration::ZERO).await;
        std::future::pending::<()>().await;
    });
    far
}

async fn carry<R, W>(mut from: R, mut to: W, delay: Duration)
where
    R: tokio::io::AsyncRead + Unpin + 'static,
    W: tokio::io::AsyncWrite + Unpin + 'static,
{
    let (sender, mut on_the_way) = tokio::sync::mpsc::channel::<(Instant, Vec<u8>)>(1_000);
    tokio::task::spawn_local(async move {
        while let Some((arrives, bytes)) = on_the_way.recv().await {
            tokio::time::sleep_until(arrives).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if sender.send((Instant::now() + delay, buffer[..count].to_vec())).await.is_err() {
            return;
        }
    }
}

/// What an observer of ours was told, and whether it was released.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) steps: RefCell<Vec<Step>>,
    pub(crate) released: Cell<bool>,
    pub(crate) ended: Cell<bool>,
    /// Why, if it was told the end.
    pub(crate) reason: RefCell<Option<Refusal>>,
}

struct Observer {
    told: Rc<Told>,
    /// Before it returns; `None`: it never does.
    takes: Option<Duration>,
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.told.released.set(true);
    }
}

impl observer::Server for Observer {
    async fn changed(
        self: Rc<Self>,
        params: observer::ChangedParams,
        _: observer::ChangedResults,
    ) -> Result<(), capnp::Error> {
        let step = read_step(params.get()?.get_event()?).map_err(|error| capnp::Error::failed(error.to_string()))?;
        self.told.steps.borrow_mut().push(step);
        match self.takes {
            Some(takes) => tokio::time::sleep(takes).await,
            None => std::future::pending().await,
        }
        Ok(())
    }

    async fn ended(
        self: Rc<Self>,
        params: observer::EndedParams,
        _: observer::EndedResults,
    ) -> Result<(), capnp::Error> {
        *self.told.reason.borrow_mut() = Some(read_refusal(params.get()?.get_reason()?)?);
        self.told.ended.set(true);
        Ok(())
    }
}

/// An observer that writes down what it is told.
pub(crate) fn observer() -> (observer::Client, Rc<Told>) {
    slow_observer(Some(Duration::ZERO))
}

/// The same, but it takes so long before it returns, or never does.
pub(crate) fn slow_observer(takes: Option<Duration>) -> (observer::Client, Rc<Told>) {
    let told = Rc::new(Told::default());
    (capnp_rpc::new_client(Observer { told: Rc::clone(&told), takes }), told)
}

struct Callback(Option<&'static str>);

impl probe_callback::Server for Callback {
    async fn call(
        self: Rc<Self>,
        params: probe_callback::CallParams,
        mut results: probe_callback::CallResults,
    ) -> Result<(), capnp::Error> {
        let Some(says) = self.0 else { return std::future::pending().await };
        let reply = format!("{says} {}", params.get()?.get_message()?.to_str()?);
        results.get().set_reply(reply.as_str());
        Ok(())
    }
}

/// A callback that answers, or that never does.
pub(crate) fn callback(says: Option<&'static str>) -> probe_callback::Client {
    capnp_rpc::new_client(Callback(says))
}

/// A share's view; pipelined if the share is.
pub(crate) fn view(share: &share::Client) -> share_view::Client {
    share.clone().cast_to()
}

/// A request to sync, ready to be sent.
pub(crate) fn sync_request(
    share: &share::Client,
    changes: &[Change],
) -> capnp::capability::Request<
    capshare::__internal::share_capnp::share_writer::sync_params::Owned,
    capshare::__internal::share_capnp::share_writer::sync_results::Owned,
> {
    let writer: capshare::__internal::share_capnp::share_writer::Client = share.clone().cast_to();
    let mut request = writer.sync_request();
    write_items(changes, request.get().init_data(changes.len() as u32));
    request
}

/// The refusal in a result, whichever it is.
#[macro_export]
macro_rules! refusal_in {
    ($result:path, $reader:expr) => {{
        use $result as result;
        match $reader.which().unwrap() {
            result::Which::Refused(refusal) => {
                capshare::__internal::contract::error::read_refusal(refusal.unwrap()).unwrap()
            }
            _ => panic!("not refused"),
        }
    }};
}

pub(crate) use refusal_in;

/// Changes of one part.
pub(crate) fn change(id: &str, text: &str) -> Vec<Change> {
    let json = serde_json::json!({ "id": id, "messageID": "m", "text": text }).to_string();
    let mut changes = Vec::new();
    capshare::__internal::contract::sync_data::read_item("part", &json, &Default::default(), &mut changes).unwrap();
    changes
}
