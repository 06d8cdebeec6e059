//! The linked client.
