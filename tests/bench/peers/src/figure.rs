//! One measured number, and what it belongs to.

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// What one system did in one round of a scene.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// The line of the table, such as "1 KiB, 64 in flight, 1 connection".
    pub(crate) scene: String,
    /// Whose it is, such as "capnp-rpc TCP".
    pub(crate) system: String,
    /// What was measured, with its unit, such as "calls/s" or "p99 ms".
    pub(crate) metric: &'static str,
    pub(crate) value: f64,
    pub(crate) better: Better,
}

impl Figure {
    /// A figure of which more is better.
    pub(crate) fn higher(scene: impl Into<String>, system: &str, metric: &'static str, value: f64) -> Self {
        Self { scene: scene.into(), system: system.to_owned(), metric, value, better: Better::Higher }
    }

    /// A figure of which less is better.
    pub(crate) fn lower(scene: impl Into<String>, system: &str, metric: &'static str, value: f64) -> Self {
        Self { better: Better::Lower, ..Self::higher(scene, system, metric, value) }
    }
}
