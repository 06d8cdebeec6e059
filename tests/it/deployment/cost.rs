//! What telling others costs the one who writes: run by hand on a machine that does nothing else, because it measures.

use std::io::Write as _;
use std::time::Duration;

use capshare::client::Share;
use capshare::host::HostSettings;
use capshare::host::settings::NatsSettings;
use capshare::host::storage::{S3Options, StoreLocation, open};
use tempfile::TempDir;
use tokio::time::Instant;

use super::peers::{Member, connected, free_port, until};
use crate::support::bucket::TestBucket;
use crate::support::items::part;
use crate::support::nats::NatsServer;

const ROUNDS: usize = 12;
const SYNCS: usize = 250;

/// Two hosts over a directory. At the second nobody looks, so that what is measured is what the first does.
struct Pair {
    name: &'static str,
    share: Share,
    took: Vec<Duration>,
    a: Member,
    _b: Member,
    _server: Option<NatsServer>,
    _folder: TempDir,
}

impl Pair {
    async fn of(name: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let objects = open(&StoreLocation::Directory(folder.path().into()), &S3Options::default()).await.unwrap();
        let bucket = TestBucket::over(objects);
        let server = if name == "nats" { Some(NatsServer::start().await) } else { None };
        let carrier = |settings: &mut HostSettings| {
            settings.hub.hosts.peers = name == "peers";
            settings.nats = server.as_ref().map(|server| NatsSettings::at(&server.url()).unwrap());
            // Their records are no part of it.
            settings.hub.hosts.every = Some(Duration::from_secs(if name == "peers" { 2 } else { 600 }));
        };
        let (a, b) = (free_port().await, free_port().await);
        let (a, b) = (Member::at(&bucket, a, Some(a), carrier).await, Member::at(&bucket, b, Some(b), carrier).await);
        match name {
            "peers" => connected(&[&a, &b]).await,
            "nats" => until("NATS", || a.hub().hints().is_connected() && b.hub().hints().is_connected()).await,
            _ => {}
        }
        let share = a.share("s").await;
        b.hub().hints().attend(share.id());
        if name != "none" {
            // Until what it follows is known there.
            until("a hint", || {
                a.hub().hints().wrote(share.id(), 1);
                b.hub().metrics().hints_received.get() > 0
            })
            .await;
        }
        Self { name, share, took: Vec::new(), a, _b: b, _server: server, _folder: folder }
    }

    async fn round(&mut self) {
        for n in 0..SYNCS {
            let begun = Instant::now();
            self.share.sync(part("p", &n.to_string())).await.unwrap();
            self.took.push(begun.elapsed());
        }
    }

    fn at(&self, part: f64) -> f64 {
        let mut sorted = self.took.clone();
        sorted.sort_unstable();
        sorted[((sorted.len() - 1) as f64 * part) as usize].as_secs_f64() * 1_000.0
    }
}

/// An acknowledgement takes no longer because others are told of it: p99 within 1.05 of what it is without a carrier.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures, for half a minute"]
async fn an_acknowledgement_costs_no_more_with_a_carrier() {
    let mut pairs = [Pair::of("none").await, Pair::of("peers").await, Pair::of("nats").await];
    for pair in &mut pairs {
        pair.round().await;
        pair.took.clear();
    }
    for round in 0..ROUNDS {
        // In turns, and none is always the first.
        for n in 0..pairs.len() {
            pairs[(round + n) % 3].round().await;
        }
    }
    let without = (pairs[0].at(0.5), pairs[0].at(0.99));
    for pair in &pairs {
        let (half, most) = (pair.at(0.5), pair.at(0.99));
        let line = format!(
            "{}: p50 {half:.3} ms ({:.2}), p99 {most:.3} ms ({:.2}); {} hints sent\n",
            pair.name,
            half / without.0,
            most / without.1,
            pair.a.hub().metrics().hints_sent.get()
        );
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    for pair in &pairs[1..] {
        assert!(pair.a.hub().metrics().hints_sent.get() as usize >= SYNCS * ROUNDS);
        let ratio = pair.at(0.99) / without.1;
        assert!(ratio <= 1.05, "{}: {ratio:.2} of what it takes without", pair.name);
    }
}
