//! The settings of NATS, by which the hosts of a deployment tell each other what was written.

use capshare::host::settings::{NatsLogin, NatsServer, NatsSettings};
use serde_json::{Value, json};

use crate::cli::args;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::file::NatsSection;
use crate::cli::settings::{Setting, Source, strongest};

/// How NATS is reached, and where each part of that came from.
pub(crate) struct Nats {
    pub(crate) settings: Option<NatsSettings>,
    servers: Source,
    /// The file with the credential.
    credentials: Setting<Option<String>>,
    ca: Setting<Option<String>>,
    cert: Setting<Option<String>>,
    key: Setting<Option<String>>,
}

/// Finds the strongest value of each of these settings, and refuses invalid ones without repeating them: a URL may hold a secret.
pub(crate) fn resolve(args: args::Nats, environment: &Environment, file: NatsSection) -> Result<Nats, Failure> {
    let find = |flag, said: Option<String>, variable, member, written| {
        let found = strongest((flag, said), &[variable], environment, (member, written));
        found.map_or_else(|| Setting::by_default(None), |found| Setting { value: Some(found.value), from: found.from })
    };
    let said = (!args.nats.is_empty()).then(|| args.nats.join(" "));
    let written = file.servers.map(|urls| urls.into_iter().map(|url| url.0).collect::<Vec<_>>().join(" "));
    let servers = find("--nats", said, "CAPSHARE_NATS", "nats.servers", written);
    let (variable, member) = ("CAPSHARE_NATS_CREDENTIALS", "nats.credentials");
    let credentials = find("--nats-credentials", args.nats_credentials, variable, member, file.credentials);
    let ca = find("--nats-ca", args.nats_ca, "CAPSHARE_NATS_CA", "nats.ca", file.ca);
    let cert = find("--nats-cert", args.nats_cert, "CAPSHARE_NATS_CERT", "nats.cert", file.cert);
    let key = find("--nats-key", args.nats_key, "CAPSHARE_NATS_KEY", "nats.key", file.key);
    let settings = match &servers.value {
        Some(urls) => Some(read(urls, &servers.from, &credentials, &ca, (&cert, &key))?),
        None => {
            let lonely = [&credentials, &ca, &cert, &key].into_iter().find(|setting| setting.value.is_some());
            if let Some(setting) = lonely {
                return Err(wrong(&setting.from, "it is about NATS, and no server is named: name one by --nats"));
            }
            None
        }
    };
    Ok(Nats { settings, servers: servers.from, credentials, ca, cert, key })
}

fn read(
    urls: &str,
    from: &Source,
    credentials: &Setting<Option<String>>,
    ca: &Setting<Option<String>>,
    (cert, key): (&Setting<Option<String>>, &Setting<Option<String>>),
) -> Result<NatsSettings, Failure> {
    let mut settings = NatsSettings::at(urls).map_err(|error| wrong(from, error))?;
    if let Some(path) = &credentials.value {
        if settings.login.is_some() {
            let what = format!("{from} has a credential already: write it there or into the file");
            return Err(wrong(&credentials.from, what));
        }
        let text = read_file(path, &credentials.from)?;
        settings.login = Some(text.parse::<NatsLogin>().map_err(|error| wrong(&credentials.from, error))?);
    }
    for file in [ca, cert, key] {
        if let Some(path) = &file.value {
            // Its content is not looked at before there is a server.
            drop(read_file(path, &file.from)?);
        }
    }
    settings.ca_file = ca.value.as_ref().map(Into::into);
    settings.client_certificate = match (&cert.value, &key.value) {
        (Some(cert), Some(key)) => Some((cert.into(), key.into())),
        (None, None) => None,
        (Some(_), None) => return Err(wrong(&cert.from, "a certificate needs its private key: name it by --nats-key")),
        (None, Some(_)) => return Err(wrong(&key.from, "a private key needs its certificate: name it by --nats-cert")),
    };
    Ok(settings)
}

fn read_file(path: &str, from: &Source) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| wrong(from, format!("the file {path} cannot be read: {error}")))
}

fn wrong(from: &Source, what: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, format!("{from}: {what}"))
}

impl Nats {
    /// The settings by name, as `--check` prints them.
    pub(crate) fn shown(&self) -> Vec<(&'static str, Value, &Source)> {
        let servers = self.settings.iter().flat_map(|settings| &settings.servers).map(NatsServer::as_str);
        let is_secret_in_url =
            self.credentials.value.is_none() && self.settings.as_ref().is_some_and(|settings| settings.login.is_some());
        let credentials = if is_secret_in_url {
            ("nats.credentials", json!("[secret]"), &self.servers)
        } else {
            ("nats.credentials", json!(self.credentials.value), &self.credentials.from)
        };
        vec![
            ("nats.servers", json!(servers.collect::<Vec<_>>()), &self.servers),
            credentials,
            ("nats.ca", json!(self.ca.value), &self.ca.from),
            ("nats.cert", json!(self.cert.value), &self.cert.from),
            ("nats.key", json!(self.key.value), &self.key.from),
        ]
    }
}
