//! The hosts of a deployment: how they find each other, and what they tell each other.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::ambient::{Ambient, SeededEntropy, TokioClock};
use capshare::__internal::deployment::{HostFacts, Hosts, HostsSettings};
use capshare::__internal::store::{Store, StoreSettings, WriterId};
use capshare::share::id::HostId;
use capshare::testing::BEGINNING;

use crate::support::bucket::TestBucket;

mod cost;
mod cuts;
mod hosts;
mod links;
mod news;
mod peers;
mod record;
mod writers;

/// How a host says where it is reached; an empty text: it does not.
fn advertising(url: &str) -> HostsSettings {
    let mut settings = HostsSettings::default();
    settings.urls = url.split_whitespace().map(|url| url.parse().unwrap()).collect();
    settings
}

/// A host with this number, which does nothing else.
fn member(bucket: &Arc<TestBucket>, n: u64, settings: HostsSettings) -> Arc<Hosts> {
    let ambient = Ambient { clock: Arc::new(TokioClock::from(BEGINNING)), entropy: Arc::new(SeededEntropy::new(n)) };
    let writer = WriterId(u128::from(n));
    let store = Store::new(bucket.clone(), StoreSettings::default(), writer, Arc::clone(&ambient.clock));
    Hosts::new(HostId::from_bits(u128::from(n)), store, &ambient, settings).unwrap()
}

/// Has a host say that it is there from now on.
fn tended(hosts: &Arc<Hosts>, facts: HostFacts) -> tokio::task::JoinHandle<()> {
    let hosts = Arc::clone(hosts);
    tokio::spawn(async move { hosts.tend(move || facts).await })
}

/// Some rounds of a host.
const A_WHILE: Duration = Duration::from_secs(25);
