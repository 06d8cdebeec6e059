//! Kills of one host at random moments. `CAPSHARE_TEST_KILLS` asks for more of them than the usual 10; `CAPSHARE_TEST_SEED` chooses others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::ambient::{Entropy as _, SeededEntropy};
use capshare::Client;
use capshare::client::{ClientError, Replica, Share};
use capshare::share::error::Refusal;
use capshare::share::id::ShareId;
use capshare::share::view::Synced;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Place, client, kill};
use crate::cli::program::{Running, files, free_port};
use crate::support::items::{held, part};

/// Kills of one history, over a store of its own: each host that starts reads what the ones before wrote.
pub(super) const KILLS: u64 = 10;

/// Producers with a share each, and producers of one share.
const ALONE: usize = 3;
const TOGETHER: usize = 3;

/// What no object holds once the share that it was in is deleted.
const DOOMED: &str = "this is to be gone";

/// What a run came to, for its figures.
#[derive(Debug, Default)]
struct Figures {
    kills: u64,
    acknowledged: usize,
    /// Answers that say that the sync had been applied before.
    sent_again: usize,
    kills_of_those_that_start: u64,
    deleted: usize,
    /// Objects that were looked at after kills.
    objects: usize,
}

/// S21, S22: all acknowledged syncs are there and none is doubled. S13: a share whose deletion a kill interrupted is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_a_host_over_a_directory_is_killed() {
    run(Place::directory).await;
}

/// S21, S22, S13: as over a directory.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_a_host_over_an_s3_server_is_killed() {
    run(Place::s3).await;
}

#[expect(clippy::print_stderr, reason = "the figures of a run by hand, shown with --no-capture")]
async fn run(a_place: fn() -> Place) {
    let mut figures = Figures::default();
    for (seed, kills) in histories() {
        // Shown when the test fails.
        eprintln!("seed {seed}");
        let place = a_place();
        let mut scene = Scene::begin(&place, Dice(SeededEntropy::new(seed))).await;
        for _ in 0..kills {
            scene.kill(&mut figures).await;
        }
        scene.end(&mut figures).await;
    }
    eprintln!("{figures:?}");
}

/// The seed of each history, and the kills in it.
pub(super) fn histories() -> impl Iterator<Item = (u64, u64)> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let kills = number("CAPSHARE_TEST_KILLS").unwrap_or(KILLS);
    let seed = number("CAPSHARE_TEST_SEED").unwrap_or(1);
    (0..kills.div_ceil(KILLS)).map(move |history| (seed + history, KILLS.min(kills - history * KILLS)))
}

pub(super) struct Dice(pub(super) SeededEntropy);

impl Dice {
    pub(super) fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes) % bound
    }
}

/// One history: a host that is killed again and again, and those who are at work meanwhile.
struct Scene<'a> {
    place: &'a Place,
    dice: Dice,
    port: u16,
    /// `None` while there is none.
    host: Option<Running>,
    client: Client,
    producers: Vec<Producer>,
    stop: watch::Sender<bool>,
    acknowledged: Arc<watch::Sender<u64>>,
    /// Shares whose deletion was answered.
    deleted: Vec<ShareId>,
}

struct Producer {
    name: String,
    share: Share,
    answers: JoinHandle<Vec<Synced>>,
}

impl<'a> Scene<'a> {
    async fn begin(place: &'a Place, dice: Dice) -> Self {
        let port = free_port();
        let (host, url) = place.serve(port);
        let stop = watch::Sender::new(false);
        let acknowledged = Arc::new(watch::Sender::new(0));
        let mut producers = Vec::new();
        for n in 0..ALONE + TOGETHER {
            let name = format!("producer-{n}");
            let session = if n < ALONE { format!("alone-{n}") } else { "together".to_owned() };
            // Over a connection of its own.
            let share = client(&url).create(&session.parse().unwrap(), None).await.unwrap();
            let answers = tokio::spawn(produce(name.clone(), share.clone(), stop.subscribe(), acknowledged.clone()));
            producers.push(Producer { name, share, answers });
        }
        let (host, client, deleted) = (Some(host), client(&url), Vec::new());
        Self { place, dice, port, host, client, producers, stop, acknowledged, deleted }
    }

    /// Kills the host somewhere in the next syncs, while a share is being deleted, and starts it again.
    async fn kill(&mut self, figures: &mut Figures) {
        let doomed = self.doomed().await;
        let late = self.client.open(doomed.id(), doomed.secret().unwrap()).await.unwrap();
        let enough = *self.acknowledged.borrow() + self.dice.below(60);
        self.acknowledged.subscribe().wait_for(|count| *count >= enough).await.unwrap();
        let deleting = tokio::spawn({
            let doomed = doomed.clone();
            async move { doomed.delete().await }
        });
        // How far all of them get, only the dice know.
        tokio::time::sleep(Duration::from_micros(self.dice.below(20_000))).await;
        kill(self.host.take().unwrap());
        figures.kills += 1;
        figures.objects += self.look_at_objects().await;
        if self.dice.below(4) == 0 {
            let starting = self.place.start(self.port, &[]);
            tokio::time::sleep(Duration::from_micros(self.dice.below(100_000))).await;
            kill(starting);
            figures.kills_of_those_that_start += 1;
        }
        self.host = Some(self.place.serve(self.port).0);

        deleting.await.unwrap().unwrap();
        self.deleted.push(doomed.id().clone());
        for id in &self.deleted {
            let gone = self.client.info(id).await.err();
            assert_eq!(gone, Some(ClientError::Refused(Refusal::not_found(id.as_str()))));
        }
        let gone = Some(ClientError::Refused(Refusal::not_found(doomed.id().as_str())));
        assert_eq!(late.sync(part("a", DOOMED)).await.err(), gone);
        assert_eq!(self.client.delete(doomed.id(), doomed.secret().unwrap()).await.err(), gone);
    }

    /// A share of the session that is deleted once for each kill: always a new one, with nothing of the last.
    async fn doomed(&self) -> Share {
        let text = format!("{DOOMED} {}", self.deleted.len());
        let share = self.client.create(&"doomed".parse().unwrap(), Some(part("a", &text))).await.unwrap();
        assert!(!self.deleted.contains(share.id()), "its id was given twice");
        let replica = self.client.snapshot(share.id()).await.unwrap();
        assert!(matches!(&held(&replica)[..], [(_, value)] if value.contains(&text)), "{replica:?}");
        share
    }

    /// No object is half there: each is erased, or lines that end and are as many as the first says. In a folder, what is
    /// not an object is a file that was never named, and nobody takes for one. Gives how many there are.
    async fn look_at_objects(&self) -> usize {
        let Some(folder) = self.place.folder() else { return 0 };
        let objects = self.place.dump().await;
        for (key, bytes) in &objects {
            let may_be_empty = ["index/", "share/", "probe/"].iter().any(|begin| key.starts_with(begin));
            assert!(may_be_empty || !bytes.is_empty(), "{key} is empty");
            // What is packed says by itself whether it is whole, to whoever reads it.
            if bytes.is_empty() || key.contains("/fold/") || key.starts_with("probe/") {
                continue;
            }
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(text.ends_with('\n'), "{key} is cut off");
            let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(key)).collect();
            let entries = lines[0].get("entries").map_or(0, |count| count.as_u64().unwrap());
            assert_eq!(lines.len() as u64, 1 + entries, "{key}");
        }
        let keys: BTreeSet<_> = objects.iter().map(|(key, _)| folder.join(key)).collect();
        for file in files(&folder).iter().filter(|file| !keys.contains(*file)) {
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(name.contains('#'), "{} is neither an object nor on its way to be one", file.display());
        }
        objects.len()
    }

    /// Lets the producers finish, kills the host a last time, and looks at what the next one finds.
    async fn end(mut self, figures: &mut Figures) {
        self.stop.send_replace(true);
        let mut told = BTreeMap::<ShareId, Vec<(String, Vec<Synced>)>>::new();
        for producer in self.producers {
            let answers = producer.answers.await.unwrap();
            figures.acknowledged += answers.len();
            figures.sent_again += answers.iter().filter(|answer| answer.duplicate).count();
            told.entry(producer.share.id().clone()).or_default().push((producer.name, answers));
        }
        kill(self.host.take().unwrap());
        let (_host, _) = self.place.serve(self.port);
        assert_eq!(told.len(), ALONE + 1);
        for (id, of_producers) in told {
            let replica = self.client.snapshot(&id).await.unwrap();
            holds_what_was_acknowledged(&replica, &of_producers);
        }
        figures.deleted += self.deleted.len();
        for (key, bytes) in self.place.dump().await {
            let found = bytes.windows(DOOMED.len()).any(|window| window == DOOMED.as_bytes());
            assert!(!found, "{key} holds what was deleted");
        }
    }
}

/// Syncs without pause: each time a part of its own, and how far it came. Gives all answers.
pub(super) async fn produce(
    name: String,
    share: Share,
    stop: watch::Receiver<bool>,
    acknowledged: Arc<watch::Sender<u64>>,
) -> Vec<Synced> {
    let mut answers = Vec::new();
    while !*stop.borrow() {
        let n = answers.len();
        let mut items = part(&format!("{name}-{n}"), &format!("{name} {n}"));
        items.put_value("message", &json!({ "id": name, "last": n })).unwrap();
        answers.push(share.sync(items).await.unwrap());
        acknowledged.send_modify(|count| *count += 1);
    }
    answers
}

/// None lost: each sync's part is there, and each producer's last word is its last. None doubled: the counts that were
/// told are all different, without a gap, and the share's own is how many there are.
pub(super) fn holds_what_was_acknowledged(replica: &Replica, of_producers: &[(String, Vec<Synced>)]) {
    let items: BTreeMap<_, _> = held(replica).into_iter().collect();
    let mut expected = 0;
    for (name, answers) in of_producers {
        for n in 0..answers.len() {
            let part = items.get(&format!("part/m/{name}-{n}"));
            assert!(part.is_some_and(|json| json.contains(&format!("\"{name} {n}\""))), "{name} {n} is lost: {part:?}");
        }
        let last: Value = serde_json::from_str(&items[&format!("message/{name}")]).unwrap();
        assert_eq!(last["last"], answers.len() - 1, "{name}");
        assert!(answers.is_sorted_by_key(|answer| answer.sync_count), "{name}: {answers:?}");
        expected += answers.len() + 1;
    }
    assert_eq!(items.len(), expected, "there is more than was acknowledged");
    let mut counts: Vec<_> =
        of_producers.iter().flat_map(|(_, answers)| answers.iter().map(|a| a.sync_count)).collect();
    counts.sort_unstable();
    assert!(counts.iter().copied().eq(1..=replica.sync_count()), "of {} syncs: {counts:?}", replica.sync_count());
}
