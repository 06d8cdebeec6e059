//! The client's calls, each with its policy for a connection that is lost while the call is on its way.

pub(crate) mod grants;
pub(crate) mod reads;
