//! One end of two sessions that are joined: what its embedder does, and what it knows to be alive.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use capshare::capnweb::{
    Call, CallId, Container, Event, Fault, Import, Json, Limits, NotSent, PathPart, Promise, Session, Stub, Target,
    Value,
};

pub(super) const MAIN: Target = Target(0);

/// Bytes that choose; 0 when there are no more.
pub(super) struct Choices<'a>(pub(super) std::slice::Iter<'a, u8>);

impl Choices<'_> {
    pub(super) fn next(&mut self) -> usize {
        self.0.next().copied().unwrap_or(0).into()
    }

    /// One of so many.
    pub(super) fn below(&mut self, count: usize) -> usize {
        self.next() % count.max(1)
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let at = self.below(all.len());
        all.get(at).cloned()
    }
}

/// A call of an end that it has not released and that has not settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub(super) import: Import,
    label: i64,
    pub(super) is_pulled: bool,
}

/// How a call was answered, if it was in a way that the caller can check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Text,
    Fault,
    Other,
}

/// One end, and what its embedder knows.
pub(super) struct End {
    pub(super) session: Session,
    /// Frames of the peer on their way.
    pub(super) inbox: VecDeque<String>,
    /// Objects that were handed out and not dropped, and whether they must have been taken.
    pub(super) alive: BTreeMap<Target, bool>,
    last_target: u64,
    pub(super) made: Vec<Made>,
    /// Objects of the peer, each as often as it is held.
    pub(super) held: Vec<Import>,
    pub(super) running: Vec<Call>,
    pub(super) promises: Vec<Promise>,
    /// Answers by the labels of the calls, which the other end gave out.
    pub(super) answers: BTreeMap<i64, Answer>,
    /// The label of the last call of the main object that had nothing to wait for.
    last_plain: i64,
    unwanted: BTreeSet<CallId>,
    /// Whether calls may fail because of bounds.
    is_bounded: bool,
}

impl End {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            is_bounded: limits != Limits::default(),
            session: Session::new(limits, Some(MAIN)),
            inbox: VecDeque::new(),
            alive: BTreeMap::from([(MAIN, true)]),
            last_target: 0,
            made: Vec::new(),
            held: Vec::new(),
            running: Vec::new(),
            promises: Vec::new(),
            answers: BTreeMap::new(),
            last_plain: 0,
            unwanted: BTreeSet::new(),
        }
    }

    /// A value of any kind that may be given to the peer. Promises are those from this place on.
    fn value(&mut self, choices: &mut Choices<'_>, promises_from: usize, depth: usize) -> Value {
        let promises = self.promises.get(promises_from..).unwrap_or_default();
        match choices.below(16) {
            0 => "text".into(),
            1 => Value::Json(Json::from_json(r#"{"a":[{"b":[1,"two"]}],"v":7}"#, 9).expect("JSON")),
            2 | 3 => {
                self.last_target += 1;
                Stub::Local(Target(self.last_target)).into()
            }
            4 => choices
                .of(&self.alive.keys().copied().collect::<Vec<_>>())
                .map_or(Value::Null, |t| Stub::Local(t).into()),
            5 => choices.of(&self.held).map_or(Value::Undefined, |import| Stub::Remote(import).into()),
            6 | 7 => choices.of(promises).map_or(Value::Null, Value::from),
            8 => Value::Bytes(vec![7; 9].into(), Container::Plain),
            9 => Fault::new("an error as a value").with("n", 1_i64).into(),
            10 => choices.of(&self.running).and_then(|call| choices.of(&call.args?)).unwrap_or(Value::Null),
            11 | 12 if depth < 3 => {
                let inside = self.value(choices, promises_from, depth + 1);
                Value::object([("v", inside), ("w", self.value(choices, promises_from, depth + 1))])
            }
            13 if depth < 3 => Value::Array(vec![1_i64.into(), self.value(choices, promises_from, depth + 1)]),
            14 => "x".repeat(1_500).as_str().into(),
            _ => 5_i64.into(),
        }
    }

    /// A value as the result of a call or a promise, which may not be the caller's own object by itself.
    fn result(&mut self, choices: &mut Choices<'_>, promises_from: usize) -> Result<Value, Fault> {
        if choices.below(5) == 0 {
            return Err(Fault::new("failed").with("code", "E_FAIL"));
        }
        let value = self.value(choices, promises_from, 0);
        Ok(if let Value::Stub(Stub::Remote(_)) = value { Value::object([("v", value)]) } else { value })
    }

    /// Notes the objects of this end in a value that was given, surely or perhaps.
    fn gave(&mut self, value: &Value, surely: bool) {
        each(value, &mut |value| {
            if let Value::Stub(Stub::Local(target)) = value {
                *self.alive.entry(*target).or_insert(false) |= surely;
            }
        });
    }

    fn call(&mut self, choices: &mut Choices<'_>, label: i64) {
        let on_call = choices.of(&self.made).filter(|_| choices.below(3) == 0);
        let on_object = choices.of(&self.held).filter(|_| choices.below(2) == 0);
        let callee = on_call.map(|made| made.import).or(on_object).unwrap_or(Import::MAIN);
        let mut may_be_gone = on_call.is_some();
        let path: Vec<PathPart> = match choices.below(5) {
            0 => vec![],
            1 => vec!["v".into()],
            2 => vec!["a".into(), 0_u64.into(), "b".into()],
            _ => vec!["method".into()],
        };
        let mut args = vec![Value::from(label)];
        let mut is_plain = callee == Import::MAIN;
        for _ in 0..choices.below(4) {
            let argument = match choices.of(&self.made).filter(|_| choices.below(3) == 0) {
                Some(made) => {
                    may_be_gone = true;
                    let path = if choices.below(2) == 0 { vec![] } else { vec!["v".into()] };
                    Promise::of_call(made.import, path).into()
                }
                None => self.value(choices, 0, 0),
            };
            each(&argument, &mut |value| is_plain &= !matches!(value, Value::Promise(_)));
            args.push(argument);
        }
        args.insert(1, is_plain.into());
        let args = Some(args).filter(|_| choices.below(6) > 0);
        let sent = self.session.call(callee, &path, args.as_deref());
        for value in args.iter().flatten() {
            self.gave(value, sent.is_ok());
        }
        match sent {
            Ok(import) => self.made.push(Made { import, label, is_pulled: false }),
            Err(NotSent::Gone) => assert!(may_be_gone, "what is held can be called and given"),
            Err(NotSent::Limit(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn respond(&mut self, choices: &mut Choices<'_>) {
        if self.running.is_empty() {
            return;
        }
        let Call { id, args, .. } = self.running.swap_remove(choices.below(self.running.len()));
        let label = args.as_ref().and_then(|args| label(args));
        let (answer, result) = match choices.below(3) {
            0 => (Answer::Text, Ok(format!("answer {}", label.unwrap_or(0)).into())),
            1 => (Answer::Fault, Err(Fault::new(format!("answer {}", label.unwrap_or(0))))),
            _ => (Answer::Other, self.result(choices, 0)),
        };
        if let Ok(value) = &result {
            self.gave(value, false);
        }
        if let Some(label) = label {
            self.answers.insert(label, answer);
        }
        // Arguments may be among the result's parts, and are released when it is answered.
        assert!(self.session.respond(id, result), "a call is to be answered");
        assert!(!self.session.respond(id, Ok(Value::Null)), "a call is answered once");
    }

    fn resolve(&mut self, choices: &mut Choices<'_>) {
        if self.promises.is_empty() {
            return;
        }
        let at = choices.below(self.promises.len());
        // A promise of those that are made later: none waits for itself.
        let result = self.result(choices, at + 1);
        if let Ok(value) = &result {
            self.gave(value, false);
        }
        let promise = self.promises.remove(at);
        assert!(self.session.resolve(&promise, result) && !self.session.resolve(&promise, Ok(Value::Null)));
    }

    pub(super) fn release(&mut self, choices: &mut Choices<'_>) {
        let at = choices.below(self.made.len() + self.held.len());
        if at < self.made.len() {
            let made = self.made[at];
            if self.session.release(made.import) {
                self.made.swap_remove(at);
            } else {
                // Its result is there but for promises in it, and will be told.
                assert!(made.is_pulled, "a call is held");
            }
        } else if at - self.made.len() < self.held.len() {
            let import = self.held.swap_remove(at - self.made.len());
            assert!(self.session.release(import), "an object is held");
        }
    }

    fn retain(&mut self, choices: &mut Choices<'_>) {
        let Some(call) = choices.of(&self.running) else { return };
        for value in call.args.iter().flatten() {
            each(value, &mut |value| {
                if let Value::Stub(Stub::Remote(import)) = value {
                    assert!(self.session.retain(*import), "an argument can be retained");
                    self.held.push(*import);
                }
            });
        }
    }

    pub(super) fn act(&mut self, choices: &mut Choices<'_>, label: i64) {
        match choices.below(12) {
            0..=3 => self.call(choices, label),
            4 => {
                let at = choices.below(self.made.len());
                if let Some(made) = self.made.get_mut(at) {
                    let is_new = !std::mem::replace(&mut made.is_pulled, true);
                    assert_eq!(self.session.pull(made.import), is_new);
                }
            }
            5 => self.release(choices),
            6 | 7 => self.respond(choices),
            8 => self.retain(choices),
            9 => self.promises.extend(self.session.promise().ok()),
            10 => self.resolve(choices),
            _ => {
                if let Some(call) = choices.of(&self.running) {
                    self.session.awaits_peer(call.id);
                }
            }
        }
    }

    /// Takes all events. `peer_answers` is how the other end answered.
    pub(super) fn settle(&mut self, peer_answers: &BTreeMap<i64, Answer>) {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Call(call) => self.called(call),
                Event::Settled(import, result) => {
                    let at = self.made.iter().position(|made| made.import == import && made.is_pulled);
                    let made = self.made.swap_remove(at.expect("a call that was asked for settles, once"));
                    self.settled(made, result, peer_answers);
                }
                Event::Dropped(target) => {
                    assert!(self.alive.remove(&target).is_some(), "{target:?} is dropped once");
                    let used = |value: &Value| *value == Value::Stub(Stub::Local(target));
                    let mut is_used = false;
                    for value in self.running.iter().flat_map(|call| call.args.iter().flatten()) {
                        each(value, &mut |value| is_used |= used(value));
                    }
                    assert!(!is_used, "{target:?} is dropped while a call has it as an argument");
                    assert!(!self.running.iter().any(|call| call.target == target), "{target:?} is dropped in a call");
                }
                Event::Unwanted(call) => assert!(self.unwanted.insert(call), "{call:?} is given up once"),
                _ => panic!("an event that is new"),
            }
        }
    }

    fn called(&mut self, call: Call) {
        assert!(self.alive.contains_key(&call.target), "{:?} was dropped", call.target);
        for value in call.args.iter().flatten() {
            each(value, &mut |value| assert!(!matches!(value, Value::Promise(_)), "a promise is delivered"));
        }
        if let Some([label, Value::Bool(true), ..]) = call.args.as_deref() {
            let label = label_of(label).expect("a label");
            assert!(label > self.last_plain, "{label} comes after {}", self.last_plain);
            self.last_plain = label;
        }
        self.running.push(call);
    }

    fn settled(&mut self, made: Made, result: Result<Value, Value>, answers: &BTreeMap<i64, Answer>) {
        let text = format!("answer {}", made.label);
        if self.is_bounded
            && let Err(Value::Error(fault)) = &result
            && fault.members.first().is_some_and(|(key, _)| *key == "code")
        {
            return;
        }
        match (answers.get(&made.label), &result) {
            (Some(Answer::Text), result) => assert_eq!(*result, Ok(text.into())),
            (Some(Answer::Fault), result) => assert_eq!(*result, Err(Fault::new(text).into())),
            (Some(Answer::Other) | None, _) => {}
        }
        let (Ok(value) | Err(value)) = &result;
        each(value, &mut |inside| {
            assert!(!matches!(inside, Value::Promise(_)), "a promise is delivered");
            if let Value::Stub(Stub::Remote(import)) = inside {
                assert!(result.is_ok(), "no error has an object");
                self.held.push(*import);
            }
        });
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.running.is_empty() && self.promises.is_empty() && self.made.is_empty() && self.held.is_empty()
    }
}

fn each(value: &Value, visit: &mut dyn FnMut(&Value)) {
    visit(value);
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| each(element, visit)),
        Value::Object(members) => members.iter().for_each(|(_, value)| each(value, visit)),
        Value::Error(fault) => fault.members.iter().for_each(|(_, value)| each(value, visit)),
        _ => {}
    }
}

fn label_of(value: &Value) -> Option<i64> {
    if let Value::Number(number) = value { number.as_i64() } else { None }
}

fn label(args: &[Value]) -> Option<i64> {
    // The second argument says that the first is a label.
    args.first().filter(|_| matches!(args.get(1), Some(Value::Bool(_)))).and_then(label_of)
}
