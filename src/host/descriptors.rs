//! Files and sockets that the process may have open, and what fits into them.
//!
//! Each connection needs a descriptor, and so do the store's files. A host that takes more connections than the system gives it
//! descriptors cannot read its own store any more, so it takes fewer.

use crate::http::settings::SocketSettings;

/// Descriptors that sockets leave to the store, the log and the runtime: files are opened for as long as one is read or
/// written, by some hundred threads at most. Where there are few descriptors in all, a quarter.
const KEPT: usize = 256;

/// What fits into the descriptors that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fit {
    /// Connections that may be admitted.
    pub(super) connections: usize,
    /// Sockets at once: those of admitted connections and those besides.
    pub(super) sockets: usize,
}

/// How many connections fit, of as many as there may be.
pub(super) fn fit(connections_max: usize, settings: &SocketSettings) -> Fit {
    let wanted = connections_max.saturating_add(settings.besides_max);
    let Some(descriptors) = settings.descriptors_max.or_else(limit) else {
        return Fit { connections: connections_max, sockets: wanted };
    };
    let sockets = wanted.min(descriptors - KEPT.min(descriptors / 4)).max(2);
    let connections = connections_max.min(sockets - settings.besides_max.min(sockets / 4));
    Fit { connections, sockets }
}

/// How many descriptors the process may have; `None`: as many as it likes, or the system has no such limit.
#[cfg(unix)]
fn limit() -> Option<usize> {
    let (soft, _) = rlimit::getrlimit(rlimit::Resource::NOFILE).ok()?;
    usize::try_from(soft).ok().filter(|_| soft != rlimit::INFINITY)
}

#[cfg(not(unix))]
fn limit() -> Option<usize> {
    None
}

/// Lets this process have as many files and sockets open as the system allows it to ask for. To be called once, by the program:
/// it is a matter of the whole process. Where it fails the limit stays as it is.
#[cfg(unix)]
pub fn raise() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

/// Lets this process have as many files and sockets open as the system allows it to ask for. This system has no such limit.
#[cfg(not(unix))]
pub fn raise() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_not_promised_and_the_store_keeps_its_own() {
        for (descriptors, connections, sockets) in [
            (64, 36, 48),
            (256, 144, 192),
            (1_024, 576, 768),
            (4_096, 2_880, 3_840),
            (11_279, 9_999, 11_023),
            (11_280, 10_000, 11_024),
            (1_048_576, 10_000, 11_024),
            (0, 2, 2),
        ] {
            let settings = SocketSettings { descriptors_max: Some(descriptors), ..SocketSettings::default() };
            assert_eq!(fit(10_000, &settings), Fit { connections, sockets }, "{descriptors}");
        }
        let few = SocketSettings { descriptors_max: Some(1_024), ..SocketSettings::default() };
        assert_eq!(fit(50, &few).connections, 50);
    }
}
