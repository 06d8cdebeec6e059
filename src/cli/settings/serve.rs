//! The settings of `capshare serve`, checked.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use capshare::host::access::Scopes;
use capshare::host::is_public_url;
use capshare::host::settings::HubSettings;
use capshare::host::settings::ProxyNet;
use capshare::host::storage::{S3Options, StoreLocation};
use capshare::share::id::AccountId;
use capshare::share::limits::DRAIN_WITHIN_MAX;
use serde_json::{Value, json};

use crate::cli::args::{Common, Serve};
use crate::cli::defaults::LISTEN;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::log::LogFormat;
use crate::cli::settings::deployment::{self, Deployment};
use crate::cli::settings::file::{self, FileSettings, Hidden};
use crate::cli::settings::granted::{self, Granted};
use crate::cli::settings::keys::{self, SharedKey};
use crate::cli::settings::nats::{self, Nats};
use crate::cli::settings::signed::{self, Signed};
use crate::cli::settings::{Setting, Source, log_format, strongest};

/// The longest linger: a third of the time that a producer waits for an answer.
const LINGER_MAX: Duration = Duration::from_secs(10);

/// The most connections that may be asked for: at 14 kB each, 14 GB.
const CONNECTIONS_MAX: usize = 1_000_000;
/// What is written where the program is to choose.
const AUTO: &str = "auto";

const PUBLIC_URL: &str = "a URL without query and fragment, such as https://share.example.org";

/// Over what time the connections of a host that is asked to stop are let go, unless it was said. Who stops a container waits for 10 s,
/// by default: half of that is left for what was begun.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

const CONNECTIONS: &str = "a number of connections, from 1 to 1000000";

/// The settings of `serve`.
pub(crate) struct ServeSettings {
    pub(crate) listen: Setting<SocketAddr>,
    pub(crate) store: Setting<StoreLocation>,
    pub(crate) public_url: Setting<Option<String>>,
    pub(crate) keys: Setting<Vec<SharedKey>>,
    pub(crate) tokens: Setting<bool>,
    pub(crate) signed: Signed,
    pub(crate) origins: Setting<Vec<String>>,
    pub(crate) opencode_account: Setting<Option<AccountId>>,
    pub(crate) trusted_proxies: Setting<Vec<ProxyNet>>,
    pub(crate) open: Setting<bool>,
    pub(crate) single_writer: Setting<bool>,
    pub(crate) linger: Setting<Duration>,
    /// Over what time connections are let go when the host is asked to stop; `None`: as [`Self::drain_within`] says.
    pub(crate) drain_within: Setting<Option<Duration>>,
    pub(crate) workers: Setting<usize>,
    pub(crate) connections_max: Setting<usize>,
    pub(crate) address_connections_max: Setting<Option<NonZeroUsize>>,
    pub(crate) endpoint: Setting<Option<String>>,
    pub(crate) region: Setting<Option<String>>,
    pub(crate) deployment: Deployment,
    pub(crate) nats: Nats,
    pub(crate) granted: Granted,
    pub(crate) credentials: Setting<Credentials>,
    pub(crate) log: Setting<String>,
    pub(crate) log_format: Setting<LogFormat>,
    pub(crate) check: bool,
}

/// The credentials of a bucket. All of them come from one source, because parts of two do not fit together.
#[derive(Default)]
pub(crate) struct Credentials {
    access_key_id: Option<String>,
    secret_access_key: Option<Hidden>,
    session_token: Option<Hidden>,
}

/// Finds the strongest value of each setting, and refuses invalid ones.
pub(crate) fn resolve(args: Serve, common: &Common, environment: &Environment) -> Result<ServeSettings, Failure> {
    let path = args.config.clone().or_else(|| environment.get("CAPSHARE_CONFIG").map(str::to_owned));
    let mut file = path.map_or_else(|| Ok(FileSettings::default()), |path| file::read(Path::new(&path)))?;
    let keys = keys::resolve(&args, environment, &file)?;
    let signed = signed::resolve(&args.credentials, environment, std::mem::take(&mut file.jwt))?;
    let granted = granted::resolve(args.granted, environment, &mut file)?;
    let deployment = deployment::resolve(args.deployment, environment, std::mem::take(&mut file.hosts))?;
    let nats = nats::resolve(args.nats, environment, std::mem::take(&mut file.nats))?;
    let find =
        |flag, said, variables, member, written| strongest((flag, said), variables, environment, (member, written));

    let listen = find("--listen", args.listen, &["CAPSHARE_LISTEN"], "listen", file.listen)
        .unwrap_or_else(|| Setting::by_default(LISTEN.to_owned()))
        .read("an address and a port, such as 127.0.0.1:7420 or [::1]:7420", |text| text.parse().ok())?;
    let store = match find("--store", args.store, &["CAPSHARE_STORE"], "store", file.store) {
        Some(said) => said.read("memory:, a directory, or s3://BUCKET/PREFIX", |text| text.parse().ok())?,
        None => Setting::by_default(default_store(environment)?),
    };
    let public_url = find("--public-url", args.public_url, &["CAPSHARE_PUBLIC_URL"], "public_url", file.public_url)
        .map(|said| said.read(PUBLIC_URL, |text| web_url(text).map(Some)))
        .unwrap_or_else(|| Ok(Setting::by_default(None)))?;
    let open = find("--open", args.open.then(|| "true".to_owned()), &["CAPSHARE_OPEN"], "open", file.open.map(text))
        .unwrap_or_else(|| Setting::by_default("false".to_owned()))
        .read("true or false", |text| text.parse().ok())?;
    let (flag, said) = ("--tokens", args.credentials.tokens.then(|| "true".to_owned()));
    let asks = !keys.value.is_empty() || signed.are_taken();
    let tokens = find(flag, said, &["CAPSHARE_TOKENS"], "tokens", file.tokens.map(text))
        .unwrap_or_else(|| Setting::by_default(asks.to_string()))
        .read("true or false", |text| text.parse().ok())?;
    let (flag, said) = ("--single-writer", args.single_writer.then(|| "true".to_owned()));
    let single_writer = find(flag, said, &["CAPSHARE_SINGLE_WRITER"], "single_writer", file.single_writer.map(text))
        .unwrap_or_else(|| Setting::by_default("false".to_owned()))
        .read("true or false", |text| text.parse().ok())?;
    let workers = find("--workers", args.workers, &["CAPSHARE_WORKERS"], "workers", file.workers.map(text))
        .unwrap_or_else(|| Setting::by_default("0".to_owned()))
        .read("a number of threads, at most 256, or 0 for one for each core", |text| {
            text.parse().ok().filter(|workers| *workers <= 256)
        })?;
    let (flag, variables) = ("--connections-max", &["CAPSHARE_CONNECTIONS_MAX"]);
    let connections_max =
        find(flag, args.connections_max, variables, "connections_max", file.connections_max.map(text)).map_or_else(
            || Ok(Setting::by_default(HubSettings::default().connections_max)),
            |said| said.read(CONNECTIONS, |text| text.parse().ok().filter(|max| (1..=CONNECTIONS_MAX).contains(max))),
        )?;
    let (flag, variables) = ("--address-connections-max", &["CAPSHARE_ADDRESS_CONNECTIONS_MAX"]);
    let written = file.address_connections_max.map(|amount| amount.to_string());
    let address_connections_max =
        find(flag, args.address_connections_max, variables, "address_connections_max", written).map_or_else(
            || Ok(Setting::by_default(HubSettings::default().address_connections_max)),
            |said| said.read("a number, at least 1, or none", |text| granted::connections(text)),
        )?;
    let origins = (!args.origins.is_empty()).then(|| args.origins.join(" "));
    let origins = find("--origin", origins, &["CAPSHARE_ORIGINS"], "origins", file.origins.map(|list| list.join(" ")))
        .unwrap_or_else(|| Setting::by_default(String::new()))
        .read("origins such as https://example.org", |text| text.split_whitespace().map(web_url).collect())?;
    let (flag, variables) = ("--opencode-account", &["CAPSHARE_OPENCODE_ACCOUNT"]);
    let opencode_account = find(flag, args.opencode_account, variables, "opencode_account", file.opencode_account)
        .map_or_else(
            || Ok(Setting::by_default(None)),
            |said| said.read("an account: 1 to 64 letters, digits or _ . @ -", |text| text.parse().ok().map(Some)),
        )?;
    let proxies = (!args.trusted_proxies.is_empty()).then(|| args.trusted_proxies.join(" "));
    let (variables, written) = (&["CAPSHARE_TRUSTED_PROXIES"], file.trusted_proxies.map(|list| list.join(" ")));
    let trusted_proxies = find("--trusted-proxy", proxies, variables, "trusted_proxies", written)
        .unwrap_or_else(|| Setting::by_default(String::new()))
        .read("IP addresses or networks, such as 10.0.0.7 or 10.0.0.0/8", |text| {
            text.split_whitespace().map(|net| net.parse().ok()).collect()
        })?;
    let log = find("--log", common.log.clone(), &["CAPSHARE_LOG"], "log", file.log)
        .unwrap_or_else(|| Setting::by_default("info".to_owned()));
    let log_format = log_format(common, environment, file.log_format)?;
    let variables = &["CAPSHARE_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
    let endpoint = find("--endpoint", args.endpoint, variables, "s3.endpoint", file.s3.endpoint)
        .map(|said| said.read("a URL, such as https://s3.example.org", |text| web_url(text).map(Some)))
        .unwrap_or_else(|| Ok(Setting::by_default(None)))?;
    let variables = &["CAPSHARE_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"];
    let region = find("--region", args.region, variables, "s3.region", file.s3.region)
        .map_or_else(|| Setting::by_default(None), |said| Setting { value: Some(said.value), from: said.from });
    // Where each write has its price, by S3's own list.
    let paid = matches!(store.value, StoreLocation::S3 { .. }) && endpoint.value.is_none();
    let linger = find("--linger", args.linger, &["CAPSHARE_LINGER"], "linger", file.linger)
        .unwrap_or_else(|| Setting::by_default(if paid { "200ms" } else { "0s" }.to_owned()))
        .read("a time of at most 10s, such as 200ms", |text| {
            humantime::parse_duration(text).ok().filter(|linger| *linger <= LINGER_MAX)
        })?;
    let drain_within =
        find("--drain-within", args.drain_within, &["CAPSHARE_DRAIN_WITHIN"], "drain_within", file.drain_within)
            .unwrap_or_else(|| Setting::by_default(AUTO.to_owned()))
            .read("a time of at most 24h, such as 20s, or auto", |text| match text.as_str() {
                AUTO => Some(None),
                text => humantime::parse_duration(text).ok().filter(|within| *within <= DRAIN_WITHIN_MAX).map(Some),
            })?;
    let written = Credentials {
        access_key_id: file.s3.access_key_id,
        secret_access_key: file.s3.secret_access_key,
        session_token: file.s3.session_token,
    };
    let settings = ServeSettings {
        listen,
        store,
        public_url,
        keys,
        tokens,
        signed,
        origins,
        opencode_account,
        trusted_proxies,
        open,
        single_writer,
        linger,
        drain_within,
        workers,
        connections_max,
        address_connections_max,
        endpoint,
        region,
        deployment,
        nats,
        granted,
        credentials: credentials(environment, written),
        log,
        log_format,
        check: args.check,
    };
    settings.refuse_contradictions()?;
    Ok(settings)
}

impl ServeSettings {
    /// Whether the host asks for credentials. If it does not, everybody is one account.
    pub(crate) fn asks_for_credentials(&self) -> bool {
        !self.keys.value.is_empty() || self.tokens.value || self.signed.are_taken()
    }

    /// Over what time connections are let go when the host is asked to stop. Unless it was said: 5 s if it knows of other hosts, to
    /// which they can go; else all at once, because every second of a drain would be one more without a host.
    pub(crate) fn drain_within(&self, knows_others: bool) -> Duration {
        self.drain_within.value.unwrap_or(if knows_others { DRAIN_WITHIN } else { Duration::ZERO })
    }

    /// The options with which the bucket is opened.
    pub(crate) fn s3(&self) -> S3Options {
        let Credentials { access_key_id, secret_access_key, session_token } = &self.credentials.value;
        S3Options {
            endpoint: self.endpoint.value.clone(),
            region: self.region.value.clone(),
            access_key_id: access_key_id.clone(),
            secret_access_key: secret_access_key.as_ref().map(|secret| secret.0.clone()),
            session_token: session_token.as_ref().map(|token| token.0.clone()),
            // Who writes http:// has said it.
            allow_http: true,
        }
    }

    fn refuse_contradictions(&self) -> Result<(), Failure> {
        if !self.asks_for_credentials() && !self.open.value && !self.listen.value.ip().is_loopback() {
            return Err(Failure::new(
                Exit::Usage,
                format!(
                    "a host that asks for no credential serves this machine only, but other machines reach {}: give the host \
                     keys (--key-file FILE, with ACCOUNT=KEY lines) or tokens (--tokens), or listen on {LISTEN}, or let \
                     everybody who reaches the port be the one account local (--open)",
                    self.listen.value
                ),
            ));
        }
        if let StoreLocation::S3 { bucket, .. } = &self.store.value {
            let Credentials { access_key_id, secret_access_key, .. } = &self.credentials.value;
            if access_key_id.is_none() || secret_access_key.is_none() {
                return Err(Failure::new(
                    Exit::Usage,
                    format!(
                        "the bucket {bucket} needs credentials: set the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                    ),
                ));
            }
            if self.region.value.is_none() && self.endpoint.value.is_none() {
                return Err(Failure::new(
                    Exit::Usage,
                    format!(
                        "the bucket {bucket} needs a region (--region) or, if it is not at AWS, an endpoint (--endpoint)"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Every setting by its name, as `--check` prints it.
    pub(crate) fn shown(&self) -> Vec<(&'static str, Value, &Source)> {
        let hidden = |secret: &Option<Hidden>| secret.as_ref().map(|_| "[secret]");
        let keys: Vec<String> = self.keys.value.iter().map(shown_key).collect();
        let credentials = &self.credentials;
        let mut shown = vec![
            ("listen", json!(self.listen.value), &self.listen.from),
            ("store", json!(self.store.value.to_string()), &self.store.from),
            ("public_url", json!(self.public_url.value), &self.public_url.from),
            ("keys", json!(keys), &self.keys.from),
            ("tokens", json!(self.tokens.value), &self.tokens.from),
            ("origins", json!(self.origins.value), &self.origins.from),
            (
                "opencode_account",
                json!(self.opencode_account.value.as_ref().map(AccountId::as_str)),
                &self.opencode_account.from,
            ),
            (
                "trusted_proxies",
                json!(self.trusted_proxies.value.iter().map(ToString::to_string).collect::<Vec<_>>()),
                &self.trusted_proxies.from,
            ),
            ("open", json!(self.open.value), &self.open.from),
            ("single_writer", json!(self.single_writer.value), &self.single_writer.from),
            ("linger", json!(in_words(self.linger.value)), &self.linger.from),
            (
                "drain_within",
                json!(self.drain_within.value.map_or_else(|| AUTO.to_owned(), in_words)),
                &self.drain_within.from,
            ),
            ("workers", json!(self.workers.value), &self.workers.from),
            ("connections_max", json!(self.connections_max.value), &self.connections_max.from),
            ("address_connections_max", json!(self.address_connections_max.value), &self.address_connections_max.from),
            ("log", json!(self.log.value), &self.log.from),
            ("log_format", json!(format!("{:?}", self.log_format.value).to_lowercase()), &self.log_format.from),
        ];
        shown.extend(self.signed.shown());
        shown.extend(self.deployment.shown());
        shown.extend(self.nats.shown());
        shown.extend(self.granted.shown());
        if matches!(self.store.value, StoreLocation::S3 { .. }) {
            let Credentials { access_key_id, secret_access_key, session_token } = &credentials.value;
            shown.extend([
                ("s3.endpoint", json!(self.endpoint.value), &self.endpoint.from),
                ("s3.region", json!(self.region.value), &self.region.from),
                ("s3.access_key_id", json!(access_key_id), &credentials.from),
                ("s3.secret_access_key", json!(hidden(secret_access_key)), &credentials.from),
                ("s3.session_token", json!(hidden(session_token)), &credentials.from),
            ]);
        }
        shown
    }
}

fn in_words(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

/// A key as `--check` shows it: its account and scopes, without the key.
fn shown_key((account, _, scopes): &SharedKey) -> String {
    let scopes = if *scopes == Scopes::SHARE { String::new() } else { format!(":{scopes}") };
    format!("{account}{scopes}=[secret]")
}

fn credentials(environment: &Environment, written: Credentials) -> Setting<Credentials> {
    let get = |name| environment.get(name).map(str::to_owned);
    match get("AWS_ACCESS_KEY_ID") {
        Some(id) => Setting {
            value: Credentials {
                access_key_id: Some(id),
                secret_access_key: get("AWS_SECRET_ACCESS_KEY").map(Hidden),
                session_token: get("AWS_SESSION_TOKEN").map(Hidden),
            },
            from: Source::Variable("AWS_ACCESS_KEY_ID"),
        },
        None if written.access_key_id.is_some() => Setting { value: written, from: Source::File("s3") },
        None => Setting::by_default(Credentials::default()),
    }
}

fn default_store(environment: &Environment) -> Result<StoreLocation, Failure> {
    let folder = environment.data_folder.as_ref().map(|folder| StoreLocation::Directory(folder.join("shares")));
    folder.ok_or_else(|| {
        Failure::new(Exit::Usage, "this user has no home folder to keep shares in: name a store by --store")
    })
}

/// A URL of the web without query, fragment and a trailing slash.
fn web_url(text: &str) -> Option<String> {
    is_public_url(text).then(|| text.trim_end_matches('/').to_owned())
}

fn text(value: impl ToString) -> String {
    value.to_string()
}
