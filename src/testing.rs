//! Host and client in one process, joined by a pipe: for the tests of services that link capshare, and for our own.
//!
//! ```
//! use capshare::client::Items;
//! use capshare::testing::{Scene, run};
//!
//! run(async {
//!     let scene = Scene::new();
//!     let client = scene.client();
//!     let share = client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
//!     let mut items = Items::new();
//!     items.put("session", r#"{"id": "ses_1"}"#).unwrap();
//!     assert_eq!(share.sync(items).await.unwrap().sync_count, 1);
//! });
//! ```
//!
//! A [`Scene`] is a host of its own: its store, its clock, its randomness and no port, so that scenes run side by side.
//! [`run`] gives it a runtime whose clock is paused and goes on by itself when everybody waits: timeouts take no time, and
//! the same test takes the same steps. Scenes share a store by [`SceneBuilder::store`]: that is two hosts over one bucket.
//! Dropping a scene cuts its connections.

use std::sync::Arc;

use futures::future::LocalBoxFuture;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio::task::LocalSet;

use crate::access::{Access, SingleAccount};
use crate::ambient::{Ambient, Clock, SeededEntropy, TokioClock};
use crate::client::{self, Client, Connection, Dial, DialError, DialRequest};
use crate::host::{Host, HostSettings};
use crate::share::id::AccountId;
use crate::share::secret::Secret;
use crate::share::time::Timestamp;

/// Runs a test on a runtime with a paused clock and a [`LocalSet`].
///
/// # Panics
/// If the machine has no thread or descriptor for a runtime, and with whatever the test panics with.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    #[expect(clippy::expect_used, reason = "a test without a runtime has failed")]
    let runtime = runtime.expect("a runtime");
    LocalSet::new().block_on(&runtime, test)
}

/// A host in this process, and the way to clients of it. Clones are the same scene.
#[derive(Debug, Clone)]
pub struct Scene {
    host: Arc<Host>,
    store: Arc<dyn ObjectStore>,
}

/// What a scene is made of. [`SceneBuilder::build`] needs a tokio runtime around it, for the clock.
#[derive(Debug)]
#[must_use]
pub struct SceneBuilder {
    store: Arc<dyn ObjectStore>,
    access: Arc<dyn Access>,
    clock: Option<Arc<dyn Clock>>,
    seed: u64,
    settings: HostSettings,
}

/// When scenes begin, unless their clock says otherwise: 2026-01-01T00:00:00Z.
pub const BEGINNING: Timestamp = Timestamp(1_767_225_600_000);

impl Scene {
    /// A host over memory, for the one account `local`, at [`BEGINNING`] on tokio's clock.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it starts a host")]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// The same, to be changed before it is built.
    pub fn builder() -> SceneBuilder {
        #[expect(clippy::expect_used, reason = "a name that is one")]
        let local: AccountId = "local".parse().expect("an account");
        SceneBuilder {
            store: Arc::new(InMemory::new()),
            access: Arc::new(SingleAccount::of_this_machine(local)),
            clock: None,
            seed: 1,
            settings: HostSettings::default(),
        }
    }

    /// A client, with its driver on the caller's `LocalSet`.
    ///
    /// # Panics
    /// Outside a `LocalSet`.
    #[must_use]
    pub fn client(&self) -> Client {
        #[expect(clippy::expect_used, reason = "these settings are right")]
        self.client_builder().build_local().expect("a client")
    }

    /// A client to be, with this host as its only one. Built by [`build`](client::Builder::build), it has a thread of its
    /// own, and the host's side of its connection lives there too.
    pub fn client_builder(&self) -> client::Builder {
        client::Builder::over(Arc::new(InProcess(Arc::clone(&self.host))))
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// The objects that it keeps.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }
}

impl SceneBuilder {
    /// Other objects than a fresh memory's.
    pub fn store(mut self, store: Arc<dyn ObjectStore>) -> Self {
        self.store = store;
        self
    }

    /// Others may come in than the one account `local`.
    pub fn access(mut self, access: impl Access + 'static) -> Self {
        self.access = Arc::new(access);
        self
    }

    /// Another time of day.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Other ids and secrets. Hosts over one store must have different seeds. Default: 1.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Changes settings of the host.
    pub fn settings(mut self, change: impl FnOnce(&mut HostSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// The scene.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn build(self) -> Scene {
        let clock = self.clock.unwrap_or_else(|| Arc::new(TokioClock::from(BEGINNING)));
        let ambient = Ambient { clock, entropy: Arc::new(SeededEntropy::new(self.seed)) };
        #[expect(clippy::expect_used, reason = "seeded randomness does not run out")]
        let host = Host::new(Arc::clone(&self.store), self.access, ambient, self.settings).expect("a host");
        Scene { host: Arc::new(host), store: self.store }
    }
}

/// Connects within the process. The host's side is served by the thread that dials.
#[derive(Debug)]
struct InProcess(Arc<Host>);

impl Dial for InProcess {
    fn dial<'a>(&'a self, request: &'a DialRequest) -> LocalBoxFuture<'a, Result<Connection, DialError>> {
        Box::pin(async move {
            let token = request.token.as_ref().map(|token| Secret::from(token.reveal()));
            let end = self.0.connect(token.as_ref(), request.in_band).await?;
            let (reader, writer) = end.split();
            Ok(Connection::of_stream(reader, writer))
        })
    }
}
