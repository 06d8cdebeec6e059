//! Items, batches and views: from the domain's types to Cap'n Proto and back.
//!
//! Reading what a peer sent fails with a [`ReadError`]: a refusal if a value is invalid, or a fault if the message itself is
//! malformed. Each text is copied once, into the [`Payload`] that state, events and log then share.

use capnp::{struct_list, text};

use crate::contract::error::{read_refusal, write_refusal};
use crate::contract::read_error::ReadError;
use crate::contract::sync_data::read_item;
use crate::contract::visibility::{read_visibility, write_visibility};
use crate::share::change::{Batch, Change, Stamp};
use crate::share::error::Refusal;
use crate::share::item::{ItemKey, ItemKind, Payload};
use crate::share::limits::{Limit, Limits};
use crate::share::revision::Revision;
use crate::share::time::Timestamp;
use crate::share::view::{Changed, Chunk, DamagedListing, ShareInfo, ShareListing, Step, Synced};
use crate::share_capnp::{
    batch_stamp, change, damaged_listing, event, expiry_result, open_result, read_result, share_info, share_listing,
    sync_item, sync_result,
};

/// Reads a batch: its items, and its stamp if it has one.
///
/// # Errors
/// There are too many items, or an item or the stamp is invalid; the refusal says which.
pub fn read_batch(
    items: struct_list::Reader<'_, sync_item::Owned>,
    stamp: batch_stamp::Reader<'_>,
    limits: &Limits,
) -> Result<Batch, ReadError> {
    if items.len() as usize > limits.sync_items_max {
        return Err(Refusal::limit(Limit::SyncItemsMax, limits.sync_items_max, items.len() as usize).into());
    }
    let mut changes = Vec::with_capacity(items.len() as usize);
    for (index, item) in items.iter().enumerate() {
        read_sync_item(item, limits, &mut changes).map_err(|error| match error {
            ReadError::Refused(refusal) => ReadError::Refused(refusal.at(index)),
            fault @ ReadError::Fault(_) => fault,
        })?;
    }
    Ok(Batch { stamp: read_stamp(stamp)?, changes })
}

/// Writes a batch's items.
pub fn write_items(changes: &[Change], mut to: struct_list::Builder<'_, sync_item::Owned>) {
    for (at, change) in (0..).zip(changes) {
        write_sync_item(&change.key, change.value.as_ref(), to.reborrow().get(at));
    }
}

/// Writes a batch's stamp.
pub fn write_stamp(stamp: &Stamp, mut to: batch_stamp::Builder<'_>) {
    to.set_producer(stamp.producer.as_str());
    to.set_epoch(stamp.epoch);
    to.set_sequence(stamp.sequence);
}

/// Writes the result of a sync.
pub fn write_synced(result: &Result<Synced, Refusal>, mut to: sync_result::Builder<'_>) {
    match result {
        Ok(synced) => {
            let mut facts = to.init_synced();
            facts.set_sync_count(synced.sync_count);
            facts.set_revision(synced.revision.0);
            facts.set_duplicate(synced.duplicate);
        }
        Err(refusal) => write_refusal(refusal, to.reborrow().init_refused()),
    }
}

/// Reads the result of a sync.
///
/// # Errors
/// The result is a refusal, or the message is malformed.
pub fn read_synced(from: sync_result::Reader<'_>) -> Result<Synced, ReadError> {
    match from.which().map_err(capnp::Error::from)? {
        sync_result::Which::Synced(facts) => Ok(Synced {
            sync_count: facts.get_sync_count(),
            revision: Revision(facts.get_revision()),
            duplicate: facts.get_duplicate(),
        }),
        sync_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

/// Writes what is known about a share.
pub fn write_info(info: &ShareInfo, mut to: share_info::Builder<'_>) {
    to.set_id(info.id.as_str());
    to.set_session_id(info.session.as_str());
    to.set_url(info.url.as_str());
    to.set_created_at(info.created_at.0);
    to.set_updated_at(info.updated_at.0);
    to.set_sync_count(info.sync_count);
    to.set_revision(info.revision.0);
    to.set_item_count(info.item_count);
    to.set_byte_count(info.byte_count);
    to.set_expires_at(never_is_0(info.expires_at));
    to.set_visibility(write_visibility(Some(info.visibility)));
}

/// Writes the result of opening a share.
pub fn write_opened(result: &Result<ShareInfo, Refusal>, mut to: open_result::Builder<'_>) {
    match result {
        Ok(info) => write_info(info, to.reborrow().init_info()),
        Err(refusal) => write_refusal(refusal, to.reborrow().init_refused()),
    }
}

/// Reads the result of opening a share.
///
/// # Errors
/// The result is a refusal, or the message is malformed.
pub fn read_opened(from: open_result::Reader<'_>) -> Result<ShareInfo, ReadError> {
    match from.which().map_err(capnp::Error::from)? {
        open_result::Which::Info(info) => read_info(info?),
        open_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

fn read_info(from: share_info::Reader<'_>) -> Result<ShareInfo, ReadError> {
    Ok(ShareInfo {
        id: name(from.get_id()?)?,
        session: name(from.get_session_id()?)?,
        url: utf8(from.get_url()?)?.to_owned(),
        created_at: Timestamp(from.get_created_at()),
        expires_at: some_unless_0(from.get_expires_at()),
        visibility: read_visibility(from.get_visibility())?.unwrap_or_default(),
        updated_at: Timestamp(from.get_updated_at()),
        sync_count: from.get_sync_count(),
        revision: Revision(from.get_revision()),
        item_count: from.get_item_count(),
        byte_count: from.get_byte_count(),
    })
}

/// Writes the result of setting an expiry.
pub fn write_expiry(result: &Result<Option<Timestamp>, Refusal>, mut to: expiry_result::Builder<'_>) {
    match result {
        Ok(expires_at) => to.set_expires_at(never_is_0(*expires_at)),
        Err(refusal) => write_refusal(refusal, to.reborrow().init_refused()),
    }
}

/// Reads the result of setting an expiry.
///
/// # Errors
/// The result is a refusal, or the message is malformed.
pub fn read_expiry(from: expiry_result::Reader<'_>) -> Result<Option<Timestamp>, ReadError> {
    match from.which().map_err(capnp::Error::from)? {
        expiry_result::Which::ExpiresAt(at) => Ok(some_unless_0(at)),
        expiry_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

/// Writes one line of a listing.
pub fn write_listing(listing: &ShareListing, mut to: share_listing::Builder<'_>) {
    to.set_id(listing.id.as_str());
    to.set_session_id(listing.session.as_str());
    to.set_account(listing.account.as_str());
    to.set_url(listing.url.as_str());
    to.set_created_at(listing.created_at.0);
    to.set_expires_at(listing.expires_at.unwrap_or_default().0);
    to.set_title(listing.title.as_deref().unwrap_or_default());
    to.set_updated_at(listing.updated_at.unwrap_or_default().0);
    to.set_sync_count(listing.sync_count);
    to.set_item_count(listing.item_count);
    to.set_byte_count(listing.byte_count);
}

/// Reads one line of a listing.
///
/// # Errors
/// The message is malformed, or a name in it is invalid.
pub fn read_listing(from: share_listing::Reader<'_>) -> Result<ShareListing, ReadError> {
    Ok(ShareListing {
        id: name(from.get_id()?)?,
        session: name(from.get_session_id()?)?,
        account: name(from.get_account()?)?,
        url: utf8(from.get_url()?)?.to_owned(),
        created_at: Timestamp(from.get_created_at()),
        expires_at: known(from.get_expires_at()),
        title: Some(utf8(from.get_title()?)?.to_owned()).filter(|title| !title.is_empty()),
        updated_at: known(from.get_updated_at()),
        sync_count: from.get_sync_count(),
        item_count: from.get_item_count(),
        byte_count: from.get_byte_count(),
    })
}

/// Writes a session whose claim is damaged.
pub fn write_damaged(damaged: &DamagedListing, mut to: damaged_listing::Builder<'_>) {
    to.set_account(damaged.account.as_str());
    to.set_session_id(damaged.session.as_str());
}

/// Reads a session whose claim is damaged.
///
/// # Errors
/// The message is malformed, or a name in it is invalid.
pub fn read_damaged(from: damaged_listing::Reader<'_>) -> Result<DamagedListing, ReadError> {
    Ok(DamagedListing { account: name(from.get_account()?)?, session: name(from.get_session_id()?)? })
}

/// A time in a listing: `None` for 0, which stands for an unknown time.
fn known(at: i64) -> Option<Timestamp> {
    (at != 0).then_some(Timestamp(at))
}

/// Writes a step for an observer.
pub fn write_step(step: &Step, mut to: event::Builder<'_>) {
    to.set_base(step.base.0);
    to.set_revision(step.revision.0);
    to.set_sync_count(step.sync_count);
    to.set_reset(step.reset);
    to.set_more(step.more);
    write_changes(&step.changes, to.init_changes(len(&step.changes)));
}

/// Reads a step that an observer got.
///
/// # Errors
/// The message is malformed, or an item in it is invalid.
pub fn read_step(from: event::Reader<'_>) -> Result<Step, ReadError> {
    Ok(Step {
        base: Revision(from.get_base()),
        revision: Revision(from.get_revision()),
        sync_count: from.get_sync_count(),
        reset: from.get_reset(),
        more: from.get_more(),
        changes: read_changes(from.get_changes()?)?,
    })
}

/// Writes a chunk of a read.
pub fn write_chunk(chunk: &Chunk, to: read_result::Builder<'_>) {
    let mut to = to.init_chunk();
    to.set_revision(chunk.revision.0);
    to.set_sync_count(chunk.sync_count);
    to.set_reset(chunk.reset);
    to.set_next_cursor(chunk.next_cursor);
    write_changes(&chunk.changes, to.init_changes(len(&chunk.changes)));
}

/// Reads a chunk of a read.
///
/// # Errors
/// The result is a refusal, the message is malformed, or an item in it is invalid.
pub fn read_chunk(from: read_result::Reader<'_>) -> Result<Chunk, ReadError> {
    match from.which().map_err(capnp::Error::from)? {
        read_result::Which::Chunk(chunk) => Ok(Chunk {
            revision: Revision(chunk.get_revision()),
            sync_count: chunk.get_sync_count(),
            reset: chunk.get_reset(),
            changes: read_changes(chunk.get_changes()?)?,
            next_cursor: chunk.get_next_cursor(),
        }),
        read_result::Which::Refused(refusal) => Err(read_refusal(refusal?)?.into()),
    }
}

fn read_sync_item(item: sync_item::Reader<'_>, limits: &Limits, changes: &mut Vec<Change>) -> Result<(), ReadError> {
    let Ok(which) = item.which() else {
        return Err(Refusal::invalid(0, "invalid item: this version does not know its kind; send it as other").into());
    };
    let (kind, json) = match which {
        sync_item::Which::Session(json) => ("session", json?),
        sync_item::Which::Message(json) => ("message", json?),
        sync_item::Which::Part(json) => ("part", json?),
        sync_item::Which::SessionDiff(json) => ("session_diff", json?),
        sync_item::Which::Model(json) => ("model", json?),
        sync_item::Which::Remove(key) => {
            changes.push(Change { key: utf8(key?)?.parse()?, value: None });
            return Ok(());
        }
        sync_item::Which::Other(other) => {
            let kind = utf8(other.get_type()?)?;
            // Otherwise one of the named types, such as "remove", would be read as that.
            ItemKey::other(kind, None)?;
            (kind, other.get_data()?)
        }
    };
    Ok(read_item(kind, utf8(json)?, limits, changes)?)
}

fn write_sync_item(key: &ItemKey, value: Option<&Payload>, mut to: sync_item::Builder<'_>) {
    let Some(value) = value else { return to.set_remove(key.as_str()) };
    match key.kind() {
        ItemKind::Session => to.set_session(value.as_str()),
        ItemKind::SessionDiff => to.set_session_diff(value.as_str()),
        ItemKind::Message { .. } => to.set_message(value.as_str()),
        ItemKind::Part { .. } => to.set_part(value.as_str()),
        ItemKind::Model { .. } => to.set_model(value.as_str()),
        ItemKind::Other { kind, .. } => {
            let mut other = to.init_other();
            other.set_type(kind.as_str());
            other.set_data(value.as_str());
        }
    }
}

fn write_changes(changes: &[Changed], mut to: struct_list::Builder<'_, change::Owned>) {
    for (at, changed) in (0..).zip(changes) {
        let mut to = to.reborrow().get(at);
        to.set_key(changed.key.as_str());
        to.set_revision(changed.revision.0);
        to.set_first(changed.first.unwrap_or_default().0);
        match &changed.value {
            Some(value) => write_sync_item(&changed.key, Some(value), to.init_put()),
            None => to.set_removed(()),
        }
    }
}

fn read_changes(from: struct_list::Reader<'_, change::Owned>) -> Result<Vec<Changed>, ReadError> {
    from.iter()
        .map(|change| {
            Ok(Changed {
                key: utf8(change.get_key()?)?.parse()?,
                revision: Revision(change.get_revision()),
                first: Some(Revision(change.get_first())).filter(|first| *first != Revision::EMPTY),
                value: match change.which().map_err(capnp::Error::from)? {
                    change::Which::Put(item) => Some(Payload::from_checked_json(utf8(value_text(item?)?)?)),
                    change::Which::Removed(()) => None,
                },
            })
        })
        .collect()
}

/// The JSON text of an item that the host sent, which was checked when the host got it.
fn value_text(item: sync_item::Reader<'_>) -> Result<text::Reader<'_>, capnp::Error> {
    match item.which()? {
        sync_item::Which::Session(json)
        | sync_item::Which::Message(json)
        | sync_item::Which::Part(json)
        | sync_item::Which::SessionDiff(json)
        | sync_item::Which::Model(json)
        | sync_item::Which::Remove(json) => json,
        sync_item::Which::Other(other) => other.get_data(),
    }
}

fn read_stamp(stamp: batch_stamp::Reader<'_>) -> Result<Option<Stamp>, ReadError> {
    let producer = utf8(stamp.get_producer()?)?;
    if producer.is_empty() {
        return Ok(None);
    }
    let producer = producer.parse().map_err(Refusal::from)?;
    Ok(Some(Stamp { producer, epoch: stamp.get_epoch(), sequence: stamp.get_sequence() }))
}

pub(super) fn never_is_0(at: Option<Timestamp>) -> i64 {
    at.map_or(0, |at| at.0)
}

pub(super) fn some_unless_0(at: i64) -> Option<Timestamp> {
    (at != 0).then_some(Timestamp(at))
}

pub(super) fn name<T: std::str::FromStr<Err = crate::share::id::BadName>>(
    text: text::Reader<'_>,
) -> Result<T, ReadError> {
    Ok(utf8(text)?.parse().map_err(Refusal::from)?)
}

pub(super) fn utf8(text: text::Reader<'_>) -> Result<&str, Refusal> {
    text.to_str().map_err(|_| Refusal::invalid(0, "invalid text: it must be UTF-8"))
}

pub(super) fn len<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}
