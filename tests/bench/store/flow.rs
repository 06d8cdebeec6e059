//! Syncs as they come: one share, many shares, two hosts.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::rooms::room::Room;
use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore as _, PutMode, PutPayload};
use tokio::time::Instant;

use crate::bucket::Metered;
use crate::table::{Wanted, figure, scene};
use crate::{Bed, Scale, batch, byte_count, create, hub, quantile, sync};

const IN_FLIGHT: usize = 64;
const KEYS: usize = 500;
const SHARES: usize = 200;

pub(crate) async fn all(bed: &Bed, scale: &Scale) {
    one_share(bed, "W1", scale.in_flight, KEYS).await;
    one_share(bed, "W1b", scale.in_flight, scale.in_flight).await;
    one_by_one(bed, scale.one_by_one).await;
    many_shares(bed, scale.many_syncs).await;
    two_hosts(bed, scale.two_hosts).await;
}

async fn one_share(bed: &Bed, name: &str, syncs: usize, keys: usize) {
    scene(&format!("{name}, {}: one share, {syncs} syncs over {keys} keys, {IN_FLIGHT} in flight", bed.name));
    let hub = hub(&bed.bucket);
    let room = create(&hub, name).await.room;
    let batches: Vec<_> = (0..syncs).map(|n| batch(n % keys, n)).collect();
    let accepted: usize = batches.iter().map(byte_count).sum();
    bed.bucket.take();
    let begun = Instant::now();
    stream::iter(batches)
        .map(|batch| hub.rooms().sync_room(&room, batch))
        .buffer_unordered(IN_FLIGHT)
        .for_each(|synced| async move { assert!(synced.is_ok(), "{synced:?}") })
        .await;
    let seconds = begun.elapsed().as_secs_f64();
    // What is folded beside the acknowledgements is written too.
    hub.finish().await;
    let asked = bed.bucket.take();
    let is_w1 = keys < syncs;
    let rate = if is_w1 { Wanted::AtLeast(bed.prototype) } else { Wanted::Shown };
    let written = if is_w1 { Wanted::AtMost(1.3) } else { Wanted::Shown };
    figure("acknowledgements a second (wanted: the prototype's, elsewhere)", rate, syncs as f64 / seconds);
    figure("PUTs for each acknowledgement", Wanted::Shown, asked.puts as f64 / syncs as f64);
    figure("bytes written for each byte accepted", written, asked.put_bytes as f64 / accepted as f64);
}

async fn one_by_one(bed: &Bed, syncs: usize) {
    scene(&format!("W1s, {}: one share, {syncs} syncs one at a time, a bare PUT between any two", bed.name));
    let hub = hub(&bed.bucket);
    let room = create(&hub, "W1s").await.room;
    let (mut acknowledged, mut bare) = (Vec::new(), Vec::new());
    let (mut written, mut accepted) = (0, 0);
    for n in 0..syncs {
        let batch = batch(n % KEYS, n);
        accepted += byte_count(&batch);
        bed.bucket.take();
        let begun = Instant::now();
        sync(&hub, &room, batch).await;
        acknowledged.push(begun.elapsed());
        let bytes = bed.bucket.take().put_bytes;
        written += bytes;
        let begun = Instant::now();
        put(&bed.bucket, &format!("bare/one/{n:012}"), segment_bytes(bytes)).await;
        bare.push(begun.elapsed());
    }
    let ratio = |part, acknowledged: &mut Vec<Duration>, bare: &mut Vec<Duration>| {
        quantile(acknowledged, part).as_secs_f64() / quantile(bare, part).as_secs_f64()
    };
    figure("p50 over that of a bare PUT", Wanted::AtMost(1.1), ratio(0.5, &mut acknowledged, &mut bare));
    figure("p99 over that of a bare PUT", Wanted::Shown, ratio(0.99, &mut acknowledged, &mut bare));
    figure("p50, ms", Wanted::Shown, quantile(&mut acknowledged, 0.5).as_secs_f64() * 1e3);
    figure("bytes written for each byte accepted", Wanted::Shown, written as f64 / accepted as f64);
}

async fn many_shares(bed: &Bed, each: usize) {
    scene(&format!("W2, {}: {SHARES} shares, {each} syncs each, one at a time", bed.name));
    let hub = hub(&bed.bucket);
    let names = stream::iter(0..SHARES).map(|n| format!("W2-{n}"));
    let creating = names.map(|name| async { create(&hub, &{ name }).await.room });
    let rooms: Vec<_> = creating.buffer_unordered(IN_FLIGHT).collect().await;
    let first = bare_puts(bed, "before", each).await;
    bed.bucket.take();
    let begun = Instant::now();
    let workers = rooms.into_iter().enumerate().map(|(share, room)| {
        let hub = hub.clone();
        tokio::spawn(async move {
            for n in 0..each {
                sync(&hub, &room, batch(n, share * each + n)).await;
            }
        })
    });
    join_all(workers.collect::<Vec<_>>()).await.into_iter().for_each(|done| done.unwrap());
    let rate = (SHARES * each) as f64 / begun.elapsed().as_secs_f64();
    let asked = bed.bucket.take();
    let second = bare_puts(bed, "after", each).await;
    let bare = 2.0 / (1.0 / first + 1.0 / second);
    figure("rate over that of bare PUTs", Wanted::AtLeast(0.9), rate / bare);
    figure("acknowledgements a second", Wanted::Shown, rate);
    figure("PUTs for each acknowledgement", Wanted::Shown, asked.puts as f64 / (SHARES * each) as f64);
    figure(
        "bare PUTs a second, before and after: the lower over the higher",
        Wanted::Shown,
        first.min(second) / first.max(second),
    );
}

/// PUTs a second, by as many writers as there are shares, into as many folders.
async fn bare_puts(bed: &Bed, when: &'static str, each: usize) -> f64 {
    let begun = Instant::now();
    let writers = (0..SHARES).map(|writer| {
        let bucket = bed.bucket.clone();
        tokio::spawn(async move {
            for n in 0..each {
                put(&bucket, &format!("bare/{when}/{writer}/{n:012}"), segment_bytes(1_300)).await;
            }
        })
    });
    join_all(writers.collect::<Vec<_>>()).await.into_iter().for_each(|done| done.unwrap());
    (SHARES * each) as f64 / begun.elapsed().as_secs_f64()
}

async fn two_hosts(bed: &Bed, syncs: usize) {
    scene(&format!("Two hosts, {}: {syncs} syncs each to one share", bed.name));
    let hubs = [hub(&bed.bucket), hub(&bed.bucket)];
    let created = create(&hubs[0], "two").await;
    let rooms = [created.room.clone(), hubs[1].rooms().open(created.id.as_str(), &created.secret).await.unwrap()];
    bed.bucket.take();
    for n in 0..2 * syncs {
        sync(&hubs[n % 2], &rooms[n % 2], batch(n, n)).await;
    }
    let in_turn = bed.bucket.take();
    let at_once = |host: usize| {
        let (hub, room) = (&hubs[host], &rooms[host]);
        let mine = (2 + host) * syncs;
        async move {
            for n in mine..mine + syncs {
                sync(hub, room, batch(n, n)).await;
            }
        }
    };
    tokio::join!(at_once(0), at_once(1));
    let at_once = bed.bucket.take();
    let lost = 4 * syncs - kept(bed, &created.id).await;
    figure("lost syncs", Wanted::AtMost(0.0), lost as f64);
    let each = |requests: u64| requests as f64 / (2 * syncs) as f64;
    figure("in turn: requests for each sync", Wanted::AtMost(3.0), each(in_turn.requests()));
    figure("at once: requests for each sync", Wanted::Shown, each(at_once.requests()));
}

/// How many items a third host finds.
async fn kept(bed: &Bed, id: &capshare::share::id::ShareId) -> usize {
    let room: Arc<Room> = hub(&bed.bucket).rooms().view(id.as_str()).await.unwrap();
    room.read(|state| state.item_count()).unwrap()
}

async fn put(bucket: &Metered, key: &str, payload: PutPayload) {
    bucket.put_opts(&Path::from(key), payload, PutMode::Create.into()).await.unwrap();
}

fn segment_bytes(length: u64) -> PutPayload {
    PutPayload::from(vec![b'x'; length as usize])
}
