//! Patches of the viewer channel, applied as a viewer does it.

use serde_json::{Map, Value};

/// Makes a value what the operations say; `Err` names the one that does not fit.
pub(crate) fn apply(value: &mut Value, operations: &[Value]) -> Result<(), String> {
    operations.iter().try_for_each(|operation| one(value, operation).ok_or_else(|| operation.to_string()))
}

/// The value that a change of a frame brings, given the one that is held with its revision.
pub(crate) fn changed(held: Option<(&Value, u64)>, change: &Value) -> Value {
    let Some(operations) = change["patch"].as_array() else { return change["value"].clone() };
    let (value, revision) = held.unwrap_or_else(|| panic!("it is held: {change}"));
    assert_eq!(change["base"], revision, "{change}");
    let mut value = value.clone();
    apply(&mut value, operations).unwrap();
    value
}

fn one(value: &mut Value, operation: &Value) -> Option<()> {
    let operation = operation.as_object()?;
    let path = operation.get("path")?.as_str()?;
    match (operation.get("append"), operation.get("value"), operation.get("removed")) {
        (Some(more), None, None) => append(value.pointer_mut(path)?, more),
        (None, Some(new), None) => {
            if let Some(there) = value.pointer_mut(path) {
                *there = new.clone();
            } else {
                let (object, name) = parent(value, path)?;
                object.insert(name, new.clone());
            }
            Some(())
        }
        (None, None, Some(Value::Bool(true))) => {
            let (object, name) = parent(value, path)?;
            object.remove(&name).map(|_| ())
        }
        _ => None,
    }
}

fn append(value: &mut Value, more: &Value) -> Option<()> {
    match (value, more) {
        (Value::String(text), Value::String(more)) => text.push_str(more),
        (Value::Array(elements), Value::Array(more)) => elements.extend_from_slice(more),
        _ => return None,
    }
    Some(())
}

fn parent<'a>(value: &'a mut Value, path: &str) -> Option<(&'a mut Map<String, Value>, String)> {
    let (parent, name) = path.rsplit_once('/')?;
    let object = value.pointer_mut(parent)?.as_object_mut()?;
    Some((object, name.replace("~1", "/").replace("~0", "~")))
}
