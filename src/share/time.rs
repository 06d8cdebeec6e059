//! Points in time, as the log and the wires write them.

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted. It says when
/// something happened, and never in which order: the order is the log's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);
