//! Playing seeds: all of one weather, one that failed, and as many as it takes to find a planted bug.

use std::fmt::Debug;
use std::io::Write as _;

use capshare::__internal::store::Mutation;
use futures::FutureExt as _;

use super::history::{self, History, Op, Ret};
use super::order::Order;
use super::weather::KINDS;
use super::{Report, Stage, checks};

const SEEDS: u64 = 2_000;

/// The history of a seed; `told`: what happens is written down.
fn history_of(seed: u64, mutation: Option<Mutation>, told: bool) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let stage = Stage::new(seed, mutation, told);
        let played = stage.play(mutation).boxed_local().await;
        played.map(|report| Report { trace: stage.world.trace(), ..report })
    })
}

/// For a person who runs the test by hand.
pub(super) fn say(what: &str) {
    std::io::stderr().write_all(format!("{what}\n").as_bytes()).unwrap();
}

pub(super) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().unwrap())
}

/// Plays the seeds of one weather, or the one that was asked for, if it has this weather.
fn play_all(kind: u64) -> Report {
    let only = number("CAPSHARE_TEST_SEED");
    let seeds = only.map_or(1..=number("CAPSHARE_TEST_SEEDS").unwrap_or(SEEDS), |seed| seed..=seed);
    let mut sum = Report::default();
    let mut played = 0;
    for seed in seeds.filter(|seed| seed % KINDS == kind) {
        let report = history_of(seed, None, only.is_some()).unwrap_or_else(|error| {
            panic!(
                "seed {seed}: {error}\nto see it: CAPSHARE_TEST_SEED={seed} cargo nextest run --no-capture simulation"
            )
        });
        played += 1;
        sum.unshown += report.unshown;
        sum.operations += report.operations;
        sum.unknown_done += report.unknown_done;
        sum.duplicates += report.duplicates;
        sum.deleted += report.deleted;
        sum.folds += report.folds;
    }
    say(&format!("{played} seeds: {sum:?}"));
    // One alone may be such a history.
    assert!(
        played == 1 || sum.unshown * 2 <= played,
        "of {played} histories the other checker saw {}",
        played - sum.unshown
    );
    sum
}

macro_rules! weathers {
    ($($(#[$doc:meta])* $kind:literal $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[test]
            fn $name() {
                let sum = play_all($kind);
                // Few seeds show nothing of how mild they are.
                if sum.operations > 3_000 {
                    assert!(sum.folds > 0 && sum.deleted > 0 && sum.duplicates > 0 && sum.unknown_done > 0, "{sum:?}");
                }
            }
        )*
    };
}

weathers! {
    /// S15: syncs made at once on two or three hosts all survive with counts of their own.
    0 hosts_that_write_one_share_at_once_agree_on_its_history;
    /// S15, S22: a batch sent again after a lost answer, to any host, is applied once and answered with its first count.
    1 requests_and_answers_that_get_lost_or_land_late_lose_and_double_nothing;
    2 conflicts_that_are_none_and_writers_that_meet_themselves_lose_and_double_nothing;
    3 answers_that_come_after_the_lease_are_not_trusted;
    /// S22. A crash here is that of a host over a bucket that goes on.
    4 hosts_that_crash_and_come_back_lose_nothing_that_they_acknowledged;
    5 hosts_that_wake_up_after_minutes_do_no_harm;
    6 a_bucket_that_is_full_or_busy_keeps_what_was_acknowledged;
    /// S84: whichever of its clocks stood still while it slept, one of those that went on tells it that its leases are over.
    8 hosts_that_slept_while_some_of_their_clocks_stood_still_lose_nothing;
    /// S84: where all of them stood still the bucket's answers tell it.
    9 hosts_that_slept_while_all_of_their_clocks_stood_still_are_told_by_the_bucket;
    10 hosts_that_nobody_tells_that_they_slept_do_no_harm_if_it_was_short;
    /// S13, S15, S22.
    7 everything_at_once_loses_and_doubles_nothing;
}

/// Both checkers see a read that is stale, and both take it for right while the sync may still be under way.
#[test]
fn a_stale_read_is_seen_by_both_checkers() {
    for acknowledged in [true, false] {
        let (history, order) = (History::default(), Order::default());
        for label in 0..2 {
            history.sends(history::Sent { client: 2, stamp: None, batch: Default::default() });
            order.numbered(label, label as u64 + 1).unwrap();
            let sync = history.invoke(2, Op::Sync(label));
            if acknowledged || label == 0 {
                history.answered(sync, Ret::Count(label as u64 + 1));
            }
        }
        let read = history.invoke(5, Op::Read);
        history.answered(read, Ret::State(1));
        assert_eq!(checks::in_real_time(&history, &order).is_err(), acknowledged);
        assert_eq!(checks::linearizable(&history, &order).is_err(), acknowledged);
    }
}

/// The other checker is asked where it will end: up to so many operations that are open when all is over.
#[test]
fn a_history_with_many_open_operations_is_left_to_the_complete_check() {
    for (open, is_shown) in [(checks::OPEN_MAX, true), (checks::OPEN_MAX + 1, false)] {
        let (history, order) = (History::default(), Order::default());
        for label in 0..=open {
            history.sends(history::Sent { client: label, stamp: None, batch: Default::default() });
            history.invoke(label, Op::Sync(label));
        }
        // One of the others is the first.
        order.numbered(0, 2).unwrap();
        history.answered(0, Ret::Count(2));
        checks::in_real_time(&history, &order).unwrap();
        assert_eq!(checks::linearizable(&history, &order), Ok(is_shown));
    }
}

/// The simulation can be relied on: what a seed shows once it shows again.
#[test]
fn a_seed_gives_the_same_history_twice() {
    shows_again(40, |seed| history_of(seed, None, false));
}

/// Each of so many seeds gives one history, whenever it is played.
pub(super) fn shows_again<R: PartialEq + Debug>(seeds: u64, history: impl Fn(u64) -> R) {
    for seed in 1..=seeds {
        assert_eq!(history(seed), history(seed), "seed {seed}");
    }
}

/// One of so many seeds finds a planted bug; the first is said, with how it was found.
pub(super) fn found_by<M: Copy + Debug, R>(mutation: M, seeds: u64, history: impl Fn(u64, M) -> Result<R, String>) {
    let found = (1..=seeds).find_map(|seed| history(seed, mutation).err().map(|error| (seed, error)));
    let (seed, error) = found.unwrap_or_else(|| panic!("no seed up to {seeds} finds {mutation:?}"));
    say(&format!("{mutation:?} is found by seed {seed}: {error}"));
}

fn finds(mutation: Mutation) {
    found_by(mutation, SEEDS, |seed, mutation| history_of(seed, Some(mutation), false));
}

#[test]
fn a_create_that_overwrites_is_found() {
    finds(Mutation::SkipConditional);
}

#[test]
fn an_answer_before_the_write_is_found() {
    finds(Mutation::AcknowledgeBeforePut);
}

#[test]
fn a_fold_without_its_producers_is_found() {
    finds(Mutation::DropProducers);
}

#[test]
fn a_deletion_without_tombstone_is_found() {
    finds(Mutation::ForgetTombstone);
}

#[test]
fn a_lease_by_the_clock_of_timers_alone_is_found() {
    finds(Mutation::TrustInstant);
}

#[test]
fn a_listing_that_goes_on_too_late_is_found() {
    finds(Mutation::ResumeTooLate);
}

#[test]
fn a_follower_that_subscribes_too_late_is_found() {
    finds(Mutation::ReadBeforeSubscribe);
}

#[test]
fn a_hint_that_is_taken_for_the_news_is_found() {
    finds(Mutation::TrustHint);
}

#[test]
fn a_lease_that_a_hint_renews_is_found() {
    finds(Mutation::RenewByHint);
}

#[test]
fn a_host_that_is_believed_to_have_appended_is_found() {
    finds(Mutation::BelieveHost);
}
