//! A share over its life: opened when it is long, left alone, and streamed to for hours.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use capshare::__internal::hub::HubSettings;
use capshare::share::change::Batch;
use capshare::share::id::ShareId;
use capshare::share::item::{ItemKey, Payload};
use object_store::memory::InMemory;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::bucket::{Asked, Metered};
use crate::table::{Wanted, figure, remark, scene};
use crate::{RECORDING, Scale, batch, byte_count, create, hub, hub_with, quantile, sync};

const KEYS: usize = 500;

/// What a request takes.
const REQUEST: Duration = Duration::from_millis(20);

/// Opening that takes longer is given up: it has lost its race already.
const OPEN_MAX: Duration = Duration::from_secs(10);

/// More than the minute after which a share counts as idle, and what is to be done then.
const IDLE: Duration = Duration::from_secs(75);

/// A runtime whose clock can be paused.
fn alone<T>(scene: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(scene)
}

fn memory() -> Arc<Metered> {
    Metered::over(Arc::new(InMemory::new()))
}

pub(crate) fn open(scale: &Scale) {
    scene("Open, memory + 20 ms: a fresh hub opens a share, written one sync at a time");
    let times = scale.open.map(|syncs| {
        alone(async {
            let bucket = memory();
            // Written by a clock that jumps whenever nothing is left to do but to wait; opened by a true one.
            bucket.delays(REQUEST);
            tokio::time::pause();
            let writer = hub(&bucket);
            let created = create(&writer, "open").await;
            for n in 0..syncs {
                sync(&writer, &created.room, batch(n % KEYS, n)).await;
            }
            let busy = opened(&bucket, &created.id).await;
            tokio::time::sleep(IDLE).await;
            let idle = opened(&bucket, &created.id).await;
            figure(&format!("after {syncs} syncs: requests"), Wanted::Shown, busy.0.requests() as f64);
            figure(&format!("after {syncs} syncs: ms"), Wanted::Shown, busy.1.as_secs_f64() * 1e3);
            figure(
                &format!("after {syncs} syncs and a minute: requests"),
                Wanted::AtMost(3.0),
                idle.0.requests() as f64,
            );
            figure(&format!("after {syncs} syncs and a minute: ms"), Wanted::Shown, idle.1.as_secs_f64() * 1e3);
            [busy.1, idle.1]
        })
    });
    let [_, less, more] = scale.open;
    for (which, name) in ["right away", "after a minute"].into_iter().enumerate() {
        let ratio = times[2][which].as_secs_f64() / times[1][which].as_secs_f64();
        figure(&format!("{name}: the time after {more} over that after {less}"), Wanted::AtMost(1.3), ratio);
    }
    if times.as_flattened().contains(&OPEN_MAX) {
        remark("(an opening was given up after 10 s; its figures are a lower bound)");
    }
}

/// What a fresh hub asks to open a share, and how long it takes.
async fn opened(bucket: &Arc<Metered>, id: &ShareId) -> (Asked, Duration) {
    tokio::time::resume();
    bucket.take();
    let begun = Instant::now();
    let opener = hub(bucket);
    let opened = tokio::time::timeout(OPEN_MAX, opener.rooms().view(id.as_str())).await;
    let took = if opened.is_ok() { begun.elapsed() } else { OPEN_MAX };
    let asked = bucket.take();
    tokio::time::pause();
    (asked, took)
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    body: Body<'a>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    data: Vec<&'a RawValue>,
}

pub(crate) fn recording() {
    let mut batches = Vec::new();
    for line in RECORDING.lines() {
        let line: Line<'_> = serde_json::from_str(line).unwrap();
        let mut changes = Vec::new();
        for item in line.body.data {
            capshare::__internal::contract::sync_data::read_sync_data(item.get(), &Default::default(), &mut changes)
                .unwrap();
        }
        if !changes.is_empty() {
            batches.push(Batch { stamp: None, changes });
        }
    }
    let sent: usize = batches.iter().map(byte_count).sum();
    // A value that is there already is sent, but nothing new.
    let mut values = HashMap::<&ItemKey, Option<&Payload>>::new();
    let mut distinct = 0;
    for change in batches.iter().flat_map(|batch| &batch.changes) {
        if values.insert(&change.key, change.value.as_ref()) != Some(change.value.as_ref()) {
            distinct += change.key.as_str().len() + change.value.as_ref().map_or(0, |value| value.as_str().len());
        }
    }
    scene(&format!("Recording, memory: {} syncs, {sent} bytes sent, {distinct} of them new", batches.len()));
    let (busy, idle) = alone(async {
        let bucket = memory();
        let hub = hub(&bucket);
        let room = create(&hub, "recorded").await.room;
        for batch in batches {
            sync(&hub, &room, batch).await;
        }
        let busy = bucket.take();
        tokio::time::pause();
        tokio::time::sleep(IDLE).await;
        (busy.put_bytes as f64, (busy.put_bytes + bucket.take().put_bytes) as f64)
    });
    figure("bytes written for each byte sent", Wanted::AtMost(1.5), busy / sent as f64);
    figure("bytes written for each new byte sent", Wanted::Shown, busy / distinct as f64);
    figure("with a minute after it: for each byte sent", Wanted::AtMost(1.5), idle / sent as f64);
    figure("with a minute after it: for each new byte sent", Wanted::Shown, idle / distinct as f64);
}

/// Syncs a second of a share that is streamed to.
const STREAM: u64 = 20;

pub(crate) fn linger(scale: &Scale) {
    for linger in [Duration::ZERO, Duration::from_millis(200)] {
        let minutes = scale.linger_minutes;
        scene(&format!("Linger {linger:?}, memory + 30 ms: {STREAM} syncs a second for {minutes} virtual minutes"));
        let mut settings = HubSettings::default();
        (settings.poll, settings.linger) = (None, linger);
        let syncs = minutes * 60 * STREAM;
        let (asked, mut latencies) = alone(async {
            tokio::time::pause();
            let bucket = memory();
            let hub = hub_with(&bucket, settings);
            let room = create(&hub, "linger").await.room;
            bucket.delays(Duration::from_millis(30));
            bucket.take();
            let latencies = Arc::new(Mutex::new(Vec::new()));
            let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / STREAM));
            for n in 0..syncs as usize {
                ticks.tick().await;
                let (hub, room, latencies) = (hub.clone(), room.clone(), latencies.clone());
                tokio::spawn(async move {
                    let begun = Instant::now();
                    sync(&hub, &room, batch(n % KEYS, n)).await;
                    latencies.lock().unwrap().push(begun.elapsed());
                });
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            let latencies = std::mem::take(&mut *latencies.lock().unwrap());
            (bucket.take(), latencies)
        });
        assert_eq!(latencies.len() as u64, syncs, "some were not acknowledged");
        figure("requests for each acknowledged sync", Wanted::Shown, asked.requests() as f64 / syncs as f64);
        figure("p50, ms", Wanted::Shown, quantile(&mut latencies, 0.5).as_secs_f64() * 1e3);
        figure("p99, ms", Wanted::Shown, quantile(&mut latencies, 0.99).as_secs_f64() * 1e3);
        figure("dollars for an hour of it, at S3's prices", Wanted::Shown, asked.dollars() * 60.0 / minutes as f64);
    }
}
