//! How a host behaves, as data: [`HostSettings`] and what it is made of. Each setting says its default.

pub use crate::deployment::HostsSettings;
pub use crate::http::forwarded::{BadProxyNet, ProxyNet};
pub use crate::http::settings::{DoorSettings, OpenCodeSettings, SocketSettings};
pub use crate::hub::HubSettings;
#[cfg(feature = "nats")]
pub use crate::nats::{BadNats, NatsLogin, NatsServer, NatsSettings};
pub use crate::rooms::quota::{Quota, QuotaSettings};
pub use crate::rpc::RpcSettings;
pub use crate::share::limits::{BadLimit, Limits};
pub use crate::store::StoreSettings;
pub use crate::viewer::ViewerSettings;
pub use crate::web::WebSettings;

/// How a host behaves.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct HostSettings {
    /// What the URLs of shares begin with: see [`is_public_url`](crate::host::is_public_url). Default: `http://` and the address it listens on; of a host
    /// that listens on every address, the one by which this machine reaches itself.
    pub public_url: Option<String>,
    /// Threads that RPC connections live on. Default (0): one for each core.
    pub workers: usize,
    /// Shares.
    pub hub: HubSettings,
    /// RPC connections.
    pub rpc: RpcSettings,
    /// Cap'n Web connections.
    pub web: WebSettings,
    /// Viewers.
    pub viewer: ViewerSettings,
    /// Who may knock.
    pub doors: DoorSettings,
    /// Sockets, before and besides connections.
    pub sockets: SocketSettings,
    /// Proxies whose `X-Forwarded-For` is believed, so that limits by address count the clients behind them. Default: none.
    pub trusted_proxies: Vec<ProxyNet>,
    /// NATS, by which the hosts of the deployment tell each other what was written, in place of calls from host to host. Default: none.
    #[cfg(feature = "nats")]
    pub nats: Option<NatsSettings>,
}
