//! When a room looks for what other hosts wrote.

use super::*;
use crate::hints::{Heard, Why};

/// Half a minute after the start, and each minute from then on.
fn polled(start: Instant) -> Rules {
    let polls = Polls { plain: SECOND, rested: 5 * SECOND, hinted: MINUTE, phase: 1 << 31, since: start };
    Rules { polls: Some(polls), ..RULES }
}

/// Everything is done for it, and nothing is in the index that is not known.
fn waited_for(connected: bool, start: Instant) -> Agenda {
    let mut agenda = agenda(polled(start), DONE, start);
    assert_eq!(agenda.next(start), Next::Rest);
    assert_eq!(agenda.attended(connected, start), Upkeep::Sooner);
    agenda
}

/// A look that is next, and leaves this many segments. Gives what it was.
fn look(agenda: &mut Agenda, segments: u64, carried_out: bool, now: Instant) -> Look {
    assert_eq!(agenda.next(now), Next::Look);
    let look = agenda.begins(agenda.in_queue(), 0, now);
    if segments > agenda.facts.segments {
        agenda.grew(now);
    }
    agenda.ends(Facts { segments, ..DONE }, carried_out, now);
    if let Next::Fold { .. } = agenda.next(now) {
        agenda.folds(false, false, now);
    }
    look
}

/// It has been waited for with a carrier for ten seconds, and made the looks of the beginning. The next one is due twenty seconds later.
fn rested() -> (Agenda, Instant) {
    let start = Instant::now();
    let mut agenda = waited_for(true, start);
    looks(&mut agenda, start, 10 * SECOND);
    (agenda, start + 10 * SECOND)
}

fn whole(why: Why) -> Look {
    Look { why, up_to: None }
}

/// When the room looks until then, and why.
fn looks(agenda: &mut Agenda, from: Instant, until: Duration) -> Vec<(Duration, Why)> {
    let (mut now, mut looks) = (from, Vec::new());
    loop {
        match agenda.next(now) {
            Next::Sleep(at) if at <= from + until => now = at,
            Next::Sleep(_) | Next::Rest => return looks,
            Next::Look => looks.push((now - from, look(agenda, 1, true, now).why)),
            next @ (Next::Append | Next::Fold { .. } | Next::Delete | Next::Gather(_)) => panic!("{next:?}"),
        }
    }
}

#[test]
fn without_a_carrier_a_room_that_is_waited_for_looks_each_second_and_seldom_when_it_rested() {
    let start = Instant::now();
    let mut agenda = waited_for(false, start);
    let early = looks(&mut agenda, start, 10 * MINUTE);
    assert_eq!(early[..3], [1, 2, 3].map(|n| (n * SECOND, Why::Floor)));
    let rested = start + 10 * MINUTE;
    assert_eq!(early.len(), 600);
    assert_eq!(looks(&mut agenda, rested, 10 * SECOND), [(5 * SECOND, Why::Floor), (10 * SECOND, Why::Floor)]);
    assert!(agenda.left());
    assert_eq!(agenda.news_at(), None);
}

#[test]
fn with_a_carrier_it_looks_three_times_and_then_once_a_minute_in_its_turn() {
    let start = Instant::now();
    let mut agenda = waited_for(true, start);
    let expected = [
        (Duration::ZERO, Why::Begin),
        (SECOND, Why::Begin),
        (5 * SECOND, Why::Begin),
        (30 * SECOND, Why::Floor),
        (90 * SECOND, Why::Floor),
        (150 * SECOND, Why::Floor),
    ];
    assert_eq!(looks(&mut agenda, start, 3 * MINUTE), expected);
    assert_eq!(agenda.attended(true, start + 3 * MINUTE), Upkeep::Unchanged, "a further one costs nothing");
}

#[test]
fn what_comes_and_goes_with_the_carrier_is_looked_for_within_a_second() {
    let (mut agenda, now) = rested();
    assert_eq!(agenda.connection(false, now), Upkeep::Sooner);
    let polled = [(SECOND / 2, Why::Floor), (3 * SECOND / 2, Why::Floor)];
    assert_eq!(looks(&mut agenda, now, 2 * SECOND), polled);
    let now = now + 2 * SECOND;
    assert_eq!(agenda.connection(true, now), Upkeep::Unchanged, "it looks as soon anyway");
    assert_eq!(looks(&mut agenda, now, SECOND).len(), 1);
    assert_eq!(agenda.look_within(SECOND, Why::Reconnect, now + SECOND), Upkeep::Sooner);
    assert_eq!(looks(&mut agenda, now + SECOND, SECOND), [(SECOND / 2, Why::Reconnect)]);
}

#[test]
fn a_hint_makes_one_look_that_goes_no_further() {
    let (mut agenda, now) = rested();
    assert_eq!(agenda.hinted(1, now), (Heard::Useless, Upkeep::Unchanged));
    assert_eq!(agenda.hinted(3, now), (Heard::Useful, Upkeep::Sooner));
    assert!(agenda.is_hole(3) && !agenda.is_hole(2));
    assert_eq!(agenda.hinted(3, now), (Heard::Useless, Upkeep::Unchanged));
    assert_eq!(agenda.hinted(2, now), (Heard::Useless, Upkeep::Unchanged));
    // What is to be appended comes after it.
    let _ = agenda.queued(SYNC, now);
    assert_eq!(look(&mut agenda, 3, true, now), Look { why: Why::Hint, up_to: Some(3) });
    assert_eq!(agenda.next(now), Next::Append);
}

/// Another host writes faster than this one reads: each look is met by one more hint.
#[test]
fn an_append_does_not_wait_for_as_long_as_hints_come() {
    let (mut agenda, now) = rested();
    let _ = agenda.queued(SYNC, now);
    let _ = agenda.hinted(2, now);
    let mut looks = 0;
    while agenda.next(now) == Next::Look {
        agenda.begins(agenda.in_queue(), 0, now);
        looks += 1;
        let _ = agenda.hinted(2 + looks, now);
        agenda.ends(Facts { segments: 1 + looks, ..DONE }, true, now);
        agenda.folds(false, false, now);
        assert!(looks < 100);
    }
    assert_eq!((looks, agenda.next(now)), (4, Next::Append));
    agenda.begins(Queued::default(), 0, now);
    agenda.ends(Facts { segments: 6, ..DONE }, true, now);
    agenda.folds(false, false, now);
    let _ = agenda.queued(SYNC, now);
    let _ = agenda.hinted(8, now);
    assert_eq!(agenda.next(now), Next::Look, "the next append looks first again");
}

#[test]
fn a_look_that_is_due_anyway_goes_to_the_end() {
    let start = Instant::now();
    let mut agenda = waited_for(true, start);
    let _ = agenda.hinted(2, start);
    assert_eq!(look(&mut agenda, 2, true, start), whole(Why::Hint));
    assert_eq!(agenda.next(start), Next::Sleep(start + SECOND));
}

#[test]
fn a_hint_that_comes_while_the_room_looks_makes_it_look_again() {
    let start = Instant::now();
    let mut agenda = waited_for(true, start);
    agenda.begins(Queued::default(), 0, start);
    let _ = agenda.hinted(2, start);
    agenda.ends(DONE, true, start);
    agenda.folds(false, false, start);
    assert_eq!(look(&mut agenda, 2, true, start), Look { why: Why::Hint, up_to: Some(2) });
}

#[test]
fn a_look_that_is_asked_for_while_the_room_looks_is_made_afterwards() {
    let (mut agenda, now) = rested();
    for _ in 0..2 {
        agenda.begins(Queued::default(), 1, now);
        assert_eq!(agenda.look_within(Duration::ZERO, Why::Reconnect, now), Upkeep::Sooner);
        agenda.ends(DONE, true, now);
        agenda.folds(false, false, now);
        assert_eq!(look(&mut agenda, 1, true, now), whole(Why::Reconnect));
        assert_eq!(agenda.next(now), Next::Sleep(now + 20 * SECOND));
    }
}

#[test]
fn a_false_hint_costs_one_look_and_the_next_one_waits() {
    let (mut agenda, now) = rested();
    let _ = agenda.hinted(1 << 40, now);
    assert_eq!(look(&mut agenda, 1, true, now).why, Why::Hint);
    assert_eq!(agenda.next(now), Next::Sleep(now + 20 * SECOND));
    assert_eq!(agenda.hinted(2, now), (Heard::Useful, Upkeep::Sooner));
    assert_eq!(agenda.next(now), Next::Sleep(now + SECOND));
    let _ = agenda.queued(SYNC, now);
    assert_eq!(agenda.next(now), Next::Append, "it holds up nothing");
}

#[test]
fn a_look_that_failed_is_made_again_after_a_second() {
    let (mut agenda, now) = rested();
    let _ = agenda.hinted(2, now);
    look(&mut agenda, 1, false, now);
    assert_eq!(agenda.next(now), Next::Sleep(now + SECOND));
    assert_eq!(look(&mut agenda, 2, true, now + SECOND).why, Why::Hint);
    let turn = now + 20 * SECOND;
    look(&mut agenda, 2, false, turn);
    assert_eq!(agenda.next(turn), Next::Sleep(turn + SECOND));
}

#[test]
fn hints_are_for_rooms_that_are_waited_for_or_were_written_lately() {
    let start = Instant::now();
    let mut agenda = agenda(polled(start), DONE, start);
    assert_eq!(agenda.hinted(2, start).0, Heard::Useless);
    agenda.appends(start);
    assert_eq!(agenda.hinted(2, start + 9 * SECOND).0, Heard::Useful);
    look(&mut agenda, 2, true, start + 9 * SECOND);
    assert_eq!(agenda.hinted(3, start + 10 * SECOND).0, Heard::Useless);
}
