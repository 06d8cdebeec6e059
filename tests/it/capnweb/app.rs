//! A small application over a session: the methods that `tests/real/capnweb/record.mjs` serves with the official package.

use std::collections::HashMap;

use capshare::capnweb::{
    Call, CallId, End, Event, Fault, Import, Limits, PathPart, Session, Stub, Target, Text, Value,
};

const MAIN: Target = Target(0);

/// What a call of the application's own is for.
#[derive(Debug)]
enum Purpose {
    /// Its result answers a call of the peer.
    Answer(CallId),
}

/// A session whose main object answers.
#[derive(Debug)]
pub(super) struct App {
    pub(super) session: Session,
    /// The counters that are alive, by their objects.
    pub(super) counters: HashMap<Target, i64>,
    next_target: u64,
    purposes: HashMap<Import, Purpose>,
    kept: Option<Import>,
    /// Calls of `wait` and `later` that are not answered yet.
    waiting: Vec<CallId>,
    /// What was called, in order: the method and its first argument on the wire.
    pub(super) log: Vec<String>,
    /// Calls that the peer gave up.
    pub(super) unwanted: usize,
    /// Whether the main object was dropped.
    pub(super) is_main_dropped: bool,
}

impl App {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            session: Session::new(limits, Some(MAIN)),
            counters: HashMap::new(),
            next_target: 1,
            purposes: HashMap::new(),
            kept: None,
            waiting: Vec::new(),
            log: Vec::new(),
            unwanted: 0,
            is_main_dropped: false,
        }
    }

    /// Takes a frame and does all that it asks for. What is to be sent waits in the session.
    pub(super) fn take(&mut self, frame: &str) -> Result<(), End> {
        let taken = self.session.receive(Text::from(frame));
        self.settle();
        taken
    }

    /// Takes a frame and gives what is to be sent for it.
    pub(super) fn frame(&mut self, frame: &str) -> Vec<String> {
        let _ = self.take(frame);
        self.sent()
    }

    pub(super) fn sent(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.session.poll_frame()).collect()
    }

    fn react(&mut self, event: Event) {
        match event {
            Event::Call(call) => self.call(call),
            Event::Settled(import, result) => {
                let Some(Purpose::Answer(call)) = self.purposes.remove(&import) else { return };
                let values = result.clone();
                self.session.respond(call, result.map_err(thrown));
                if let Ok(value) = values {
                    self.session.release_all(&value);
                }
            }
            Event::Dropped(target) => {
                self.is_main_dropped |= target == MAIN;
                self.counters.remove(&target);
            }
            Event::Unwanted(_) => self.unwanted += 1,
            _ => unreachable!("an event that is new"),
        }
    }

    fn call(&mut self, call: Call) {
        let Call { id, target, path, args } = call;
        let name = match path.as_slice() {
            [PathPart::Name(name)] => name.to_string(),
            _ => String::new(),
        };
        let result = if let Some(args) = args {
            let first = args.first().cloned().unwrap_or(Value::Undefined);
            self.log.push(format!("{name} {}", first.as_text().map_or("", |text| text)));
            if target == MAIN { self.method(id, &name, args) } else { self.increment(target, &name, &first).map(Some) }
        } else {
            self.log.push(format!("read {name}"));
            Ok(Some(self.member(target, &name)))
        };
        match result {
            Ok(Some(value)) => drop(self.session.respond(id, Ok(value))),
            Ok(None) => {}
            Err(fault) => drop(self.session.respond(id, Err(fault))),
        }
    }

    fn member(&self, target: Target, name: &str) -> Value {
        match (self.counters.get(&target), name) {
            (Some(count), "value") => (*count).into(),
            _ => Value::Undefined,
        }
    }

    fn increment(&mut self, target: Target, name: &str, by: &Value) -> Result<Value, Fault> {
        let count = self.counters.get_mut(&target).filter(|_| name == "increment");
        let count = count.ok_or_else(|| Fault::type_error(format!("'{name}' is not a function.")))?;
        *count += by.as_f64().map_or(1, |by| by as i64);
        Ok((*count).into())
    }

    /// A method of the main object; `None` if it is answered later.
    fn method(&mut self, id: CallId, name: &str, args: Vec<Value>) -> Result<Option<Value>, Fault> {
        let mut args = args.into_iter();
        let first = args.next().unwrap_or(Value::Undefined);
        let result = match name {
            "hello" => format!("hi {}", first.as_text().map_or("", |text| text)).into(),
            "square" => {
                let number = first.as_f64().ok_or_else(|| Fault::type_error("square wants a number"))?;
                (number * number).into()
            }
            "echo" => first,
            "wrap" => Value::object([("value", first)]),
            "fail" => {
                let message = first.as_text().cloned().unwrap_or_default();
                return Err(Fault { name: "RangeError".into(), ..Fault::new(message) }.with("code", "E_FAIL"));
            }
            "make" => self.counter(&first),
            "both" => Value::object([("a", self.counter(&1.into())), ("b", self.counter(&2.into()))]),
            "increment" => {
                let Some(Stub::Local(target)) = first.as_stub() else {
                    return Err(Fault::type_error("increment wants a counter"));
                };
                self.increment(target, "increment", &args.next().unwrap_or(Value::Undefined))?
            }
            "call" => return self.callback(id, &first, &args.collect::<Vec<_>>()),
            "probeCallback" => return self.callback(id, &first, &["server-called".into()]),
            "notify" => {
                let call = self.session.call(function(&first)?, &[], Some(&args.collect::<Vec<_>>()));
                self.session.release(call.map_err(|error| Fault::new(error.to_string()))?);
                Value::Undefined
            }
            "keep" => {
                let object = function(&first)?;
                self.session.retain(object);
                self.drop_kept();
                self.kept = Some(object);
                Value::Undefined
            }
            "ring" => {
                let kept = self.kept.ok_or_else(|| Fault::new("nothing is kept"))?;
                return self.callback(id, &Stub::Remote(kept).into(), &[first]);
            }
            "drop" => {
                self.drop_kept();
                Value::Undefined
            }
            "wait" => {
                self.session.awaits_peer(id);
                self.waiting.push(id);
                return Ok(None);
            }
            "later" => {
                self.waiting.push(id);
                return Ok(None);
            }
            "go" => {
                self.go(&first);
                Value::Undefined
            }
            _ => return Err(Fault::type_error(format!("'{name}' is not a function."))),
        };
        Ok(Some(result))
    }

    /// Answers the calls of `wait` and `later`, and gives how many there were.
    pub(super) fn go(&mut self, value: &Value) -> usize {
        let waiting = std::mem::take(&mut self.waiting);
        for call in &waiting {
            self.session.respond(*call, Ok(value.clone()));
        }
        waiting.len()
    }

    /// Releases the function that `keep` was given.
    pub(super) fn drop_kept(&mut self) {
        if let Some(kept) = self.kept.take() {
            self.session.release(kept);
        }
    }

    /// Takes all events that there are.
    pub(super) fn settle(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.react(event);
        }
    }

    fn counter(&mut self, count: &Value) -> Value {
        let target = Target(self.next_target);
        self.next_target += 1;
        self.counters.insert(target, count.as_f64().unwrap_or(0.0) as i64);
        Stub::Local(target).into()
    }

    fn callback(&mut self, id: CallId, object: &Value, args: &[Value]) -> Result<Option<Value>, Fault> {
        let call = self.session.call(function(object)?, &[], Some(args)).map_err(|e| Fault::new(e.to_string()))?;
        self.session.pull(call);
        self.session.awaits_peer(id);
        self.purposes.insert(call, Purpose::Answer(id));
        Ok(None)
    }
}

fn function(value: &Value) -> Result<Import, Fault> {
    match value.as_stub() {
        Some(Stub::Remote(import)) => Ok(import),
        _ => Err(Fault::type_error("a function is missing")),
    }
}

fn thrown(error: Value) -> Fault {
    if let Value::Error(fault) = error { *fault } else { Fault::new("thrown") }
}
