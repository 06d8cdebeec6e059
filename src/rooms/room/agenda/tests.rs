//! What happened, and when, in tables; what is next.

use super::*;
use crate::share::revision::Revision;

mod attention;
mod days;
mod rules;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const RULES: Rules = Rules { linger: Duration::ZERO, fold_after: MINUTE, polls: None };
/// A share that this host wrote to, of which the index knows nothing yet, and whose log is more than one object.
const WRITTEN: Facts =
    Facts { live: true, segments: 1, unfolded: true, own: true, cheap: false, stand: (1, Revision(1), None) };
/// Everything is done for it.
const DONE: Facts = Facts { unfolded: false, ..WRITTEN };
const SYNC: Queued = Queued { appends: 1, looks: 0, bytes: 100, urgent: false };
const LOOK: Queued = Queued { appends: 0, looks: 1, bytes: 0, urgent: false };

/// What the index knows is what there is.
fn agenda(rules: Rules, facts: Facts, now: Instant) -> Agenda {
    Agenda::new(rules, facts, true, now)
}

/// A round that leaves this, begun when it is next.
fn round(agenda: &mut Agenda, leaves: Facts, carried_out: bool, now: Instant) -> Next {
    assert!(matches!(agenda.next(now), Next::Append | Next::Look), "{:?}", agenda.next(now));
    let appends = agenda.next(now) == Next::Append;
    agenda.begins(Queued::default(), 0, now);
    if appends && carried_out {
        agenda.appends(now);
        agenda.grew(now);
    }
    agenda.ends(leaves, carried_out, now);
    agenda.next(now)
}

/// What the log has for this occasion, and what is next then.
fn folds(agenda: &mut Agenda, made: bool, writes: bool, now: Instant) -> Next {
    assert!(matches!(agenda.next(now), Next::Fold { .. }), "{:?}", agenda.next(now));
    agenda.folds(made, writes, now);
    agenda.next(now)
}

fn fold(occasion: Occasion, describe: bool) -> Next {
    Next::Fold { occasion, describe }
}

#[test]
fn what_is_queued_waits_for_the_linger_if_it_may() {
    let full = Queued { bytes: SEGMENT_BYTES_MAX, ..SYNC };
    let (urgent, empty) = (Queued { urgent: true, ..SYNC }, Queued { bytes: 0, ..SYNC });
    let lingering = Rules { linger: SECOND, ..RULES };
    let start = Instant::now();
    // What is queued, how long after the last append, and how long it waits from then on.
    for (queued, after, waits) in [
        (SYNC, Duration::ZERO, Ok(1_000 * MS)),
        (SYNC, 400 * MS, Ok(600 * MS)),
        (SYNC, 999 * MS, Ok(MS)),
        (SYNC, 1_000 * MS, Err(Next::Append)),
        (SYNC.and(LOOK), Duration::ZERO, Ok(1_000 * MS)),
        (LOOK, Duration::ZERO, Err(Next::Look)),
        (SYNC.and(urgent), Duration::ZERO, Err(Next::Append)),
        (full, Duration::ZERO, Err(Next::Append)),
        (empty, Duration::ZERO, Err(Next::Append)),
    ] {
        let mut agenda = agenda(lingering, DONE, start);
        agenda.appends(start);
        let now = start + after;
        assert_eq!(agenda.queued(queued, now), Upkeep::Sooner);
        assert_eq!(agenda.next(now), waits.map_or_else(|next| next, |waits| Next::Gather(now + waits)), "{queued:?}");
    }
}

#[test]
fn who_gathers_is_woken_for_what_must_not_wait_and_for_nothing_else() {
    let start = Instant::now();
    let mut agenda = agenda(Rules { linger: SECOND, ..RULES }, DONE, start);
    agenda.appends(start);
    assert_eq!(agenda.queued(SYNC, start), Upkeep::Sooner);
    assert_eq!(agenda.queued(SYNC, start + 10 * MS), Upkeep::Unchanged);
    assert_eq!(agenda.queued(LOOK, start + 10 * MS), Upkeep::Unchanged);
    assert_eq!(agenda.queued(Queued { urgent: true, ..SYNC }, start + 20 * MS), Upkeep::Sooner);
    assert_eq!(agenda.queued(SYNC, start + 20 * MS), Upkeep::Unchanged);
}

#[test]
fn as_many_as_the_last_append_answered_are_waited_for() {
    let start = Instant::now();
    // How many it answered, how long it took, and how long the first of them waits for the others.
    for (count, took, patience) in [
        (0, 100 * MS, None),
        (1, 100 * MS, None),
        (2, 4 * MS, None),
        (2, 5 * MS, Some(MS)),
        (2, 100 * MS, Some(5 * MS)),
        (2, SECOND, Some(10 * MS)),
    ] {
        let mut agenda = agenda(RULES, DONE, start);
        agenda.appended(count, took);
        assert_eq!(agenda.queued(SYNC, start), Upkeep::Sooner);
        agenda.gathers(start);
        let Some(patience) = patience else {
            assert_eq!(agenda.next(start), Next::Append, "{count} in {took:?}");
            continue;
        };
        assert_eq!(agenda.next(start), Next::Gather(start + patience), "{count} in {took:?}");
        // It is no longer for being asked again.
        agenda.gathers(start + MS / 2);
        assert_eq!(agenda.next(start + MS / 2), Next::Gather(start + patience));
        assert_eq!(agenda.next(start + patience), Next::Append);
        assert_eq!(agenda.queued(LOOK, start), Upkeep::Sooner, "as many are here again");
        assert_eq!(agenda.next(start), Next::Append);
        // The next wait is a whole one.
        assert_eq!(round(&mut agenda, DONE, true, start + 50 * MS), fold(Occasion::Busy, false));
        folds(&mut agenda, false, false, start + 50 * MS);
        let _ = agenda.queued(SYNC, start + 60 * MS);
        agenda.gathers(start + 60 * MS);
        assert_eq!(agenda.next(start + 60 * MS), Next::Gather(start + 60 * MS + patience));
    }
}

#[test]
fn a_room_that_is_left_alone_is_looked_at_once_there_is_something_to_do_for_it() {
    let start = Instant::now();
    let cheap = Facts { cheap: true, ..WRITTEN };
    let news = Facts { stand: (2, Revision(2), None), ..DONE };
    // What an append left, and how long after it the room is looked at.
    for (facts, after) in [
        (DONE, None),
        (WRITTEN, Some(MINUTE)),
        (Facts { own: false, ..WRITTEN }, Some(2 * MINUTE)),
        (cheap, Some(SECOND)),
        (Facts { own: false, ..cheap }, Some(SECOND)),
        (news, Some(MINUTE)),
        (Facts { own: false, ..news }, Some(2 * MINUTE)),
        (Facts { live: false, ..cheap }, None),
    ] {
        let mut agenda = agenda(RULES, DONE, start);
        assert_eq!(agenda.next(start), Next::Rest);
        let _ = agenda.queued(SYNC, start);
        if round(&mut agenda, facts, true, start) == fold(Occasion::Busy, false) {
            folds(&mut agenda, false, false, start);
        }
        let Some(after) = after else {
            assert_eq!(agenda.next(start + 10 * MINUTE), Next::Rest, "{facts:?}");
            continue;
        };
        assert_eq!(agenda.next(start), Next::Sleep(start + after), "{facts:?}");
        assert_eq!(agenda.next(start + after - MS), Next::Sleep(start + after), "{facts:?}");
        assert_eq!(agenda.next(start + after), Next::Look, "{facts:?}");
    }
}

#[test]
fn the_occasion_of_a_fold_is_how_long_the_log_has_not_grown() {
    let start = Instant::now();
    let cheap = Facts { cheap: true, ..WRITTEN };
    let news = Facts { stand: (2, Revision(2), None), ..WRITTEN };
    // What there is, what it is after a look, when that is made, and what follows.
    for (before, after, at, next) in [
        (cheap, cheap, SECOND, fold(Occasion::Pause, false)),
        (cheap, WRITTEN, SECOND, fold(Occasion::Busy, false)),
        (WRITTEN, WRITTEN, MINUTE, fold(Occasion::Idle, false)),
        (WRITTEN, Facts { own: false, ..WRITTEN }, MINUTE, fold(Occasion::Busy, false)),
        (news, news, MINUTE, fold(Occasion::Idle, true)),
        (WRITTEN, WRITTEN, 10 * MINUTE, fold(Occasion::Still, false)),
        (news, news, 10 * MINUTE, fold(Occasion::Still, true)),
        (WRITTEN, Facts { live: false, ..WRITTEN }, MINUTE, Next::Rest),
    ] {
        let mut agenda = agenda(RULES, DONE, start);
        agenda.notes(before);
        assert_eq!(round(&mut agenda, after, true, start + at), next, "{before:?} {at:?}");
    }
}

#[test]
fn a_look_for_somebody_is_no_occasion_for_upkeep() {
    let start = Instant::now();
    let mut agenda = agenda(RULES, WRITTEN, start);
    let soon = start + MINUTE - MS;
    let _ = agenda.queued(LOOK, soon);
    assert_eq!(round(&mut agenda, WRITTEN, true, soon), fold(Occasion::Busy, false));
    assert_eq!(folds(&mut agenda, false, false, soon), Next::Sleep(start + MINUTE));
}

#[test]
fn who_opens_a_log_leaves_the_fold_in_a_pause_to_the_one_who_wrote_it() {
    let start = Instant::now();
    let agenda = agenda(RULES, Facts { cheap: true, ..WRITTEN }, start);
    assert_eq!(agenda.next(start), Next::Sleep(start + MINUTE));
}
