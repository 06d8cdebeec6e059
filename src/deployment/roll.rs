//! The roll of a deployment's hosts: who is there, by what listings of the bucket show. Pure; the clock is handed in.
//!
//! A host lives if its object was written anew within half a minute of this host's own clock. An object that is met for the first
//! time is compared with this host's own in the same listing, so that one that was left long ago is never taken for a host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::ambient::{Clock, Moment};
use crate::share::host::{HostInfo, HostUrl};
use crate::share::id::HostId;
use crate::share::limits::hosts::{HOST_LINKS_MAX, HOSTS_MAX};
use crate::share::time::Timestamp;
use crate::store::{HostRecord, ListedHost};

/// How long a host that writes nothing is taken for there: three times the ten seconds in which it should write.
const GONE_AFTER: Duration = Duration::from_secs(30);

/// Listings that must have shown a host's object unchanged before the host is taken for gone: after an outage of the bucket all
/// objects are old.
const GONE_LISTINGS: u32 = 3;

/// Records that are read after one listing; further ones are read after the next, those first that were not read for longest. With a
/// listing every ten seconds that is a read a second.
pub(super) const READS_MAX: usize = 10;

/// How old the object of a host must be so that whoever sees it deletes it: a day.
const LEFT_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// Such objects that are deleted after one listing.
const LEFT_MAX: usize = 10;

/// Another host that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) info: HostInfo,
    inside_urls: Vec<HostUrl>,
}

impl Other {
    /// The URLs at which another host tries to reach it.
    pub(super) fn callable_urls(&self) -> Vec<HostUrl> {
        let mut urls = self.inside_urls.clone();
        urls.extend(self.info.urls.iter().filter(|url| !self.inside_urls.contains(url)).cloned());
        urls
    }
}

/// Who is there. Bound: [`HOSTS_MAX`] hosts; further ones are passed over.
#[derive(Debug, Default)]
pub(super) struct Roll {
    seen: BTreeMap<HostId, Seen>,
    /// Number of listings.
    listings: u64,
}

#[derive(Debug)]
struct Seen {
    /// What the last listing showed of its object.
    listed: ListedHost,
    /// When this host saw that.
    changed: Moment,
    /// Number of listings since then that showed no change.
    unchanged: u32,
    /// Number of the listing after which its record was read last; 0: it was not read.
    read_after: u64,
    /// Whether its record was read since it changed.
    is_read: bool,
    /// What its record says; `None`: it was not read, or cannot be.
    other: Option<Other>,
}

impl Seen {
    fn is_gone(&self, clock: &dyn Clock) -> bool {
        self.unchanged >= GONE_LISTINGS && self.changed.steady_age(clock) > GONE_AFTER
    }
}

impl Roll {
    /// Takes in a listing, which has the object of this host, `own`. Returns the hosts whose objects were left so long ago that they
    /// are to be deleted, at most [`LEFT_MAX`].
    pub(super) fn list(&mut self, own: &HostId, listed: &[ListedHost], clock: &dyn Clock) -> Vec<HostId> {
        self.listings += 1;
        let changed = Moment::now(clock);
        let own_written = listed.iter().find(|listed| listed.id == *own).map(|listed| listed.written_at);
        // By the bucket's clock, at the time at which this host's own object was written.
        let age = |written_at: Timestamp| {
            let age_ms = own_written.map_or(0, |own| own.0.saturating_sub(written_at.0));
            Duration::from_millis(u64::try_from(age_ms).unwrap_or_default())
        };
        let mut left = Vec::new();
        for listed in listed.iter().filter(|listed| listed.id != *own) {
            let (age, has_room) = (age(listed.written_at), self.seen.len() < HOSTS_MAX);
            match self.seen.get_mut(&listed.id) {
                Some(seen) if seen.listed == *listed => seen.unchanged = seen.unchanged.saturating_add(1),
                Some(seen) => {
                    (seen.changed, seen.unchanged, seen.is_read) = (changed, 0, false);
                    seen.listed.clone_from(listed);
                }
                None if age > LEFT_AFTER && left.len() < LEFT_MAX => left.push(listed.id.clone()),
                None if age > GONE_AFTER => {}
                None if has_room => {
                    let (listed, unchanged, read_after) = (listed.clone(), 0, 0);
                    let seen = Seen { listed, changed, unchanged, read_after, is_read: false, other: None };
                    self.seen.insert(seen.listed.id.clone(), seen);
                }
                None => {}
            }
        }
        let there: BTreeSet<&HostId> = listed.iter().map(|listed| &listed.id).collect();
        self.seen.retain(|id, seen| there.contains(id) && !seen.is_gone(clock));
        left
    }

    /// The hosts whose records are to be read now, at most [`READS_MAX`].
    pub(super) fn to_read(&self) -> Vec<HostId> {
        let mut unread: Vec<_> = self.seen.iter().filter(|(_, seen)| !seen.is_read).collect();
        unread.sort_by_key(|(_, seen)| seen.read_after);
        unread.into_iter().take(READS_MAX).map(|(id, _)| id.clone()).collect()
    }

    /// Notes the record of a host; `None`: it is gone, or cannot be read.
    pub(super) fn read(&mut self, id: &HostId, record: Option<HostRecord>) {
        if let Some(seen) = self.seen.get_mut(id) {
            (seen.is_read, seen.read_after) = (true, self.listings);
            seen.other = record.map(|HostRecord { info, inside_urls, .. }| Other { info, inside_urls });
        }
    }

    /// The hosts that are there and whose records were read, in the order of their ids.
    pub(super) fn others(&self) -> Arc<[Other]> {
        self.seen.values().filter_map(|seen| seen.other.clone()).collect()
    }

    /// The hosts that say where they are reached, at most [`HOST_LINKS_MAX`].
    pub(super) fn callable(&self) -> BTreeSet<HostId> {
        let others = self.seen.values().filter_map(|seen| seen.other.as_ref());
        let callable = others.filter(|other| !other.callable_urls().is_empty()).map(|other| other.info.id.clone());
        callable.take(HOST_LINKS_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;

    /// A clock that a test sets.
    #[derive(Debug)]
    struct Hand(Instant, Mutex<Duration>);

    impl Hand {
        fn new() -> Self {
            Self(Instant::now(), Mutex::default())
        }

        fn set(&self, seconds: u64) {
            *self.1.lock().unwrap() = Duration::from_secs(seconds);
        }
    }

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp(i64::try_from(self.1.lock().unwrap().as_millis()).unwrap())
        }

        fn monotonic(&self) -> Instant {
            self.0 + *self.1.lock().unwrap()
        }
    }

    fn host(n: u128) -> HostId {
        HostId::from_bits(n)
    }

    /// A listing: hosts with the seconds at which their objects were written.
    fn listing(written: &[(u128, i64)]) -> Vec<ListedHost> {
        let listed =
            |(n, at): &(u128, i64)| ListedHost { id: host(*n), written_at: Timestamp(at * 1_000), content: None };
        written.iter().map(listed).collect()
    }

    fn record(n: u128, url: Option<&str>) -> Option<HostRecord> {
        let info = HostInfo {
            id: host(n),
            urls: url.iter().map(|url| url.parse().unwrap()).collect(),
            version: "1".to_owned(),
            since: Timestamp(0),
            draining: false,
            shares: 0,
            connections: 0,
            clock_ahead_ms: None,
        };
        Some(HostRecord { info, inside_urls: Vec::new(), beat: 1, tickets: BTreeMap::new() })
    }

    fn read_all(roll: &mut Roll) -> Vec<HostId> {
        let ids = roll.to_read();
        for id in &ids {
            let n = (0..1_000).find(|n| host(*n) == *id).unwrap();
            roll.read(id, record(n, Some("http://a")));
        }
        ids
    }

    fn there(roll: &Roll) -> Vec<HostId> {
        roll.others().iter().map(|other| other.info.id.clone()).collect()
    }

    #[test]
    fn a_host_is_gone_half_a_minute_after_its_last_beat_by_the_readers_own_clock() {
        let (clock, mut roll) = (Hand::new(), Roll::default());
        roll.list(&host(0), &listing(&[(0, 1_000), (1, 998)]), &clock);
        assert_eq!(there(&roll), [], "its record was not read yet");
        assert_eq!(read_all(&mut roll), [host(1)]);
        // The bucket's clock stands still from here on: it does not count.
        for seconds in [10, 20, 30] {
            clock.set(seconds);
            roll.list(&host(0), &listing(&[(0, 1_000), (1, 998)]), &clock);
            assert_eq!(there(&roll), [host(1)], "after {seconds} s");
        }
        clock.set(31);
        roll.list(&host(0), &listing(&[(0, 1_000), (1, 998)]), &clock);
        assert_eq!(there(&roll), []);
        clock.set(32);
        roll.list(&host(0), &listing(&[(0, 1_000), (1, 999)]), &clock);
        read_all(&mut roll);
        assert_eq!(there(&roll), [host(1)], "it beats again");
    }

    #[test]
    fn after_an_outage_of_the_bucket_a_host_has_the_time_to_beat() {
        let (clock, mut roll) = (Hand::new(), Roll::default());
        roll.list(&host(0), &listing(&[(0, 1_000), (1, 998)]), &clock);
        read_all(&mut roll);
        clock.set(600);
        roll.list(&host(0), &listing(&[(0, 1_600), (1, 998)]), &clock);
        assert_eq!(there(&roll), [host(1)]);
    }

    #[test]
    fn an_object_that_was_left_is_no_host_and_goes_after_a_day() {
        let (clock, mut roll) = (Hand::new(), Roll::default());
        let day = 24 * 3_600;
        let listed = listing(&[(0, 2 * day), (1, 2 * day - 31), (2, day), (3, day - 1)]);
        assert_eq!(roll.list(&host(0), &listed, &clock), [host(3)]);
        assert_eq!(roll.to_read(), []);
    }

    #[test]
    fn a_host_that_deleted_its_object_is_gone_at_once() {
        let (clock, mut roll) = (Hand::new(), Roll::default());
        roll.list(&host(0), &listing(&[(0, 1), (1, 1)]), &clock);
        read_all(&mut roll);
        roll.list(&host(0), &listing(&[(0, 2)]), &clock);
        assert_eq!(there(&roll), []);
    }

    #[test]
    fn what_is_read_after_one_listing_is_bounded_and_everybodys_turn_comes() {
        let (clock, mut roll) = (Hand::new(), Roll::default());
        let mut written: Vec<_> = (0..26).map(|n| (n, 1)).collect();
        let mut read = BTreeSet::new();
        for beat in 2..5 {
            written.iter_mut().for_each(|(_, at)| *at = beat);
            roll.list(&host(0), &listing(&written), &clock);
            let now = read_all(&mut roll);
            assert!(now.len() <= READS_MAX);
            read.extend(now);
        }
        assert_eq!(read.len(), 25);
    }

    #[test]
    fn hosts_past_the_bound_are_passed_over() {
        let (clock, mut roll) = (Hand::new(), Roll::default());
        let written: Vec<_> = (0..HOSTS_MAX as u128 + 5).map(|n| (n, 1)).collect();
        for _ in 0..HOSTS_MAX {
            roll.list(&host(0), &listing(&written), &clock);
            read_all(&mut roll);
        }
        assert_eq!((there(&roll).len(), roll.callable().len()), (HOSTS_MAX, HOST_LINKS_MAX));
    }

    #[test]
    fn only_a_host_that_says_where_is_called() {
        let (clock, mut roll) = (Hand::new(), Roll::default());
        roll.list(&host(0), &listing(&[(0, 1), (1, 1), (2, 1), (3, 1)]), &clock);
        roll.read(&host(1), record(1, Some("http://a")));
        roll.read(&host(2), record(2, None));
        roll.read(&host(3), None);
        assert_eq!(roll.callable(), BTreeSet::from([host(1)]));
        assert_eq!(there(&roll), [host(1), host(2)]);
    }
}
