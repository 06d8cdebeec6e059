//! JSON Web Tokens: which are let in, and each of those that are not, by its name.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::access::jwt::{JwtKeys, JwtKeysError, JwtSettings};
use capshare::__internal::access::{Access, AnyOf, Credential, JwtAccess, Readiness, Scopes};
use capshare::__internal::ambient::SystemClock;
use capshare::share::error::Refusal;
use capshare::share::secret::Secret;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::Hand;
use crate::support::base64url::base64url;
use crate::support::door::keys;

mod from_url;

const SECRET: &str = "a secret of 32 bytes, as it must";
const RSA: &str = include_str!("keys/rsa.pem");
const RSA_PUBLIC: &str = include_str!("keys/rsa.pub.pem");
const P256: &str = include_str!("keys/p256.pem");
const P256_PUBLIC: &str = include_str!("keys/p256.pub.pem");
const ED25519: &str = include_str!("keys/ed25519.pem");
const ED25519_PUBLIC: &str = include_str!("keys/ed25519.pub.pem");

/// Seconds since 1970 of the scenes with a clock of their own.
const NOW: i64 = 1_796_000_000;

/// What a right token of `ann` says at this time.
fn claims(now: i64) -> Value {
    json!({ "sub": "ann", "aud": "capshare", "iss": "https://issuer.example", "exp": now + 600 })
}

/// The same with some claims otherwise, or, by `null`, without.
fn but(now: i64, changes: Value) -> Value {
    let mut claims = claims(now);
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

fn signed(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    encode(header, claims, key).unwrap()
}

fn by_rsa(claims: &Value) -> String {
    signed(&Header::new(Algorithm::RS256), claims, &EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap())
}

fn settings() -> JwtSettings {
    let mut settings = JwtSettings::default();
    settings.audience = Some("capshare".to_owned());
    settings.issuer = Some("https://issuer.example".to_owned());
    settings
}

fn access(keys: JwtKeys, clock: &Hand) -> JwtAccess {
    JwtAccess::new(keys, settings(), Arc::new(clock.clone())).unwrap()
}

async fn reason(access: &JwtAccess, token: &str) -> String {
    match access.authenticate(&Secret::from(token)).await {
        Err(Refusal::Unauthorized { reason }) => reason.into_owned(),
        other => panic!("{other:?}: {token}"),
    }
}

/// A part of a token: base64url of a text.
fn part(text: &str) -> String {
    base64url(text.as_bytes())
}

/// By a secret or by a public key of each kind, who has signed with the other half is let in, with the rights of the token.
#[tokio::test]
async fn whoever_is_signed_for_comes_in() {
    let clock = Hand::at(NOW * 1_000);
    let pem = |text: &str| JwtKeys::Pem(text.to_owned());
    for (keys, algorithm, key) in [
        (JwtKeys::Secret(SECRET.into()), Algorithm::HS256, EncodingKey::from_secret(SECRET.as_bytes()).unwrap()),
        (pem(RSA_PUBLIC), Algorithm::RS256, EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap()),
        (pem(P256_PUBLIC), Algorithm::ES256, EncodingKey::from_ec_pem(P256.as_bytes()).unwrap()),
        (pem(ED25519_PUBLIC), Algorithm::EdDSA, EncodingKey::from_ed_pem(ED25519.as_bytes()).unwrap()),
    ] {
        let access = access(keys, &clock);
        let token = signed(&Header::new(algorithm), &claims(NOW), &key);
        assert!(access.recognises(&Secret::from(token.as_str())));
        let who = access.authenticate(&Secret::from(token.as_str())).await.unwrap();
        assert_eq!((who.account.as_str(), who.scopes, &who.credential), ("ann", Scopes::SHARE, &Credential::Key));
        assert_eq!(who.expires_at.unwrap().0, (NOW + 630) * 1_000, "a leeway after what it says");
    }
}

/// What a token says of session, name and scopes is what its connection has.
#[tokio::test]
async fn claims_become_the_principal() {
    let clock = Hand::at(NOW * 1_000);
    let access = access(JwtKeys::Pem(RSA_PUBLIC.to_owned()), &clock);
    let who = async |changes: Value| {
        let token = by_rsa(&but(NOW, changes));
        access.authenticate(&Secret::from(token.as_str())).await
    };
    let session = who(json!({ "sid": "s1", "jti": "t1" })).await.unwrap();
    assert_eq!(session.credential, Credential::Session("s1".to_owned()));
    assert_eq!(who(json!({ "jti": "t1" })).await.unwrap().credential, Credential::Token("jwt:t1".to_owned()));
    for (scope, scopes) in [
        (json!("openid share:read"), Scopes { write: false, ..Scopes::SHARE }),
        (json!("admin share:read share:write"), Scopes::ALL),
        (json!(["share:read"]), Scopes { write: false, ..Scopes::SHARE }),
        (json!("openid profile administrator"), Scopes::NONE),
        (json!(7), Scopes::NONE),
    ] {
        assert_eq!(who(json!({ "scope": scope })).await.unwrap().scopes, scopes, "{scope}");
    }
    assert_eq!(who(json!({ "aud": ["another", "capshare"] })).await.unwrap().account.as_str(), "ann");

    let mut settings = settings();
    settings.account_claim = "email".to_owned();
    let by_mail = JwtAccess::new(JwtKeys::Pem(RSA_PUBLIC.to_owned()), settings, Arc::new(clock.clone())).unwrap();
    let token = by_rsa(&but(NOW, json!({ "sub": "auth0|17", "email": "ann@example.org" })));
    let who = by_mail.authenticate(&Secret::from(token.as_str())).await.unwrap();
    assert_eq!(who.account.as_str(), "ann@example.org");
}

/// S24: an expired credential lets nobody in, give or take what clocks may differ, and does not survive a second look.
#[tokio::test]
async fn times_are_kept_give_or_take_half_a_minute() {
    let clock = Hand::at(NOW * 1_000);
    let access = access(JwtKeys::Pem(RSA_PUBLIC.to_owned()), &clock);
    let expiring = by_rsa(&but(NOW, json!({ "exp": NOW, "nbf": NOW - 60 })));
    let who = access.authenticate(&Secret::from(expiring.as_str())).await.unwrap();
    clock.set((NOW + 30) * 1_000 - 1);
    access.authenticate(&Secret::from(expiring.as_str())).await.unwrap();
    access.recheck(&who).await.unwrap();
    clock.set((NOW + 30) * 1_000);
    assert!(reason(&access, &expiring).await.contains("has expired"));
    assert!(access.recheck(&who).await.is_err());
    clock.set((NOW - 91) * 1_000);
    assert!(reason(&access, &expiring).await.contains("not valid yet"));
    clock.set((NOW - 90) * 1_000);
    access.authenticate(&Secret::from(expiring.as_str())).await.unwrap();
}

/// Each wrong token is refused, and so is each that is signed by what is not the key's own algorithm.
#[tokio::test]
async fn every_wrong_token_is_refused() {
    let clock = Hand::at(NOW * 1_000);
    let access = access(JwtKeys::Pem(RSA_PUBLIC.to_owned()), &clock);
    let rsa = EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap();
    let right = by_rsa(&claims(NOW));
    access.authenticate(&Secret::from(right.as_str())).await.unwrap();
    let (head, rest) = right.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();

    // Unsigned, or signed with what everybody knows.
    let none = part(r#"{"alg":"none","typ":"JWT"}"#);
    let public_der: Vec<u8> = pem_bytes(RSA_PUBLIC);
    let with_public =
        |bytes: &[u8]| signed(&Header::new(Algorithm::HS256), &claims(NOW), &EncodingKey::from_secret(bytes).unwrap());
    let forged = part(&but(NOW, json!({ "sub": "root" })).to_string());
    let by_another =
        signed(&Header::new(Algorithm::ES256), &claims(NOW), &EncodingKey::from_ec_pem(P256.as_bytes()).unwrap());
    for token in [
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{}.{payload}.", part(r#"{"alg":"None"}"#)),
        format!("{head}.{payload}."),
        format!("{head}.{payload}"),
        format!("{head}.{forged}.{signature}"),
        format!("{}.{payload}.{signature}", part(r#"{"typ":"JWT"}"#)),
        format!("{head}.{payload}.{signature}.{signature}"),
        with_public(RSA_PUBLIC.as_bytes()),
        with_public(RSA_PUBLIC.trim().as_bytes()),
        with_public(&public_der),
        by_another,
        signed(&Header::new(Algorithm::RS384), &claims(NOW), &rsa),
        signed(&Header::new(Algorithm::PS256), &claims(NOW), &rsa),
        "eyJ..".to_owned(),
        String::new(),
    ] {
        reason(&access, &token).await;
    }
    let mut critical = Header::new(Algorithm::RS256);
    critical.crit = Some(vec!["b64".to_owned()]);
    critical.extras.insert("b64", true);
    assert!(reason(&access, &signed(&critical, &claims(NOW), &rsa)).await.contains("asks for extensions"));

    // Rightly signed, and not for us or not now.
    for (changes, why) in [
        (json!({ "aud": "another" }), "another audience"),
        (json!({ "aud": null }), "does not say aud"),
        (json!({ "iss": "https://another.example" }), "another issuer"),
        (json!({ "iss": null }), "does not say iss"),
        (json!({ "iss": ["https://issuer.example"] }), "not one text"),
        (json!({ "iss": ["https://another.example", "https://issuer.example"] }), "not one text"),
        (json!({ "iss": [] }), ""),
        (json!({ "iss": { "https://issuer.example": 1 } }), ""),
        (json!({ "exp": NOW - 31 }), "has expired"),
        (json!({ "exp": null }), "does not say exp"),
        (json!({ "exp": "never" }), ""),
        (json!({ "exp": -1 }), ""),
        (json!({ "nbf": NOW + 31 }), "not valid yet"),
        (json!({ "nbf": "now" }), "no number"),
        (json!({ "sub": null }), "claim sub"),
        (json!({ "sub": "../root" }), "claim sub"),
        (json!({ "sub": 7 }), "claim sub"),
        (json!({ "sid": "" }), "sid"),
        (json!({ "sid": "s".repeat(257) }), "sid"),
        (json!({ "jti": {} }), "jti"),
    ] {
        let said = reason(&access, &by_rsa(&but(NOW, changes.clone()))).await;
        assert!(said.contains(why), "{changes}: {said}");
    }

    // A host that was told no audience is none that a token names.
    let unnamed = JwtAccess::new(JwtKeys::Pem(RSA_PUBLIC.to_owned()), JwtSettings::default(), Arc::new(clock.clone()));
    let unnamed = unnamed.unwrap();
    assert!(reason(&unnamed, &right).await.contains("another audience"));
    let listed = by_rsa(&but(NOW, json!({ "aud": null, "iss": ["https://issuer.example"] })));
    assert!(reason(&unnamed, &listed).await.contains("not one text"), "also where any issuer may");
}

/// What a PEM text holds.
fn pem_bytes(pem: &str) -> Vec<u8> {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let bits = text.bytes().filter_map(|c| digits.iter().position(|digit| *digit == c));
    let bits: String = bits.map(|six| format!("{six:06b}")).collect();
    bits.as_bytes().chunks_exact(8).map(|b| u8::from_str_radix(std::str::from_utf8(b).unwrap(), 2).unwrap()).collect()
}

#[test]
fn keys_that_cannot_be_right_are_refused_at_once() {
    let make = |keys| JwtAccess::new(keys, JwtSettings::default(), Arc::new(SystemClock)).map(drop).unwrap_err();
    assert_eq!(make(JwtKeys::Secret(b"short".to_vec())), JwtKeysError::ShortSecret { got: 5 });
    for pem in ["", "no pem", RSA, P256, ED25519] {
        assert_eq!(make(JwtKeys::Pem(pem.to_owned())), JwtKeysError::BadPem);
    }
    for url in ["http://keys.example/jwks", "ftp://keys.example", "nonsense", "http://127.0.0.1.evil.example/"] {
        assert_eq!(make(JwtKeys::SetUrl(url.to_owned())), JwtKeysError::BadUrl { url: url.to_owned() });
    }
}

/// A public key of a set, by its name.
fn jwk(id: &str, algorithm: Algorithm, key: &EncodingKey) -> Value {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
    jwk.common.key_id = Some(id.to_owned());
    serde_json::to_value(jwk).unwrap()
}

fn p256() -> EncodingKey {
    EncodingKey::from_ec_pem(P256.as_bytes()).unwrap()
}

fn rsa() -> EncodingKey {
    EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap()
}

fn named(id: Option<&str>, algorithm: Algorithm, now: i64, key: &EncodingKey) -> String {
    let mut header = Header::new(algorithm);
    header.kid = id.map(str::to_owned);
    signed(&header, &claims(now), key)
}

/// A host that knows several kinds of credential is about those that work: keys come in while a set cannot be had.
#[tokio::test(start_paused = true)]
async fn a_set_that_cannot_be_had_is_a_warning_where_keys_come_in() {
    let clock = Hand::at(NOW * 1_000);
    let unread = || Arc::new(access(JwtKeys::SetFile("/nowhere/keys.json".into()), &clock)) as Arc<dyn Access>;
    assert!(matches!(AnyOf::new([unread()]).readiness(), Readiness::Down(_)));
    assert!(matches!(AnyOf::new([unread(), unread()]).readiness(), Readiness::Down(_)));
    let readiness = AnyOf::new([unread(), keys() as Arc<dyn Access>]).readiness();
    assert!(matches!(readiness, Readiness::Stale(_)), "{readiness:?}");
    assert_eq!(AnyOf::new([keys() as Arc<dyn Access>]).readiness(), Readiness::Ready);
}

/// Keys come and go as their file says. A key that is not known is looked for, but not twice in half a minute; and when the
/// file is gone, or is none, the old keys stay, and readiness says so.
#[tokio::test(start_paused = true)]
async fn a_set_of_keys_is_read_again_and_outlives_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let write = |keys: Value| std::fs::write(&file, json!({ "keys": keys }).to_string()).unwrap();
    let clock = Hand::at(NOW * 1_000);
    let access = access(JwtKeys::SetFile(file.clone()), &clock);
    let ask = async |token: &str| access.authenticate(&Secret::from(token)).await;
    let first = named(Some("first"), Algorithm::RS256, NOW, &rsa());
    let second = named(Some("second"), Algorithm::ES256, NOW, &p256());

    // Nothing was read: it is not the token that is wrong.
    assert!(matches!(access.readiness(), Readiness::Down(_)));
    assert!(matches!(ask(&first).await, Err(Refusal::Unavailable { .. })));
    // A set is public, so what can sign is no key of one; what is not understood is passed over.
    let oct = json!({ "kty": "oct", "kid": "oct", "k": part(SECRET) });
    let encrypting = {
        let mut key = jwk("enc", Algorithm::RS256, &rsa());
        key["use"] = json!("enc");
        key
    };
    write(
        json!([oct, { "kty": "new", "kid": "?" }, { "what": 1 }, encrypting, jwk("first", Algorithm::RS256, &rsa())]),
    );
    assert!(matches!(ask(&first).await, Err(Refusal::Unavailable { .. })), "not again so soon");
    tokio::time::advance(Duration::from_secs(30)).await;
    ask(&first).await.unwrap();
    assert_eq!(access.readiness(), Readiness::Ready);
    let by_oct = named(Some("oct"), Algorithm::HS256, NOW, &EncodingKey::from_secret(SECRET.as_bytes()).unwrap());
    for wrong in [&by_oct, &named(Some("enc"), Algorithm::RS256, NOW, &rsa()), &second] {
        assert!(reason(&access, wrong).await.contains("not known here"));
    }
    // A key's name does not make another's signature right, nor its algorithm another.
    reason(&access, &named(Some("first"), Algorithm::ES256, NOW, &p256())).await;
    reason(&access, &named(Some("first"), Algorithm::PS256, NOW, &rsa())).await;
    let public = EncodingKey::from_secret(RSA_PUBLIC.as_bytes()).unwrap();
    reason(&access, &named(Some("first"), Algorithm::HS256, NOW, &public)).await;
    // Without a name it is the only one.
    ask(&named(None, Algorithm::RS256, NOW, &rsa())).await.unwrap();

    write(json!([jwk("first", Algorithm::RS256, &rsa()), jwk("second", Algorithm::ES256, &p256())]));
    assert!(reason(&access, &second).await.contains("not known here"), "not again so soon");
    tokio::time::advance(Duration::from_secs(30)).await;
    ask(&second).await.unwrap();
    assert!(reason(&access, &named(None, Algorithm::RS256, NOW, &rsa())).await.contains("not known here"));

    for broken in [None, Some("{"), Some(r#"{"keys":[]}"#)] {
        match broken {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(
            reason(&access, &named(Some("third"), Algorithm::ES256, NOW, &p256())).await.contains("not known here")
        );
        ask(&first).await.unwrap();
        ask(&second).await.unwrap();
        assert!(matches!(access.readiness(), Readiness::Stale(_)), "{:?}", access.readiness());
    }
    write(json!([jwk("second", Algorithm::ES256, &p256())]));
    // By itself, with no token that asks for it.
    let tending = access.tend();
    let settled = async {
        while access.readiness() != Readiness::Ready {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! { () = tending => {}, () = settled => {} }
    assert!(reason(&access, &first).await.contains("not known here"), "a key that is taken away is gone");
}

/// So many seconds go by at once on tokio's clock.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}
