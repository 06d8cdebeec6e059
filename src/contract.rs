//! The contract: its names, and the maps between the domain's types and Cap'n Proto.
//!
//! Host and client both use it: what one writes, the other reads with the code beside it. [`sync_data`] checks the JSON texts
//! of items and reads their keys, once, after [`repair`] made each readable; [`convert`] maps items, batches and views to Cap'n Proto and back;
//! [`grants`] maps saved capabilities, [`visibility`] who may see a share, [`push`] pushes, [`ask`] how a question ended, [`admin`]
//! what administrators see and ask, [`moving`] the URLs at which clients go on; [`error`] is the one map of refusals and faults, and [`read_error`] what reading fails with.

pub mod admin;
pub mod ask;
pub mod convert;
pub mod error;
pub mod grants;
pub mod moving;
pub mod push;
pub mod read_error;
pub mod repair;
pub mod sync_data;
pub mod visibility;

/// The contract's version, which host and client compare in `hello`.
pub const CONTRACT_VERSION: u32 = crate::share_capnp::CONTRACT_VERSION;

/// The WebSocket subprotocol that names the contract and its version: a client offers it, the host picks it, and a host
/// that does not speak what a client offers refuses the upgrade.
pub const SUBPROTOCOL: &str = "capshare.1";

/// What the subprotocol of every version begins with.
pub const SUBPROTOCOL_PREFIX: &str = "capshare.";

/// The path of the RPC door on a host.
pub const RPC_PATH: &str = "/rpc/share";

/// The path on which hosts of one deployment call each other.
pub const HOST_PATH: &str = "/rpc/host";

/// The name and version by which a host and its client call themselves, such as `capshare/0.1.0`.
pub const AGENT: &str = concat!("capshare/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use crate::share::limits;
    use crate::share_capnp as schema;

    #[test]
    fn the_schema_states_the_limits_that_the_code_enforces() {
        assert_eq!(super::SUBPROTOCOL, format!("{}{}", super::SUBPROTOCOL_PREFIX, super::CONTRACT_VERSION));
        for (stated, enforced) in [
            (schema::MESSAGE_BYTES_MAX, limits::MESSAGE_BYTES_MAX),
            (schema::CHUNK_BYTES_MAX, limits::CHUNK_BYTES_MAX),
            (schema::ITEM_BYTES_MAX, limits::ITEM_BYTES_MAX),
            (schema::ITEM_NESTING_MAX.into(), limits::ITEM_NESTING_MAX),
            (schema::SYNC_ITEMS_MAX.into(), limits::SYNC_ITEMS_MAX),
            (schema::SHARE_ITEMS_MAX.into(), limits::SHARE_ITEMS_MAX),
            (schema::SHARE_GRANTS_MAX.into(), limits::SHARE_GRANTS_MAX),
            (schema::GRANT_LABEL_BYTES_MAX.into(), limits::GRANT_LABEL_BYTES_MAX),
            (schema::SHARE_BYTES_MAX, limits::SHARE_BYTES_MAX),
            (schema::ID_BYTES_MAX.into(), limits::ID_BYTES_MAX),
            (schema::SESSION_ID_BYTES_MAX.into(), limits::SESSION_ID_BYTES_MAX),
            (schema::SHARE_TTL_MS_MAX, limits::SHARE_TTL_MS_MAX as usize),
            (schema::CALLS_IN_FLIGHT_MAX.into(), limits::CALLS_IN_FLIGHT_MAX),
            (schema::CAPABILITIES_HELD_MAX.into(), limits::CAPABILITIES_HELD_MAX),
            (schema::LIST_PAGE_MAX.into(), limits::LIST_PAGE_MAX),
            (schema::HOST_URLS_TOLD_MAX.into(), limits::hosts::HOST_URLS_TOLD_MAX),
            (schema::HOST_URL_BYTES_MAX.into(), limits::hosts::HOST_URL_BYTES_MAX),
            (schema::PUSH_BYTES_MAX.into(), limits::PUSH_BYTES_MAX),
            (schema::PUSHES_IN_FLIGHT_MAX.into(), limits::PUSHES_IN_FLIGHT_MAX),
        ] {
            assert_eq!(stated, enforced as u64);
        }
    }
}
