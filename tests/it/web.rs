//! The Cap'n Web door, frame by frame, and with real clients.

mod doors;
mod large;
mod leaves;
mod limits;
mod moving;
mod objects;
mod peer;
mod plain;
mod pushes;
pub(crate) mod real;
mod revocation;
mod times;
mod typescript;
