//! Plain data, taken apart one level at a time.

use super::json::Json;
use super::limits::Limits;
use super::read::Reader;
use super::value::Value;

impl Json {
    /// One level as a tree: an array of scalars and further `Json`, or an object, each key once with the last value.
    #[must_use]
    pub fn open(&self) -> Value {
        let limits = Limits { tree_levels: 1, depth: usize::MAX, values: usize::MAX, ..Limits::default() };
        let mut reader = Reader::new(self.wire(), self.wire().bytes(), &limits);
        reader.value(0).unwrap_or(Value::Undefined)
    }
}

impl Value {
    /// The value with one more level of its tree: a [`Json`] becomes an array or an object, anything else stays.
    #[must_use]
    pub fn opened(self) -> Self {
        if let Self::Json(json) = self { json.open() } else { self }
    }
}
