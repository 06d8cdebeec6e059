//! What scenes share.

pub(crate) mod bucket;
pub(crate) mod moto;
