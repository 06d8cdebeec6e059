//! The arguments of the commands that run a host: `capshare serve` and `capshare demo`.

use clap::Args;

/// A flag wins over its variable, that over the file, that over the default.
#[derive(Args, Default)]
pub(crate) struct Serve {
    /// The address to listen on [env: CAPSHARE_LISTEN] [default: 127.0.0.1:7420]
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) listen: Option<String>,
    /// Where to keep the shares: a directory, memory:, or s3://BUCKET/PREFIX [env: CAPSHARE_STORE] [default: a directory in
    /// the user's data folder]
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
    /// A TOML file with these settings, under the names that --check prints [env: CAPSHARE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<String>,
    /// What the URLs of shares begin with, such as https://share.example.org [env: CAPSHARE_PUBLIC_URL] [default: the
    /// address]
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// A key with which an account connects; may be repeated. A key has the scopes share:write and share:read;
    /// ACCOUNT:SCOPE,...=KEY gives others. Other users of this machine can read an argument: prefer the file or the variable
    /// [env: CAPSHARE_KEYS, separated by spaces]
    #[arg(long = "key", value_name = "ACCOUNT=KEY")]
    pub(crate) keys: Vec<String>,
    /// A file with one ACCOUNT=KEY a line [env: CAPSHARE_KEY_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<String>,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
    /// An origin whose web pages may connect, such as https://app.example.org; may be repeated [env: CAPSHARE_ORIGINS,
    /// separated by spaces]
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
    /// On a host that asks for credentials: the account that owns what OpenCode shares without one. Everybody who reaches the
    /// port may then create shares of this account, and do nothing else [env: CAPSHARE_OPENCODE_ACCOUNT] [default: OpenCode is
    /// refused]
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) opencode_account: Option<String>,
    /// The address or network (such as 10.0.0.0/8) of a proxy in front of the host; may be repeated. Its X-Forwarded-For is
    /// believed, so that limits count the clients behind it [env: CAPSHARE_TRUSTED_PROXIES, separated by spaces]
    #[arg(long = "trusted-proxy", value_name = "IP|NETWORK")]
    pub(crate) trusted_proxies: Vec<String>,
    /// Serve other machines although the host asks for no credential: everybody who reaches the port, also through a proxy, is
    /// one account, and may create and list its shares. Administrators need a token all the same [env: CAPSHARE_OPEN=true]
    #[arg(long)]
    pub(crate) open: bool,
    /// Promise that no other host uses this bucket. A bucket that ignores conditional writes is then accepted, and the host
    /// does not look for the writes of others. If another host uses it all the same, acknowledged data is lost
    /// [env: CAPSHARE_SINGLE_WRITER=true]
    #[arg(long)]
    pub(crate) single_writer: bool,
    /// The shortest time between two writes of a busy share: a bucket charges for each write [env: CAPSHARE_LINGER]
    /// [default: 200ms at AWS, else 0s]
    #[arg(long, value_name = "TIME")]
    pub(crate) linger: Option<String>,
    /// The time over which connections are let go when the host is asked to stop, evenly, so that their clients go to other hosts; at
    /// most 24h. With 0s all are closed at once. A second signal ends the host at once in any case [env: CAPSHARE_DRAIN_WITHIN]
    /// [default: auto, which is 5s if the host knows of other hosts, else 0s]
    #[arg(long, value_name = "TIME|auto")]
    pub(crate) drain_within: Option<String>,
    /// Number of threads for RPC connections [env: CAPSHARE_WORKERS] [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<String>,
    /// Most connections at once, of all accounts and viewers; each needs a file descriptor (ulimit -n)
    /// [env: CAPSHARE_CONNECTIONS_MAX] [default: 10000]
    #[arg(long, value_name = "N")]
    pub(crate) connections_max: Option<String>,
    /// Most connections without a credential from one address (of IPv6: one /64), or none for no limit. Past it the oldest of
    /// them is closed [env: CAPSHARE_ADDRESS_CONNECTIONS_MAX] [default: 1024]
    #[arg(long, value_name = "N|none")]
    pub(crate) address_connections_max: Option<String>,
    /// The endpoint of an S3 service other than AWS [env: CAPSHARE_ENDPOINT, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// The bucket's region [env: CAPSHARE_REGION, AWS_REGION, AWS_DEFAULT_REGION]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    #[command(flatten)]
    pub(crate) deployment: Deployment,
    #[command(flatten)]
    pub(crate) nats: Nats,
    #[command(flatten)]
    pub(crate) granted: Granted,
    /// Check the settings and print each with where it came from, without secrets. Neither the store nor the port is touched
    #[arg(long)]
    pub(crate) check: bool,
}

/// Which credentials a host takes, besides keys.
#[derive(Args, Default)]
pub(crate) struct Credentials {
    /// Ask for a credential, and take the tokens that `capshare token create` makes in this store. A host that does not ask takes
    /// them too [env: CAPSHARE_TOKENS=true|false] [default: on if keys or signed tokens are taken]
    #[arg(long)]
    pub(crate) tokens: bool,
    /// Take tokens (JWT) signed with the secret in this file [env: CAPSHARE_JWT_SECRET_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) jwt_secret_file: Option<String>,
    /// Take tokens (JWT) whose signature the public key in this PEM file verifies [env: CAPSHARE_JWT_KEY_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) jwt_key_file: Option<String>,
    /// Take tokens (JWT) whose signature a key of this set (JWKS) verifies [env: CAPSHARE_JWT_JWKS]
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) jwt_jwks: Option<String>,
    /// The audience that signed tokens must name [env: CAPSHARE_JWT_AUDIENCE] [default: only tokens that name no audience]
    #[arg(long, value_name = "TEXT")]
    pub(crate) jwt_audience: Option<String>,
    /// The issuer that signed tokens must name [env: CAPSHARE_JWT_ISSUER] [default: any]
    #[arg(long, value_name = "TEXT")]
    pub(crate) jwt_issuer: Option<String>,
    /// The claim of a signed token that names the account [env: CAPSHARE_JWT_ACCOUNT_CLAIM] [default: sub]
    #[arg(long, value_name = "CLAIM")]
    pub(crate) jwt_account_claim: Option<String>,
}

/// How a host takes part in a deployment with other hosts over its store.
#[derive(Args, Default)]
pub(crate) struct Deployment {
    /// Where clients and other hosts reach this host, such as https://a.example.org; may be repeated. Clients of other hosts that
    /// must go elsewhere are told it, and other hosts call it [env: CAPSHARE_ADVERTISE, separated by spaces]
    #[arg(long = "advertise", value_name = "URL")]
    pub(crate) advertise: Vec<String>,
    /// Where other hosts reach this host and clients do not, such as http://10.0.0.7:7420; may be repeated. Other hosts try it
    /// before the URLs of --advertise [env: CAPSHARE_ADVERTISE_INSIDE, separated by spaces]
    #[arg(long = "advertise-inside", value_name = "URL")]
    pub(crate) advertise_inside: Vec<String>,
    /// Where clients reach a further host, which does not say so itself in the store; may be repeated [env: CAPSHARE_OTHER_HOSTS,
    /// separated by spaces]
    #[arg(long = "other-host", value_name = "URL")]
    pub(crate) other_hosts: Vec<String>,
    /// Whether this host calls other hosts that say where they are reached, and answers those that call it, so that each hears
    /// at once what was written at another [env: CAPSHARE_PEERS] [default: true]
    #[arg(long, value_name = "true|false")]
    pub(crate) peers: Option<String>,
    /// How often this host looks for changes of a share that somebody follows here and that has not changed for ten minutes, while nothing
    /// tells this host what others wrote. With 5s that takes a fifth of the requests. With none it looks once a second, as it does for
    /// every other share [env: CAPSHARE_POLL_RESTED] [default: none]
    #[arg(long, value_name = "TIME")]
    pub(crate) poll_rested: Option<String>,
    /// How often this host looks for changes of each share that somebody follows here, while other hosts or NATS tell this host what
    /// others wrote. What they fail to tell is seen at the next such look [env: CAPSHARE_POLL_HINTED] [default: 1m]
    #[arg(long, value_name = "TIME")]
    pub(crate) poll_hinted: Option<String>,
}

/// NATS, by which the hosts of a deployment tell each other what was written.
#[derive(Args, Default)]
pub(crate) struct Nats {
    /// A NATS server by which the hosts over this store tell each other at once what was written, such as
    /// nats://nats.example.org:4222, or tls://... for an encrypted connection only; may be repeated, for other servers of its
    /// cluster. A user and a password, or a token, may stand before the name (USER:PASSWORD@); other users of this machine can
    /// read an argument: prefer a file [env: CAPSHARE_NATS, separated by spaces]
    #[arg(long = "nats", value_name = "URL,...")]
    pub(crate) nats: Vec<String>,
    /// A file with what the host shows to NATS: a credentials file as NATS' tools make it, the seed of an nkey, USER:PASSWORD or
    /// a token [env: CAPSHARE_NATS_CREDENTIALS]
    #[arg(long, value_name = "FILE")]
    pub(crate) nats_credentials: Option<String>,
    /// A PEM file with the certificates of the authorities that are trusted to name NATS servers [env: CAPSHARE_NATS_CA]
    /// [default: those that the system trusts]
    #[arg(long, value_name = "FILE")]
    pub(crate) nats_ca: Option<String>,
    /// A PEM file with the certificate that the host shows to NATS [env: CAPSHARE_NATS_CERT]
    #[arg(long, value_name = "FILE")]
    pub(crate) nats_cert: Option<String>,
    /// A PEM file with that certificate's private key [env: CAPSHARE_NATS_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) nats_key: Option<String>,
}

/// What a host grants its producers.
#[derive(Args, Default)]
pub(crate) struct Granted {
    /// Who may see a share whose producer does not say it: link (everybody who knows the link), account (everybody with an
    /// account here) or grant (its owner, and everybody with a token of it) [env: CAPSHARE_VISIBILITY] [default: link]
    #[arg(long, value_name = "link|account|grant")]
    pub(crate) visibility: Option<String>,
    /// Delete shares after this time, such as 30d, unless their producer says another [env: CAPSHARE_SHARE_TTL]
    /// [default: never]
    #[arg(long, value_name = "TIME")]
    pub(crate) share_ttl: Option<String>,
    /// The longest time that a producer may ask for; a share without an expiry gets this one [env: CAPSHARE_SHARE_TTL_MAX]
    /// [default: no limit]
    #[arg(long, value_name = "TIME")]
    pub(crate) share_ttl_max: Option<String>,
    /// Most shares of an account, or none for no limit [env: CAPSHARE_ACCOUNT_SHARES_MAX] [default: none]
    #[arg(long, value_name = "N|none")]
    pub(crate) account_shares_max: Option<String>,
    /// Most bytes that an account's shares may hold, such as 10GiB, or none for no limit [env: CAPSHARE_ACCOUNT_BYTES_MAX]
    /// [default: none]
    #[arg(long, value_name = "BYTES|none")]
    pub(crate) account_bytes_max: Option<String>,
    /// Most bytes that an account may sync in 24 hours at this host, or none for no limit
    /// [env: CAPSHARE_ACCOUNT_BYTES_PER_DAY_MAX] [default: none]
    #[arg(long, value_name = "BYTES|none")]
    pub(crate) account_bytes_per_day_max: Option<String>,
    /// Most connections of an account, or none for no limit. Past it the account's oldest is closed
    /// [env: CAPSHARE_ACCOUNT_CONNECTIONS_MAX] [default: 50]
    #[arg(long, value_name = "N|none")]
    pub(crate) account_connections_max: Option<String>,
}

/// Plays a recorded session into a host of its own.
#[derive(Args)]
pub(crate) struct Demo {
    /// How many times faster than recorded the session is played; at 1 it takes 54 seconds
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    pub(crate) speed: f64,
    /// End when the session has been played, instead of serving until Ctrl-C
    #[arg(long)]
    pub(crate) exit: bool,
    /// Where to keep the share: a directory, or memory: [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "write a number, such as 10".to_owned())?;
    if (0.01..=1e6).contains(&speed) { Ok(speed) } else { Err("write a number from 0.01 to 1000000".to_owned()) }
}
