//! From a value along a path.

use std::borrow::Cow;

use super::super::value::{Fault, Future, PathPart, Promise, Stub, Target, Value};

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
pub(super) fn follow<'v>(mut value: &'v Value, path: &[PathPart]) -> Followed<'v> {
    for (at, part) in path.iter().enumerate() {
        let rest = &path[at..];
        value = match value {
            Value::Stub(_) | Value::Promise(_) => return reference(value, rest),
            Value::Json(json) => {
                let opened = json.open();
                return match follow(&opened, rest) {
                    Followed::Value(value) => Followed::Value(Cow::Owned(value.into_owned())),
                    Followed::Fault(fault) => Followed::Fault(fault),
                    Followed::Target(..) | Followed::Node(..) | Followed::Remote => Followed::Remote,
                };
            }
            Value::Object(members) => {
                let name = match part {
                    PathPart::Name(name) => Cow::Borrowed(name.as_str()),
                    PathPart::Index(index) => Cow::Owned(index.to_string()),
                };
                members.iter().find(|(key, _)| *key == *name).map_or(&Value::Undefined, |(_, value)| value)
            }
            Value::Array(elements) => {
                let index = match part {
                    PathPart::Name(name) => name.as_str().parse().ok(),
                    PathPart::Index(index) => usize::try_from(*index).ok(),
                };
                index.and_then(|index: usize| elements.get(index)).unwrap_or(&Value::Undefined)
            }
            Value::Undefined => {
                return Followed::Fault(Fault::type_error(format!("'{}' is read of undefined.", joined(rest))));
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::NonFinite(_)
            | Value::Text(_)
            | Value::BigInt(_)
            | Value::Date(_)
            | Value::Bytes(..)
            | Value::Error(_) => &Value::Undefined,
        };
    }
    if matches!(value, Value::Stub(_) | Value::Promise(_)) {
        reference(value, &[])
    } else {
        Followed::Value(Cow::Borrowed(value))
    }
}

fn reference(value: &Value, rest: &[PathPart]) -> Followed<'static> {
    if let Value::Stub(Stub::Local(target)) = value {
        Followed::Target(*target, rest.to_vec())
    } else if let Value::Promise(Promise(Future::Node(node))) = value {
        Followed::Node(*node, rest.to_vec())
    } else {
        Followed::Remote
    }
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
