//! The host: settings and resources put together into a running service.

pub mod storage;
