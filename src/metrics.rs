//! What the host counts, in the OpenMetrics text of `/metrics`.
//!
//! Handles are given out, never looked up, and there is no global registry: two hosts in one process count apart. No
//! label holds an id, an account or anything else that grows with use.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The counters of one host.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Connections admitted, by door.
    pub connections_admitted: Family<DoorLabel, Counter>,
    /// Connections open now, by door.
    pub connections_open: Family<DoorLabel, Gauge>,
    /// Connections closed because their credential was revoked, or an administrator said so.
    pub connections_revoked: Counter,
    /// Upgrades and requests refused, by reason.
    pub requests_refused: Family<ReasonLabel, Counter>,
    /// RPC calls that have no answer yet.
    pub calls_in_flight: Gauge,
    /// RPC calls begun.
    pub calls: Counter,
    /// RPC calls cut short by a panic, which is a defect to report.
    pub calls_panicked: Counter,
    /// Capabilities held open for clients.
    pub capabilities_held: Gauge,
    /// Syncs applied.
    pub syncs: Counter,
    /// Shares created.
    pub shares_created: Counter,
    /// Shares deleted.
    pub shares_deleted: Counter,
    /// Shares deleted because their time was over; they count as deleted too.
    pub shares_expired: Counter,
    /// Shares held in memory.
    pub rooms: Gauge,
    /// Followers of shares, viewers and watches.
    pub followers: Gauge,
    /// Steps written as frames for viewers: each once, however many are told, and none when nobody is.
    pub frames_encoded: Counter,
    /// Bytes of the bodies of requests that are held in memory, with 16 KiB for each body.
    pub body_bytes: Gauge,
    /// Answers above 64 KiB that are on their way.
    pub large_answers: Gauge,
    /// Operations that the bucket did not carry out.
    pub storage_failures: Counter,
    /// Hints of new segments that went to the carrier, those that were sent again too.
    pub hints_sent: Counter,
    /// Hints that the carrier did not take, because it reached nobody or too much waited, or that are not sent again because too many are.
    pub hints_dropped: Counter,
    /// Hints of other hosts.
    pub hints_received: Counter,
    /// Hints of other hosts that made nobody look.
    pub hints_useless: Counter,
    /// Hints that told of a segment after one that was not heard of.
    pub hints_holes: Counter,
    /// Looks of rooms into the bucket for what other hosts wrote, by reason.
    pub looks: Family<ReasonLabel, Counter>,
    /// Batches that were handed to another host, for that to append them, by what came of it.
    pub handed: Family<ReasonLabel, Counter>,
    /// Requests for a share of which it is remembered that it is not there.
    pub absent_hits: Counter,
    /// 1 while a carrier reaches other hosts.
    pub carrier_connected: Gauge,
    /// From the time that a hint bears, by its writer's clock, until the room that it made look had what it told of.
    pub hint_lag_seconds: Histogram,
    /// From a batch's arrival to the bucket's answer.
    pub commit_seconds: Histogram,
    /// By how much this machine's clock is ahead of the store's, at least; negative: behind. 0 also if nobody can tell.
    pub clock_ahead_seconds: Gauge<f64, AtomicU64>,
}

/// The door of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DoorLabel {
    /// Its name.
    pub door: &'static str,
}

/// Why a request was refused, or something was done.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// The reason's name.
    pub reason: &'static str,
}

impl Metrics {
    /// Counters at zero.
    #[must_use]
    pub fn new() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("capshare"),
            connections_admitted: Family::default(),
            connections_open: Family::default(),
            connections_revoked: Counter::default(),
            requests_refused: Family::default(),
            calls_in_flight: Gauge::default(),
            calls: Counter::default(),
            calls_panicked: Counter::default(),
            capabilities_held: Gauge::default(),
            syncs: Counter::default(),
            shares_created: Counter::default(),
            shares_deleted: Counter::default(),
            shares_expired: Counter::default(),
            rooms: Gauge::default(),
            followers: Gauge::default(),
            frames_encoded: Counter::default(),
            body_bytes: Gauge::default(),
            large_answers: Gauge::default(),
            storage_failures: Counter::default(),
            hints_sent: Counter::default(),
            hints_dropped: Counter::default(),
            hints_received: Counter::default(),
            hints_useless: Counter::default(),
            hints_holes: Counter::default(),
            looks: Family::default(),
            handed: Family::default(),
            absent_hits: Counter::default(),
            carrier_connected: Gauge::default(),
            // 0.5 ms to 16 s: from two hosts on one machine to a hint that was sent again.
            hint_lag_seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 16)),
            // 0.25 ms to 8 s: from a memory store to a bucket at the end of its retries.
            commit_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            clock_ahead_seconds: Gauge::default(),
        };
        metrics.registered()
    }

    /// The OpenMetrics text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    fn registered(mut self) -> Self {
        let to = &mut self.registry;
        to.register("connections_admitted", "Connections admitted", self.connections_admitted.clone());
        to.register("connections_open", "Connections open now", self.connections_open.clone());
        to.register("connections_revoked", "Connections closed by revocation", self.connections_revoked.clone());
        to.register("requests_refused", "Upgrades and requests refused", self.requests_refused.clone());
        to.register("calls_in_flight", "RPC calls without an answer yet", self.calls_in_flight.clone());
        to.register("calls", "RPC calls begun", self.calls.clone());
        to.register("calls_panicked", "RPC calls cut short by a panic", self.calls_panicked.clone());
        to.register("capabilities_held", "Capabilities held open for clients", self.capabilities_held.clone());
        to.register("syncs", "Syncs applied", self.syncs.clone());
        to.register("shares_created", "Shares created", self.shares_created.clone());
        to.register("shares_deleted", "Shares deleted", self.shares_deleted.clone());
        to.register("shares_expired", "Shares deleted because their time was over", self.shares_expired.clone());
        to.register("rooms", "Shares held in memory", self.rooms.clone());
        to.register("followers", "Followers of shares", self.followers.clone());
        to.register("frames_encoded", "Steps written as frames for viewers", self.frames_encoded.clone());
        to.register("body_bytes", "Bytes held for the bodies of requests", self.body_bytes.clone());
        to.register("large_answers", "Answers above 64 KiB on their way", self.large_answers.clone());
        to.register("storage_failures", "Operations that the bucket did not carry out", self.storage_failures.clone());
        to.register("hints_sent", "Hints given to the carrier", self.hints_sent.clone());
        to.register("hints_dropped", "Hints that were not sent, or not again", self.hints_dropped.clone());
        to.register("hints_received", "Hints of other hosts", self.hints_received.clone());
        to.register("hints_useless", "Hints of other hosts that made nobody look", self.hints_useless.clone());
        to.register("hints_holes", "Hints after one that was not heard", self.hints_holes.clone());
        to.register("looks", "Looks for what other hosts wrote, by reason", self.looks.clone());
        to.register("batches_handed", "Batches handed to another host, by what came of it", self.handed.clone());
        to.register("absent_hits", "Requests for shares known to be absent", self.absent_hits.clone());
        to.register("carrier_connected", "Whether a carrier reaches other hosts", self.carrier_connected.clone());
        to.register_with_unit(
            "hint_lag",
            "From a hint's own time to the state that it told of",
            Unit::Seconds,
            self.hint_lag_seconds.clone(),
        );
        to.register_with_unit(
            "commit",
            "From a batch's arrival to the bucket's answer",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        to.register_with_unit(
            "clock_ahead",
            "By how much this machine's clock is ahead of the store's, at least",
            Unit::Seconds,
            self.clock_ahead_seconds.clone(),
        );
        self
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
