//! What the linked clients asked for and were answered, and what must hold of it, given the log as it came about.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use capshare::client::Replica;
use capshare::share::entry::Entry;
use capshare::share::id::ProducerId;
use capshare::share::revision::Revision;
use capshare::share::view::Synced;
use tokio::time::Instant;

/// One value, or one removal.
pub(super) type Changes = Vec<(String, Option<String>)>;

/// What somebody put into a queue, or sent as one batch. Its first change is an item of its own, which nobody removes.
#[derive(Debug)]
struct Op {
    writer: usize,
    changes: Changes,
    came: Came,
}

/// What its producer knows of it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Came {
    /// It waits in a queue.
    Queued,
    /// Nothing: it may be applied, once.
    Open,
    /// It is in the log.
    Acknowledged(Instant),
    /// As one batch, with these numbers.
    Synced(Instant, Synced),
    /// It is not in the log, and never will be.
    Refused,
}

/// A state that a reader or a follower saw.
#[derive(Debug)]
struct Sight {
    who: String,
    began: Instant,
    revision: Revision,
    items: usize,
    digest: Digest,
    /// Which items of operations' own it had.
    own: Vec<usize>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Record {
    ops: RefCell<Vec<Op>>,
    snapshots: RefCell<Vec<Sight>>,
    steps: RefCell<Vec<Sight>>,
}

/// What the key of an operation's own item begins with; its number follows.
const OWN: &str = "other/own/";

impl Record {
    pub(super) fn next(&self) -> usize {
        self.ops.borrow().len()
    }

    /// One that is about to be sent as a batch.
    pub(super) fn sends(&self, writer: usize, changes: Changes) -> usize {
        self.ops.borrow_mut().push(Op { writer, changes, came: Came::Open });
        self.ops.borrow().len() - 1
    }

    /// One that is about to be queued.
    pub(super) fn queues(&self, writer: usize, changes: Changes) {
        self.ops.borrow_mut().push(Op { writer, changes, came: Came::Queued });
    }

    /// What this writer queued and is not told of: nobody knows.
    pub(super) fn lost(&self, writer: usize) {
        self.settle(writer, Came::Open);
    }

    fn settle(&self, writer: usize, came: Came) {
        let mut ops = self.ops.borrow_mut();
        let queued = ops.iter_mut().filter(|op| op.writer == writer && op.came == Came::Queued);
        queued.for_each(|op| op.came = came);
    }

    pub(super) fn synced(&self, op: usize, synced: Synced) {
        self.ops.borrow_mut()[op].came = Came::Synced(Instant::now(), synced);
    }

    pub(super) fn refused(&self, op: usize) {
        self.ops.borrow_mut()[op].came = Came::Refused;
    }

    /// Everything that this writer queued is in the log.
    pub(super) fn flushed(&self, writer: usize) {
        self.settle(writer, Came::Acknowledged(Instant::now()));
    }

    /// It is in the log.
    pub(super) fn applied(&self, op: usize) {
        self.ops.borrow_mut()[op].came = Came::Acknowledged(Instant::now());
    }

    /// A snapshot that was begun then.
    pub(super) fn snapshot(&self, who: String, began: Instant, replica: &Replica) {
        self.snapshots.borrow_mut().push(sight(who, began, replica));
    }

    /// Where a follower came by a step.
    pub(super) fn step(&self, who: String, replica: &Replica) {
        self.steps.borrow_mut().push(sight(who, Instant::now(), replica));
    }

    /// Checks everything against the log. `fresh`: how old what a host answers may be.
    pub(super) fn check(&self, entries: &[Entry], fresh: std::time::Duration) -> Result<Revision, String> {
        let log = Log::of(entries);
        let ops = self.ops.borrow();
        let mut last_of: HashMap<usize, (u64, usize)> = HashMap::new();
        for (number, op) in ops.iter().enumerate() {
            let told = || format!("operation {number} of writer {} ({:?})", op.writer, op.came);
            let times = log.times(&op.changes);
            match op.came {
                Came::Refused if times.iter().any(|times| *times > 0) => {
                    return Err(format!("{} was refused and is there", told()));
                }
                Came::Acknowledged(_) | Came::Synced(..) if times.contains(&0) => {
                    return Err(format!("{} was acknowledged and is not there", told()));
                }
                _ if times.iter().any(|times| *times > 1) => {
                    return Err(format!("{} was applied {times:?} times", told()));
                }
                _ => {}
            }
            if let Came::Synced(_, synced) = op.came {
                let at = log.places.get(&op.changes[0].0).map(|place| place.0);
                let revision = log.revision_at.get(&synced.sync_count).copied();
                if at != Some(synced.sync_count) || revision != Some(synced.revision) {
                    return Err(format!("{} is at {at:?}, revision {revision:?}", told()));
                }
            }
            // In the order in which their writer asked for them.
            if let Some(place) = log.places.get(&op.changes[0].0) {
                let before = last_of.insert(op.writer, *place);
                if before.is_some_and(|before| before >= *place) {
                    return Err(format!("{} comes before an earlier one", told()));
                }
            }
        }
        check_own_keys(&ops, &log)?;
        for sight in self.snapshots.borrow().iter().chain(self.steps.borrow().iter()) {
            let told = || format!("{} saw {} items at revision {}", sight.who, sight.items, sight.revision);
            match log.states.get(&sight.revision) {
                Some((digest, _)) if *digest == sight.digest => {}
                known => return Err(format!("{}, the log has {:?}", told(), known.map(|(_, items)| items))),
            }
        }
        for sight in self.snapshots.borrow().iter() {
            let due = ops.iter().enumerate().find(|(number, op)| {
                let since = match op.came {
                    Came::Acknowledged(at) | Came::Synced(at, _) => at,
                    Came::Queued | Came::Open | Came::Refused => return false,
                };
                since + fresh < sight.began && !sight.own.contains(number)
            });
            if let Some((number, _)) = due {
                return Err(format!("{} misses operation {number}, acknowledged before", sight.who));
            }
        }
        Ok(log.revision)
    }
}

/// What only one writer writes ends as that writer left it.
fn check_own_keys(ops: &[Op], log: &Log) -> Result<(), String> {
    let mut last: BTreeMap<&str, (&Op, &Option<String>)> = BTreeMap::new();
    for op in ops {
        for (key, text) in op.changes.iter().filter(|(key, _)| key.starts_with("other/mine/")) {
            last.insert(key, (op, text));
        }
    }
    for (key, (op, text)) in last {
        let known = matches!(op.came, Came::Acknowledged(_) | Came::Synced(..));
        if known && log.items.get(key) != text.as_ref() {
            let held = log.items.get(key);
            return Err(format!("writer {} left {key} as {text:?}, and it is {held:?}", op.writer));
        }
    }
    Ok(())
}

/// The log, folded by a model as simple as can be.
#[derive(Default)]
struct Log {
    revision: Revision,
    count: u64,
    items: BTreeMap<String, String>,
    digest: Digest,
    /// By revision: the digest of the state, and how many items it has.
    states: BTreeMap<Revision, (Digest, usize)>,
    revision_at: BTreeMap<u64, Revision>,
    /// How often each value was put.
    put: HashMap<(String, String), usize>,
    /// In which batch and where in it each operation's own item was put.
    places: HashMap<String, (u64, usize)>,
}

impl Log {
    fn of(entries: &[Entry]) -> Self {
        let mut log = Self::default();
        let mut last: HashMap<ProducerId, u64> = HashMap::new();
        log.states.insert(Revision::EMPTY, (Digest::default(), 0));
        for entry in entries {
            let Entry::Sync { batch, .. } = entry else { continue };
            if let Some(stamp) = &batch.stamp {
                let heard = last.entry(stamp.producer.clone()).or_default();
                if stamp.sequence <= *heard {
                    continue;
                }
                *heard = stamp.sequence;
            }
            log.count += 1;
            let mut changed = false;
            for (at, change) in batch.changes.iter().enumerate() {
                let key = change.key.to_string();
                let Some(value) = &change.value else {
                    if let Some(text) = log.items.remove(&key) {
                        log.digest.take(&key, &text);
                        changed = true;
                    }
                    continue;
                };
                let text = value.as_str().to_owned();
                *log.put.entry((key.clone(), text.clone())).or_default() += 1;
                if key.starts_with(OWN) {
                    log.places.insert(key.clone(), (log.count, at));
                }
                let before = log.items.insert(key.clone(), text.clone());
                if before.as_ref() != Some(&text) {
                    log.digest.put(&key, &text);
                    before.iter().for_each(|before| log.digest.take(&key, before));
                    changed = true;
                }
            }
            log.revision = if changed { log.revision.next() } else { log.revision };
            log.revision_at.insert(log.count, log.revision);
            log.states.insert(log.revision, (log.digest, log.items.len()));
        }
        log
    }

    /// How often each value was applied that can be told from all others and that nothing takes the place of.
    fn times(&self, changes: &Changes) -> Vec<usize> {
        let lasting = [OWN, "other/fill/", "other/late/"];
        let lasting = changes.iter().filter(|(key, _)| lasting.iter().any(|begins| key.starts_with(begins)));
        lasting
            .filter_map(|(key, text)| Some((key.clone(), text.clone()?)))
            .map(|put| self.put.get(&put).copied().unwrap_or(0))
            .collect()
    }
}

fn sight(who: String, began: Instant, replica: &Replica) -> Sight {
    let (mut own, mut digest) = (Vec::new(), Digest::default());
    for (key, value) in replica.iter() {
        digest.put(key.as_str(), value.as_str());
        own.extend(key.as_str().strip_prefix(OWN).and_then(|number| number.parse::<usize>().ok()));
    }
    Sight { who, began, revision: replica.revision(), items: replica.len(), digest, own }
}

/// A number for the items of a state, in whatever order they come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Digest(u64);

impl Digest {
    fn put(&mut self, key: &str, text: &str) {
        self.0 = self.0.wrapping_add(Self::of(key, text));
    }

    fn take(&mut self, key: &str, text: &str) {
        self.0 = self.0.wrapping_sub(Self::of(key, text));
    }

    fn of(key: &str, text: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (key, text).hash(&mut hasher);
        hasher.finish()
    }
}
