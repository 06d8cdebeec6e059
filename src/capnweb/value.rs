//! Values as they travel: JavaScript's, with stubs and promises among them.

use bytes::Bytes;

use super::fault::Fault;
use super::json::Json;
use super::text::Text;

/// A value of the wire, as an owned tree.
///
/// Texts and plain data deep inside ([`Json`]) are slices of the frame in which they came. A value is data only: it does not
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

/// A finite number, as its JSON text: `12`, `-0.5`, `1e3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(pub(super) Text);

/// A number that JSON does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonFinite {
    /// `Infinity`.
    Infinity,
    /// `-Infinity`.
    NegativeInfinity,
    /// `NaN`.
    NaN,
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

/// JavaScript's containers of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names are JavaScript's")]
pub enum Container {
    /// `Uint8Array` or `Buffer`, the only one that clients before 0.11 have.
    #[default]
    Plain,
    ArrayBuffer,
    DataView,
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    BigInt64Array,
    BigUint64Array,
    Float32Array,
    Float64Array,
}

/// The named containers, with the bytes of one element.
const CONTAINERS: [(&str, Container, usize); 13] = [
    ("ArrayBuffer", Container::ArrayBuffer, 1),
    ("DataView", Container::DataView, 1),
    ("Int8Array", Container::Int8Array, 1),
    ("Uint8Array", Container::Uint8Array, 1),
    ("Uint8ClampedArray", Container::Uint8ClampedArray, 1),
    ("Int16Array", Container::Int16Array, 2),
    ("Uint16Array", Container::Uint16Array, 2),
    ("Int32Array", Container::Int32Array, 4),
    ("Uint32Array", Container::Uint32Array, 4),
    ("BigInt64Array", Container::BigInt64Array, 8),
    ("BigUint64Array", Container::BigUint64Array, 8),
    ("Float32Array", Container::Float32Array, 4),
    ("Float64Array", Container::Float64Array, 8),
];

impl Container {
    /// The container of this name on the wire, and the bytes of one element.
    pub(super) fn named(name: &str) -> Option<(Self, usize)> {
        CONTAINERS.iter().find(|one| one.0 == name).map(|one| (one.1, one.2))
    }

    /// The name on the wire; `None` for the plain one.
    pub(super) fn name(self) -> Option<&'static str> {
        CONTAINERS.iter().find(|one| one.1 == self).map(|one| one.0)
    }
}

impl Number {
    /// The number, rounded as JavaScript does.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        self.0.as_str().parse().unwrap_or(f64::NAN)
    }

    /// The number, if it is an integer that fits, whether it is written as `3` or as `3.0`.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        let integer = self.0.as_str().parse().ok();
        integer.or_else(|| Some(self.as_f64()).filter(|n| n.fract() == 0.0 && n.abs() <= SAFE).map(|n| n as i64))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The largest integer up to which a float holds every integer: 2^53 - 1.
const SAFE: f64 = 9_007_199_254_740_991.0;

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

    /// The value with one more level of its tree: a [`Json`] becomes an array or an object, anything else stays.
    #[must_use]
    pub fn opened(self) -> Self {
        if let Self::Json(json) = self { json.open() } else { self }
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

    /// What the value weighs.
    pub(super) fn weigh(&self) -> Weight {
        let mut weight = Weight::default();
        self.walk(0, &mut |value, level| {
            weight.values += 1;
            weight.bytes += size_of::<(Text, Self)>();
            weight.depth = weight.depth.max(level + 1);
            match value {
                Self::Text(text) | Self::BigInt(text) => weight.bytes += text.bytes().len(),
                Self::Number(number) => weight.bytes += number.0.bytes().len(),
                Self::Bytes(bytes, _) => weight.bytes += bytes.len(),
                Self::Error(fault) => weight.bytes += fault.message.bytes().len() + fault.name.bytes().len(),
                Self::Json(json) => {
                    weight.bytes += json.wire().bytes().len();
                    weight.depth = weight.depth.max(level + json.depth());
                }
                Self::Object(members) => {
                    weight.bytes += members.iter().map(|(key, _)| key.bytes().len()).sum::<usize>();
                }
                Self::Stub(_) | Self::Promise(_) => weight.references += 1,
                Self::Undefined | Self::Null | Self::Bool(_) | Self::NonFinite(_) | Self::Date(_) | Self::Array(_) => {}
            }
        });
        weight
    }
}

/// What a value costs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    /// Values in the tree.
    pub(super) values: usize,
    /// Estimated bytes in memory, and about those on the wire.
    pub(super) bytes: usize,
    /// Levels, from 1 for a value that has none inside.
    pub(super) depth: usize,
    /// Stubs and promises.
    pub(super) references: usize,
}

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
