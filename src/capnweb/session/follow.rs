//! From a value along a path.

use std::borrow::Cow;

use super::super::json::Json;
use super::super::value::{Fault, Future, PathPart, Promise, Stub, Target, Value};
use super::work::Work;

/// Where a path leads.
#[derive(Debug)]
pub(super) enum Followed<'v> {
    /// To an object of this side, and the rest of the path from there.
    Target(Target, Vec<PathPart>),
    /// To a promise, and the rest of the path from there.
    Node(u64, Vec<PathPart>),
    /// To an object of the peer.
    Remote,
    /// To a value.
    Value(Cow<'v, Value>),
    /// Through what has no members.
    Fault(Fault),
}

/// Follows a path through members and elements. What is not there is undefined; a way through undefined is an error.
pub(super) fn follow<'v>(mut value: Cow<'v, Value>, path: &[PathPart], work: &mut Work) -> Followed<'v> {
    for (at, part) in path.iter().enumerate() {
        let rest = &path[at..];
        if let Some(followed) = reference(&value, rest, work) {
            return followed;
        }
        if let Err(fault) = work.may() {
            return Followed::Fault(fault);
        }
        if *value == Value::Undefined {
            return Followed::Fault(Fault::type_error(format!("'{}' is read of undefined.", joined(rest))));
        }
        value = match value {
            Cow::Borrowed(value) => member(value, part, work),
            // A part of plain data is plain data.
            Cow::Owned(Value::Json(json)) => Cow::Owned(look_into(&json, part, work)),
            Cow::Owned(_) => Cow::Owned(Value::Undefined),
        };
    }
    reference(&value, &[], work).unwrap_or(Followed::Value(value))
}

/// What is one step below a value that has parts; undefined below one that has none.
fn member<'v>(value: &'v Value, part: &PathPart, work: &mut Work) -> Cow<'v, Value> {
    let found = match value {
        Value::Json(json) => return Cow::Owned(look_into(json, part, work)),
        Value::Object(members) => {
            work.compared(members.len());
            let name = match part {
                PathPart::Name(name) => name.clone(),
                PathPart::Index(index) => index.to_string().into(),
            };
            members.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
        }
        Value::Array(elements) => part.index().and_then(|index| elements.get(index)),
        Value::Undefined
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::NonFinite(_)
        | Value::Text(_)
        | Value::BigInt(_)
        | Value::Date(_)
        | Value::Bytes(..)
        | Value::Error(_)
        | Value::Stub(_)
        | Value::Promise(_) => None,
    };
    Cow::Borrowed(found.unwrap_or(&Value::Undefined))
}

fn look_into(json: &Json, part: &PathPart, work: &mut Work) -> Value {
    let (value, looked) = json.step(part);
    work.looked(looked);
    value
}

/// Where a stub or a promise leads; `None` if the value is neither.
fn reference(value: &Value, rest: &[PathPart], work: &mut Work) -> Option<Followed<'static>> {
    let followed = if let Value::Stub(Stub::Local(target)) = value {
        Followed::Target(*target, rest.to_vec())
    } else if let Value::Promise(Promise(Future::Node(node))) = value {
        Followed::Node(*node, rest.to_vec())
    } else if matches!(value, Value::Stub(_) | Value::Promise(_)) {
        Followed::Remote
    } else {
        return None;
    };
    work.compared(rest.len());
    Some(followed)
}

/// A path for people, cut at 100 bytes.
pub(super) fn joined(path: &[PathPart]) -> String {
    let mut text = String::new();
    for part in path {
        if !text.is_empty() {
            text.push('.');
        }
        match part {
            PathPart::Name(name) => text.push_str(name),
            PathPart::Index(index) => text.push_str(&index.to_string()),
        }
        if text.len() > 100 {
            text.truncate(text.floor_char_boundary(100));
            text.push('…');
            break;
        }
    }
    text
}
