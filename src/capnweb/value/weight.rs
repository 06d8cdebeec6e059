//! What values weigh.

use super::super::text::Text;
use super::Value;

impl Value {
    /// What the value weighs.
    pub(in super::super) fn weigh(&self) -> Weight {
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
pub(in super::super) struct Weight {
    /// Values in the tree.
    pub(in super::super) values: usize,
    /// Estimated bytes in memory, and about those on the wire.
    pub(in super::super) bytes: usize,
    /// Levels, from 1 for a value that has none inside.
    pub(in super::super) depth: usize,
    /// Stubs and promises.
    pub(in super::super) references: usize,
}
