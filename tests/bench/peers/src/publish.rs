//! Producers: how an event of a topic gets into a system, the same way that a user of it would choose.

pub(crate) mod http;
pub(crate) mod nats;
pub(crate) mod shares;

use futures::future::LocalBoxFuture;

/// A system's way in, for topics that were made with it.
pub(crate) trait Publisher {
    /// The topics' names, as the system's viewers ask for them.
    fn topics(&self) -> &[String];

    /// Publishes to the topic of this number, and waits until the system says that it has it, if it does say so.
    fn publish<'a>(&'a self, topic: usize, event: String) -> LocalBoxFuture<'a, anyhow::Result<()>>;
}

/// Names for so many topics.
pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|topic| format!("{prefix}x{topic}")).collect()
}
