//! Signed tokens (JWT): by which keys they are checked, and what they must say.

use std::path::Path;
use std::sync::Arc;

use capshare::host::access::JwtAccess;
use capshare::host::access::{JwtKeys, JwtSettings};
use capshare::host::ambient::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::cli::args;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::file::JwtSection;
use crate::cli::settings::{Setting, Source, strongest};

/// Which signed tokens are taken.
pub(crate) struct Signed {
    keys: Option<JwtKeys>,
    /// The file or URL that holds the keys.
    place: Setting<Option<String>>,
    audience: Setting<Option<String>>,
    issuer: Setting<Option<String>>,
    account_claim: Setting<String>,
}

/// Finds the strongest value of each of these settings, and refuses invalid ones.
pub(crate) fn resolve(
    args: &args::Credentials,
    environment: &Environment,
    file: JwtSection,
) -> Result<Signed, Failure> {
    let find = |flag, said: &Option<String>, variable, member, written| {
        strongest((flag, said.clone()), &[variable], environment, (member, written))
    };
    let variable = "CAPSHARE_JWT_SECRET_FILE";
    let secret = find("--jwt-secret-file", &args.jwt_secret_file, variable, "jwt.secret_file", file.secret_file);
    let variable = "CAPSHARE_JWT_KEY_FILE";
    let key = find("--jwt-key-file", &args.jwt_key_file, variable, "jwt.key_file", file.key_file);
    let set = find("--jwt-jwks", &args.jwt_jwks, "CAPSHARE_JWT_JWKS", "jwt.jwks", file.jwks);
    let said: Vec<_> = [&secret, &key, &set].into_iter().flatten().collect();
    if let [one, other, ..] = said[..] {
        let message =
            format!("{} and {} both name the keys of signed tokens: set only one of them", one.from, other.from);
        return Err(Failure::new(Exit::Usage, message));
    }
    let keys = match (&secret, &key, &set) {
        (Some(secret), ..) => {
            let mut secret = read(secret)?;
            // The line's end is the editor's.
            secret.truncate(secret.trim_ascii_end().len());
            Some(JwtKeys::Secret(secret))
        }
        (_, Some(key), _) => Some(JwtKeys::Pem(String::from_utf8_lossy(&read(key)?).into_owned())),
        (.., Some(set)) if set.value.contains("://") => Some(JwtKeys::SetUrl(set.value.clone())),
        (.., Some(set)) => {
            read(set)?;
            Some(JwtKeys::SetFile(set.value.clone().into()))
        }
        (None, None, None) => None,
    };
    let optional = |said: Option<Setting<String>>| {
        said.map_or_else(|| Setting::by_default(None), |said| Setting { value: Some(said.value), from: said.from })
    };
    let (variable, written) = ("CAPSHARE_JWT_AUDIENCE", file.audience);
    let audience = optional(find("--jwt-audience", &args.jwt_audience, variable, "jwt.audience", written));
    let (variable, written) = ("CAPSHARE_JWT_ISSUER", file.issuer);
    let issuer = optional(find("--jwt-issuer", &args.jwt_issuer, variable, "jwt.issuer", written));
    let (variable, written) = ("CAPSHARE_JWT_ACCOUNT_CLAIM", file.account_claim);
    let claim = find("--jwt-account-claim", &args.jwt_account_claim, variable, "jwt.account_claim", written);
    let account_claim = claim.unwrap_or_else(|| Setting::by_default("sub".to_owned()));
    let place = optional(secret.or(key).or(set));
    let signed = Signed { keys, place, audience, issuer, account_claim };
    signed.access(Arc::new(SystemClock))?;
    Ok(signed)
}

fn read(place: &Setting<String>) -> Result<Vec<u8>, Failure> {
    std::fs::read(Path::new(&place.value)).map_err(|error| {
        Failure::new(Exit::Usage, format!("{}: the file {} cannot be read: {error}", place.from, place.value))
    })
}

impl Signed {
    /// Whether the host takes signed tokens.
    pub(crate) fn are_taken(&self) -> bool {
        self.keys.is_some()
    }

    /// The access that checks signed tokens; `None` if the host takes none.
    pub(crate) fn access(&self, clock: Arc<dyn Clock>) -> Result<Option<JwtAccess>, Failure> {
        let Some(keys) = &self.keys else { return Ok(None) };
        let mut settings = JwtSettings::default();
        settings.audience.clone_from(&self.audience.value);
        settings.issuer.clone_from(&self.issuer.value);
        settings.account_claim.clone_from(&self.account_claim.value);
        let access = JwtAccess::new(keys.clone(), settings, clock);
        access.map(Some).map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", self.place.from)))
    }

    /// The settings by name, as `--check` prints them.
    pub(crate) fn shown(&self) -> Vec<(&'static str, Value, &Source)> {
        // What follows a ? may be a secret.
        let place = self.place.value.as_ref().map(|place| place.split('?').next().unwrap_or_default());
        vec![
            ("jwt.keys", json!(place), &self.place.from),
            ("jwt.audience", json!(self.audience.value), &self.audience.from),
            ("jwt.issuer", json!(self.issuer.value), &self.issuer.from),
            ("jwt.account_claim", json!(self.account_claim.value), &self.account_claim.from),
        ]
    }
}
