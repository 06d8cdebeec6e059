//! Values of Rust's own.

use super::super::text::Text;
use super::{NonFinite, Number, PathPart, Promise, Stub, Value};

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(Number(value.to_string().into()))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        if value.is_nan() {
            Self::NonFinite(NonFinite::NaN)
        } else if value.is_infinite() {
            Self::NonFinite(if value > 0.0 { NonFinite::Infinity } else { NonFinite::NegativeInfinity })
        } else {
            Self::Number(Number(value.to_string().into()))
        }
    }
}

impl From<Text> for Value {
    fn from(value: Text) -> Self {
        Self::Text(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<Stub> for Value {
    fn from(value: Stub) -> Self {
        Self::Stub(value)
    }
}

impl From<Vec<Self>> for Value {
    fn from(value: Vec<Self>) -> Self {
        Self::Array(value)
    }
}

impl From<&str> for PathPart {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl From<u64> for PathPart {
    fn from(index: u64) -> Self {
        Self::Index(index)
    }
}

impl From<Promise> for Value {
    fn from(promise: Promise) -> Self {
        Self::Promise(promise)
    }
}
