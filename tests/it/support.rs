//! What scenes share.

pub(crate) mod bare;
pub(crate) mod base64url;
pub(crate) mod bucket;
pub(crate) mod clock;
pub(crate) mod desk;
pub(crate) mod door;
pub(crate) mod hearing;
pub(crate) mod http;
pub(crate) mod install;
pub(crate) mod items;
pub(crate) mod line;
pub(crate) mod looks;
pub(crate) mod memory;
pub(crate) mod moto;
pub(crate) mod nats;
pub(crate) mod npm;
pub(crate) mod patch;
pub(crate) mod patience;
pub(crate) mod raw;
pub(crate) mod relay;
pub(crate) mod sink;
pub(crate) mod sse;
