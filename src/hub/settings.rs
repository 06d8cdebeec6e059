//! How a hub behaves: data, without anything that runs.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::connections::ConnectionsSettings;
use crate::connections::registry::Caps;
use crate::deployment::HostsSettings;
use crate::rooms::RoomsSettings;
use crate::rooms::quota::QuotaSettings;
use crate::share::limits::Limits;
use crate::share::visibility::Visibility;
use crate::store::{Mutation, StoreSettings};

/// How a hub behaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HubSettings {
    /// Whether the tokens of the store come in, besides what the host's [`Access`](crate::access::Access) lets in. Default
    /// false.
    pub stored_tokens: bool,
    /// Wrong credentials that one address may show in a minute, and at once. Default 60. Behind a proxy all clients have one
    /// address: limit them there, and set this high.
    pub failed_credentials_per_minute: NonZeroU32,
    /// What is refused. Default: the contract's limits.
    pub limits: Limits,
    /// How often a room with followers looks for what other hosts wrote, and how old an answer to a read may be; `None`
    /// if no other host uses the bucket: a host's builder sets that for a store in memory, and where
    /// [`single_writer`](StoreSettings::single_writer) is set. Default: 1 s, which costs one small GET a second for each share that is
    /// watched.
    pub poll: Option<Duration>,
    /// How often a room with followers looks that has not changed for ten minutes, while no carrier brings news of other hosts. So late
    /// may its viewers here be told that another host revoked a grant or deleted the share; a request is never answered with what is
    /// older than [`poll`](Self::poll). Default `None`: as often as any other. 5 s cost a fifth, where each request is paid for.
    pub poll_rested: Option<Duration>,
    /// How often a room with followers looks while a carrier brings news of other hosts: so late come news that the carrier lost to
    /// the end. Default 60 s.
    pub poll_hinted: Duration,
    /// Connections that are admitted; one that has shown a credential displaces one that has not. Default 10,000: at 14 kB
    /// each, 140 MB.
    pub connections_max: usize,
    /// Connections that one account may have; past it the oldest is closed with 4004. `None`: as many as it likes. Default 50.
    /// Those that showed no credential, where none is needed, do not count.
    pub account_connections_max: Option<NonZeroUsize>,
    /// Connections without a credential that one address (of IPv6: one /64) may have, at whatever door; past it the oldest is
    /// closed with 4004. `None`: as many as it likes. Default 1,024, a tenth of all: many people may stand behind one address.
    pub address_connections_max: Option<NonZeroUsize>,
    /// Bytes of items that idle rooms may keep in memory. Default 256 MiB, the largest share that may exist.
    pub idle_bytes_max: usize,
    /// Rooms that may be idle in memory. Default 10,000.
    pub idle_rooms_max: usize,
    /// How long after one write of a share the next begins at the earliest, so that what comes in between is one object. The
    /// first after a pause, and a deletion, go at once. Default 0; where each write is paid for, 200 ms make an
    /// active share cost a fifth of what it would, and a sync wait for 100 ms more.
    pub linger: Duration,
    /// How long after its last write a share is folded into one object; one that is small beside its log is after a second.
    /// Default 60 s.
    pub fold_after: Duration,
    /// Who may see a share if its producer does not say. Default: everybody who knows its id.
    pub visibility: Visibility,
    /// How long a share lives if its producer does not say. Default `None`: until it is deleted.
    pub share_ttl: Option<Duration>,
    /// How long a share may live: a producer that asks for longer is refused, and one that asks for ever gets this. Default
    /// `None`: for ever.
    pub share_ttl_max: Option<Duration>,
    /// What each account may have. Default: as much as it likes.
    pub quotas: QuotaSettings,
    /// How long a client may take to answer a push, unless the push says otherwise. Default 10 s: a handler that asks no
    /// person, on a bad line.
    pub push_within: Duration,
    /// How long a handler may take for a call of a client, which the client can only shorten. Default 30 s, as its own calls.
    pub call_within: Duration,
    /// How often the bucket is asked whether it still honours conditional writes, besides when something contradicts it; each
    /// minute while it does not, or could not be asked. `None`: never, where nobody else writes to it; a host's builder sets that
    /// where it sets that of [`poll`](Self::poll). Default 5 minutes: ten small writes each time.
    pub probe_every: Option<Duration>,
    /// How the host takes part in its deployment, with other hosts over the bucket.
    pub hosts: HostsSettings,
    /// How the log is kept.
    pub store: StoreSettings,
}

impl Default for HubSettings {
    fn default() -> Self {
        Self {
            stored_tokens: false,
            failed_credentials_per_minute: NonZeroU32::new(60).unwrap_or(NonZeroU32::MIN),
            limits: Limits::default(),
            poll: Some(Duration::from_secs(1)),
            poll_rested: None,
            poll_hinted: Duration::from_secs(60),
            connections_max: 10_000,
            account_connections_max: NonZeroUsize::new(50),
            address_connections_max: NonZeroUsize::new(1_024),
            idle_bytes_max: 256 << 20,
            idle_rooms_max: 10_000,
            linger: Duration::ZERO,
            fold_after: Duration::from_secs(60),
            visibility: Visibility::Link,
            share_ttl: None,
            share_ttl_max: None,
            quotas: QuotaSettings::default(),
            push_within: Duration::from_secs(10),
            call_within: Duration::from_secs(30),
            probe_every: Some(Duration::from_secs(300)),
            hosts: HostsSettings::default(),
            store: StoreSettings::default(),
        }
    }
}

impl HubSettings {
    /// What the rooms go by.
    pub(super) fn rooms(&self) -> RoomsSettings {
        RoomsSettings {
            chunk_bytes_max: self.limits.chunk_bytes_max,
            poll: self.poll,
            poll_rested: self.poll_rested,
            poll_hinted: self.poll_hinted,
            linger: self.linger,
            fold_after: self.fold_after,
            visibility: self.visibility,
            share_ttl: self.share_ttl,
            share_ttl_max: self.share_ttl_max,
            quotas: self.quotas.clone(),
            idle_rooms_max: self.idle_rooms_max,
            idle_bytes_max: self.idle_bytes_max,
            answers_early: self.store.is_wrong(Mutation::AcknowledgeBeforePut),
            believes_hosts: self.store.is_wrong(Mutation::BelieveHost),
            reads_early: self.store.is_wrong(Mutation::ReadBeforeSubscribe),
            follows_late: self.store.is_wrong(Mutation::LookBeforeFollow),
            has_no_floor: self.store.is_wrong(Mutation::NoFloor),
        }
    }

    /// What the connections go by.
    pub(super) fn connections(&self) -> ConnectionsSettings {
        ConnectionsSettings {
            connections_max: self.connections_max,
            caps: Caps { account: self.account_connections_max, address: self.address_connections_max },
            push_within: self.push_within,
            call_within: self.call_within,
        }
    }
}
