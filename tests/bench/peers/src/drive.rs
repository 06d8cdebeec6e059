//! The drivers: each asks one question, of every system in the same way.

mod caller;
mod calls;
mod capnp;
mod durable;
mod fanout;
mod followed;
mod http;
mod idle;
mod open;
mod soak;
mod start;

use crate::aims::Aim;
use crate::context::Context;
use crate::scene::Scene;

/// All scenes there are.
///
/// # Errors
///
/// One cannot be set up.
pub(crate) fn scenes(context: &Context) -> anyhow::Result<Vec<Scene>> {
    Ok(vec![
        calls::scene(context),
        fanout::scene(context),
        idle::scene(context),
        durable::scene(context),
        open::scene(context),
        start::scene(context),
        soak::scene(context),
    ])
}

/// What capshare must reach in them.
pub(crate) fn aims() -> Vec<Aim> {
    [calls::AIMS, fanout::AIMS, idle::AIMS, durable::AIMS, open::AIMS, start::AIMS, soak::AIMS].concat()
}
