//! The types with members that calls take and answers give.

use bytes::Bytes;

use crate::rooms::Page;
use crate::rooms::ballot::{self, Verdict};
use crate::share::change::Stamp;
use crate::share::error::Refusal;
use crate::share::grant::{GrantInfo, Right};
use crate::share::revision::Revision;
use crate::share::time::Timestamp;
use crate::share::view::{self, Changed, Chunk, Step};
use crate::share::visibility::Visibility;
use crate::web::give::{New, Outcome, Success};
use crate::web::names::{Full, View, Writer};
use crate::web::shape::shape;
use crate::web::take::Millis;

shape! { given
    /// What the host is, and what it knows of this connection.
    Welcome {
        /// The version of the contract.
        contract_version "contractVersion": u64,
        /// The host's name and version, such as "capshare/0.1.0".
        agent "agent": String,
        /// The connection's id, by which the host's logs and administrators name it.
        connection_id "connectionId": String,
        /// The account whose rights this object has; null before authentication.
        account "account": Option<String>,
        /// URLs of other hosts with the same shares, such as `https://b.example.org`: where to connect when this one is away. Show a
        /// credential there only if this connection and that URL are protected by TLS. May be empty.
        hosts "hosts": Vec<String>,
        /// The id of the store, which all hosts with these shares have in common; null if the host does not know it.
        store "store": Option<String>,
    }
}

shape! { given
    /// A share that was created, or that the account had created before. Dispose of it when you do not need `share` any more.
    Created {
        /// The share's id: 26 characters of a-z and 2-7.
        id "id": String,
        /// The address of the share's page, for people.
        url "url": String,
        /// A secret of the share, for `syncShare`, `deleteShare` and `openShare`. Keep it: the host has only its hash.
        secret "secret": String,
        /// Number of syncs that the share has accepted.
        sync_count "syncCount": u64,
        /// The number of the share's state.
        revision "revision": Revision,
        /// Whether the account had shared this session already.
        existed "existed": bool,
        /// The share as an object. It needs no secret.
        share "share": New<Full>,
    }
}

shape! { given
    /// A sync that was accepted, and is in the bucket.
    Synced {
        /// Always true: a sync that is refused is an error.
        success "success": Success,
        /// The number of this sync, which no other sync of the share has.
        sync_count "syncCount": u64,
        /// The share's revision after it.
        revision "revision": Revision,
        /// Whether the batch had been applied before, by its stamp; the numbers are then those of that time.
        duplicate "duplicate": bool,
    }
}

impl From<view::Synced> for Synced {
    fn from(view::Synced { sync_count, revision, duplicate }: view::Synced) -> Self {
        Self { success: Success, sync_count, revision, duplicate }
    }
}

shape! { given
    /// Something was deleted or revoked, for ever.
    Deleted {
        /// Always true: what is refused is an error.
        success "success": Success,
    }
}

shape! { taken
    /// Makes it safe to send a batch again: one with a number that was applied already is not applied again.
    BatchStamp {
        /// 1 to 64 characters of A-Z a-z 0-9 _ -, picked at random by the producer.
        producer "producer": String,
        /// Raised by a producer that takes over; batches of a lower epoch are then refused.
        epoch "epoch": u64,
        /// The number of the batch within its epoch: 1, 2, 3, and so on.
        sequence "sequence": u64,
    }
}

impl BatchStamp {
    /// The stamp, checked.
    pub(super) fn read(self) -> Result<Stamp, Refusal> {
        if self.sequence == 0 {
            return Err(Refusal::invalid(0, "the member sequence of a stamp must be at least 1: sequences begin at 1"));
        }
        Ok(Stamp { producer: self.producer.parse()?, epoch: self.epoch, sequence: self.sequence })
    }
}

shape! { taken
    /// What a producer says of its share besides the data.
    CreateOptions {
        /// Milliseconds after which the share expires, at least 1; left out: as the host has it, and no change for a share that was there.
        ttl_ms "ttlMs": Option<Millis>,
        /// Who may see the share, from the first moment; left out: as the host has it, and no change for a share that was there.
        visibility "visibility": Option<Visibility>,
        /// The stamp of the initial data.
        stamp "stamp": Option<BatchStamp>,
    }
}

shape! { given
    /// What is known of a share, without its items.
    ShareInfo {
        /// The share's id.
        id "id": String,
        /// The session that is shared.
        session_id "sessionId": String,
        /// The address of the share's page, for people.
        url "url": String,
        /// When the share was created.
        created_at "createdAt": Timestamp,
        /// When the newest sync was accepted; before the first one, when the share was created.
        updated_at "updatedAt": Timestamp,
        /// When the share expires, by the host's clock; null: never.
        expires_at "expiresAt": Option<Timestamp>,
        /// Who may see it, besides those who hold its secret or an object of it.
        visibility "visibility": Visibility,
        /// Number of syncs that were accepted.
        sync_count "syncCount": u64,
        /// The number of the share's state.
        revision "revision": Revision,
        /// Number of items.
        item_count "itemCount": u64,
        /// Bytes of the items' keys and JSON texts.
        byte_count "byteCount": u64,
    }
}

impl From<view::ShareInfo> for ShareInfo {
    fn from(info: view::ShareInfo) -> Self {
        Self {
            id: info.id.to_string(),
            session_id: info.session.to_string(),
            url: info.url,
            created_at: info.created_at,
            updated_at: info.updated_at,
            expires_at: info.expires_at,
            visibility: info.visibility,
            sync_count: info.sync_count,
            revision: info.revision,
            item_count: info.item_count,
            byte_count: info.byte_count,
        }
    }
}

shape! { given
    /// One line of a listing. The title and what follows it are as of the share's last fold, and may be a minute old.
    ShareListing {
        /// The share's id.
        id "id": String,
        /// The session that is shared.
        session_id "sessionId": String,
        /// The account that owns the share.
        account "account": String,
        /// The address of the share's page, for people.
        url "url": String,
        /// When the share was created.
        created_at "createdAt": Timestamp,
        /// When the share expires; null: never, or that is not known yet.
        expires_at "expiresAt": Option<Timestamp>,
        /// The session's title, at most 256 characters; null if it has none.
        title "title": Option<String>,
        /// When the newest sync was accepted; null if that is not known yet.
        updated_at "updatedAt": Option<Timestamp>,
        /// Number of syncs that were accepted.
        sync_count "syncCount": u64,
        /// Number of items.
        item_count "itemCount": u64,
        /// Bytes of the items' keys and JSON texts.
        byte_count "byteCount": u64,
    }
}

impl From<view::ShareListing> for ShareListing {
    fn from(listing: view::ShareListing) -> Self {
        Self {
            id: listing.id.to_string(),
            session_id: listing.session.to_string(),
            account: listing.account.to_string(),
            url: listing.url,
            created_at: listing.created_at,
            expires_at: listing.expires_at,
            title: listing.title,
            updated_at: listing.updated_at,
            sync_count: listing.sync_count,
            item_count: listing.item_count,
            byte_count: listing.byte_count,
        }
    }
}

shape! { given
    /// A session of which the host cannot tell which share it is. The host's operator mends that.
    DamagedListing {
        /// The account whose session it is.
        account "account": String,
        /// The session.
        session_id "sessionId": String,
    }
}

shape! { given
    /// A page of a listing.
    SharePage {
        /// The shares, in no particular order.
        shares "shares": Vec<ShareListing>,
        /// Sessions of this page whose share is not known.
        damaged "damaged": Vec<DamagedListing>,
        /// The cursor of the next page; empty after the last.
        next_cursor "nextCursor": String,
    }
}

impl From<Page> for SharePage {
    fn from(Page { shares, damaged, next_cursor }: Page) -> Self {
        let damaged = damaged
            .into_iter()
            .map(|one| DamagedListing { account: one.account.to_string(), session_id: one.session.to_string() });
        Self { shares: shares.into_iter().map(Into::into).collect(), damaged: damaged.collect(), next_cursor }
    }
}

shape! { given
    /// A piece of a share's state.
    ShareChunk {
        /// The share's revision when this chunk was read.
        revision "revision": Revision,
        /// Number of syncs that were accepted by then.
        sync_count "syncCount": u64,
        /// Whether to forget all items that you hold: the chunks are then the whole state.
        reset "reset": bool,
        /// The items, in the order in which they first came.
        changes "changes": Vec<Changed>,
        /// The cursor of the next chunk; 0 after the last.
        next_cursor "nextCursor": u64,
    }
}

impl From<Chunk> for ShareChunk {
    fn from(Chunk { revision, sync_count, reset, changes, next_cursor }: Chunk) -> Self {
        Self { revision, sync_count, reset, changes, next_cursor }
    }
}

shape! { given
    /// The changes that lead from revision `base` to `revision`, to be applied in order.
    ShareEvent {
        /// The revision that you are at; 0 with `reset`.
        base "base": Revision,
        /// The revision that you are at when `more` is false.
        revision "revision": Revision,
        /// Number of syncs that were accepted by then.
        sync_count "syncCount": u64,
        /// Whether to forget all items that you hold: what follows is the whole state.
        reset "reset": bool,
        /// Whether another piece of this step follows.
        more "more": bool,
        /// The items that changed.
        changes "changes": Vec<Changed>,
    }
}

impl ShareEvent {
    /// A step, or a piece of it: the changes in this range.
    pub(super) fn piece(step: &Step, range: std::ops::Range<usize>) -> Self {
        let Step { base, revision, sync_count, reset, more, changes } = step;
        let (reset, more) = (*reset && range.start == 0, *more || range.end < changes.len());
        let changes = changes[range].to_vec();
        Self { base: *base, revision: *revision, sync_count: *sync_count, reset, more, changes }
    }
}

shape! { given
    /// An object of a share that was saved as a token.
    SavedToken {
        /// The token, which restores the object on any connection. It is a secret.
        token "token": String,
        /// The name by which the owner revokes it.
        grant_id "grantId": String,
    }
}

shape! { given
    /// A saved token, as the share's owner sees it.
    Grant {
        /// Its name, for `revokeGrant`.
        id "id": String,
        /// What the owner called it.
        label "label": String,
        /// What it gives.
        right "right": Right,
        /// When it was made.
        created_at "createdAt": Timestamp,
        /// When it expires; null: never.
        expires_at "expiresAt": Option<Timestamp>,
    }
}

impl From<GrantInfo> for Grant {
    fn from(info: GrantInfo) -> Self {
        Self {
            id: info.id.to_string(),
            label: info.label.to_string(),
            right: info.right,
            created_at: info.created_at,
            expires_at: info.expires_at,
        }
    }
}

shape! { given
    /// The object that a token restored: the one that `right` says. The other two refuse every call.
    Restored {
        /// Which it is.
        right "right": Right,
        /// If `right` is `full`.
        share "share": New<Full>,
        /// If `right` is `write`.
        writer "writer": New<Writer>,
        /// If `right` is `read`.
        view "view": New<View>,
    }
}

shape! { given
    /// How many viewers gave one of the choices.
    ChoiceCount {
        /// The choice.
        choice "choice": String,
        /// How many.
        count "count": u64,
    }
}

shape! { given
    /// How a question ended.
    AskOutcome {
        /// Whether the viewers agreed, no choice had enough answers in time, or the question was withdrawn: the host drains (ask
        /// again when this connection has moved) or is shutting down, or the right by which it was asked has ended.
        outcome "outcome": Outcome,
        /// The choice that was agreed on, else null.
        choice "choice": Option<String>,
        /// The number of answers of every choice.
        counts "counts": Vec<ChoiceCount>,
    }
}

impl From<ballot::Settled> for AskOutcome {
    fn from(ballot::Settled { outcome, counts, .. }: ballot::Settled) -> Self {
        let (outcome, choice) = match outcome {
            Verdict::Agreed(choice) => (Outcome::Agreed, Some(choice)),
            Verdict::Expired => (Outcome::Expired, None),
            Verdict::Withdrawn | Verdict::Drained => (Outcome::Withdrawn, None),
        };
        let counts = counts.into_iter().map(|(choice, count)| ChoiceCount { choice, count: count as u64 });
        Self { outcome, choice, counts: counts.collect() }
    }
}

shape! { both
    /// A struct within the value of a probe.
    ProbeNested {
        /// Any number.
        x "x": f64,
    }
}

shape! { both
    /// What `probeValue` takes and gives back.
    ProbeValue {
        /// A time, to the millisecond.
        when "when": Timestamp,
        /// Any bytes.
        bytes "bytes": Bytes,
        /// An object within the object.
        nested "nested": ProbeNested,
    }
}
