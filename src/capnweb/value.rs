//! Values as they travel: JavaScript's, with stubs and promises among them.

use bytes::Bytes;

use super::json::Json;
use super::text::Text;

mod container;
mod convert;
mod fault;
mod number;
mod weight;

pub use self::container::Container;
pub use self::fault::Fault;
pub use self::number::{NonFinite, Number};
pub(super) use self::weight::{Weight, weigh_apart};

/// A value of the wire, as an owned tree.
///
/// Texts and plain data deep inside ([`Json`]) are slices of the frame in which they came, and keep it in memory:
/// [detach](Self::detach) what is kept for longer than its call. A value is data only: it does not
/// keep the objects alive that it names. The session does so, for as long as it says at the call or event in question.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `undefined`.
    Undefined,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A finite number.
    Number(Number),
    /// `Infinity`, `-Infinity` or `NaN`.
    NonFinite(NonFinite),
    /// A string. Half a surrogate pair has become U+FFFD.
    Text(Text),
    /// A bigint, in decimal digits, perhaps after a minus sign.
    BigInt(Text),
    /// A date, in milliseconds since 1970; NaN if it is invalid. Clients before 0.8 end their session on an invalid one.
    Date(f64),
    /// Bytes in one of JavaScript's containers.
    Bytes(Bytes, Container),
    /// An error.
    Error(Box<Fault>),
    /// An array.
    Array(Vec<Self>),
    /// An object. Keys are in the order of their first occurrence, each once, with the last value.
    Object(Vec<(Text, Self)>),
    /// A plain array or object that was not taken apart.
    Json(Json),
    /// A function or an object with methods.
    Stub(Stub),
    /// A value that is not there yet. Never in what a session delivers.
    Promise(Promise),
}

/// An object of the embedder, under a number that the embedder gives it. The session never interprets the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target(pub u64);

/// An object of the peer, or the result of a call that this side made: its id on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Import(pub(super) i64);

impl Import {
    /// The peer's main object.
    pub const MAIN: Self = Self(0);

    /// The id on the wire.
    #[must_use]
    pub const fn id(self) -> i64 {
        self.0
    }
}

/// An object that can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stub {
    /// An object of this side.
    Local(Target),
    /// An object of the peer.
    Remote(Import),
}

/// A value that is not there yet: of a promise that this side made
/// ([`Session::promise`](super::Session::promise)), or of a call that this side made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise(pub(super) Future);

/// What a promise stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Future {
    /// The place of a reference in an expression that is not evaluated yet.
    Slot(usize),
    /// A node of this session.
    Node(u64),
    /// A part of the result of a call of this side.
    Remote(Import, Vec<PathPart>),
}

impl Promise {
    /// The part at `path` of the result of a call that this side made and that has not settled yet, to be an argument of
    /// another call. Nothing is waited for: the peer puts the result in.
    #[must_use]
    pub const fn of_call(call: Import, path: Vec<PathPart>) -> Self {
        Self(Future::Remote(call, path))
    }
}

/// One step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPart {
    /// A member by name. Of an array, a name in decimal digits is taken for an index.
    Name(Text),
    /// An element by index, from 0.
    Index(u64),
}

impl PathPart {
    /// The element of an array that the step leads to.
    pub(super) fn index(&self) -> Option<usize> {
        match self {
            Self::Name(name) if name.bytes().iter().all(u8::is_ascii_digit) => name.parse().ok(),
            Self::Name(_) => None,
            Self::Index(index) => usize::try_from(*index).ok(),
        }
    }
}

impl Value {
    /// An object of these members.
    pub fn object<K: Into<Text>>(members: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Object(members.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// The string, if it is one.
    #[must_use]
    pub const fn as_text(&self) -> Option<&Text> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The number, if it is one: also Infinity and NaN.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number.as_f64()),
            Self::NonFinite(NonFinite::Infinity) => Some(f64::INFINITY),
            Self::NonFinite(NonFinite::NegativeInfinity) => Some(f64::NEG_INFINITY),
            Self::NonFinite(NonFinite::NaN) => Some(f64::NAN),
            Self::Undefined
            | Self::Null
            | Self::Bool(_)
            | Self::Text(_)
            | Self::BigInt(_)
            | Self::Date(_)
            | Self::Bytes(..)
            | Self::Error(_)
            | Self::Array(_)
            | Self::Object(_)
            | Self::Json(_)
            | Self::Stub(_)
            | Self::Promise(_) => None,
        }
    }

    /// The stub, if it is one.
    #[must_use]
    pub const fn as_stub(&self) -> Option<Stub> {
        if let Self::Stub(stub) = self { Some(*stub) } else { None }
    }

    /// The member of this name, if the value is an object that has it. A [`Json`] must be [opened](Self::opened) first.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(key, _)| *key == *name).map(|(_, value)| value)
    }

    /// Calls `visit` for the value and all in it, with its level from 0. Not into a [`Json`].
    pub(super) fn walk<'v>(&'v self, level: usize, visit: &mut dyn FnMut(&'v Self, usize)) {
        visit(self, level);
        if let Self::Array(elements) = self {
            elements.iter().for_each(|element| element.walk(level + 1, visit));
        } else if let Self::Object(members) = self {
            members.iter().for_each(|(_, value)| value.walk(level + 1, visit));
        } else if let Self::Error(fault) = self {
            fault.members.iter().for_each(|(_, value)| value.walk(level + 1, visit));
        }
    }

    /// Calls `change` for each stub and promise in the value, which may be replaced. What it is replaced by is not looked into.
    pub(super) fn walk_references(&mut self, change: &mut dyn FnMut(&mut Self)) {
        if matches!(self, Self::Stub(_) | Self::Promise(_)) {
            change(self);
        } else if let Self::Array(elements) = self {
            elements.iter_mut().for_each(|element| element.walk_references(change));
        } else if let Self::Object(members) = self {
            members.iter_mut().for_each(|(_, value)| value.walk_references(change));
        } else if let Self::Error(fault) = self {
            fault.members.iter_mut().for_each(|(_, value)| value.walk_references(change));
        }
    }
}
