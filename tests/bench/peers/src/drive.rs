//! The drivers: each asks one question, of every system in the same way.

mod fanout;
mod followed;
mod idle;
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
    Ok(vec![fanout::scene(context), idle::scene(context), soak::scene(context), start::scene(context)])
}

/// What capshare must reach in them.
pub(crate) fn aims() -> Vec<Aim> {
    [fanout::AIMS, idle::AIMS, soak::AIMS, start::AIMS].concat()
}
