//! Points in time, as the log and the wire write them.

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted. It says when, never in which order: order is the log's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);
