//! Integration tests, in one binary.

mod wire;
