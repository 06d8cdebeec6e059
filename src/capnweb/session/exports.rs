//! The table of exports: what the peer may name, and how it is answered.

use std::fmt::Write as _;

use super::super::end::End;
use super::super::event::{CallId, Event};
use super::super::value::{Fault, Future, Promise, Stub, Target, Value};
use super::super::write;
use super::Session;
use super::node::{State, Waiter};

/// What an id of this side names.
#[derive(Debug)]
pub(super) enum Export {
    /// An object.
    Target(Target),
    /// A result, or a promise of this side.
    Result {
        node: u64,
        /// The peer wants the result to be sent.
        is_asked_for: bool,
        /// The entry goes when the result is sent.
        is_stream: bool,
    },
}

impl Session {
    /// Whether an id was in the table at some time.
    pub(super) const fn was_given(&self, id: i64) -> bool {
        self.next_export < id && id < self.next_push
    }

    /// Enters the result of a push under the next number. The table takes the caller's reference to the node.
    pub(super) fn add_entry(&mut self, key: u64, is_stream: bool) {
        let id = self.next_push;
        self.next_push += 1;
        self.exports.insert(id, Export::Result { node: key, is_asked_for: is_stream, is_stream });
        let Some(node) = self.nodes.get_mut(&key) else { return };
        node.entry = Some(id);
        if is_stream {
            node.waiters.push(Waiter::Peer(id));
        }
        if matches!(node.state, State::Done(_)) {
            if !is_stream {
                self.results.made(id, self.now);
            }
            self.settled.push_back(key);
        }
    }

    /// Takes the peer's wish for a result.
    pub(super) fn pulled(&mut self, id: i64) -> Result<(), End> {
        let given = self.was_given(id);
        match self.exports.get_mut(&id) {
            Some(Export::Result { is_asked_for: true, .. }) => {}
            Some(Export::Result { node, is_asked_for, .. }) => {
                *is_asked_for = true;
                self.results.remove(id);
                let key = *node;
                let Some(node) = self.nodes.get_mut(&key) else { return Ok(()) };
                node.waiters.push(Waiter::Peer(id));
                if matches!(node.state, State::Done(_)) {
                    self.settled.push_back(key);
                }
            }
            Some(Export::Target(_)) => self.reject(id, &Fault::new("this is an object, not a promise: call it").into()),
            None if given => self.reject(id, &self.absent(id).into()),
            None => return Err(End::UnknownId { id }),
        }
        Ok(())
    }

    /// Takes the peer's release.
    pub(super) fn released(&mut self, id: i64, count: i64) -> Result<(), End> {
        if !self.was_given(id) {
            return Err(End::UnknownId { id });
        }
        if count == 0 {
            return Ok(());
        }
        let bad = End::BadRelease { id, count };
        if count != 1 {
            return Err(bad);
        }
        if self.exports.contains_key(&id) {
            self.remove_entry(id);
            Ok(())
        } else if id > 0 && self.results.is_owed() {
            Ok(())
        } else {
            Err(bad)
        }
    }

    /// Takes an export out of the table.
    pub(super) fn remove_entry(&mut self, id: i64) {
        self.counts.exported -= usize::from(id < 0 && self.exports.contains_key(&id));
        match self.exports.remove(&id) {
            Some(Export::Target(target)) => self.unhold(Value::Stub(Stub::Local(target))),
            Some(Export::Result { node: key, .. }) => {
                self.results.remove(id);
                let Some(node) = self.nodes.get_mut(&key) else { return };
                if id > 0 {
                    node.entry = None;
                }
                if node.references == 1 && matches!(node.state, State::Running(_)) {
                    self.events.push_back(Event::Unwanted(CallId(key)));
                }
                self.unhold(Value::Promise(Promise(Future::Node(key))));
            }
            None => {}
        }
    }

    /// Sends the peer the result of an export that it asked for.
    pub(super) fn answer(&mut self, id: i64) {
        if self.is_overrun() {
            return;
        }
        let Some(Export::Result { node: key, is_stream, .. }) = self.exports.get(&id) else { return };
        let (key, is_stream) = (*key, *is_stream);
        let Some(node) = self.nodes.get_mut(&key) else { return };
        let State::Done(result) = &mut node.state else { return };
        let result = std::mem::replace(result, Ok(Value::Undefined));
        match &result {
            Ok(value) => {
                if let Err(fault) = self.send_values(&format!(r#"["resolve",{id},"#), std::slice::from_ref(value), "]")
                {
                    self.reject(id, &fault.into());
                }
            }
            Err(error) => self.reject(id, error),
        }
        if let Some(node) = self.nodes.get_mut(&key) {
            node.state = State::Done(result);
        }
        if is_stream {
            self.remove_entry(id);
        } else if id > 0 {
            self.results.fetched(id);
        }
    }

    /// Sends an error as the result of an export.
    fn reject(&mut self, id: i64, error: &Value) {
        let mut frame = format!(r#"["reject",{id},"#);
        let (start, max) = (frame.len(), self.limits.frame_bytes);
        let renamed = self.limits.renamed(error);
        write::value(&mut frame, renamed.as_ref().unwrap_or(error), max, &mut |_| None);
        if frame.len() >= max {
            frame.truncate(start);
            frame.shrink_to_fit();
            let fault = Fault::limit("frameBytes", max, "the error itself is larger").into();
            let renamed = self.limits.renamed(&fault);
            write::value(&mut frame, renamed.as_ref().unwrap_or(&fault), usize::MAX, &mut |_| None);
        }
        frame.push(']');
        self.send(frame);
    }

    /// Sends a frame with values in it, between `before` and `after`, and enters the objects and promises of this side that it
    /// gives. The values are separated by commas.
    ///
    /// If it would pass a bound nothing is sent or entered.
    pub(super) fn send_values(&mut self, before: &str, values: &[Value], after: &str) -> Result<(), Fault> {
        let (mut frame, max) = (String::from(before), self.limits.frame_bytes);
        let mut made = Vec::new();
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                frame.push(',');
            }
            write::value(&mut frame, value, max, &mut |reference| self.export(reference, &mut made));
        }
        frame.push_str(after);
        let fault = if frame.len() > max {
            Some(Fault::limit("frameBytes", max, "ask for less at once"))
        } else if self.counts.exported > self.limits.exports {
            Some(Fault::limit("exports", self.limits.exports, "dispose of objects that are no longer needed"))
        } else {
            None
        };
        if let Some(fault) = fault {
            made.into_iter().for_each(|id| self.remove_entry(id));
            return Err(fault);
        }
        self.send(frame);
        for id in made {
            if let Some(Export::Result { node: key, .. }) = self.exports.get(&id) {
                let key = *key;
                self.await_node(key, Waiter::Peer(id));
                if self.result(key).is_some() {
                    self.settled.push_back(key);
                }
            }
        }
        Ok(())
    }

    /// Enters an object or promise of this side under a new id. No id is given twice, because official clients release an id
    /// once however often they were given it.
    fn export(&mut self, reference: &Value, made: &mut Vec<i64>) -> Option<(&'static str, i64)> {
        let (kind, export) = if let Value::Stub(Stub::Local(target)) = reference {
            ("export", Export::Target(*target))
        } else if let Value::Promise(Promise(Future::Node(node))) = reference {
            ("promise", Export::Result { node: *node, is_asked_for: true, is_stream: false })
        } else {
            return None;
        };
        self.hold(reference);
        let id = self.next_export;
        self.next_export -= 1;
        self.counts.exported += 1;
        self.exports.insert(id, export);
        made.push(id);
        Some((kind, id))
    }

    /// Writes the beginning of a frame that pushes a call.
    pub(super) fn call_head(callee: i64, path: &[super::super::value::PathPart], has_args: bool) -> String {
        let mut head = String::from(r#"["push",["pipeline","#);
        let _ = write!(head, "{callee},");
        write::steps(&mut head, path, usize::MAX);
        if has_args {
            head.push_str(",[");
        }
        head
    }
}
