//! Who holds what: objects of this side, objects of the peer, and nodes.

use std::fmt::Write as _;

use super::super::value::{Fault, Future, Import, Promise, Stub, Value};
use super::Session;

/// Something of the peer's, or a call of this side.
#[derive(Debug)]
pub(super) struct Imported {
    /// How often the peer gave it; as often it is released at once in the end.
    pub(super) introduced: i64,
    /// How often it is held, by values and by the embedder. For a promise or a call the node counts instead.
    pub(super) holds: usize,
    /// How many of the holds are the embedder's.
    pub(super) retained: usize,
    /// The node of a promise or call.
    pub(super) node: Option<u64>,
}

impl Imported {
    /// The peer's main object, which is never released.
    pub(super) const fn main() -> Self {
        Self { introduced: 1, holds: 1, retained: 0, node: None }
    }
}

impl Session {
    pub(super) fn hold_stub(&mut self, stub: Stub) {
        match stub {
            Stub::Local(target) => {
                *self.targets.entry(target).or_insert(0) += 1;
                self.dropped.remove(&target);
            }
            Stub::Remote(import) => {
                if let Some(imported) = self.imports.get_mut(&import.0) {
                    imported.holds += 1;
                }
            }
        }
    }

    /// Holds all that a value names.
    pub(super) fn hold(&mut self, value: &Value) {
        for reference in references(value) {
            match reference {
                Reference::Stub(stub) => self.hold_stub(stub),
                Reference::Node(node) => {
                    if let Some(node) = self.nodes.get_mut(&node) {
                        node.references += 1;
                    }
                }
            }
        }
    }

    /// Lets go of all that nothing keeps any more.
    pub(super) fn sweep(&mut self) {
        while let Some(value) = self.garbage.pop() {
            self.let_go_of_all(&value);
        }
    }

    /// Undoes one [`hold`](Self::hold), at the latest at the end of the step.
    pub(super) fn unhold(&mut self, value: Value) {
        self.garbage.push(value);
    }

    fn let_go_of_all(&mut self, value: &Value) {
        for reference in references(value) {
            match reference {
                Reference::Stub(stub) => self.let_go(stub),
                Reference::Node(node) => self.unreference(node),
            }
        }
    }

    pub(super) fn let_go(&mut self, stub: Stub) {
        match stub {
            Stub::Local(target) => {
                if let Some(holds) = self.targets.get_mut(&target) {
                    *holds -= 1;
                    if *holds == 0 {
                        self.targets.remove(&target);
                        self.dropped.insert(target);
                    }
                }
            }
            Stub::Remote(Import(id)) => {
                if let Some(imported) = self.imports.get_mut(&id) {
                    imported.holds -= 1;
                    if imported.holds == 0 {
                        self.forget_import(id);
                    }
                }
            }
        }
    }

    /// Takes an import out of the table and tells the peer.
    pub(super) fn forget_import(&mut self, id: i64) {
        if let Some(imported) = self.imports.remove(&id) {
            self.counts.calls_out -= usize::from(id > 0);
            let mut frame = String::with_capacity(32);
            let _ = write!(frame, r#"["release",{id},{}]"#, imported.introduced);
            self.send(frame);
        }
    }

    /// Takes a result of the embedder in: what it names is held from here on.
    pub(super) fn admit(&mut self, result: Result<Value, Fault>) -> Result<Value, Value> {
        let value = result.map_err(|fault| without_references(fault.into()))?;
        let fault = self.inadmissible(&value);
        self.hold(&value);
        match fault {
            None => Ok(value),
            Some(fault) => {
                self.unhold(value);
                Err(fault.into())
            }
        }
    }

    /// What is wrong with a value of the embedder, if something is.
    pub(super) fn inadmissible(&self, value: &Value) -> Option<Fault> {
        if let Value::Stub(Stub::Remote(_)) | Value::Promise(Promise(Future::Remote(..))) = value {
            return Some(Fault::type_error(
                "a result cannot be the caller's own object by itself: return it as a member of an object",
            ));
        }
        self.unsendable(value)
    }

    /// What is wrong with a value of the embedder inside a result or an argument, if something is.
    pub(super) fn unsendable(&self, value: &Value) -> Option<Fault> {
        if value.weigh().depth > self.limits.depth {
            return Some(Fault::limit("depth", self.limits.depth, "nest less"));
        }
        let mut is_gone = false;
        value.walk(0, &mut |value, _| {
            if let Value::Stub(Stub::Remote(import)) | Value::Promise(Promise(Future::Remote(import, _))) = value {
                is_gone |= !self.imports.contains_key(&import.0);
            } else if let Value::Promise(Promise(Future::Node(node))) = value {
                is_gone |= !self.nodes.contains_key(node);
            }
        });
        let gone = "a value names an object or a promise that was released: retain it for as long as it is used";
        is_gone.then(|| Fault::new(gone))
    }

    /// Lets go of a result that nobody waits for.
    pub(super) fn discard(&mut self, result: Result<Value, Value>) {
        if let Ok(value) = result {
            self.unhold(value);
        }
    }
}

/// What a value names that is counted.
#[derive(Clone, Copy)]
enum Reference {
    Stub(Stub),
    Node(u64),
}

fn references(value: &Value) -> Vec<Reference> {
    let mut references = Vec::new();
    value.walk(0, &mut |value, _| {
        if let Value::Stub(stub) = value {
            references.push(Reference::Stub(*stub));
        } else if let Value::Promise(Promise(Future::Node(node))) = value {
            references.push(Reference::Node(*node));
        }
    });
    references
}

/// The stubs in a value, each as often as it occurs.
pub(super) fn stubs(value: &Value) -> impl Iterator<Item = Stub> {
    references(value)
        .into_iter()
        .filter_map(|reference| if let Reference::Stub(stub) = reference { Some(stub) } else { None })
}

/// An error without stubs and promises, which errors never carry.
pub(super) fn without_references(mut error: Value) -> Value {
    error.walk_references(&mut |reference| *reference = Value::Undefined);
    error
}
