//! A peer that does anything it may, in any order, against a model that knows what may be alive.
//!
//! The peer speaks frames. Whatever it does, the session must not end, must answer what was asked for at most once, must
//! release what it was given exactly as often as it was given, and must have nothing left when all is settled and released.

use std::collections::{BTreeMap, BTreeSet};

use capshare::capnweb::{Limits, Value};
use proptest::prelude::*;

use super::app::App;

/// The peer, and what it knows.
struct Peer {
    app: App,
    /// The number of the last push.
    pushes: i64,
    /// Pushes that are not released.
    alive: BTreeSet<i64>,
    /// Pushes that were asked for, and whether they were answered.
    asked: BTreeMap<i64, bool>,
    /// How often the session still has each object or promise of the peer.
    given: BTreeMap<i64, i64>,
    /// The last id that the peer gave out, from 0 down.
    last_export: i64,
    /// Promises that are not resolved.
    promises: BTreeSet<i64>,
    /// Objects of the session that are not released.
    theirs: BTreeSet<i64>,
    /// The session's calls of the peer, by number, and whether it waits for their results.
    calls: BTreeMap<i64, bool>,
    last_call: i64,
}

/// What the peer does in one step, with numbers that choose among what there is.
type Step = (u8, u8, u8, u8);

impl Peer {
    fn new() -> Self {
        Self {
            app: App::new(Limits::default()),
            pushes: 0,
            alive: BTreeSet::new(),
            asked: BTreeMap::new(),
            given: BTreeMap::new(),
            last_export: 0,
            promises: BTreeSet::new(),
            theirs: BTreeSet::new(),
            calls: BTreeMap::new(),
            last_call: 0,
        }
    }

    fn say(&mut self, frame: &str) {
        assert_eq!(self.app.take(frame), Ok(()), "{frame}");
        self.hear();
    }

    /// Takes what the session says, and checks that it may.
    fn hear(&mut self) {
        self.app.settle();
        for text in self.app.sent() {
            let frame: Vec<serde_json::Value> = serde_json::from_str(&text).expect(&text);
            let id = frame.get(1).and_then(serde_json::Value::as_i64).unwrap_or(0);
            match frame[0].as_str() {
                Some("resolve" | "reject") => {
                    assert_eq!(self.asked.insert(id, true), Some(false), "{text}: not asked for, or answered");
                    self.take_objects(&frame[2]);
                }
                Some("push") => {
                    self.last_call += 1;
                    self.calls.insert(self.last_call, false);
                    let callee = frame[1][1].as_i64().expect("a callee");
                    assert!(
                        self.given.get(&callee).is_some_and(|times| *times > 0),
                        "{text}: calls what it does not have"
                    );
                    self.take_objects(&frame[1][3]);
                }
                Some("pull") => assert_eq!(self.calls.insert(id, true), Some(false), "{text}"),
                Some("release") if id > 0 => assert!(self.calls.remove(&id).is_some(), "{text}"),
                Some("release") => {
                    let times = self.given.get_mut(&id).expect(&text);
                    *times -= frame[2].as_i64().expect(&text);
                    assert!(*times >= 0, "{text}: released more often than given");
                    if *times == 0 {
                        self.given.remove(&id);
                    }
                }
                _ => panic!("{text}"),
            }
        }
    }

    /// Notes the objects of the session in a value.
    fn take_objects(&mut self, value: &serde_json::Value) {
        if let Some(list) = value.as_array() {
            if list.first().and_then(serde_json::Value::as_str) == Some("export") {
                let is_new = self.theirs.insert(list[1].as_i64().expect("an id"));
                assert!(is_new, "{value}: an id is given twice");
            }
            list.iter().for_each(|inside| self.take_objects(inside));
        } else if let Some(object) = value.as_object() {
            object.values().for_each(|inside| self.take_objects(inside));
        }
    }

    /// A value of some kind, in the form of the wire.
    fn value(&mut self, kind: u8, pick: u8, depth: u8) -> String {
        match kind % 12 {
            0 => "\"text\"".to_owned(),
            1 => r#"{"n":[[1,["date",2]]]}"#.to_owned(),
            2 | 3 => {
                self.last_export -= 1;
                self.given.insert(self.last_export, 1);
                format!(r#"["export",{}]"#, self.last_export)
            }
            4 if self.last_export < 0 => {
                // An object that the session may still have is given again.
                let id = -1 - i64::from(pick) % -self.last_export;
                if self.promises.contains(&id) || self.asked.contains_key(&id) {
                    return "null".to_owned();
                }
                *self.given.entry(id).or_insert(0) += 1;
                format!(r#"["export",{id}]"#)
            }
            5 => {
                self.last_export -= 1;
                self.given.insert(self.last_export, 1);
                self.promises.insert(self.last_export);
                format!(r#"["promise",{}]"#, self.last_export)
            }
            6 | 7 if self.pushes > 0 => format!(r#"["pipeline",{}]"#, 1 + i64::from(pick) % self.pushes),
            8 if self.pushes > 0 => format!(r#"["pipeline",{},["value","n",0]]"#, 1 + i64::from(pick) % self.pushes),
            9 => match chosen(&self.theirs, pick) {
                Some(id) => format!(r#"["import",{id}]"#),
                None => "[\"url\",\"http://a.b/\"]".to_owned(),
            },
            10 if depth < 3 => {
                let inside = self.value(pick / 12, pick.rotate_left(3), depth + 1);
                format!(r#"["pipeline",0,["wrap"],[{inside}]]"#)
            }
            11 if depth < 3 => {
                let inside = self.value(pick / 12, pick.rotate_left(5), depth + 1);
                format!(r#"{{"value":{inside},"list":[[{inside_too}]]}}"#, inside_too = self.value(pick, pick / 7, 3))
            }
            _ => "null".to_owned(),
        }
    }

    /// A value that refers to no push: one that did could wait for itself.
    fn free_value(&mut self, kind: u8, pick: u8) -> String {
        self.value([0, 1, 2, 4, 5][usize::from(kind) % 5], pick, 1)
    }

    fn push(&mut self, method: u8, kind: u8, pick: u8) {
        const METHODS: [&str; 15] = [
            "later",
            "echo",
            "wrap",
            "hello",
            "make",
            "both",
            "increment",
            "call",
            "keep",
            "ring",
            "drop",
            "wait",
            "go",
            "notify",
            "nope",
        ];
        let method = METHODS[usize::from(method) % METHODS.len()];
        let on = match pick % 5 {
            0 if self.pushes > 0 => 1 + i64::from(kind) % self.pushes,
            1 => chosen(&self.theirs, kind).unwrap_or(0),
            _ => 0,
        };
        let call = match pick % 7 {
            0 => format!(r#"["pipeline",{on},["{method}"]]"#),
            1 => self.value(kind, pick, 0),
            _ => {
                let (first, second) = (self.value(kind, pick, 0), self.value(kind / 12, pick / 3, 1));
                format!(r#"["pipeline",{on},["{method}"],[{first},{second}]]"#)
            }
        };
        self.pushes += 1;
        self.alive.insert(self.pushes);
        if pick.is_multiple_of(11) {
            self.asked.insert(self.pushes, false);
            self.alive.remove(&self.pushes);
            self.say(&format!(r#"["stream",{call}]"#));
        } else {
            self.say(&format!(r#"["push",{call}]"#));
        }
    }

    fn pull(&mut self, id: i64) {
        self.asked.entry(id).or_insert(false);
        self.say(&format!(r#"["pull",{id}]"#));
    }

    fn release(&mut self, id: i64) {
        self.alive.remove(&id);
        self.say(&format!(r#"["release",{id},1]"#));
    }

    fn resolve(&mut self, id: i64, kind: u8, pick: u8) {
        let value = self.free_value(kind, pick);
        let is_known = self.promises.remove(&id);
        let verb = if pick.is_multiple_of(4) { "reject" } else { "resolve" };
        let is_given = self.given.contains_key(&id);
        self.say(&format!(r#"["{verb}",{id},{value}]"#));
        assert!(
            !is_known || !is_given || !self.given.contains_key(&id),
            "{id}: a promise that is resolved is released"
        );
    }

    fn answer(&mut self, call: i64, kind: u8, pick: u8) {
        let value = self.free_value(kind, pick);
        let verb = if pick.is_multiple_of(4) { "reject" } else { "resolve" };
        self.say(&format!(r#"["{verb}",{call},{value}]"#));
        assert!(!self.calls.contains_key(&call), "{call}: a call that is answered is released");
    }

    fn step(&mut self, (what, a, b, c): Step) {
        match what % 10 {
            0..=3 => self.push(a, b, c),
            4 | 5 => {
                if let Some(id) = chosen(&self.alive, a) {
                    self.pull(id);
                }
            }
            6 => {
                if let Some(id) = chosen(&self.alive, a) {
                    self.release(id);
                }
            }
            7 => {
                if let Some(id) = chosen(&self.promises, a) {
                    self.resolve(id, b, c);
                }
            }
            8 => {
                let waiting: BTreeSet<i64> = self.calls.iter().filter(|call| *call.1).map(|call| *call.0).collect();
                if let Some(call) = chosen(&waiting, a) {
                    self.answer(call, b, c);
                }
            }
            _ => {
                if let Some(id) = chosen(&self.theirs, a) {
                    self.theirs.remove(&id);
                    self.say(&format!(r#"["release",{id},1]"#));
                }
            }
        }
    }

    /// Settles and releases all that there is.
    fn finish(&mut self) {
        loop {
            let before = (self.promises.len(), self.calls.len());
            let went = self.app.go(&Value::Null);
            self.hear();
            for promise in self.promises.clone() {
                self.resolve(promise, 0, 1);
            }
            for call in self.calls.clone().into_keys() {
                self.answer(call, 0, 1);
            }
            if went == 0 && before == (0, 0) && self.calls.is_empty() {
                break;
            }
        }
        assert_eq!(self.app.session.stats().calls, 0, "all calls are answered");
        for id in self.alive.clone() {
            if self.asked.contains_key(&id) {
                assert!(self.asked[&id], "{id} was asked for");
            }
            self.release(id);
        }
        for id in std::mem::take(&mut self.theirs) {
            self.say(&format!(r#"["release",{id},1]"#));
        }
        self.app.drop_kept();
        self.hear();
        let stats = self.app.session.stats();
        let sizes = (stats.exports, stats.imports, stats.nodes, stats.held_bytes, stats.queued_bytes);
        assert_eq!(sizes, (1, 1, 0, 0, 0));
        assert_eq!(self.given, BTreeMap::new(), "all that was given is released");
        assert!(self.app.counters.is_empty(), "all that was handed out is dropped");
    }
}

fn chosen(from: &BTreeSet<i64>, pick: u8) -> Option<i64> {
    from.iter().nth(usize::from(pick) % from.len().max(1)).copied()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever a peer does in whatever order, every account is exact, and nothing is left.
    #[test]
    fn every_account_is_exact_whatever_the_peer_does(steps in prop::collection::vec(any::<Step>(), 1..80)) {
        let mut peer = Peer::new();
        for step in steps {
            peer.step(step);
        }
        peer.finish();
    }

    /// No frames at all make a session panic, or keep more than it may.
    #[test]
    fn no_frames_make_a_session_panic(frames in prop::collection::vec((any::<Step>(), any::<(u8, u8, u8)>()), 1..40)) {
        let mut peer = Peer::new();
        for ((what, a, b, c), (at, with, kind)) in frames {
            let call = peer.value(a, b, 0);
            let mut frame = match what % 7 {
                0 => format!(r#"["push",{call}]"#),
                1 => format!(r#"["push",["pipeline",{},["{b}"],[{call}]]]"#, i64::from(c) - 128),
                2 => format!(r#"["resolve",{},{call}]"#, i64::from(c) - 128),
                3 => format!(r#"["release",{},{}]"#, i64::from(c % 8) - 4, i64::from(b % 4) - 1),
                4 => format!(r#"["pull",{}]"#, i64::from(c % 16) - 4),
                5 => r#"["pipe"]"#.to_owned(),
                _ => format!(r#"["stream",["remap",{c},[],[["export",-1]],[{call}]]]"#),
            };
            if kind.is_multiple_of(4) {
                // One byte is another.
                let at = usize::from(at) % frame.len();
                frame.replace_range(at..=at, char::from(with % 95 + 32).encode_utf8(&mut [0; 4]));
            }
            let _ = peer.app.take(&frame);
            peer.pushes += 1;
            let stats = peer.app.session.stats();
            prop_assert!(stats.held_bytes <= Limits::default().held_bytes && stats.nodes < 2_000);
        }
    }
}
