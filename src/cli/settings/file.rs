//! The settings file: TOML, with the names of the flags.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Deserializer};

use crate::cli::exit::{Exit, Failure};

/// The settings that a file may hold.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileSettings {
    pub(crate) listen: Option<String>,
    pub(crate) store: Option<String>,
    pub(crate) public_url: Option<String>,
    pub(crate) keys: Option<Vec<Hidden>>,
    pub(crate) key_file: Option<String>,
    pub(crate) origins: Option<Vec<String>>,
    pub(crate) opencode_account: Option<String>,
    pub(crate) trusted_proxies: Option<Vec<String>>,
    pub(crate) tokens: Option<bool>,
    pub(crate) open: Option<bool>,
    pub(crate) single_writer: Option<bool>,
    pub(crate) linger: Option<String>,
    pub(crate) drain_within: Option<String>,
    pub(crate) workers: Option<usize>,
    pub(crate) connections_max: Option<usize>,
    pub(crate) address_connections_max: Option<Amount>,
    pub(crate) visibility: Option<String>,
    pub(crate) share_ttl: Option<String>,
    pub(crate) share_ttl_max: Option<String>,
    pub(crate) log: Option<String>,
    pub(crate) log_format: Option<String>,
    #[serde(default)]
    pub(crate) hosts: HostsSection,
    #[serde(default)]
    pub(crate) nats: NatsSection,
    #[serde(default)]
    pub(crate) quota: QuotaSection,
    #[serde(default)]
    pub(crate) jwt: JwtSection,
    #[serde(default)]
    pub(crate) s3: S3Section,
}

/// The section `[hosts]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostsSection {
    pub(crate) advertise: Option<Vec<String>>,
    pub(crate) advertise_inside: Option<Vec<String>>,
    pub(crate) others: Option<Vec<String>>,
    pub(crate) peers: Option<bool>,
    pub(crate) poll_rested: Option<String>,
    pub(crate) poll_hinted: Option<String>,
}

/// The section `[nats]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct NatsSection {
    pub(crate) servers: Option<Vec<Hidden>>,
    pub(crate) credentials: Option<String>,
    pub(crate) ca: Option<String>,
    pub(crate) cert: Option<String>,
    pub(crate) key: Option<String>,
}

/// The section `[jwt]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct JwtSection {
    pub(crate) secret_file: Option<String>,
    pub(crate) key_file: Option<String>,
    pub(crate) jwks: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) account_claim: Option<String>,
}

/// The section `[quota]`: the quota of every account; a section `[quota.accounts.NAME]` overrides it for one.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuotaSection {
    pub(crate) shares_max: Option<Amount>,
    pub(crate) bytes_max: Option<Amount>,
    pub(crate) bytes_per_day_max: Option<Amount>,
    pub(crate) connections_max: Option<Amount>,
    #[serde(default)]
    pub(crate) accounts: BTreeMap<String, AccountSection>,
}

/// A section `[quota.accounts.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountSection {
    pub(crate) shares_max: Option<Amount>,
    pub(crate) bytes_max: Option<Amount>,
    pub(crate) bytes_per_day_max: Option<Amount>,
}

/// An amount: a number, or a text such as `10GiB` or `none`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Amount {
    Number(u64),
    Text(String),
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// The section `[s3]`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct S3Section {
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) access_key_id: Option<String>,
    pub(crate) secret_access_key: Option<Hidden>,
    pub(crate) session_token: Option<Hidden>,
}

/// A secret text, which no error repeats.
#[derive(Clone)]
pub(crate) struct Hidden(pub(crate) String);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Read as anything first: the reader's own complaint about a wrong type would show the value.
        match toml::Value::deserialize(deserializer) {
            Ok(toml::Value::String(text)) => Ok(Self(text)),
            Ok(_) | Err(_) => Err(serde::de::Error::custom("must be a text in quotes")),
        }
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Reads a settings file.
pub(crate) fn read(path: &Path) -> Result<FileSettings, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::Usage, format!("the settings file {shown} cannot be read: {error}")))?;
    toml::from_str(&text).map_err(|error| {
        // Its `Display` shows the line, which may hold a secret.
        let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        Failure::new(Exit::Usage, format!("the settings file {shown}, line {line}: {}", error.message()))
    })
}
