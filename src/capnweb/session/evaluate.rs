//! Expressions of the peer, evaluated against the tables.

use super::super::end::End;
use super::super::read::{Expression, Reference};
use super::super::value::{Fault, Future, Import, Promise, Stub, Value};
use super::Session;
use super::exports::Export;
use super::holds::{Imported, without_references};
use super::node::{NODE_BYTES, Origin, Waiter};
use super::tasks::Root;

impl Session {
    /// Takes a push or a stream: evaluates it, and enters its result into the table.
    ///
    /// Where there is no place for one more, what it gives is released, and only its number is kept: refusals take no place of results.
    pub(super) fn push(&mut self, mut expression: Expression, is_stream: bool) -> Result<(), End> {
        let full = self.is_full();
        if let Some(full) = full {
            expression.fault = Some(full.fault(&self.limits));
        }
        let node = match self.evaluate(expression)? {
            Err(_) if !is_stream && let Some(full) = full => {
                self.refuse_push(full);
                return Ok(());
            }
            Err(fault) => self.settled_node(Err(fault.into())),
            Ok(Value::Promise(Promise(Future::Node(node)))) if self.is_new(node) => node,
            Ok(value) => {
                if let Some(fault) = self.no_place_for_a_call().or_else(|| self.make_room(NODE_BYTES)) {
                    self.unhold(value);
                    self.settled_node(Err(fault.into()))
                } else {
                    let node = self.new_node(Origin::Peers, false);
                    self.wait_for(node, value);
                    node
                }
            }
        };
        self.add_entry(node, is_stream);
        Ok(())
    }

    /// Whether a node was made for the expression that has just been evaluated, which is all that names it.
    fn is_new(&self, node: u64) -> bool {
        let node = self.nodes.get(&node);
        node.is_some_and(|node| node.entry.is_none() && node.references == 1 && node.origin == Origin::Peers)
    }

    /// Takes the result or the error of a promise of the peer, or of a call of this side.
    pub(super) fn resolved(&mut self, id: i64, expression: Expression, is_error: bool) -> Result<(), End> {
        let result = match self.evaluate(expression)? {
            Ok(value) if is_error => {
                self.unhold(value.clone());
                Err(without_references(value))
            }
            Ok(value) => Ok(value),
            Err(fault) => Err(fault.into()),
        };
        let node = self.imports.get(&id).and_then(|imported| imported.node);
        let Some(node) = node else {
            // An answer for what was released: its objects are released as well.
            self.discard(result);
            return Ok(());
        };
        self.forget_import(id);
        // A promise of the peer is counted already, and a call of this side is from here on.
        self.counts.peer_promises += usize::from(id > 0);
        let mut is_wanted = true;
        if let Some(node) = self.nodes.get_mut(&node) {
            node.origin = Origin::Resolving;
            is_wanted = id < 0 || node.waiters.iter().any(|waiter| matches!(waiter, Waiter::Embedder(_)));
        }
        match result {
            Ok(value) => self.wait_for(node, value),
            Err(error) => self.settle(node, Err(error)),
        }
        if !is_wanted {
            // The embedder has not asked, and from now on cannot: its reference goes with the call.
            self.unreference(node);
        }
        Ok(())
    }

    /// Evaluates an expression: objects and promises of the peer are entered into the table, calls begin. In the value
    /// everything is held, and promises are nodes. If the expression is at fault, its objects are released.
    fn evaluate(&mut self, expression: Expression) -> Result<Result<Value, Fault>, End> {
        let Expression { mut value, references, mut fault } = expression;
        let mut places: Vec<Value> = Vec::with_capacity(references.len());
        for reference in references {
            if !matches!(reference, Reference::Export(_) | Reference::Promise(_)) {
                fault = fault.or_else(|| self.too_many_imports());
            }
            let is_faulty = fault.is_some();
            let place = match reference {
                Reference::Export(id) => self.import_object(id),
                Reference::Promise(id) => self.import_promise(id),
                Reference::Get { id, .. } | Reference::Call { id, .. } if is_faulty => {
                    self.look_up(id)?;
                    Ok(Value::Undefined)
                }
                Reference::Get { id, path } => match self.look_up(id)? {
                    Some(Root::Node(node)) if path.is_empty() => {
                        let promise = Value::Promise(Promise(Future::Node(node)));
                        self.hold(&promise);
                        Ok(promise)
                    }
                    Some(Root::Node(of)) => {
                        self.work.may().and_then(|()| self.begin(Root::Node(of), path, None)).map(node)
                    }
                    Some(root) => self.begin(root, path, None).map(node),
                    None => Err(self.absent(id)),
                },
                Reference::Call { id, path, args } => {
                    let mut args = Value::Array(args);
                    fill(&mut args, &mut places);
                    match self.look_up(id)? {
                        Some(root) => self.begin(root, path, Some(args)).map(node),
                        None => {
                            self.unhold(args);
                            Err(self.absent(id))
                        }
                    }
                }
            };
            places.push(place.unwrap_or_else(|new| {
                fault.get_or_insert(new);
                Value::Undefined
            }));
        }
        fill(&mut value, &mut places);
        // What stands nowhere in the tree, because its call was not begun or the tree was full.
        self.garbage.extend(places);
        match fault.or_else(|| self.too_many_imports()) {
            None => Ok(Ok(value)),
            Some(fault) => {
                self.unhold(value);
                Ok(Err(fault))
            }
        }
    }

    /// What an id of the peer's frame names: `None` if it was released or dropped.
    fn look_up(&self, id: i64) -> Result<Option<Root>, End> {
        match self.exports.get(&id) {
            Some(Export::Target(target)) => Ok(Some(Root::Target(*target))),
            Some(Export::Result { node, .. }) => Ok(Some(Root::Node(*node))),
            None if self.was_given(id) => Ok(None),
            None => Err(End::UnknownId { id }),
        }
    }

    /// An object of the peer, held once more.
    fn import_object(&mut self, id: i64) -> Result<Value, Fault> {
        let imported = self.imports.entry(id).or_insert(Imported { introduced: 0, holds: 0, retained: 0, node: None });
        imported.introduced += 1;
        if imported.node.is_some() {
            return Err(id_in_use(id));
        }
        imported.holds += 1;
        Ok(Value::Stub(Stub::Remote(Import(id))))
    }

    /// A promise of the peer.
    fn import_promise(&mut self, id: i64) -> Result<Value, Fault> {
        if let Some(imported) = self.imports.get_mut(&id) {
            imported.introduced += 1;
            return Err(id_in_use(id));
        }
        let node_key = self.new_node(Origin::Import(id), true);
        self.imports.insert(id, Imported { introduced: 1, holds: 0, retained: 0, node: Some(node_key) });
        self.counts.peer_promises += 1;
        let max = self.limits.promises;
        if self.counts.peer_promises > max {
            self.unhold(node(node_key));
            return Err(Fault::limit("promises", max, "resolve the promises that were sent before sending more"));
        }
        Ok(node(node_key))
    }

    fn too_many_imports(&self) -> Option<Fault> {
        let (now, max) = (self.imports.len() - self.counts.calls_out - 1, self.limits.imports);
        (now > max).then(|| Fault::limit("imports", max, "dispose of functions and objects that are no longer needed"))
    }
}

fn id_in_use(id: i64) -> Fault {
    Fault::new(format!("the frame introduces a promise with the id {id}, which is in use"))
}

fn node(key: u64) -> Value {
    Value::Promise(Promise(Future::Node(key)))
}

/// Puts what references stand for in their places.
fn fill(value: &mut Value, places: &mut [Value]) {
    if places.is_empty() {
        return;
    }
    value.walk_references(&mut |place| {
        if let Value::Promise(Promise(Future::Slot(slot))) = place {
            *place = places.get_mut(*slot).map_or(Value::Undefined, |one| std::mem::replace(one, Value::Undefined));
        }
    });
}
