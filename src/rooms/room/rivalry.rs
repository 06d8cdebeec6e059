//! When a room has another host append for it. Pure.
//!
//! Each write of a log carries what waits at one host, and of two hosts that write at the same moment one is too late and writes
//! again. A host that was too late twice within a second hands its batches to the other for some seconds, which appends them with its
//! own. Of two hosts only the one with the greater id gives way, so that no two hand their batches to each other. Nothing rests on it:
//! what the other host does not append, this one does.

use std::time::Duration;

use tokio::time::Instant;

use crate::share::id::HostId;

/// How soon after one race another must be lost, to the host that won the first, for a room to give way.
const TWICE_WITHIN: Duration = Duration::from_secs(1);

/// For how long a room gives way. Then it writes by itself, and where the other host still writes loses two races for that: two of
/// some hundreds.
const GIVES_WAY_FOR: Duration = Duration::from_secs(5);

/// For how long a room writes by itself after another host did not append what it was handed.
const ALONE_FOR: Duration = Duration::from_secs(10);

/// The races that a room lost, and what it makes of them.
#[derive(Debug, Default)]
pub(super) struct Rivalry {
    /// To whom the last race was lost, and when.
    lost: Option<(HostId, Instant)>,
    /// Who appends for this room, and until when.
    gives_way: Option<(HostId, Instant)>,
    alone_until: Option<Instant>,
}

impl Rivalry {
    /// An append was too late, because this host's was first.
    pub(super) fn lost(&mut self, own: &HostId, winner: HostId, now: Instant) {
        if winner >= *own || self.alone_until.is_some_and(|until| now < until) {
            return;
        }
        let before = self.lost.replace((winner.clone(), now));
        if before.is_some_and(|(host, at)| host == winner && now.duration_since(at) <= TWICE_WITHIN) {
            self.gives_way = Some((winner, now + GIVES_WAY_FOR));
        }
    }

    /// The host that appends for this room; `None`: this host does.
    pub(super) fn appends(&self, now: Instant) -> Option<&HostId> {
        self.gives_way.as_ref().filter(|(_, until)| now < *until).map(|(host, _)| host)
    }

    /// The other host did not append what it was handed.
    pub(super) fn failed(&mut self, now: Instant) {
        *self = Self { alone_until: Some(now + ALONE_FOR), ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: u128) -> HostId {
        HostId::from_bits(number)
    }

    /// A room of host 2 that lost a race to host 1 twice at once.
    fn that_lost(now: Instant) -> Rivalry {
        let mut rivalry = Rivalry::default();
        rivalry.lost(&host(2), host(1), now);
        assert_eq!(rivalry.appends(now), None);
        rivalry.lost(&host(2), host(1), now + TWICE_WITHIN);
        rivalry
    }

    #[test]
    fn two_races_lost_within_a_second_give_way_for_five() {
        let now = Instant::now();
        let rivalry = that_lost(now);
        let since = now + TWICE_WITHIN;
        assert_eq!(rivalry.appends(since), Some(&host(1)));
        assert_eq!(rivalry.appends(since + GIVES_WAY_FOR - Duration::from_millis(1)), Some(&host(1)));
        assert_eq!(rivalry.appends(since + GIVES_WAY_FOR), None);
    }

    #[test]
    fn races_far_apart_or_lost_to_different_hosts_do_not() {
        let now = Instant::now();
        let mut rivalry = Rivalry::default();
        rivalry.lost(&host(3), host(1), now);
        rivalry.lost(&host(3), host(1), now + TWICE_WITHIN + Duration::from_millis(1));
        rivalry.lost(&host(3), host(2), now + TWICE_WITHIN + Duration::from_millis(2));
        assert_eq!(rivalry.appends(now + TWICE_WITHIN + Duration::from_millis(2)), None);
    }

    /// Otherwise two hosts could hand their batches to each other, and each would lose what it gains.
    #[test]
    fn only_the_greater_id_gives_way() {
        let now = Instant::now();
        let mut rivalry = Rivalry::default();
        for _ in 0..4 {
            rivalry.lost(&host(1), host(2), now);
        }
        assert_eq!(rivalry.appends(now), None);
    }

    #[test]
    fn a_host_that_did_not_append_is_left_alone_for_ten_seconds() {
        let now = Instant::now();
        let mut rivalry = that_lost(now);
        let since = now + TWICE_WITHIN;
        rivalry.failed(since);
        assert_eq!(rivalry.appends(since), None);
        for tenths in 1..100 {
            rivalry.lost(&host(2), host(1), since + Duration::from_millis(100 * tenths));
        }
        assert_eq!(rivalry.appends(since + Duration::from_millis(9_999)), None);
        let later = since + ALONE_FOR;
        rivalry.lost(&host(2), host(1), later);
        rivalry.lost(&host(2), host(1), later);
        assert_eq!(rivalry.appends(later), Some(&host(1)));
    }
}
