//! What is asked, of whom, and how a system is had.

use std::fmt;

use crate::context::Context;
use crate::figure::Figure;
use crate::running::Running;

/// Something that can be started in a process of its own: capshare, or a peer.
pub(crate) trait System {
    /// Its name in tables, the same in every scene.
    fn name(&self) -> &str;

    /// Makes sure that it is there, from the registries, once; what is there already costs a look.
    ///
    /// # Errors
    ///
    /// It cannot be had here; the table then says why.
    fn install(&self, _context: &Context) -> anyhow::Result<()> {
        Ok(())
    }

    /// Starts it, and returns when it takes connections.
    ///
    /// # Errors
    ///
    /// It ended, or did not listen in time.
    fn start(&self, context: &Context) -> anyhow::Result<Running>;
}

/// How one round is driven; the figures of one system.
pub(crate) type Drive = Box<dyn Fn(&Context, &Running) -> anyhow::Result<Vec<Figure>>>;

/// A system in a scene, with what drives it there.
pub(crate) struct Contender {
    pub(crate) system: Box<dyn System>,
    pub(crate) drive: Drive,
}

impl Contender {
    pub(crate) fn new(
        system: impl System + 'static,
        drive: impl Fn(&Context, &Running) -> anyhow::Result<Vec<Figure>> + 'static,
    ) -> Self {
        Self { system: Box::new(system), drive: Box::new(drive) }
    }
}

/// One question, put to several systems.
pub(crate) struct Scene {
    /// Its name on the command line, and of its files.
    pub(crate) key: &'static str,
    /// What it asks, for the reports.
    pub(crate) question: &'static str,
    pub(crate) contenders: Vec<Contender>,
    /// Whether it runs when nobody says which.
    pub(crate) by_default: bool,
}

impl fmt::Debug for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Contender").field(&self.system.name()).finish()
    }
}

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scene").field("key", &self.key).field("contenders", &self.contenders).finish_non_exhaustive()
    }
}
