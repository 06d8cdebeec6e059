//! How a share stays cheap while it grows and when it is left alone, and what other hosts make of it: through the hub.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use capshare::client::{Items, Replica, WatchFrom};
use capshare::share::change::{Batch, Change};
use capshare::share::item::{ItemKey, Payload};
use capshare::testing::{Scene, SceneBuilder, run};
use object_store::memory::InMemory;
use tokio::time::Instant;

use crate::support::bucket::{Fault, TestBucket, dump};
use crate::support::items::{held, part};

fn over(bucket: &Arc<TestBucket>) -> SceneBuilder {
    Scene::builder().store(Arc::clone(bucket) as _)
}

/// Folds early.
fn eager(bucket: &Arc<TestBucket>) -> SceneBuilder {
    over(bucket).settings(|settings| settings.hub.store.fold_segments = 4)
}

async fn keys(bucket: &TestBucket, part: &str) -> Vec<String> {
    dump(bucket).await.into_iter().map(|(key, _)| key).filter(|key| key.contains(part)).collect()
}

#[test]
fn a_share_that_is_left_alone_becomes_one_object_that_opens_in_three_requests() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        // What a host asks its bucket whatever it holds is not asked here.
        let unasked =
            || over(&bucket).settings(|settings| (settings.hub.probe_every, settings.hub.hosts.every) = (None, None));
        let scene = unasked().build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), Some(part("p", "0"))).await.unwrap();
        for n in 1..30 {
            share.sync(part("p", &n.to_string())).await.unwrap();
        }
        assert_eq!(keys(&bucket, "/fold/").await, [] as [&str; 0], "nothing is folded while it is worked on");
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(keys(&bucket, "/fold/").await.len(), 1);
        let other = unasked().seed(2).build();
        bucket.counts.reset();
        let replica = other.client().snapshot(share.id()).await.unwrap();
        let [puts, gets, lists, _] = bucket.counts.all();
        assert!(puts == 0 && gets + lists <= 3, "{gets} + {lists}");
        assert_eq!(held(&replica), held(&scene.client().snapshot(share.id()).await.unwrap()));
        // What it was folded from goes, but for the newest.
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(keys(&bucket, "/log/").await.len(), 1);
        // And it costs nothing more to be idle.
        bucket.counts.reset();
        tokio::time::sleep(Duration::from_secs(4_000)).await;
        assert_eq!(bucket.counts.all(), [0; 4]);
        assert_eq!(share.sync(part("p", "more")).await.unwrap().sync_count, 31);
    });
}

/// S22, for a host that starts after folds: the producer's last batch is known to whoever opens the share.
#[test]
fn folds_beside_the_syncs_delay_none_and_lose_none() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = eager(&bucket).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let hub = scene.host().hub();
        let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        for n in 0..40_u64 {
            // A fold that takes long, or fails.
            if n % 10 == 5 {
                bucket.next_writes([None, Some(Fault::Slow(Duration::from_secs(8)))]);
            }
            let begun = Instant::now();
            let synced = hub.rooms().sync_room(&room, batch(&n.to_string())).await.unwrap();
            assert_eq!(synced.sync_count, n + 1);
            assert!(begun.elapsed() <= Duration::from_secs(8), "one write of its own at most");
            tokio::task::yield_now().await;
        }
        assert!(!keys(&bucket, "/fold/").await.is_empty());
        tokio::time::sleep(Duration::from_secs(10)).await;
        let other = eager(&bucket).seed(2).build();
        let replica = other.client().snapshot(share.id()).await.unwrap();
        assert_eq!(replica.len(), 40);
    });
}

fn batch(id: &str) -> Batch {
    one(id, "\"x\"")
}

fn one(id: &str, text: &str) -> Batch {
    let value = Some(Payload::from_checked_json(text));
    Batch { stamp: None, changes: vec![Change { key: ItemKey::message(id).unwrap(), value }] }
}

#[test]
fn a_follower_on_a_host_that_missed_it_all_is_told_the_state_anew() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let (writer, reader) = (eager(&bucket).build(), eager(&bucket).seed(2).build());
        let share = writer.client().create(&"ses_1".parse().unwrap(), Some(part("p", "0"))).await.unwrap();
        let mut watch = reader.client().watch(share.id(), WatchFrom::WholeState);
        let mut replica = Replica::new();
        replica.apply(&watch.next().await.unwrap().unwrap()).unwrap();
        // While the reader hears nothing, the writer goes on, folds, and frees.
        let room = reader.host().hub().rooms().view(share.id().as_str()).await.unwrap();
        drop(watch);
        for n in 1..40 {
            share.sync(part(&n.to_string(), "x")).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(300)).await;
        let mut watch = reader.client().watch(share.id(), WatchFrom::After(replica.revision()));
        while replica.len() < 40 {
            replica.apply(&watch.next().await.unwrap().unwrap()).unwrap();
        }
        assert_eq!(room.read(|state| state.sync_count()).unwrap(), 40);
        assert_eq!(held(&replica), held(&writer.client().snapshot(share.id()).await.unwrap()));
    });
}

#[test]
fn a_room_that_leaves_memory_is_folded_on_the_way() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = over(&bucket).settings(|settings| settings.hub.idle_rooms_max = 4).build();
        let client = scene.client();
        for n in 0..130 {
            let share = client.create(&format!("ses_{n}").parse().unwrap(), Some(part("p", "x"))).await.unwrap();
            share.sync(part("p", "y")).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        let folded = keys(&bucket, "/fold/").await.len();
        assert!(folded >= 50, "{folded}");
        assert!(scene.host().hub().metrics().rooms.get() <= 4 + 64);
    });
}

/// The runtime that a room was worked on ends, and with it a fold that was to be written, and the task that waits for the
/// room to be idle: on the next one it is folded all the same.
#[test]
fn a_room_whose_runtime_ends_is_folded_on_the_next() {
    for syncs in [1, 3] {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let (scene, room) = run(async {
            let scene = eager(&bucket).build();
            let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
            let room = scene.host().hub().rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
            for n in 0..syncs {
                scene.host().hub().rooms().sync_room(&room, batch(&n.to_string())).await.unwrap();
            }
            (scene, room)
        });
        run(async {
            scene.host().hub().rooms().sync_room(&room, batch("more")).await.unwrap();
            tokio::time::sleep(Duration::from_secs(100)).await;
            let whole = format!("/fold/000000000000-{:012}", syncs + 2);
            assert_eq!(keys(&bucket, &whole).await.len(), 1, "after {syncs}");
        });
    }
}

/// What a fold would have made cheaper is not worth waiting for: all that was acknowledged is in the bucket.
#[test]
fn a_host_that_shuts_down_does_not_wait_for_folds() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = eager(&bucket).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let hub = scene.host().hub();
        let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        // The fold's write is the fourth from here.
        bucket.next_writes([None, None, None, Some(Fault::Slow(Duration::from_secs(14)))]);
        for n in 0..3 {
            hub.rooms().sync_room(&room, batch(&n.to_string())).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(bucket.counts.touched().last().unwrap().contains("/fold/"), "the fold has begun");
        let begun = Instant::now();
        drop(share);
        assert!(scene.host().shutdown().await);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    });
}

/// The first write after a pause goes at once, what comes soon after it waits and shares one; a deletion waits for nothing.
#[test]
fn syncs_linger_while_a_share_is_busy() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let linger = Duration::from_millis(200);
        let scene = over(&bucket).settings(|settings| settings.hub.linger = linger).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let hub = scene.host().hub();
        let room = hub.rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let begun = Instant::now();
        hub.rooms().sync_room(&room, batch("first")).await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(5), "{:?}", begun.elapsed());
        bucket.counts.reset();
        let mut busy = Vec::new();
        for n in 0..100 {
            busy.push(hub.rooms().sync_room(&room, batch(&n.to_string())));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for synced in busy {
            synced.await.unwrap();
        }
        let [puts, ..] = bucket.counts.all();
        assert!((5..=6).contains(&puts), "{puts} writes in a second");
        // Also one that comes while something else waits.
        let waiting = tokio::task::spawn_local(hub.rooms().sync_room(&room, batch("last")));
        tokio::time::sleep(Duration::from_millis(10)).await;
        let begun = Instant::now();
        hub.rooms().delete_room(&room).await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(5), "{:?}", begun.elapsed());
        waiting.await.unwrap().unwrap();
    });
}

/// What a producer sends again as it was is not written again.
#[test]
fn a_message_that_is_sent_again_with_all_around_it_costs_what_changed() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = over(&bucket).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let large = "x".repeat(10_000);
        let all = |n: usize| {
            let mut items = Items::new();
            for key in 0..20 {
                let text = if key == n { "changed" } else { &large };
                items.put("message", &format!("{{\"id\":\"{key}\",\"text\":\"{text}\"}}")).unwrap();
            }
            items
        };
        share.sync(all(99)).await.unwrap();
        bucket.counts.reset();
        share.sync(all(99)).await.unwrap();
        share.sync(all(3)).await.unwrap();
        let written = bucket.counts.put_bytes.load(Ordering::Relaxed);
        assert!(written < 1_500, "{written} bytes");
        assert_eq!(share.info().await.unwrap().sync_count, 3);
    });
}

const RECORDING: &str = include_str!("../data/opencode-recording.jsonl");

/// The bytes of its items that a recorded agent sends, sync by sync.
fn recorded() -> Vec<Vec<String>> {
    let requests = RECORDING.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let data = requests.filter_map(|request| request["body"]["data"].as_array().cloned());
    data.map(|items| items.iter().map(ToString::to_string).collect()).collect()
}

/// S23, on what a real agent sends, and on syncs without number: the bucket takes at most one and a half of the bytes that
/// were sent, whatever is folded and however often the share is left alone; and the requests of an opening stay bounded.
#[test]
fn a_session_costs_the_bucket_about_what_it_sent_and_opens_in_bounded_reads() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = over(&bucket).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let mut sent = 0;
        bucket.counts.reset();
        for (n, items) in recorded().iter().enumerate() {
            let mut sync = Items::new();
            for item in items {
                sent += item.len();
                sync.sync_data(item).unwrap();
            }
            share.sync(sync).await.unwrap();
            if n % 9 == 8 {
                tokio::time::sleep(Duration::from_secs(70)).await;
            }
        }
        tokio::time::sleep(Duration::from_secs(70)).await;
        let written = bucket.counts.put_bytes.load(Ordering::Relaxed) as usize;
        assert!(2 * written <= 3 * sent, "{written} bytes for {sent}");

        let share = scene.client().create(&"ses_2".parse().unwrap(), None).await.unwrap();
        let room = scene.host().hub().rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap();
        bucket.counts.reset();
        let (mut sent, mut opened) = (0, Vec::new());
        for n in 0..4_000 {
            // Eleven times a part that grows, then what a tool put out.
            let (id, step) = (n / 12, n % 12);
            let text = if step < 11 { words(id)[..90 * (step as usize + 1)].to_owned() } else { words(n).repeat(6) };
            let text = format!("{{\"type\":\"text\",\"text\":\"{text}\"}}");
            sent += text.len();
            let hub = scene.host().hub();
            let id = format!("{id}-{}", step / 11);
            hub.rooms().sync_room(&room, one(&id, &text)).await.unwrap();
            // The clock stands still while something is being packed.
            tokio::time::sleep(Duration::from_millis(1)).await;
            if n % 1_000 == 990 {
                let [_, gets, lists, _] = bucket.counts.all();
                over(&bucket).seed(n).build().client().info(share.id()).await.unwrap();
                let [_, gets_after, lists_after, _] = bucket.counts.all();
                opened.push(gets_after + lists_after - gets - lists);
            }
        }
        let written = bucket.counts.put_bytes.load(Ordering::Relaxed) as usize;
        assert!(2 * written <= 3 * sent, "{written} bytes for {sent}");
        assert!(opened.iter().all(|requests| *requests <= 4 * 64 + 16), "{opened:?}");
    });
}

/// A kilobyte of prose, another each time.
fn words(seed: u64) -> String {
    const WORDS: [&str; 16] = [
        "the", "parser", "reads", "a", "line", "and", "returns", "an", "error", "when", "tests", "fail", "in",
        "module", "function", "path",
    ];
    let mut random = seed;
    let mut text = String::new();
    while text.len() < 1_000 {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        text += WORDS[(random >> 60) as usize];
        text += if random.is_multiple_of(7) { ". " } else { " " };
    }
    text
}

/// What a listing says of a share comes from the index, and goes with the share.
#[test]
fn a_share_that_is_left_alone_is_listed_with_its_title() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let scene = over(&bucket).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let mut items = Items::new();
        items.put("session", r#"{"id":"ses_1","title":"A fine title"}"#).unwrap();
        share.sync(items).await.unwrap();
        tokio::time::sleep(Duration::from_secs(65)).await;
        let other = over(&bucket).seed(2).build();
        let who = other.host().hub().access().authenticate(None).await.unwrap();
        let list = async || other.host().hub().rooms().list(&who, false, "", 10).await.unwrap().shares;
        let listed = list().await;
        assert_eq!((listed[0].title.as_deref(), listed[0].sync_count), (Some("A fine title"), 1));
        share.delete().await.unwrap();
        assert!(list().await.is_empty());
        assert_eq!(keys(&bucket, "about").await, [] as [&str; 0]);
    });
}

/// A host that finds another's segment in its place reads that, and writes the next: three requests.
#[test]
fn two_hosts_that_write_a_share_in_turn_need_three_requests_a_sync() {
    run(async {
        let bucket = TestBucket::over(Arc::new(InMemory::new()));
        let hosts = [1, 2].map(|seed| over(&bucket).seed(seed).build());
        let share = hosts[0].client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
        let mut rooms = Vec::new();
        for host in &hosts {
            rooms.push(host.host().hub().rooms().open(share.id().as_str(), share.secret().unwrap()).await.unwrap());
        }
        let sync = async |n: u64| {
            let who = n as usize % 2;
            hosts[who].host().hub().rooms().sync_room(&rooms[who], batch(&n.to_string())).await.unwrap().sync_count
        };
        sync(0).await;
        bucket.counts.reset();
        for n in 1..31 {
            assert_eq!(sync(n).await, n + 1);
        }
        assert_eq!(bucket.counts.all(), [60, 30, 0, 0]);
    });
}
