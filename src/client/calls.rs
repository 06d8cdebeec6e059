//! One function for each verb of the contract, over a session: it writes the request and reads the answer, and does nothing else.
//!
//! `response.get()` is called once for each answer, because each counts against the read limit; capabilities are taken
//! from a pipeline only before the answer is there.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::access::{Owner, ReadAccess, WriteAccess};
use crate::client::answers::{Measured, Page, ProbeValue};
use crate::client::error::{CallError, ClientError};
use crate::client::options::{CreateOptions, ListScope, PageRequest};
use crate::client::session::Session;
use crate::contract::convert::{
    read_chunk, read_damaged, read_expiry, read_listing, read_opened, read_synced, write_items, write_stamp,
};
use crate::contract::error::read_refusal;
use crate::contract::visibility::{read_visibility_set, write_visibility};
use crate::share::change::Batch;
use crate::share::error::Refusal;
use crate::share::id::{SessionId, ShareId};
use crate::share::limits::{ITEM_BYTES_MAX, Limit};
use crate::share::revision::Revision;
use crate::share::secret::Secret;
use crate::share::time::Timestamp;
use crate::share::view::Synced;
use crate::share::view::{Chunk, ShareInfo};
use crate::share::visibility::Visibility;
use crate::share_capnp::{
    batch_stamp, call_result, client_sink, create_result, delete_result, list_result, offer_result, probe_callback,
    registration,
};
use crate::wire::guard::{Budget, guard};

/// The host's answer to `createShare`.
#[derive(Debug, Clone)]
pub(crate) struct Created {
    pub(crate) id: ShareId,
    pub(crate) url: String,
    pub(crate) secret: Secret,
    pub(crate) sync_count: u64,
    pub(crate) revision: Revision,
    pub(crate) existed: bool,
}

pub(crate) async fn create_share(
    session: Rc<Session>,
    of: SessionId,
    initial: Option<Rc<Batch>>,
    options: CreateOptions,
) -> Result<Created, ClientError> {
    let mut request = session.rpc.create_share_request();
    let mut params = request.get();
    params.set_session_id(of.as_str());
    params.set_ttl_ms(ttl_ms(options.ttl));
    params.set_visibility(write_visibility(options.visibility));
    if let Some(batch) = initial {
        write_items(&batch.changes, params.reborrow().init_initial_data(len(&batch)));
        write_batch_stamp(&batch, params.init_stamp());
    }
    let response = session.ask(request).await?;
    match response.get()?.get_result()?.which()? {
        create_result::Which::Created(created) => Ok(Created {
            id: text(created.get_id()?)?.parse().map_err(Refusal::from)?,
            url: text(created.get_url()?)?,
            secret: created.get_secret()?.to_str().map_err(capnp::Error::from)?.into(),
            sync_count: created.get_sync_count(),
            revision: Revision(created.get_revision()),
            existed: created.get_existed(),
        }),
        create_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

pub(crate) async fn sync(session: Rc<Session>, access: WriteAccess, batch: Rc<Batch>) -> Result<Synced, ClientError> {
    if let WriteAccess::Full(Owner::Secret(id, secret)) = &access {
        let mut request = session.rpc.sync_share_request();
        let mut params = request.get();
        params.set_share_id(id.as_str());
        params.set_secret(secret.reveal());
        write_items(&batch.changes, params.reborrow().init_data(len(&batch)));
        write_batch_stamp(&batch, params.init_stamp());
        let response = session.ask(request).await?;
        return Ok(read_synced(response.get()?.get_result()?)?);
    }
    let mut request = access.writer(&session)?.sync_request();
    let mut params = request.get();
    write_items(&batch.changes, params.reborrow().init_data(len(&batch)));
    write_batch_stamp(&batch, params.init_stamp());
    let response = session.ask(request).await?;
    Ok(read_synced(response.get()?.get_result()?)?)
}

pub(crate) async fn delete(session: Rc<Session>, owner: Owner) -> Result<(), ClientError> {
    match &owner {
        Owner::Secret(id, secret) => {
            let mut request = session.rpc.delete_share_request();
            request.get().set_share_id(id.as_str());
            request.get().set_secret(secret.reveal());
            let response = session.ask(request).await?;
            read_deleted(response.get()?.get_result()?)
        }
        Owner::Account(_) | Owner::Token(_) => {
            let response = session.ask(owner.share(&session)?.remove_request()).await?;
            read_deleted(response.get()?.get_result()?)
        }
    }
}

pub(crate) fn read_deleted(from: delete_result::Reader<'_>) -> Result<(), ClientError> {
    match from.which()? {
        delete_result::Which::Deleted(()) => Ok(()),
        delete_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

/// Sets when a share expires. The capability and the call on it go out together, in one round trip.
pub(crate) async fn set_expiry(
    session: Rc<Session>,
    access: WriteAccess,
    ttl: Option<Duration>,
) -> Result<Option<Timestamp>, ClientError> {
    let mut request = access.writer(&session)?.set_expiry_request();
    request.get().set_ttl_ms(ttl_ms(ttl));
    let response = session.ask(request).await?;
    Ok(read_expiry(response.get()?.get_result()?)?)
}

/// Sets who may see a share. The capability and the call on it go out together, in one round trip.
pub(crate) async fn set_visibility(
    session: Rc<Session>,
    owner: Owner,
    visibility: Visibility,
) -> Result<(), ClientError> {
    let mut request = WriteAccess::Full(owner).writer(&session)?.set_visibility_request();
    request.get().set_visibility(write_visibility(Some(visibility)));
    let response = session.ask(request).await?;
    read_visibility_set(response.get()?.get_result()?)?;
    Ok(())
}

/// Reads the facts of a share in one round trip: opening a share by id, by secret or by its account's credential gives them
/// already.
pub(crate) async fn info(session: Rc<Session>, access: ReadAccess) -> Result<ShareInfo, ClientError> {
    match &access {
        ReadAccess::Id(id) => {
            let mut request = session.rpc.view_share_request();
            request.get().set_share_id(id.as_str());
            let response = session.ask(request).await?;
            return Ok(read_opened(response.get()?.get_result()?)?);
        }
        ReadAccess::Full(Owner::Secret(id, secret)) => {
            let mut request = session.rpc.open_share_request();
            request.get().set_share_id(id.as_str());
            request.get().set_secret(secret.reveal());
            let response = session.ask(request).await?;
            return Ok(read_opened(response.get()?.get_result()?)?);
        }
        ReadAccess::Full(Owner::Account(id)) => {
            let mut request = session.rpc.own_share_request();
            request.get().set_share_id(id.as_str());
            let response = session.ask(request).await?;
            return Ok(read_opened(response.get()?.get_result()?)?);
        }
        ReadAccess::Full(Owner::Token(_)) | ReadAccess::Narrowed(..) | ReadAccess::Token(_) => {}
    }
    let response = session.ask(access.view(&session)?.info_request()).await?;
    Ok(read_opened(response.get()?.get_result()?)?)
}

/// Reads one chunk of a share. The view and the read on it go out together, in one round trip.
pub(crate) async fn read(
    session: Rc<Session>,
    access: ReadAccess,
    since: Revision,
    cursor: u64,
) -> Result<Chunk, ClientError> {
    let mut request = access.view(&session)?.read_request();
    request.get().set_since(since.0);
    request.get().set_cursor(cursor);
    let response = session.ask(request).await?;
    Ok(read_chunk(response.get()?.get_result()?)?)
}

pub(crate) async fn list(session: Rc<Session>, scope: ListScope, page: PageRequest) -> Result<Page, ClientError> {
    let mut request = session.rpc.list_shares_request();
    let mut params = request.get();
    params.set_cursor(page.cursor.as_str());
    params.set_limit(page.limit);
    params.set_every_account(scope == ListScope::EveryAccount);
    let response = session.ask(request).await?;
    read_page(response.get()?.get_result()?)
}

pub(crate) fn read_page(from: list_result::Reader<'_>) -> Result<Page, ClientError> {
    match from.which()? {
        list_result::Which::Page(page) => {
            let shares = page.get_shares()?.iter().map(|line| Ok(read_listing(line)?));
            let shares = shares.collect::<Result<_, ClientError>>()?;
            let damaged = page.get_damaged()?.iter().map(|session| Ok(read_damaged(session)?));
            let damaged = damaged.collect::<Result<_, ClientError>>()?;
            let next = text(page.get_next_cursor()?)?;
            Ok(Page { shares, damaged, next_cursor: (!next.is_empty()).then_some(next) })
        }
        list_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

/// Offers a sink to the host. Dropping the registration that this gives withdraws the sink.
pub(crate) async fn offer_sink(
    session: &Session,
    sink: client_sink::Client,
) -> Result<registration::Client, ClientError> {
    let mut request = session.rpc.offer_sink_request();
    request.get().set_sink(sink);
    let response = session.ask(request).await?;
    let answer = response.get()?;
    match answer.get_result()?.which()? {
        offer_result::Which::Registered(()) => Ok(answer.get_registration()?),
        offer_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

/// Calls the service that embeds the host. The answer is JSON text; the inner error is the service's.
pub(crate) async fn call(
    session: Rc<Session>,
    name: Rc<str>,
    data: Rc<str>,
    within_ms: u32,
) -> Result<Result<String, CallError>, ClientError> {
    let mut request = session.rpc.call_request();
    let mut params = request.get();
    params.set_procedure(&*name);
    params.set_data(&*data);
    params.set_within_ms(within_ms);
    let response = session.ask(request).await?;
    Ok(match response.get()?.get_result()?.which()? {
        call_result::Which::Answer(answer) => Ok(text(answer?)?),
        call_result::Which::Refused(refusal) => return Err(read_refusal(refusal?)?.into()),
        call_result::Which::Unknown(()) => Err(CallError::Unknown { name: name.to_string() }),
        call_result::Which::Failed(failed) => {
            Err(CallError::Failed { code: text(failed.get_code()?)?, message: text(failed.get_message()?)? })
        }
    })
}

pub(crate) async fn probe_value(session: Rc<Session>, value: ProbeValue) -> Result<Measured<ProbeValue>, ClientError> {
    let mut request = session.rpc.probe_value_request();
    let mut input = request.get().init_input();
    input.set_when(value.when.0);
    input.set_bytes(&value.bytes);
    input.init_nested().set_x(value.x);
    let since = Instant::now();
    let response = session.ask(request).await?;
    let round_trip = since.elapsed();
    let output = response.get()?.get_output()?;
    let value = ProbeValue {
        when: Timestamp(output.get_when()),
        bytes: output.get_bytes()?.to_vec(),
        x: output.get_nested()?.get_x(),
    };
    Ok(Measured { value, round_trip })
}

/// Makes the client's answer of the message that the host calls it back with.
pub(crate) type Callback = Box<dyn FnOnce(String) -> String>;

pub(crate) async fn call_back(session: Rc<Session>, callback: Callback) -> Result<Measured<String>, ClientError> {
    let mut request = session.rpc.probe_callback_request();
    let refused = Rc::default();
    let callback = CallbackOnce { callback: Cell::new(Some(callback)), refused: Rc::clone(&refused) };
    let callback: probe_callback::Client = capnp_rpc::new_client(callback);
    request.get().set_callback(guard(callback, &Budget::new(1, 0)));
    let since = Instant::now();
    let response = session.ask(request).await;
    let round_trip = since.elapsed();
    if let Some(refusal) = refused.take() {
        return Err(refusal.into());
    }
    let response = response?;
    Ok(Measured { value: text(response.get()?.get_reply()?)?, round_trip })
}

struct CallbackOnce {
    callback: Cell<Option<Callback>>,
    /// Set if the answer was too large to be sent.
    refused: Rc<Cell<Option<Refusal>>>,
}

impl probe_callback::Server for CallbackOnce {
    async fn call(
        self: Rc<Self>,
        params: probe_callback::CallParams,
        mut results: probe_callback::CallResults,
    ) -> Result<(), capnp::Error> {
        let message = params.get()?.get_message()?.to_string()?;
        let callback =
            self.callback.take().ok_or_else(|| capnp::Error::failed("this callback answers one call only".into()))?;
        let reply = callback(message);
        if reply.len() > ITEM_BYTES_MAX {
            let refusal = Refusal::limit(Limit::ItemBytesMax, ITEM_BYTES_MAX, reply.len());
            let error = capnp::Error::failed(refusal.to_string());
            self.refused.set(Some(refusal));
            return Err(error);
        }
        results.get().set_reply(reply.as_str());
        Ok(())
    }
}

fn write_batch_stamp(batch: &Batch, to: batch_stamp::Builder<'_>) {
    if let Some(stamp) = &batch.stamp {
        write_stamp(stamp, to);
    }
}

/// Milliseconds as the contract has them: 0 stands for `None`, so a time that is set has at least 1.
fn ttl_ms(ttl: Option<Duration>) -> u64 {
    ttl.map_or(0, |ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1))
}

fn len(batch: &Batch) -> u32 {
    u32::try_from(batch.changes.len()).unwrap_or(u32::MAX)
}

fn text(text: capnp::text::Reader<'_>) -> Result<String, ClientError> {
    Ok(text.to_string().map_err(capnp::Error::from)?)
}
