//! Bytes and vats.
