//! Credentials that are keys: a credentials file and a client's certificate, and what a viewer sees where hosts show them.

use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair as TlsKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::viewers::{Scene, host, memory, until_connected};
use super::*;
use crate::support::base64url::base64url;
use crate::support::nats::NatsServer;

/// What an operator of NATS has signed: an account, and a user of it who may use nothing but the subjects of the store.
struct Signed {
    operator: KeyPair,
    account: KeyPair,
    user: KeyPair,
}

impl Signed {
    fn new() -> Self {
        Self { operator: KeyPair::new_operator(), account: KeyPair::new_account(), user: KeyPair::new_user() }
    }

    /// Lines for a server that believes this operator.
    fn settings(&self) -> String {
        let operator = signed(&self.operator, &self.operator, json!({ "type": "operator", "version": 2 }));
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1
        });
        let account = json!({ "type": "account", "version": 2, "limits": limits });
        let account = signed(&self.account, &self.operator, account);
        format!(
            "operator: {operator}\nresolver: MEMORY\nresolver_preload: {{ {}: {account} }}",
            self.account.public_key()
        )
    }

    /// The credentials file of the user, signed by this key.
    fn credentials(&self, by: &KeyPair) -> String {
        let may = json!({ "allow": ["capshare.>"] });
        let user =
            json!({ "type": "user", "version": 2, "pub": may, "sub": may, "subs": -1, "data": -1, "payload": -1 });
        format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            signed(&self.user, by, user),
            self.user.seed().unwrap()
        )
    }
}

/// What a key says of another, as NATS reads it.
fn signed(of: &KeyPair, by: &KeyPair, nats: Value) -> String {
    let head = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let says = json!({
        "jti": "1", "iat": 1_700_000_000, "iss": by.public_key(), "sub": of.public_key(), "name": "capshare", "nats": nats
    });
    let text = [head, says].map(|part| base64url(part.to_string().as_bytes())).join(".");
    format!("{text}.{}", base64url(&by.sign(text.as_bytes()).unwrap()))
}

/// What a viewer at one host sees of what is written at another, over hosts with these settings.
async fn is_seen_at_once(settings: &NatsSettings) {
    let objects = memory();
    let poll = Duration::from_secs(600);
    let (a, b) = (host(&objects, settings, poll).await, host(&objects, settings, poll).await);
    until_connected(&a, true).await;
    until_connected(&b, true).await;
    let took = Scene::begin(&a, &b).await.syncs(20).await;
    assert!(took[10] < Duration::from_secs(1), "{took:?}");
}

/// Waits until a server has refused somebody so.
async fn refused(server: &NatsServer, how: &'static str) {
    within(how, async {
        while !server.log().contains(how) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Hosts that show a credentials file are let in, and hear each other; one whose file was signed by somebody else is not.
#[tokio::test(flavor = "multi_thread")]
async fn hosts_show_a_credentials_file() {
    let signed = Signed::new();
    let server = NatsServer::with(&signed.settings()).await;
    let mut settings = quick(&server.url());
    settings.login = Some(signed.credentials(&signed.account).parse().unwrap());
    is_seen_at_once(&settings).await;

    settings.login = Some(signed.credentials(&KeyPair::new_account()).parse().unwrap());
    let stranger = Member::new(1, settings);
    refused(&server, "authentication error").await;
    assert_eq!(stranger.told(), []);
}

/// Certificates of one authority, as files.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, TlsKey>,
    certificate: std::path::PathBuf,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = TlsKey::generate().unwrap();
        let certificate = NatsServer::write(&folder, "ca.pem", &params.self_signed(&key).unwrap().pem());
        Self { folder, issuer: Issuer::new(params, key), certificate }
    }

    /// A certificate for this use, and its key.
    fn names(&self, name: &str, used_for: ExtendedKeyUsagePurpose) -> (std::path::PathBuf, std::path::PathBuf) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![used_for];
        let key = TlsKey::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let write = |ending: &str, text: &str| NatsServer::write(&self.folder, &format!("{name}.{ending}"), text);
        (write("pem", &certificate), write("key", &key.serialize_pem()))
    }
}

/// Hosts that show a certificate are let in by a server that asks for one, and hear each other; one without it is not, nor one whose
/// certificate is of another authority.
#[tokio::test(flavor = "multi_thread")]
async fn hosts_show_a_certificate() {
    let authority = Authority::new();
    let (certificate, key) = authority.names("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let ca = &authority.certificate;
    let tls = format!("tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {ca:?}, verify: true }}");
    let server = NatsServer::with(&tls).await;
    let mut settings = quick(&format!("tls://localhost:{}", server.port()));
    settings.ca_file = Some(ca.clone());
    settings.client_certificate = Some(authority.names("host", ExtendedKeyUsagePurpose::ClientAuth));
    is_seen_at_once(&settings).await;

    settings.client_certificate = None;
    let without = Member::new(1, settings.clone());
    refused(&server, "client didn't provide a certificate").await;
    let another = Authority::new();
    settings.client_certificate = Some(another.names("host", ExtendedKeyUsagePurpose::ClientAuth));
    let stranger = Member::new(2, settings);
    refused(&server, "failed to verify certificate").await;
    assert_eq!((without.told(), stranger.told()), (vec![], vec![]));
}
