//! What scenes share.

pub(crate) mod bucket;
pub(crate) mod door;
pub(crate) mod items;
pub(crate) mod moto;
