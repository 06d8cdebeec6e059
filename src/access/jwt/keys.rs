//! A set of keys (JWKS, RFC 7517) from a file or a URL, kept fresh.
//!
//! It is read when its host starts, every [`READ_EVERY`], and when a token names a key that is not in it, but never twice
//! in [`READ_AGAIN_AFTER`], however many ask. A reading that fails changes nothing: the keys that were read last are in force
//! until the next that succeeds. Keys that could sign as well as check (`oct`), that are for encryption, or that are of a
//! kind that is not known are passed over: a set is public.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use rustls::crypto::{CryptoProvider, ring};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::{VerifyingKey, wrong};
use crate::access::Readiness;
use crate::share::error::{Refusal, chain};

/// Between two readings that nobody asked for.
const READ_EVERY: Duration = Duration::from_secs(5 * 60);

/// After one reading nobody's token causes another for so long.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// How long a reading may take.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Bytes that a set may have: 1 MiB, a thousand times a usual one.
const SET_BYTES_MAX: usize = 1 << 20;

/// Keys of a set that are taken; the rest are passed over. A signer has a few at a time.
const KEYS_MAX: usize = 100;

pub(super) struct KeySet {
    source: Source,
    known: Mutex<Known>,
    /// When it was last read or tried; held while that is under way.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

enum Source {
    File(PathBuf),
    Url { client: reqwest::Client, url: String },
}

#[derive(Default)]
struct Known {
    keys: Vec<VerifyingKey>,
    read: Option<Instant>,
    failing: bool,
}

/// Why a set could not be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("it cannot be read")]
    File(#[source] std::io::Error),
    #[error("it cannot be fetched")]
    Fetch(#[source] reqwest::Error),
    #[error("it is larger than 1 MiB")]
    TooLarge,
    #[error("it is no set of keys")]
    Shape(#[source] serde_json::Error),
    #[error("it has no key that signatures can be checked with")]
    Empty,
    #[error("it did not come within 5 s")]
    Late,
}

#[derive(Deserialize)]
struct SetText {
    keys: Vec<Value>,
}

impl KeySet {
    pub(super) fn of_file(path: PathBuf) -> Self {
        Self::of(Source::File(path))
    }

    /// `None` if the URL is invalid, or is a plain one of another machine.
    pub(super) fn of_url(url: &str) -> Option<Self> {
        let parsed: http::Uri = url.parse().ok()?;
        let host = parsed.host()?.trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        if parsed.scheme_str() != Some("https") && !(here && parsed.scheme_str() == Some("http")) {
            return None;
        }
        // As for the bucket's client: one that is set already is as good.
        if CryptoProvider::get_default().is_none() {
            drop(ring::default_provider().install_default());
        }
        let client = reqwest::Client::builder()
            .timeout(READ_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .ok()?;
        Some(Self::of(Source::Url { client, url: url.to_owned() }))
    }

    fn of(source: Source) -> Self {
        Self { source, known: Mutex::default(), asked: tokio::sync::Mutex::default() }
    }

    /// The key of this name; without a name, the only one that there is.
    pub(super) async fn find(&self, id: Option<&str>) -> Result<VerifyingKey, Refusal> {
        if let Some(key) = self.known_key(id) {
            return Ok(key);
        }
        if id.is_some() || self.lock().read.is_none() {
            self.read_unless_just_read().await;
        }
        self.known_key(id).ok_or_else(|| {
            if self.lock().read.is_none() {
                Refusal::Unavailable { retry_after_ms: READ_AGAIN_AFTER.as_millis() as u32 }
            } else {
                wrong("the key that this token is signed with is not known here")
            }
        })
    }

    fn known_key(&self, id: Option<&str>) -> Option<VerifyingKey> {
        let known = self.lock();
        let key = match id {
            Some(_) => known.keys.iter().find(|key| key.id.as_deref() == id),
            None => known.keys.first().filter(|_| known.keys.len() == 1),
        };
        key.cloned()
    }

    /// Reads it now and then, and more often while that fails.
    pub(super) async fn keep_fresh(&self) {
        loop {
            self.read_unless_just_read().await;
            let failing = self.lock().failing;
            tokio::time::sleep(if failing { READ_AGAIN_AFTER } else { READ_EVERY }).await;
        }
    }

    pub(super) fn readiness(&self) -> Readiness {
        let known = self.lock();
        match (known.read, known.failing) {
            (Some(_), false) => Readiness::Ready,
            (Some(read), true) => {
                let minutes = read.elapsed().as_secs() / 60;
                Readiness::Stale(
                    format!("the keys of signed tokens cannot be read: those of {minutes} min ago are in force").into(),
                )
            }
            (None, _) => Readiness::Down("the keys of signed tokens were not read yet: see the host's log".into()),
        }
    }

    async fn read_unless_just_read(&self) {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|at| at.elapsed() < READ_AGAIN_AFTER) {
            return;
        }
        *asked = Some(Instant::now());
        let read = tokio::time::timeout(READ_WITHIN, self.read()).await.unwrap_or(Err(ReadError::Late));
        let mut known = self.lock();
        match read {
            Ok(keys) => *known = Known { keys, read: Some(Instant::now()), failing: false },
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the keys of signed tokens could not be read");
                known.failing = true;
            }
        }
    }

    async fn read(&self) -> Result<Vec<VerifyingKey>, ReadError> {
        let bytes = match &self.source {
            Source::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
                read.unwrap_or_else(|gone| Err(std::io::Error::other(gone))).map_err(ReadError::File)?
            }
            Source::Url { client, url } => fetch(client, url).await?,
        };
        if bytes.len() > SET_BYTES_MAX {
            return Err(ReadError::TooLarge);
        }
        let set: SetText = serde_json::from_slice(&bytes).map_err(ReadError::Shape)?;
        let keys: Vec<_> = set.keys.into_iter().filter_map(verifying_key).take(KEYS_MAX).collect();
        if keys.is_empty() { Err(ReadError::Empty) } else { Ok(keys) }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn fetch(client: &reqwest::Client, url: &str) -> Result<Vec<u8>, ReadError> {
    // The URL may hold what is nobody's business.
    let failed = |error: reqwest::Error| ReadError::Fetch(error.without_url());
    let mut response = client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > SET_BYTES_MAX {
            return Err(ReadError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A key of the set, if signatures can be checked with it.
fn verifying_key(value: Value) -> Option<VerifyingKey> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
        return None;
    }
    let said = jwk.common.key_algorithm;
    #[expect(clippy::wildcard_enum_match_arm, reason = "kinds of keys that may come to be are not known either")]
    let algorithm = match &jwk.algorithm {
        // The one kind of key that more than one algorithm is in use for.
        AlgorithmParameters::RSA(_) => match said {
            None | Some(KeyAlgorithm::RS256) => Algorithm::RS256,
            Some(KeyAlgorithm::RS384) => Algorithm::RS384,
            Some(KeyAlgorithm::RS512) => Algorithm::RS512,
            Some(KeyAlgorithm::PS256) => Algorithm::PS256,
            Some(KeyAlgorithm::PS384) => Algorithm::PS384,
            Some(KeyAlgorithm::PS512) => Algorithm::PS512,
            Some(_) => return None,
        },
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P384 => Algorithm::ES384,
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(VerifyingKey { id: jwk.common.key_id, algorithm, key })
}
