//! Arguments of calls: from values of Cap'n Web to the types that methods take.

use std::time::Duration;
use std::vec;

use bytes::Bytes;

use crate::capnweb::{Import, Stub, Text, Value};
use crate::share::error::Refusal;
use crate::share::revision::Revision;
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;
use crate::web::json;
use crate::web::typed::{Declared, Taken, Typed, Wrong};

/// The arguments of a call, in their order.
pub(super) struct Args {
    method: &'static str,
    values: vec::IntoIter<Value>,
}

impl Args {
    pub(super) fn new(method: &'static str, values: Vec<Value>) -> Self {
        Self { method, values: values.into_iter() }
    }

    /// The next argument. One that is missing is as one that is undefined.
    ///
    /// # Errors
    /// It has another type.
    pub(super) fn next<T: Taken>(&mut self, name: &str) -> Result<T, Refusal> {
        T::take(self.values.next().unwrap_or(Value::Undefined)).map_err(|wrong| wrong.of(self.method, name))
    }

    /// Passes if all arguments were taken.
    ///
    /// # Errors
    /// There is another one.
    pub(super) fn end(self) -> Result<(), Refusal> {
        match self.values.len() {
            0 => Ok(()),
            more => Err(Refusal::invalid(0, format!("{}: it was called with {more} arguments too many", self.method))),
        }
    }
}

/// The members of an object that is an argument.
pub(super) struct Members(Vec<(Text, Value)>);

impl Members {
    /// The members of an object; none if it is undefined.
    pub(super) fn of(value: Value, wanted: &'static str) -> Result<Self, Wrong> {
        if let Value::Object(members) = value.opened() { Ok(Self(members)) } else { Err(Wrong::wanted(wanted)) }
    }

    /// Takes a member. One that is missing is as one that is undefined.
    pub(super) fn take<T: Taken>(&mut self, name: &str) -> Result<T, Wrong> {
        let at = self.0.iter().position(|(key, _)| *key == *name);
        let value = at.map_or(Value::Undefined, |at| self.0.swap_remove(at).1);
        T::take(value).map_err(|wrong| wrong.inside(name))
    }

    /// Passes if all members were taken, or are undefined.
    pub(super) fn end(self) -> Result<(), Wrong> {
        match self.0.into_iter().find(|(_, value)| *value != Value::Undefined) {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(64).collect();
                Err(Refusal::invalid(
                    0,
                    format!("there is no member {name} here: see the types at /rpc/share/web.d.ts"),
                )
                .into())
            }
        }
    }
}

impl<T: Typed> Typed for Option<T> {
    const IS_OPTIONAL: bool = true;

    fn name() -> String {
        let name = T::name();
        // `unknown` has null already.
        if name == "unknown" { name } else { format!("{name} | null") }
    }

    fn declare(to: &mut Declared) {
        T::declare(to);
    }
}

impl<T: Taken> Taken for Option<T> {
    fn take(value: Value) -> Result<Self, Wrong> {
        if matches!(value, Value::Undefined | Value::Null) { Ok(None) } else { T::take(value).map(Some) }
    }
}

impl<T: Typed> Typed for Vec<T> {
    fn name() -> String {
        let name = T::name();
        if name.contains(' ') { format!("({name})[]") } else { format!("{name}[]") }
    }

    fn declare(to: &mut Declared) {
        T::declare(to);
    }
}

impl<T: Taken> Taken for Vec<T> {
    fn take(value: Value) -> Result<Self, Wrong> {
        let Value::Array(elements) = value.opened() else { return Err(Wrong::wanted("an array")) };
        let take = |(at, element): (usize, Value)| T::take(element).map_err(|wrong| wrong.inside(&at.to_string()));
        elements.into_iter().enumerate().map(take).collect()
    }
}

impl Typed for String {
    fn name() -> String {
        "string".to_owned()
    }
}

impl Taken for String {
    fn take(value: Value) -> Result<Self, Wrong> {
        if let Value::Text(text) = value { Ok(text.to_string()) } else { Err(Wrong::wanted("a string")) }
    }
}

impl Typed for bool {
    fn name() -> String {
        "boolean".to_owned()
    }
}

impl Taken for bool {
    fn take(value: Value) -> Result<Self, Wrong> {
        if let Value::Bool(is) = value { Ok(is) } else { Err(Wrong::wanted("true or false")) }
    }
}

impl Typed for u64 {
    fn name() -> String {
        "number".to_owned()
    }
}

impl Taken for u64 {
    fn take(value: Value) -> Result<Self, Wrong> {
        let number = if let Value::BigInt(digits) = &value {
            digits.parse().ok()
        } else if let Value::Number(number) = &value {
            number.as_i64().and_then(|number| number.try_into().ok())
        } else {
            None
        };
        number.ok_or(Wrong::wanted("an integer that is not negative"))
    }
}

/// A time of at least a millisecond.
pub(super) struct Millis(u64);

impl Millis {
    pub(super) const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl Typed for Millis {
    fn name() -> String {
        u64::name()
    }
}

impl Taken for Millis {
    fn take(value: Value) -> Result<Self, Wrong> {
        let wanted = "a positive integer of milliseconds; leave it out for what the host has";
        u64::take(value).ok().filter(|ms| *ms > 0).map(Self).ok_or(Wrong::wanted(wanted))
    }
}

/// When something expires: after a time, or never, which has to be said by null.
pub(super) struct Expiry(pub(super) Option<Millis>);

impl Typed for Expiry {
    fn name() -> String {
        Option::<Millis>::name()
    }
}

impl Taken for Expiry {
    fn take(value: Value) -> Result<Self, Wrong> {
        if matches!(value, Value::Null) {
            return Ok(Self(None));
        }
        let wanted = "a positive integer of milliseconds, or null for never";
        Millis::take(value).map(|millis| Self(Some(millis))).map_err(|_| Wrong::wanted(wanted))
    }
}

impl Typed for Revision {
    fn name() -> String {
        u64::name()
    }
}

impl Taken for Revision {
    fn take(value: Value) -> Result<Self, Wrong> {
        u64::take(value).map(Self)
    }
}

impl Typed for f64 {
    fn name() -> String {
        "number".to_owned()
    }
}

impl Taken for f64 {
    fn take(value: Value) -> Result<Self, Wrong> {
        value.as_f64().ok_or(Wrong::wanted("a number"))
    }
}

impl Typed for Bytes {
    fn name() -> String {
        "Uint8Array".to_owned()
    }
}

impl Taken for Bytes {
    fn take(value: Value) -> Result<Self, Wrong> {
        if let Value::Bytes(bytes, _) = value { Ok(bytes) } else { Err(Wrong::wanted("a Uint8Array")) }
    }
}

impl Typed for Timestamp {
    fn name() -> String {
        "Date".to_owned()
    }
}

impl Taken for Timestamp {
    fn take(value: Value) -> Result<Self, Wrong> {
        // Dates are within 8.64e15 or invalid.
        if let Value::Date(at) = value
            && at.is_finite()
        {
            Ok(Self(at as i64))
        } else {
            Err(Wrong::wanted("a valid Date"))
        }
    }
}

impl Typed for Visibility {
    fn name() -> String {
        Self::ALL.map(|visibility| format!("\"{visibility}\"")).join(" | ")
    }
}

impl Taken for Visibility {
    fn take(value: Value) -> Result<Self, Wrong> {
        let named = value.as_text().and_then(|name| name.parse().ok());
        named.ok_or(Wrong::wanted(r#""link", "account" or "grant""#))
    }
}

/// Plain data of any shape, as JSON text.
pub(super) struct Plain(pub(super) Text);

impl Typed for Plain {
    fn name() -> String {
        "unknown".to_owned()
    }
}

impl Taken for Plain {
    fn take(value: Value) -> Result<Self, Wrong> {
        json::text(value).map(Self)
    }
}

/// A function or an object of the client.
pub(super) fn function(value: &Value) -> Option<Import> {
    match value.as_stub() {
        Some(Stub::Remote(import)) => Some(import),
        Some(Stub::Local(_)) | None => None,
    }
}
