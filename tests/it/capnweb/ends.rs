//! Two sessions joined to each other, and all that their embedders may do, in an order that bytes choose.
//!
//! What may be alive is known by a model of each end: objects that were handed out, objects and calls of the peer that are
//! held, calls that are to be answered. Frames travel one at a time, so that either end acts before it knows what the other did.
//! Whatever happens, no session ends by itself, no call reaches an object that was told to be dropped, what was asked for is
//! told once, and when all is answered and released, nothing is left at either end.
//!
//! `tests/fuzz/targets/sessions.rs` plays the same scenes with bytes of its own.

use capshare::capnweb::{Event, Fault, Limits, Stats, Text, Value};

#[path = "ends/end.rs"]
mod end;

use end::{Choices, End, MAIN};

/// Both ends.
struct Ends {
    ends: [End; 2],
    last_label: i64,
}

impl Ends {
    /// Takes the frames of an end onto their way.
    fn send(&mut self, at: usize) {
        while let Some(frame) = self.ends[at].session.poll_frame() {
            self.ends[1 - at].inbox.push_back(frame);
        }
    }

    fn settle(&mut self, at: usize) {
        let answers = std::mem::take(&mut self.ends[1 - at].answers);
        self.ends[at].settle(&answers);
        self.ends[1 - at].answers = answers;
        assert_eq!(self.ends[at].session.ended(), None);
        self.send(at);
    }

    /// Delivers one frame to an end. Gives false if none is on its way.
    fn deliver(&mut self, at: usize) -> bool {
        let Some(frame) = self.ends[at].inbox.pop_front() else { return false };
        assert_eq!(self.ends[at].session.receive(Text::from(frame.as_str())), Ok(()), "{frame}");
        self.settle(at);
        true
    }

    fn deliver_all(&mut self) {
        while self.deliver(0) | self.deliver(1) {}
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let at = choices.below(2);
        match choices.below(8) {
            0..=2 => drop(self.deliver(at)),
            3 if choices.below(4) == 0 => self.deliver_all(),
            _ => {
                self.last_label += 1;
                let label = self.last_label;
                self.ends[at].act(choices, label);
                self.settle(at);
            }
        }
    }

    /// Answers, resolves and releases all that there is, until nothing happens any more.
    fn finish(&mut self) {
        let mut none = Choices([].iter());
        loop {
            self.deliver_all();
            if self.ends.iter().all(End::is_at_rest) {
                break;
            }
            for at in [0, 1] {
                while let Some(call) = self.ends[at].running.pop() {
                    assert!(self.ends[at].session.respond(call.id, Ok(Value::Null)));
                    self.settle(at);
                }
                while let Some(promise) = self.ends[at].promises.pop() {
                    assert!(self.ends[at].session.resolve(&promise, Ok(Value::Null)));
                    self.settle(at);
                }
            }
            self.deliver_all();
            for end in &self.ends {
                assert!(
                    !end.made.iter().any(|made| made.is_pulled) || !end.running.is_empty() || {
                        self.ends.iter().any(|end| !end.running.is_empty())
                    },
                    "a call that was asked for is not answered: {:?}",
                    end.made
                );
            }
            for at in [0, 1] {
                if self.ends.iter().all(|end| end.running.is_empty()) {
                    while !self.ends[at].made.is_empty() || !self.ends[at].held.is_empty() {
                        self.ends[at].release(&mut none);
                        self.settle(at);
                    }
                }
            }
        }
        for end in &mut self.ends {
            let Stats { exports, imports, calls, nodes, held_bytes, queued_bytes, .. } = end.session.stats();
            assert_eq!((exports, imports, calls, nodes, held_bytes, queued_bytes), (1, 1, 0, 0, 0, 0));
            end.alive.remove(&MAIN);
            let left: Vec<_> = end.alive.iter().filter(|target| *target.1).collect();
            assert!(left.is_empty(), "{left:?} were handed out and are not dropped");
        }
    }

    /// Ends the session at one end in the middle of things.
    fn cut(&mut self, at: usize, is_told: bool) {
        if is_told {
            self.ends[at].session.close(Fault::new("enough"));
        } else {
            self.ends[at].session.disconnected();
            self.ends[1 - at].session.disconnected();
        }
        self.send(at);
        for end in &mut self.ends {
            while let Some(frame) = end.inbox.pop_front() {
                let _ = end.session.receive(Text::from(frame.as_str()));
            }
            let mut pulled = end.made.iter().filter(|made| made.is_pulled).count();
            while let Some(event) = end.session.poll_event() {
                match event {
                    Event::Settled(..) => pulled -= 1,
                    Event::Dropped(target) => drop(end.alive.remove(&target)),
                    _ => {}
                }
            }
            assert_eq!(pulled, 0, "who waits when the session ends is told");
            assert!(!end.alive.values().any(|is_sure| *is_sure), "{:?} are not dropped", end.alive);
            let Stats { exports, imports, calls, nodes, held_bytes, .. } = end.session.stats();
            assert_eq!((exports, imports, calls, nodes, held_bytes), (0, 0, 0, 0, 0));
        }
    }
}

/// Plays a scene.
pub(super) fn play(bytes: &[u8]) {
    let mut choices = Choices(bytes.iter());
    let mut limits = Limits::default();
    let kind = choices.below(8);
    if kind % 2 == 1 {
        (limits.calls, limits.results, limits.exports, limits.imports, limits.promises) = (4, 2, 6, 5, 3);
        (limits.calls_out, limits.held_bytes, limits.work) = (6, 12_000, 1_000);
    }
    let ends = [End::new(limits.clone()), End::new(limits)];
    let mut ends = Ends { ends, last_label: 0 };
    while choices.0.len() > 0 {
        ends.step(&mut choices);
    }
    match kind / 2 {
        0 => ends.cut(0, true),
        1 => ends.cut(1, false),
        _ => ends.finish(),
    }
}
