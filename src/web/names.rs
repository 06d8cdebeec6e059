//! The interfaces that objects of the host have at this door, by what they are called.

use crate::web::give::Named;

/// Declares an interface's name.
macro_rules! names {
    ($($(#[doc = $doc:literal])+ $name:ident = $called:literal,)+) => {
        $(
            $(#[doc = $doc])+
            pub(super) struct $name;

            impl Named for $name {
                const NAME: &'static str = $called;
            }
        )+
    };
}

names! {
    /// The main object, and what `authenticate` gives.
    Rpc = "ShareRpc",
    /// The whole of a share.
    Full = "Share",
    /// A share, for writing.
    Writer = "ShareWriter",
    /// A share, for reading.
    View = "ShareView",
    /// A watch.
    Watching = "Watch",
    /// A registration.
    Registered = "Registration",
}
