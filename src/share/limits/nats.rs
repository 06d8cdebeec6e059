//! The limits of NATS as what carries news between hosts.

/// NATS servers that the settings name. Of a larger cluster a few are enough: the servers tell of each other.
pub const NATS_SERVERS_MAX: usize = 16;

/// Commands that wait for the connection to NATS, at some 300 bytes each: hints to be sent, and subscriptions. Past it a hint is dropped,
/// and counted.
pub const NATS_WAITING_MAX: usize = 1_024;

/// Messages of one subscription that wait to be taken, at some 400 bytes each. Past it the newest are dropped, and the room
/// looks into the bucket.
pub const NATS_HEARD_MAX: usize = 64;
