//! JavaScript's containers of bytes, by their names on the wire.

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
    pub(in super::super) fn named(name: &str) -> Option<(Self, usize)> {
        CONTAINERS.iter().find(|one| one.0 == name).map(|one| (one.1, one.2))
    }

    /// The name on the wire; `None` for the plain one.
    pub(in super::super) fn name(self) -> Option<&'static str> {
        CONTAINERS.iter().find(|one| one.1 == self).map(|one| one.0)
    }
}
