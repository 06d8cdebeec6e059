//! JSON Web Tokens: credentials that somebody else signs and this host checks.
//!
//! Which algorithm a signature must have is said by the key it is checked with and never by the token: a secret is HS256,
//! an RSA key RS256, one on P-256 ES256, on P-384 ES384, of Ed25519 EdDSA. So a token that says `none`, or that is signed
//! with a public key as if it were a secret, is no more than a wrong one. Claims are looked at after the signature. `exp`
//! must be there, `nbf` is kept to; both by the host's clock, give or take [`LEEWAY`]. A token that names an audience or an
//! issuer is refused by a host that was not told the same.
//!
//! Nothing is stored of these tokens, so none can be revoked before it expires: their issuer makes them short-lived.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::{Access, Credential, Principal, Readiness, Scopes};
use crate::ambient::Clock;
use crate::share::error::Refusal;
use crate::share::id::AccountId;
use crate::share::secret::Secret;
use crate::share::time::Timestamp;

mod keys;

use keys::KeySet;

/// By how much the clocks of a signer and of a host may differ.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// The shortest secret: as long as the hash, by RFC 7518 section 3.2.
pub const SECRET_BYTES_MIN: usize = 32;

/// The longest name of a session or of a token that a claim may give.
const NAME_BYTES_MAX: usize = 256;

/// What signatures are checked with. `Debug` does not print it.
#[derive(Clone)]
pub enum JwtKeys {
    /// A secret that the signer has too, 32 bytes or more.
    Secret(Vec<u8>),
    /// A public key in PEM, beginning `-----BEGIN PUBLIC KEY-----`: RSA, P-256, P-384 or Ed25519.
    Pem(String),
    /// A file that holds a set of keys (RFC 7517), read anew every five minutes.
    SetFile(PathBuf),
    /// The `https://` URL of such a set, or an `http://` URL on this machine. As [`SetFile`](Self::SetFile); while it cannot be
    /// had, the keys that were had last are in force.
    SetUrl(String),
}

/// What tokens must say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JwtSettings {
    /// The audience that tokens must be for. Default `None`: tokens that name one are refused.
    pub audience: Option<String>,
    /// Who must have issued them. Default `None`: anybody who has the key.
    pub issuer: Option<String>,
    /// The claim that names the account. Default `sub`.
    pub account_claim: String,
}

impl Default for JwtSettings {
    fn default() -> Self {
        Self { audience: None, issuer: None, account_claim: "sub".to_owned() }
    }
}

/// Why keys cannot be used. `Display` says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtKeysError {
    /// The secret is too short to resist guessing.
    #[error("the secret has {got} bytes and must have 32 or more: take one from `openssl rand -hex 32`")]
    ShortSecret {
        /// How many it has.
        got: usize,
    },
    /// The text is no public key of a kind that is known.
    #[error(
        "this is no public key in PEM: give one of RSA, P-256, P-384 or Ed25519, as `openssl pkey -pubout` writes it"
    )]
    BadPem,
    /// The URL is invalid, or is a plain one of another machine, on the way to which the keys could be changed.
    #[error("{url:?} is no place for keys: use an https:// URL")]
    BadUrl {
        /// What was given.
        url: String,
    },
}

/// JSON Web Tokens as credentials.
pub struct JwtAccess {
    keys: Keys,
    settings: JwtSettings,
    clock: Arc<dyn Clock>,
}

enum Keys {
    One(VerifyingKey),
    Set(KeySet),
}

/// A key and the one algorithm that it is for.
#[derive(Clone)]
struct VerifyingKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtAccess {
    /// Tokens that are signed for these keys; `clock` says which have expired. Sets of keys are fetched when the first
    /// token comes, or by [`Access::tend`].
    ///
    /// # Errors
    /// The keys cannot be used.
    pub fn new(keys: JwtKeys, settings: JwtSettings, clock: Arc<dyn Clock>) -> Result<Self, JwtKeysError> {
        let one = |algorithm, key| Keys::One(VerifyingKey { id: None, algorithm, key });
        let keys = match keys {
            JwtKeys::Secret(secret) => {
                let too_short = JwtKeysError::ShortSecret { got: secret.len() };
                // The library refuses an empty one by itself.
                match DecodingKey::from_secret(&secret) {
                    Ok(key) if secret.len() >= SECRET_BYTES_MIN => one(Algorithm::HS256, key),
                    Ok(_) | Err(_) => return Err(too_short),
                }
            }
            JwtKeys::Pem(text) => {
                let (algorithm, key) = public_key(&text).ok_or(JwtKeysError::BadPem)?;
                one(algorithm, key)
            }
            JwtKeys::SetFile(path) => Keys::Set(KeySet::of_file(path)),
            JwtKeys::SetUrl(url) => Keys::Set(KeySet::of_url(&url).ok_or(JwtKeysError::BadUrl { url })?),
        };
        Ok(Self { keys, settings, clock })
    }

    async fn check(&self, token: &str) -> Result<Principal, Refusal> {
        // The header says which key, and nothing else that is believed.
        let header = decode_header(token)
            .map_err(|_| wrong("this is no signed token that can be checked here, or one with an extension"))?;
        // The library passes one extension that changes nothing.
        if header.crit.is_some() {
            return Err(wrong("this token asks for extensions that are not known here"));
        }
        let claims = match &self.keys {
            Keys::One(key) => self.claims(token, key)?,
            Keys::Set(set) => self.claims(token, &set.find(header.kid.as_deref()).await?)?,
        };
        self.principal(&claims)
    }

    /// What a token says, once its signature, its audience and its issuer are found right.
    fn claims(&self, token: &str, key: &VerifyingKey) -> Result<Map<String, Value>, Refusal> {
        let mut validation = Validation::new(key.algorithm);
        // Times go by our own clock.
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        let mut required = vec!["exp"];
        if let Some(audience) = &self.settings.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        if let Some(issuer) = &self.settings.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        use jsonwebtoken::errors::ErrorKind;
        #[expect(clippy::wildcard_enum_match_arm, reason = "any other error is a token that is not right")]
        let decoded =
            decode::<Map<String, Value>>(token, &key.key, &validation).map_err(|error| match error.kind() {
                ErrorKind::InvalidAudience => wrong("this token is for another audience"),
                ErrorKind::InvalidIssuer => wrong("this token is another issuer's"),
                ErrorKind::MissingRequiredClaim(claim) => {
                    Refusal::Unauthorized { reason: format!("this token does not say {claim}").into() }
                }
                ErrorKind::InvalidClaimFormat(claim) => Refusal::Unauthorized {
                    reason: format!("the claim {claim} of this token is of the wrong type").into(),
                },
                ErrorKind::InvalidAlgorithm => wrong("this token is not signed by the algorithm of the key"),
                _ => wrong("the signature of this token is not right"),
            })?;
        // RFC 7519 section 4.1.1: one text. The library takes a list of which one is right.
        let issuer = decoded.claims.get("iss");
        if issuer.is_some_and(|issuer| !issuer.is_string()) {
            return Err(wrong("the issuer that this token names is not one text"));
        }
        Ok(decoded.claims)
    }

    fn principal(&self, claims: &Map<String, Value>) -> Result<Principal, Refusal> {
        let (now, leeway) = (self.clock.now().0, LEEWAY.as_millis() as i64);
        let time = |name| claims.get(name).map(|value| milliseconds(value).ok_or_else(|| wrong("a time is no number")));
        let expires = time("exp").unwrap_or_else(|| Err(wrong("this token does not say exp")))?.saturating_add(leeway);
        if expires <= now {
            return Err(wrong("this token has expired: ask for another"));
        }
        if time("nbf").transpose()?.is_some_and(|from| from > now + leeway) {
            return Err(wrong("this token is not valid yet"));
        }
        let claim = &self.settings.account_claim;
        let account: AccountId =
            claims.get(claim).and_then(Value::as_str).and_then(|name| name.parse().ok()).ok_or_else(|| {
                let shape = "an account: 1 to 64 letters, digits or _ . @ -";
                Refusal::Unauthorized { reason: format!("the claim {claim} of this token is not {shape}").into() }
            })?;
        let credential = match (name(claims, "sid")?, name(claims, "jti")?) {
            (Some(session), _) => Credential::Session(session.to_owned()),
            (None, Some(token)) => Credential::Token(format!("jwt:{token}")),
            (None, None) => Credential::Key,
        };
        let scopes = match claims.get("scope") {
            None => Scopes::SHARE,
            Some(Value::String(names)) => Scopes::of_names(names.split_whitespace()),
            Some(Value::Array(names)) => Scopes::of_names(names.iter().filter_map(Value::as_str)),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Scopes::NONE,
        };
        Ok(Principal { account, credential, scopes, expires_at: Some(Timestamp(expires)) })
    }
}

/// A time of JWTs, seconds since 1970, as ours; `None` if the value is no such time.
fn milliseconds(value: &Value) -> Option<i64> {
    value.as_f64().filter(|seconds| (0.0..1e12).contains(seconds)).map(|seconds| (seconds * 1_000.0) as i64)
}

/// A name that a claim gives.
fn name<'a>(claims: &'a Map<String, Value>, claim: &str) -> Result<Option<&'a str>, Refusal> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Value::String(name)) if (1..=NAME_BYTES_MAX).contains(&name.len()) => Ok(Some(name)),
        Some(_) => Err(wrong("the sid or the jti of this token is no name of 1 to 256 bytes")),
    }
}

fn wrong(reason: &'static str) -> Refusal {
    Refusal::Unauthorized { reason: reason.into() }
}

/// A public key by its text, and the algorithm that it is for.
fn public_key(pem: &str) -> Option<(Algorithm, DecodingKey)> {
    if pem.contains("PRIVATE KEY") {
        // Somebody who has a private key could sign with it: it must not be handed around.
        return None;
    }
    let pem = pem.as_bytes();
    let of_curve = || {
        let key = DecodingKey::from_ec_pem(pem).ok()?;
        // A point without compression: a byte, and two coordinates.
        let algorithm = match key.try_get_as_bytes().ok()?.len() {
            65 => Algorithm::ES256,
            97 => Algorithm::ES384,
            _ => return None,
        };
        Some((algorithm, key))
    };
    let of_edwards = || Some((Algorithm::EdDSA, DecodingKey::from_ed_pem(pem).ok()?));
    let rsa = DecodingKey::from_rsa_pem(pem).ok().map(|key| (Algorithm::RS256, key));
    rsa.or_else(of_curve).or_else(of_edwards)
}

impl fmt::Debug for JwtKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret",
            Self::Pem(_) => "Pem",
            Self::SetFile(_) => "SetFile",
            Self::SetUrl(_) => "SetUrl",
        })
    }
}

impl fmt::Debug for JwtAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwtAccess({})", self.describe())
    }
}

impl Access for JwtAccess {
    fn anonymous(&self) -> Option<Principal> {
        None
    }

    fn authenticate<'a>(&'a self, token: &'a Secret) -> BoxFuture<'a, Result<Principal, Refusal>> {
        Box::pin(self.check(token.reveal()))
    }

    /// A header, which is an object and so begins `{"`, and two parts more.
    fn recognises(&self, token: &Secret) -> bool {
        token.reveal().starts_with("eyJ") && token.reveal().matches('.').count() == 2
    }

    fn recheck<'a>(&'a self, who: &'a Principal) -> BoxFuture<'a, Result<(), Refusal>> {
        let expired = who.expires_at.is_some_and(|at| at <= self.clock.now());
        let answer = if expired { Err(wrong("this token has expired: ask for another")) } else { Ok(()) };
        Box::pin(std::future::ready(answer))
    }

    fn readiness(&self) -> Readiness {
        match &self.keys {
            Keys::One(_) => Readiness::Ready,
            Keys::Set(set) => set.readiness(),
        }
    }

    fn tend(&self) -> BoxFuture<'_, ()> {
        match &self.keys {
            Keys::One(_) => Box::pin(std::future::ready(())),
            Keys::Set(set) => Box::pin(set.keep_fresh()),
        }
    }

    fn describe(&self) -> String {
        match &self.keys {
            Keys::One(key) => format!("signed tokens ({:?})", key.algorithm),
            Keys::Set(_) => "signed tokens (a set of keys)".to_owned(),
        }
    }
}
