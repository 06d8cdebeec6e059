//! Answers of calls: from the types that methods give to values of Cap'n Web.

use std::sync::Arc;

use bytes::Bytes;

use crate::capnweb::{Container, Fault, Text, Value};
use crate::share::grant::Right;
use crate::share::revision::Revision;
use crate::share::time::Timestamp;
use crate::share::visibility::Visibility;
use crate::web::caller::{Caller, Served};
use crate::web::json;
use crate::web::take::Plain;
use crate::web::typed::{Declared, Given, Typed};

/// An object of the host that the client may call from now on, and what its interface is called.
pub(super) struct New<I>(pub(super) Arc<dyn Served>, std::marker::PhantomData<I>);

/// An interface that an object of the host has.
pub(super) trait Named {
    /// What it is called in TypeScript.
    const NAME: &'static str;
}

impl<I: Named> New<I> {
    pub(super) fn of(object: impl Served + 'static) -> Self {
        Self(Arc::new(object), std::marker::PhantomData)
    }
}

impl<I: Named> Typed for New<I> {
    fn name() -> String {
        I::NAME.to_owned()
    }
}

impl<I: Named> Given for New<I> {
    fn give(self, caller: &Caller) -> Value {
        caller.serve(self.0)
    }
}

impl Typed for () {
    fn name() -> String {
        "void".to_owned()
    }
}

impl Given for () {
    fn give(self, _: &Caller) -> Value {
        Value::Undefined
    }
}

/// That something was done: errors say that it was not.
pub(super) struct Success;

impl Typed for Success {
    fn name() -> String {
        "true".to_owned()
    }
}

impl Given for Success {
    fn give(self, _: &Caller) -> Value {
        true.into()
    }
}

impl<T: Given> Given for Option<T> {
    fn give(self, caller: &Caller) -> Value {
        self.map_or(Value::Null, |value| value.give(caller))
    }
}

impl<T: Given> Given for Vec<T> {
    fn give(self, caller: &Caller) -> Value {
        self.into_iter().map(|value| value.give(caller)).collect::<Vec<_>>().into()
    }
}

impl Given for String {
    fn give(self, _: &Caller) -> Value {
        self.into()
    }
}

impl Given for bool {
    fn give(self, _: &Caller) -> Value {
        self.into()
    }
}

impl Given for u64 {
    fn give(self, _: &Caller) -> Value {
        // What we count stays below 2^53.
        i64::try_from(self).unwrap_or(i64::MAX).into()
    }
}

impl Given for Revision {
    fn give(self, caller: &Caller) -> Value {
        self.0.give(caller)
    }
}

impl Given for f64 {
    fn give(self, _: &Caller) -> Value {
        self.into()
    }
}

impl Given for Bytes {
    fn give(self, _: &Caller) -> Value {
        Value::Bytes(self, Container::Plain)
    }
}

impl Given for Timestamp {
    fn give(self, _: &Caller) -> Value {
        // Times of ours are far within 2^53 ms.
        Value::Date(self.0 as f64)
    }
}

impl Given for Visibility {
    fn give(self, _: &Caller) -> Value {
        Text::from_static(self.as_str()).into()
    }
}

impl Given for Plain {
    fn give(self, _: &Caller) -> Value {
        json::of_text(self.0)
    }
}

/// How a question ended.
pub(super) enum Outcome {
    Agreed,
    Expired,
    Withdrawn,
}

impl Typed for Outcome {
    fn name() -> String {
        r#""agreed" | "expired" | "withdrawn""#.to_owned()
    }
}

impl Given for Outcome {
    fn give(self, _: &Caller) -> Value {
        Text::from_static(match self {
            Self::Agreed => "agreed",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        })
        .into()
    }
}

impl Typed for Right {
    fn name() -> String {
        [Self::Full, Self::Write, Self::Read].map(|right| format!("\"{right}\"")).join(" | ")
    }
}

impl Given for Right {
    fn give(self, _: &Caller) -> Value {
        Text::from_static(self.as_str()).into()
    }
}

/// An error that is told and not thrown.
pub(super) struct Told(pub(super) Fault);

impl Typed for Told {
    fn name() -> String {
        "ShareError".to_owned()
    }

    fn declare(to: &mut Declared) {
        to.put(
            "ShareError",
            &[
                "What a call that is refused is rejected with. Clients of capnweb before 0.8 have only the message, which begins with \
                  the code.",
            ],
            "export interface ShareError extends Error {\n  /** The refusal's name, such as `NotFound`, for programs. */\n  code: string;\n  \
             /** Whether the call may succeed later as it is; absent if that is not known. */\n  transient?: boolean;\n  /** The \
             refusal's facts, such as `limit`, `max` and `got`. */\n  [fact: string]: unknown;\n}",
        );
    }
}

impl Given for Told {
    fn give(self, _: &Caller) -> Value {
        self.0.into()
    }
}
