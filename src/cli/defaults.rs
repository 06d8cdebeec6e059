//! What holds where the command line, the environment and the settings file say nothing, and more than one command must know it.

/// The address where a host listens, and where client commands look for one.
pub(crate) const LISTEN: &str = "127.0.0.1:7420";
