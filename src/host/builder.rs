//! How an embedder makes a host: from where shares are kept and who may come in, with settings for all else.

use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;

use crate::access::{Access, SingleAccount};
use crate::ambient::Ambient;
use crate::connections::calls::Handler;
use crate::connections::hooks::ConnectionHooks;
use crate::host::storage::{self, S3Options, StoreLocation};
use crate::host::{Host, HostError, HostSettings};
use crate::rooms::quota::QuotaSettings;
use crate::share::error::chain;
use crate::share::id::AccountId;
use crate::share::limits::Limits;
use crate::share::visibility::Visibility;
use crate::store::StoreError;

/// The account of everybody who comes in, where the builder was told nothing else.
const LOCAL: &str = "local";

/// A host to be. It needs a storage: [`storage`](Self::storage) or [`objects`](Self::objects). Everything else has a default.
///
/// ```no_run
/// # async fn scene() -> Result<(), Box<dyn std::error::Error>> {
/// use capshare::host::Host;
/// use capshare::host::storage::StoreLocation;
///
/// let host = Host::builder()
///     .storage(StoreLocation::Directory("/var/lib/capshare".into()))
///     .public_url("https://share.example.org")
///     .settings(|settings| settings.hub.connections_max = 2_000)
///     .build()
///     .await?;
/// let address = host.listen("127.0.0.1:7420".parse()?).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct HostBuilder {
    objects: Objects,
    s3: S3Options,
    access: Option<Arc<dyn Access>>,
    ambient: Ambient,
    hooks: Option<Arc<dyn ConnectionHooks>>,
    calls: Vec<Call>,
    settings: HostSettings,
}

#[derive(Debug)]
enum Objects {
    Missing,
    At(StoreLocation),
    Open(Arc<dyn ObjectStore>),
}

/// A handler of the calls of one name.
struct Call(String, Arc<dyn Handler>);

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Host {
    /// A host to be, over the clock and the randomness of this machine.
    pub fn builder() -> HostBuilder {
        HostBuilder {
            objects: Objects::Missing,
            s3: S3Options::default(),
            access: None,
            ambient: Ambient::system(),
            hooks: None,
            calls: Vec::new(),
            settings: HostSettings::default(),
        }
    }
}

impl HostBuilder {
    /// Keeps the shares at this location, which [`build`](Self::build) opens. Some settings follow from the location: `build` sets
    /// them, whatever [`settings`](Self::settings) says of them.
    ///
    /// | setting | in memory | in a directory | in a bucket |
    /// |---|---|---|---|
    /// | `hub.poll`, `hub.probe_every`, `hub.hosts.every` | `None` | as it was set | as it was set |
    /// | `hub.store.sorted_listings` | true | false | as [`lists_sorted`](StoreLocation::lists_sorted) says |
    /// | `hub.store.lease`, `request_time` and `free_after` | 200, 50 and 250 ms | as it was set | as it was set |
    ///
    /// Where `hub.store.single_writer` is set, `hub.poll`, `hub.probe_every` and `hub.hosts.every` are `None` over any storage. An embedder that sets the
    /// others itself opens the location ([`open`](storage::open)) and gives what it opened to
    /// [`objects`](Self::objects).
    pub fn storage(mut self, location: StoreLocation) -> Self {
        self.objects = Objects::At(location);
        self
    }

    /// Sets how an S3-compatible bucket is reached, where [`storage`](Self::storage) names one. Default: at AWS, without credentials.
    pub fn s3(mut self, options: S3Options) -> Self {
        self.s3 = options;
        self
    }

    /// Keeps the shares in an object store that the embedder opened itself. It must honour conditional creates, which
    /// [`build`](Self::build) asks it. No setting follows from it: see [`HubSettings::poll`](crate::host::settings::HubSettings::poll)
    /// and [`StoreSettings::sorted_listings`](crate::host::settings::StoreSettings::sorted_listings).
    pub fn objects(mut self, objects: Arc<dyn ObjectStore>) -> Self {
        self.objects = Objects::Open(objects);
        self
    }

    /// Sets who may come in. Default: the programs of this machine, all as the account `local`.
    pub fn access(mut self, access: impl Access + 'static) -> Self {
        self.access = Some(Arc::new(access));
        self
    }

    /// Sets the clock and the source of randomness. Default: those of this machine.
    pub fn ambient(mut self, ambient: Ambient) -> Self {
        self.ambient = ambient;
        self
    }

    /// Tells these hooks of every connection. Default: nobody is told.
    pub fn hooks(mut self, hooks: impl ConnectionHooks + 'static) -> Self {
        self.hooks = Some(Arc::new(hooks));
        self
    }

    /// Serves the calls of this name (the client's `Client::call`). A second handler of a name takes the place of the first. See
    /// also [`Host::on_call`].
    pub fn on_call(mut self, name: impl Into<String>, handler: impl Handler + 'static) -> Self {
        self.calls.push(Call(name.into(), Arc::new(handler)));
        self
    }

    /// Sets the URL by which others reach the host, such as `https://share.example.org`: the URLs of shares begin with it. Default:
    /// as [`HostSettings::public_url`] says.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.settings.public_url = Some(url.into());
        self
    }

    /// Sets the limits on what clients send. None may be above the contract's. Default: the contract's.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.hub.limits = limits;
        self
    }

    /// Sets what each account may have. Default: as much as it likes.
    pub fn quotas(mut self, quotas: QuotaSettings) -> Self {
        self.settings.hub.quotas = quotas;
        self
    }

    /// Sets who may see a share if its producer does not say. Default: everybody who knows its id.
    pub fn visibility(mut self, visibility: Visibility) -> Self {
        self.settings.hub.visibility = visibility;
        self
    }

    /// Sets how long a share lives if its producer does not say. Default `None`: until it is deleted.
    pub fn share_ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.settings.hub.share_ttl = ttl.into();
        self
    }

    /// Changes any setting of the host. Called several times, each change is made to what the one before left. What follows from the
    /// location of [`storage`](Self::storage) is set after all changes.
    pub fn settings(mut self, change: impl FnOnce(&mut HostSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// The host: its storage is opened and was found to honour conditional writes. It serves nobody yet: it then
    /// [listens](Host::listen), or [connects](Host::connect) in process. In a directory, what hosts that were killed left half written
    /// is removed meanwhile ([`remove_half_written`](storage::remove_half_written)).
    ///
    /// # Errors
    /// No storage was given, it cannot be used, a setting cannot be right, or the machine has no randomness to give.
    pub async fn build(self) -> Result<Host, HostError> {
        let Self { objects, s3, access, ambient, hooks, calls, mut settings } = self;
        let (objects, location) = match objects {
            Objects::Missing => return Err(HostError::NoStorage),
            Objects::Open(objects) => (objects, None),
            Objects::At(location) => (storage::open(&location, &s3).await?, Some(location)),
        };
        suit(&mut settings, location.as_ref());
        let access = match access {
            Some(access) => access,
            None => Arc::new(SingleAccount::of_this_machine(local())),
        };
        let single_writer = settings.hub.store.single_writer;
        let host = Host::new(objects, access, ambient, settings)?;
        if location != Some(StoreLocation::Memory) {
            match host.hub.rooms().store().probe_conditional_writes().await {
                Err(StoreError::Unconditional) if single_writer => tracing::warn!(
                    store = location.as_ref().map(tracing::field::display),
                    "the bucket ignores conditional writes: a second host over it would lose acknowledged data"
                ),
                probed => probed?,
            }
        }
        // Without it, clients know this store by the URLs of its hosts.
        if let Err(error) = host.hub.rooms().store().read_id().await {
            tracing::warn!(error = %chain(&error), "the id of the store cannot be read, so clients take each host for a store of its own");
        }
        if let Some(directory @ StoreLocation::Directory(_)) = location {
            // Nobody waits for it.
            drop(tokio::task::spawn_blocking(move || storage::remove_half_written(&directory, false)));
        }
        if let Some(hooks) = hooks {
            host.hub.connections().set_connection_hooks(hooks);
        }
        for Call(name, handler) in calls {
            host.hub.connections().serve_calls(name, handler);
        }
        Ok(host)
    }
}

#[expect(clippy::expect_used, reason = "five letters are the name of an account")]
fn local() -> AccountId {
    LOCAL.parse().expect("the name of an account")
}

/// Sets what follows from where the shares are kept, over what the embedder set; `None`: in an object store that the embedder opened.
fn suit(settings: &mut HostSettings, location: Option<&StoreLocation>) {
    let in_memory = location == Some(&StoreLocation::Memory);
    if in_memory || settings.hub.store.single_writer {
        // Nobody else writes to it.
        (settings.hub.poll, settings.hub.probe_every, settings.hub.hosts.every) = (None, None, None);
    }
    if let Some(location) = location {
        settings.hub.store.sorted_listings = location.lists_sorted();
    }
    if in_memory {
        // No request to it is ever on its way, so what was superseded need not stay for a minute: with a thousand syncs of 64 KiB
        // a second that would be 8 GB. And what comes next is put where that was: in memory that is at hand.
        let store = &mut settings.hub.store;
        (store.lease, store.request_time, store.free_after) =
            (Duration::from_millis(200), Duration::from_millis(50), Duration::from_millis(250));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_the_storage_counts_over_what_was_set_and_nothing_else_does() {
        let (minute, lease) = (Some(Duration::from_secs(60)), Duration::from_secs(20));
        let directory = StoreLocation::Directory("/shares".into());
        for (location, single_writer, expected) in [
            (None, false, (minute, minute, true, lease)),
            (None, true, (None, None, true, lease)),
            (Some(&directory), false, (minute, minute, false, lease)),
            (Some(&directory), true, (None, None, false, lease)),
            (Some(&StoreLocation::Memory), false, (None, None, true, Duration::from_millis(200))),
        ] {
            let mut settings = HostSettings::default();
            (settings.hub.poll, settings.hub.probe_every) = (minute, minute);
            settings.hub.store.sorted_listings = true;
            settings.hub.store.single_writer = single_writer;
            suit(&mut settings, location);
            let store = &settings.hub.store;
            let got = (settings.hub.poll, settings.hub.probe_every, store.sorted_listings, store.lease);
            assert_eq!(got, expected, "{location:?}, single writer: {single_writer}");
            assert_eq!(settings.hub.hosts.every.is_some(), settings.hub.poll.is_some());
        }
    }
}
