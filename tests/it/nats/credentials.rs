//! What hosts show to NATS, and what it shows to them.

use super::*;
use crate::cli::program::Home;
use crate::support::nats::NatsServer;

/// A key pair of NATS' documentation.
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const PUBLIC: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

/// A server that asks for a user, who may use nothing but the subjects of the store.
fn users() -> String {
    let may = "permissions: { publish: \"capshare.>\", subscribe: \"capshare.>\" }";
    format!(
        "authorization {{ users: [ {{ user: ann, password: \"p@ss: 1\", {may} }}, {{ nkey: {PUBLIC}, {may} }},\n\
         {{ user: bob, password: bobs, permissions: {{ publish: \"other.>\", subscribe: \"other.>\" }} }} ] }}"
    )
}

/// A user and a password, a key and a token are shown as the server asks, and the rights to the subjects of the store are enough.
#[tokio::test]
async fn hosts_show_a_password_a_key_or_a_token() {
    let server = NatsServer::with(&users()).await;
    let by_password = Member::at(1, &format!("nats://ann:p%40ss%3A%201@127.0.0.1:{}", server.port())).await;
    let mut settings = quick(&server.url());
    settings.login = Some(SEED.parse().unwrap());
    let by_key = Member::new(2, settings);
    by_key.until_connected(1).await;
    by_key.follow(&share(1)).await;
    by_password.write_until_heard(&share(1), 1, &by_key).await;

    let server = NatsServer::with("authorization { token: \"tok\" }").await;
    drop(Member::at(3, &format!("nats://tok@127.0.0.1:{}", server.port())).await);
}

/// A host that NATS refuses starts, is ready and serves; its log says once what to do, and no secret.
#[test]
fn a_host_whose_credential_is_refused_says_so_and_serves() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(NatsServer::with(&users()));
    for (login, says) in
        [("ann:wrong-secret", "it refuses the credential"), ("bob:bobs", "let it publish and subscribe")]
    {
        let home = Home::new();
        let url = format!("nats://{login}@127.0.0.1:{}", server.port());
        let store = home.path("s").to_str().unwrap().to_owned();
        let mut program = home.start(&["serve", "--listen", "127.0.0.1:0", "--store", &store, "--nats", &url]);
        let line = program.stdout.wait_for(|line| line.contains(" listens on "));
        program.stderr.wait_for(|line| line.contains(says));
        let address = line.split("listens on ").nth(1).unwrap().split(';').next().unwrap().parse().unwrap();
        let ready = runtime.block_on(crate::support::http::ask(address, "GET", "/readyz", &[]));
        assert_eq!(ready.status, 200);
        if login.starts_with("ann") {
            // Two attempts later it has said nothing more.
            let tries = || server.log().matches("authentication error").count();
            let before = tries();
            runtime.block_on(within("two more attempts", async {
                while tries() < before + 2 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }));
        }
        program.signal("-TERM");
        let said = program.wait().ends_with(0).everything();
        assert_eq!(said.matches("NATS does not serve this host").count(), 1, "{said}");
        assert!(!said.contains("wrong-secret") && !said.contains("bobs"), "{said}");
    }
}

/// Over TLS a host believes the servers that its authority names, whether the URL asks for TLS or the server does, and no others.
#[tokio::test]
async fn hosts_believe_only_servers_that_their_authority_names() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let cert = NatsServer::write(&folder, "cert.pem", &made.cert.pem());
    let key = NatsServer::write(&folder, "key.pem", &made.signing_key.serialize_pem());
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = NatsServer::write(&folder, "other.pem", &other.cert.pem());
    let server = NatsServer::with(&format!("tls {{ cert_file: {cert:?}, key_file: {key:?} }}")).await;
    for scheme in ["tls", "nats"] {
        let mut settings = quick(&format!("{scheme}://localhost:{}", server.port()));
        settings.ca_file = Some(cert.clone());
        Member::new(1, settings).until_connected(1).await;
    }
    let mut settings = quick(&format!("tls://localhost:{}", server.port()));
    settings.ca_file = Some(other);
    let member = Member::new(2, settings);
    within("a failed handshake", async {
        while !server.log().contains("TLS handshake error") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(member.told(), []);
}

/// A host that is to speak TLS goes to no server without it, though a server that it trusts tells of that one.
#[tokio::test]
async fn a_host_that_speaks_tls_shows_nothing_to_a_server_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let cert = NatsServer::write(&folder, "cert.pem", &made.cert.pem());
    let key = NatsServer::write(&folder, "key.pem", &made.signing_key.serialize_pem());
    let tls = format!("tls {{ cert_file: {cert:?}, key_file: {key:?} }}");
    let [mut one, two] = NatsServer::two([&tls, "debug: true"]).await;
    let mut settings = quick(&format!("tls://localhost:{}", one.port()));
    settings.ca_file = Some(cert);
    let (a, b) = (Member::new(1, settings), Member::at(2, &two.url()).await);
    a.until_connected(1).await;
    b.follow(&share(1)).await;
    // From now on the servers know each other, and A was told of the other.
    a.write_until_heard(&share(1), 1, &b).await;
    let attempts = || two.log().matches("Client connection created").count();
    let before = attempts();
    one.kill();
    a.until_alone().await;
    within("two attempts at the server without TLS", async {
        while attempts() < before + 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(!a.told()[1..].contains(&Told::Connected(true)), "{:?}", a.told());
}

#[test]
fn settings_come_from_flags_variables_and_the_file_and_no_secret_is_shown() {
    let home = Home::new();
    let check = |home: &Home, more: &[&str]| home.run(&[&["serve", "--check", "--json"], more].concat());
    let secret = home.write("secret", "ann:hidden-1\n");
    let file = home.write(
        "host.toml",
        &format!("[nats]\nservers = ['nats://a', 'tls://b:1']\ncredentials = '{secret}'\nca = '{secret}'\n"),
    );
    let ran = check(&home, &["--config", &file]).ends_with(0);
    let shown = ran.objects()[0].clone();
    let from_file = |name: &str| serde_json::json!(format!("nats.{name} in the file"));
    assert_eq!(shown["nats.servers"]["value"], serde_json::json!(["nats://a", "tls://b:1"]));
    assert_eq!((&shown["nats.servers"]["from"], &shown["nats.ca"]["from"]), (&from_file("servers"), &from_file("ca")));
    assert_eq!(shown["nats.credentials"]["value"], serde_json::json!(secret));
    let by_flag = check(&home, &["--nats", "nats://ann:hidden-2@c,nats://d", "--nats", "nats://e"]).ends_with(0);
    assert_eq!(by_flag.objects()[0]["nats.servers"]["value"], serde_json::json!(["nats://c", "nats://d", "nats://e"]));
    assert_eq!(by_flag.objects()[0]["nats.credentials"]["value"], "[secret]");
    let by_variable = check(&Home::new().set("CAPSHARE_NATS", "nats://tok-hidden-3@f"), &[]).ends_with(0);
    assert_eq!(by_variable.objects()[0]["nats.servers"]["from"], "CAPSHARE_NATS");
    for ran in [&ran, &by_flag, &by_variable] {
        assert!(!ran.everything().contains("hidden-"), "{}", ran.everything());
    }
    let broken = home.write("broken", "two hidden-4\n");
    for (arguments, says) in [
        (vec!["--nats", "hidden-5"], "invalid URL of a NATS server"),
        (vec!["--nats", "nats://a:hidden-6@x nats://b:hidden-7@y"], "different users"),
        (vec!["--nats", "nats://a", "--nats-credentials", &broken], "invalid NATS credential"),
        (vec!["--nats", "nats://a", "--nats-credentials", "/nowhere"], "/nowhere cannot be read"),
        (vec!["--nats", "nats://a:hidden-8@x", "--nats-credentials", &secret], "has a credential already"),
        (vec!["--nats", "nats://a", "--nats-cert", &secret], "--nats-key"),
        (vec!["--nats-ca", &secret], "name one by --nats"),
    ] {
        let ran = check(&home, &arguments).ends_with(2);
        assert!(ran.error()["message"].as_str().unwrap().contains(says), "{}", ran.error());
        assert!(!ran.everything().contains("hidden-"), "{}", ran.everything());
    }
}
