//! Where a client goes, step by step.

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn by_url() -> Arc<WebSocketWay> {
    let tls = tokio_rustls::rustls::ClientConfig::builder_with_provider(Arc::new(
        tokio_rustls::rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(tokio_rustls::rustls::RootCertStore::empty())
    .with_no_client_auth();
    Arc::new(WebSocketWay { headers: http::HeaderMap::new(), tls: Some(Arc::new(tls)) })
}

/// The hosts of a client that was given these, with a credential or without.
fn hosts(given: &[&str], has_credential: bool) -> (Hosts, Random) {
    let (by_url, mut random) = (by_url(), Random::new(Some(7)));
    let way = |text: &&str| Way { dialer: Arc::new(by_url.to(url(text))), url: Some(url(text)) };
    let ways: Vec<_> = given.iter().map(way).collect();
    (Hosts::new(&ways, Some(by_url), has_credential, &mut random), random)
}

fn here(hosts: &Hosts) -> String {
    hosts.current().1.url.unwrap().origin()
}

fn all(hosts: &Hosts) -> Vec<String> {
    let mut all: Vec<_> = hosts.all.iter().map(|host| host.way.url.as_ref().unwrap().origin()).collect();
    all.sort();
    all
}

fn texts<T: ToString>(texts: impl IntoIterator<Item = T>) -> Vec<String> {
    texts.into_iter().map(|text| text.to_string()).collect()
}

#[test]
fn a_client_begins_at_a_random_host_and_goes_round_before_it_waits() {
    let given = ["ws://a", "ws://b", "ws://c"];
    let mut began_at = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let (by_url, mut random) = (by_url(), Random::new(Some(seed)));
        let way = |text: &&str| Way { dialer: Arc::new(by_url.to(url(text))), url: Some(url(text)) };
        let ways: Vec<_> = given.iter().map(way).collect();
        let mut hosts = Hosts::new(&ways, None, false, &mut random);
        began_at.insert(here(&hosts));
        let now = Instant::now();
        for _round in 0..2 {
            let mut tried = vec![here(&hosts)];
            for _ in 0..2 {
                assert_eq!(hosts.failed(None, now), Next::AtOnce);
                tried.push(here(&hosts));
            }
            assert_eq!(hosts.failed(None, now), Next::After(Duration::ZERO));
            tried.sort();
            assert_eq!(tried, given);
        }
        // One that lasted is followed by a whole round.
        assert_eq!(hosts.failed(None, now), Next::AtOnce);
        hosts.connected();
        hosts.begin_round();
        assert_eq!(
            [(); 3].map(|()| hosts.failed(None, now)),
            [Next::AtOnce, Next::AtOnce, Next::After(Duration::ZERO)]
        );
    }
    assert_eq!(began_at.into_iter().collect::<Vec<_>>(), given);
}

#[test]
fn a_host_that_asked_for_time_is_passed_over_while_there_are_others() {
    let (mut hosts, _) = hosts(&["ws://a", "ws://b"], false);
    let (now, minute, second) = (Instant::now(), Duration::from_secs(60), Duration::from_secs(1));
    let first = here(&hosts);
    assert_eq!(hosts.failed(Some(minute), now), Next::AtOnce);
    let other = here(&hosts);
    assert_ne!(other, first);
    for _ in 0..3 {
        assert_eq!(hosts.failed(None, now), Next::After(Duration::ZERO));
        assert_eq!(here(&hosts), other);
    }
    // Of two that asked for time the one that asked for less is dialled, and not before that.
    assert_eq!((hosts.failed(Some(second), now), here(&hosts)), (Next::After(second), other));
    // The only host there is, as well.
    let (mut alone, _) = self::hosts(&["ws://a"], false);
    assert_eq!(alone.failed(None, now), Next::After(Duration::ZERO));
    assert_eq!(alone.failed(Some(minute), now), Next::After(minute));
}

/// S102: with a credential a client goes only to hosts that its user named, or that were named over TLS and are reached over TLS.
#[test]
fn a_client_with_a_credential_goes_only_where_tls_leads() {
    let named =
        texts(["http://plain", "https://safe:443", "wss://safer/rpc/share", "ftp://x", "no url", "https://u:p@x"]);
    for (given, has_credential, expected) in [
        ("ws://a", true, &["ws://a"][..]),
        ("wss://a", true, &["wss://a", "wss://safe:443", "wss://safer"]),
        ("wss://a", false, &["wss://a", "wss://safe:443", "wss://safer"]),
        ("ws://a", false, &["ws://a", "ws://plain", "wss://safe:443", "wss://safer"]),
    ] {
        let (mut hosts, mut random) = hosts(&[given], has_credential);
        hosts.named(&named, &mut random);
        assert_eq!(all(&hosts), texts(expected), "{given}, {has_credential}");
        assert_eq!(here(&hosts), given, "it stays where it is");
        hosts.prefer(&named, &mut random);
        assert_eq!(all(&hosts), texts(expected), "{given}, {has_credential}");
    }
    // A client that is to go nowhere else, or whose connections come from a dialer, goes nowhere else.
    let (mut hosts, mut random) = hosts(&["wss://a"], true);
    hosts.naming = None;
    hosts.named(&named, &mut random);
    assert_eq!(all(&hosts), ["wss://a"]);
}

#[test]
fn named_hosts_are_bounded_and_forgotten_when_they_fail_and_are_not_named_any_more() {
    let (mut hosts, mut random) = hosts(&["wss://a"], true);
    for round in 0..10 {
        hosts.named(&texts((0..8).map(|n| format!("https://h{round}-{n}"))), &mut random);
    }
    assert_eq!(hosts.all.len(), HOSTS_KNOWN_MAX);
    let too_long = format!("https://{}", "a".repeat(HOST_URL_BYTES_MAX));
    let (mut hosts, mut random) = self::hosts(&["wss://a"], true);
    hosts.named(&texts(["https://b", "https://b:443", "https://c", "wss://a", &too_long]), &mut random);
    assert_eq!(all(&hosts), ["wss://a", "wss://b", "wss://b:443", "wss://c"]);
    while here(&hosts) != "wss://b" {
        assert_eq!(hosts.failed(None, Instant::now()), Next::AtOnce);
    }
    hosts.failed(None, Instant::now());
    while here(&hosts) != "wss://a" {
        hosts.failed(None, Instant::now());
    }
    hosts.connected();
    hosts.named(&texts(["https://c"]), &mut random);
    assert!(!all(&hosts).contains(&"wss://b".to_owned()) && here(&hosts) == "wss://a", "{:?}", all(&hosts));
    // What was given is never forgotten.
    assert!(!hosts.forget());
    hosts.prefer(&texts(["https://c"]), &mut random);
    hosts.failed(None, Instant::now());
    assert_eq!(here(&hosts), "wss://c");
    assert!(hosts.forget() && !all(&hosts).contains(&"wss://c".to_owned()));
}

#[test]
fn a_client_that_is_to_move_goes_where_it_is_told_else_elsewhere_else_to_its_own_url() {
    let (mut hosts, mut random) = hosts(&["wss://a", "wss://b", "wss://c"], true);
    let at = here(&hosts);
    let origin = |hosts: &Hosts, number| hosts.way(number).unwrap().url.unwrap().origin();
    let told = hosts.moving_to(&texts(["https://d", "https://c", "https://a", "https://b"]), &mut random);
    let told: Vec<_> = told.into_iter().map(|number| origin(&hosts, number)).collect();
    let expected: Vec<_> = ["wss://d", "wss://c", "wss://a", "wss://b"].into_iter().filter(|url| *url != at).collect();
    assert_eq!((told, here(&hosts)), (texts(expected), at.clone()));
    let others = hosts.moving_to(&[], &mut random);
    assert_eq!(others.len(), 3, "all but the one that it leaves");
    let (now, minute) = (Instant::now(), Duration::from_secs(60));
    hosts.go_to(others[0], minute, now);
    assert_eq!(here(&hosts), origin(&hosts, others[0]));
    // The one that it left is not gone back to before its time.
    for _ in 0..6 {
        hosts.failed(None, now);
        assert_ne!(here(&hosts), at);
    }
    let (mut alone, mut random) = self::hosts(&["wss://a"], true);
    let own = alone.current().0;
    assert_eq!(alone.moving_to(&[], &mut random), [own]);
    alone.go_to(own, minute, now);
    assert_eq!(alone.failed(None, now), Next::After(Duration::ZERO));
}
