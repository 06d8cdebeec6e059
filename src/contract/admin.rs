//! Administration: from the domain's types to Cap'n Proto and back.

use std::time::Duration;

use crate::contract::error::{read_refusal, write_refusal};
use crate::contract::moving::write_urls;
use crate::contract::read_error::ReadError;
use crate::share::admin::{
    BroadcastFilter, CloseWhich, ConnectionInfo, ConnectionPage, Erased, HostStats, ShareFilter,
};
use crate::share::error::Refusal;
use crate::share::host::{HostInfo, HostStanding};
use crate::share::id::AccountId;
use crate::share::time::Timestamp;
use crate::share_capnp::{
    broadcast_filter, close_which, connection_info, connections_result, count_result, erase_result, host_standing,
    host_stats, hosts_result, share_filter, stats_result,
};

/// Writes which connections to close.
pub fn write_which(which: &CloseWhich, mut to: close_which::Builder<'_>) {
    match which {
        CloseWhich::Account(name) => to.set_account(name.as_str()),
        CloseWhich::Session(id) => to.set_session(id.as_str()),
        CloseWhich::Token(id) => to.set_token(id.as_str()),
        CloseWhich::Connection(id) => to.set_connection(id.as_str()),
    }
}

/// Reads which connections to close.
///
/// # Errors
/// The name is empty, this version does not know the kind of choice, or the message is malformed.
pub fn read_which(from: close_which::Reader<'_>) -> Result<CloseWhich, ReadError> {
    let which = match from.which() {
        Ok(close_which::Which::Account(name)) => CloseWhich::Account(text(name?)?),
        Ok(close_which::Which::Session(id)) => CloseWhich::Session(text(id?)?),
        Ok(close_which::Which::Token(id)) => CloseWhich::Token(text(id?)?),
        Ok(close_which::Which::Connection(id)) => CloseWhich::Connection(text(id?)?),
        Err(capnp::NotInSchema(_)) => {
            let reason = "invalid choice of connections: this version knows account, session, token and connection";
            return Err(Refusal::invalid(0, reason).into());
        }
    };
    if which.parts().1.is_empty() {
        return Err(Refusal::invalid(0, "invalid choice of connections: the name must not be empty").into());
    }
    Ok(which)
}

/// Writes which connections a broadcast goes to.
pub fn write_filter(filter: &BroadcastFilter, mut to: broadcast_filter::Builder<'_>) {
    let said = |name: &Option<String>| name.clone().unwrap_or_default();
    to.set_account(said(&filter.account));
    to.set_door(said(&filter.door));
    to.set_state(said(&filter.state));
}

/// Reads which connections a broadcast goes to.
///
/// # Errors
/// The message is malformed.
pub fn read_filter(from: broadcast_filter::Reader<'_>) -> Result<BroadcastFilter, ReadError> {
    let said = |name: String| (!name.is_empty()).then_some(name);
    Ok(BroadcastFilter {
        account: said(text(from.get_account()?)?),
        door: said(text(from.get_door()?)?),
        state: said(text(from.get_state()?)?),
    })
}

/// Reads the names of the connections that a broadcast leaves out. What is no text names none.
///
/// # Errors
/// The message is malformed.
pub fn read_except(from: capnp::text_list::Reader<'_>) -> Result<Vec<String>, ReadError> {
    from.iter().map(|id| Ok(id?.to_str().unwrap_or_default().to_owned())).collect()
}

/// Writes which shares an administrator looks for.
pub fn write_share_filter(filter: &ShareFilter, mut to: share_filter::Builder<'_>) {
    to.set_account(filter.account.as_ref().map_or("", AccountId::as_str));
    to.set_older_than_ms(filter.older_than.map_or(0, |than| u64::try_from(than.as_millis()).unwrap_or(u64::MAX)));
    to.set_larger_than_bytes(filter.larger_than.unwrap_or_default());
    to.set_title(filter.title.as_deref().unwrap_or_default());
}

/// Reads which shares an administrator looks for.
///
/// # Errors
/// The account's name is invalid, or the message is malformed.
pub fn read_share_filter(from: share_filter::Reader<'_>) -> Result<ShareFilter, ReadError> {
    let account = text(from.get_account()?)?;
    let account = if account.is_empty() { None } else { Some(account.parse().map_err(Refusal::from)?) };
    let said = |number: u64| (number != 0).then_some(number);
    Ok(ShareFilter {
        account,
        older_than: said(from.get_older_than_ms()).map(Duration::from_millis),
        larger_than: said(from.get_larger_than_bytes()),
        title: Some(text(from.get_title()?)?).filter(|title| !title.is_empty()),
    })
}

/// Writes the result of erasing shares of an account.
pub fn write_erased(result: &Result<Erased, Refusal>, mut to: erase_result::Builder<'_>) {
    match result {
        Ok(erased) => {
            let mut facts = to.init_erased();
            facts.set_deleted(erased.deleted);
            facts.set_next_cursor(erased.next_cursor.as_deref().unwrap_or_default());
            let mut failed = facts.init_failed(u32::try_from(erased.failed.len()).unwrap_or(u32::MAX));
            for (at, share) in (0..).zip(&erased.failed) {
                failed.set(at, share.as_str());
            }
        }
        Err(refusal) => write_refusal(refusal, to.reborrow().init_refused()),
    }
}

/// Reads the result of erasing shares of an account.
///
/// # Errors
/// The result is a refusal, or the message is malformed.
pub fn read_erased(from: erase_result::Reader<'_>) -> Result<Erased, ReadError> {
    match from.which().map_err(capnp::Error::from)? {
        erase_result::Which::Erased(facts) => {
            let failed = facts.get_failed()?.iter().map(|id| Ok(text(id?)?.parse().map_err(Refusal::from)?));
            Ok(Erased {
                deleted: facts.get_deleted(),
                failed: failed.collect::<Result<_, ReadError>>()?,
                next_cursor: Some(text(facts.get_next_cursor()?)?).filter(|cursor| !cursor.is_empty()),
            })
        }
        erase_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

/// Writes the result of a call that counts.
pub fn write_count(result: &Result<usize, Refusal>, mut to: count_result::Builder<'_>) {
    match result {
        Ok(count) => to.set_count(*count as u64),
        Err(refusal) => write_refusal(refusal, to.reborrow().init_refused()),
    }
}

/// Reads the result of a call that counts.
///
/// # Errors
/// The result is a refusal, or the message is malformed.
pub fn read_count(from: count_result::Reader<'_>) -> Result<u64, ReadError> {
    match from.which().map_err(capnp::Error::from)? {
        count_result::Which::Count(count) => Ok(count),
        count_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

/// Writes a page of a listing of connections.
pub fn write_connections(result: &Result<ConnectionPage, Refusal>, to: connections_result::Builder<'_>) {
    let mut to = to;
    match result {
        Ok(page) => {
            let mut facts = to.init_page();
            facts.set_next_cursor(page.next_cursor.as_deref().unwrap_or_default());
            let mut list = facts.init_connections(u32::try_from(page.connections.len()).unwrap_or(u32::MAX));
            for (at, connection) in (0..).zip(&page.connections) {
                write_connection(connection, list.reborrow().get(at));
            }
        }
        Err(refusal) => write_refusal(refusal, to.reborrow().init_refused()),
    }
}

/// Reads a page of a listing of connections.
///
/// # Errors
/// The result is a refusal, or the message is malformed.
pub fn read_connections(from: connections_result::Reader<'_>) -> Result<ConnectionPage, ReadError> {
    match from.which().map_err(capnp::Error::from)? {
        connections_result::Which::Page(page) => {
            let connections = page.get_connections()?.iter().map(read_connection);
            let connections = connections.collect::<Result<_, _>>()?;
            let next_cursor = Some(text(page.get_next_cursor()?)?).filter(|cursor| !cursor.is_empty());
            Ok(ConnectionPage { connections, next_cursor })
        }
        connections_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

fn write_connection(connection: &ConnectionInfo, mut to: connection_info::Builder<'_>) {
    to.set_id(connection.id.as_str());
    to.set_account(connection.account.as_str());
    to.set_credential(connection.credential.as_str());
    to.set_credential_id(connection.credential_id.as_str());
    to.set_door(connection.door.as_str());
    to.set_since(connection.since.0);
    to.set_bytes_in(connection.bytes_in);
    to.set_bytes_out(connection.bytes_out);
    to.set_calls_in_flight(connection.calls_in_flight);
    to.set_queued_bytes(connection.queued_bytes);
    let mut states = to.init_states(u32::try_from(connection.states.len()).unwrap_or(u32::MAX));
    for (at, state) in (0..).zip(&connection.states) {
        states.set(at, state.as_str());
    }
}

fn read_connection(from: connection_info::Reader<'_>) -> Result<ConnectionInfo, ReadError> {
    Ok(ConnectionInfo {
        id: text(from.get_id()?)?,
        account: text(from.get_account()?)?,
        credential: text(from.get_credential()?)?,
        credential_id: text(from.get_credential_id()?)?,
        door: text(from.get_door()?)?,
        since: Timestamp(from.get_since()),
        bytes_in: from.get_bytes_in(),
        bytes_out: from.get_bytes_out(),
        calls_in_flight: from.get_calls_in_flight(),
        queued_bytes: from.get_queued_bytes(),
        states: from.get_states()?.iter().map(|state| text(state?)).collect::<Result<_, _>>()?,
    })
}

/// Writes the hosts of a deployment.
pub fn write_hosts(result: &Result<Vec<HostStanding>, Refusal>, to: hosts_result::Builder<'_>) {
    let mut to = to;
    match result {
        Ok(hosts) => {
            let mut list = to.init_hosts(u32::try_from(hosts.len()).unwrap_or(u32::MAX));
            for (at, host) in (0..).zip(hosts) {
                write_host(host, list.reborrow().get(at));
            }
        }
        Err(refusal) => write_refusal(refusal, to.reborrow().init_refused()),
    }
}

fn write_host(HostStanding { info, is_asked, is_linked }: &HostStanding, mut to: host_standing::Builder<'_>) {
    to.set_id(info.id.as_str());
    to.set_version(info.version.as_str());
    to.set_since(info.since.0);
    to.set_draining(info.draining);
    to.set_shares(info.shares);
    to.set_connections(info.connections);
    to.set_clock_ahead_ms(info.clock_ahead_ms.unwrap_or_default());
    to.set_clock_is_known(info.clock_ahead_ms.is_some());
    to.set_is_asked(*is_asked);
    to.set_is_linked(*is_linked);
    write_urls(&info.urls, |len| to.init_urls(len));
}

/// Reads the hosts of a deployment. URLs that this version does not take for such are passed over.
///
/// # Errors
/// The result is a refusal, or the message is malformed.
pub fn read_hosts(from: hosts_result::Reader<'_>) -> Result<Vec<HostStanding>, ReadError> {
    match from.which().map_err(capnp::Error::from)? {
        hosts_result::Which::Hosts(hosts) => hosts?.iter().map(read_host).collect(),
        hosts_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

fn read_host(from: host_standing::Reader<'_>) -> Result<HostStanding, ReadError> {
    let urls = from.get_urls()?.iter().filter_map(|url| url.ok()?.to_str().ok()?.parse().ok());
    let info = HostInfo {
        id: text(from.get_id()?)?.parse().map_err(Refusal::from)?,
        urls: urls.collect(),
        version: text(from.get_version()?)?,
        since: Timestamp(from.get_since()),
        draining: from.get_draining(),
        shares: from.get_shares(),
        connections: from.get_connections(),
        clock_ahead_ms: from.get_clock_is_known().then(|| from.get_clock_ahead_ms()),
    };
    Ok(HostStanding { info, is_asked: from.get_is_asked(), is_linked: from.get_is_linked() })
}

/// Writes a host's counts.
pub fn write_stats(result: &Result<HostStats, Refusal>, to: stats_result::Builder<'_>) {
    let mut to = to;
    match result {
        Ok(stats) => {
            let mut to = to.init_stats();
            to.set_rpc_connections(stats.rpc_connections);
            to.set_viewers(stats.viewers);
            to.set_pending(stats.pending);
            to.set_accounts(stats.accounts);
            to.set_calls_in_flight(stats.calls_in_flight);
            to.set_capabilities_held(stats.capabilities_held);
            to.set_rooms(stats.rooms);
            to.set_followers(stats.followers);
            to.set_syncs(stats.syncs);
            to.set_shares_created(stats.shares_created);
            to.set_shares_deleted(stats.shares_deleted);
            to.set_storage_failures(stats.storage_failures);
            to.set_draining(stats.draining);
        }
        Err(refusal) => write_refusal(refusal, to.reborrow().init_refused()),
    }
}

/// Reads a host's counts.
///
/// # Errors
/// The result is a refusal, or the message is malformed.
pub fn read_stats(from: stats_result::Reader<'_>) -> Result<HostStats, ReadError> {
    let facts: host_stats::Reader<'_> = match from.which().map_err(capnp::Error::from)? {
        stats_result::Which::Stats(stats) => stats?,
        stats_result::Which::Refused(refusal) => return Err(read_refusal(refusal?)?.into()),
    };
    Ok(HostStats {
        rpc_connections: facts.get_rpc_connections(),
        viewers: facts.get_viewers(),
        pending: facts.get_pending(),
        accounts: facts.get_accounts(),
        calls_in_flight: facts.get_calls_in_flight(),
        capabilities_held: facts.get_capabilities_held(),
        rooms: facts.get_rooms(),
        followers: facts.get_followers(),
        syncs: facts.get_syncs(),
        shares_created: facts.get_shares_created(),
        shares_deleted: facts.get_shares_deleted(),
        storage_failures: facts.get_storage_failures(),
        draining: facts.get_draining(),
    })
}

fn text(text: capnp::text::Reader<'_>) -> Result<String, ReadError> {
    Ok(text.to_str().map_err(capnp::Error::from)?.to_owned())
}
