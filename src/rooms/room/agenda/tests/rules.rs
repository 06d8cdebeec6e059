//! What follows when something fails, is put off, or comes to its end.

use super::*;

#[test]
fn a_look_that_failed_is_made_again_after_half_a_minute() {
    let start = Instant::now();
    let mut agenda = agenda(RULES, WRITTEN, start);
    let idle = start + MINUTE;
    let again = idle + 30 * SECOND;
    assert_eq!(round(&mut agenda, WRITTEN, false, idle), Next::Sleep(again));
    // Callers are served meanwhile, and nothing is folded for it.
    let _ = agenda.queued(SYNC, idle + SECOND);
    assert_eq!(round(&mut agenda, WRITTEN, true, idle + SECOND), Next::Sleep(idle + SECOND + MINUTE));
}

#[test]
fn an_append_that_failed_says_nothing_of_upkeep() {
    let start = Instant::now();
    let mut agenda = agenda(RULES, WRITTEN, start);
    let _ = agenda.queued(SYNC, start);
    assert_eq!(round(&mut agenda, WRITTEN, false, start), fold(Occasion::Busy, false));
    assert_eq!(folds(&mut agenda, false, false, start), Next::Sleep(start + MINUTE));
}

#[test]
fn while_a_fold_is_written_no_other_is_begun() {
    let start = Instant::now();
    let idle = start + MINUTE;
    for (described, next) in [(Some(WRITTEN.stand), Next::Rest), (None, Next::Sleep(idle + 31 * SECOND))] {
        let mut agenda = agenda(RULES, WRITTEN, start);
        assert_eq!(round(&mut agenda, WRITTEN, true, idle), fold(Occasion::Idle, false));
        assert_eq!(folds(&mut agenda, true, true, idle), Next::Rest, "until it is written");
        let _ = agenda.queued(LOOK, idle);
        assert_eq!(round(&mut agenda, WRITTEN, true, idle), Next::Rest);
        if described.is_some() {
            agenda.notes(DONE);
        }
        let written = agenda.written(described, idle + SECOND);
        assert_eq!(written == Upkeep::Sooner, described.is_none());
        assert_eq!(agenda.next(idle + SECOND), next);
    }
}

#[test]
fn a_fold_that_would_have_cost_too_much_waits_until_all_is_still() {
    let start = Instant::now();
    let mut agenda = agenda(RULES, WRITTEN, start);
    let (idle, still) = (start + MINUTE, start + 10 * MINUTE);
    assert_eq!(round(&mut agenda, WRITTEN, true, idle), fold(Occasion::Idle, false));
    assert_eq!(folds(&mut agenda, false, false, idle), Next::Sleep(still));
    assert_eq!(round(&mut agenda, WRITTEN, true, still), fold(Occasion::Still, false));
    // The lease was over: another time.
    assert_eq!(folds(&mut agenda, false, false, still), Next::Sleep(still + 10 * MINUTE));
    // Unless there is more to fold by then: a busy log is folded as ever.
    let grown = still + SECOND;
    let _ = agenda.queued(SYNC, grown);
    assert_eq!(round(&mut agenda, WRITTEN, true, grown), fold(Occasion::Busy, false));
    assert_eq!(folds(&mut agenda, false, false, grown), Next::Sleep(grown + MINUTE));
}

#[test]
fn a_log_that_grew_is_idle_anew_after_a_fold_that_was_put_off() {
    let start = Instant::now();
    let mut agenda = agenda(RULES, WRITTEN, start);
    let idle = start + MINUTE;
    assert_eq!(round(&mut agenda, WRITTEN, true, idle), fold(Occasion::Idle, false));
    folds(&mut agenda, false, false, idle);
    let _ = agenda.queued(SYNC, idle);
    assert_eq!(round(&mut agenda, WRITTEN, true, idle), fold(Occasion::Busy, false));
    assert_eq!(folds(&mut agenda, false, false, idle), Next::Sleep(idle + MINUTE));
}

#[test]
fn a_fold_in_a_pause_is_tried_once() {
    let start = Instant::now();
    let cheap = Facts { cheap: true, ..WRITTEN };
    let mut agenda = agenda(RULES, DONE, start);
    agenda.notes(cheap);
    assert_eq!(round(&mut agenda, cheap, true, start + SECOND), fold(Occasion::Pause, false));
    assert_eq!(folds(&mut agenda, false, false, start + SECOND), Next::Sleep(start + MINUTE));
}

#[test]
fn between_two_looks_for_upkeep_is_a_second() {
    let start = Instant::now();
    // Where a room is idle at once, and nothing comes of it.
    let mut agenda = agenda(Rules { fold_after: Duration::ZERO, ..RULES }, DONE, start);
    let news = Facts { stand: (2, Revision(2), None), ..DONE };
    agenda.notes(news);
    assert_eq!(round(&mut agenda, news, true, start), fold(Occasion::Still, true));
    assert_eq!(folds(&mut agenda, false, false, start), Next::Sleep(start + SECOND));
}

#[test]
fn a_room_that_leaves_is_looked_at_at_once_if_there_is_something_to_do() {
    let start = Instant::now();
    for (facts, next) in [(DONE, Next::Rest), (WRITTEN, Next::Look)] {
        let mut agenda = agenda(RULES, facts, start);
        agenda.leaves();
        assert_eq!(agenda.next(start), next);
    }
    let mut agenda = agenda(RULES, WRITTEN, start);
    agenda.leaves();
    assert_eq!(round(&mut agenda, WRITTEN, true, start), fold(Occasion::Idle, false));
    assert_eq!(folds(&mut agenda, true, true, start), Next::Rest);
}

#[test]
fn an_expiry_is_waited_for_a_day_at_a_time_and_the_clock_has_the_last_word() {
    let start = Instant::now();
    let day = STRETCH_MAX;
    let at = |after: Duration| Timestamp(after.as_millis() as i64);
    let mut agenda = agenda(RULES, DONE, start);
    agenda.expires(Some(at(day + MINUTE)), at(Duration::ZERO), start);
    assert_eq!(agenda.next(start), Next::Sleep(start + day));
    assert_eq!(agenda.next(start + day), Next::Delete);
    assert!(!agenda.deletes(at(day), start + day));
    assert_eq!(agenda.next(start + day), Next::Sleep(start + day + MINUTE));
    // A clock that jumped: somebody who asks finds it past.
    assert_eq!(agenda.is_past(start + day), Upkeep::Sooner);
    assert_eq!(agenda.next(start + day), Next::Delete);
    assert!(agenda.deletes(at(2 * day), start + day));
    assert_eq!(agenda.next(start + day), Next::Rest, "until the deletion is over");
    assert_eq!(agenda.is_past(start + day), Upkeep::Unchanged);
    assert_eq!(agenda.next(start + day), Next::Rest);
}

#[test]
fn a_deletion_is_tried_each_minute_until_it_gets_through() {
    let start = Instant::now();
    let past = Timestamp(0);
    let mut agenda = agenda(RULES, DONE, start);
    agenda.expires(Some(past), past, start);
    for n in 0..3 {
        let now = start + n * MINUTE;
        assert_eq!(agenda.next(now), Next::Delete);
        assert!(agenda.deletes(past, now), "also when it is half gone");
        // It is in the log, and its content is not gone.
        agenda.expires(None, past, now);
        assert_eq!(agenda.deleted(Deletion::Failed, past, now), Upkeep::Sooner);
        assert_eq!(agenda.next(now), Next::Sleep(now + MINUTE));
        agenda.expires(None, past, now);
        assert_eq!(agenda.next(now), Next::Sleep(now + MINUTE), "nothing changed");
        assert_eq!(agenda.is_past(now), Upkeep::Unchanged, "nobody who asks has it tried sooner");
    }
    let last = start + 3 * MINUTE;
    assert!(agenda.deletes(past, last));
    assert_eq!(agenda.deleted(Deletion::Done, past, last), Upkeep::Unchanged);
    assert_eq!(agenda.next(last), Next::Rest);
}

#[test]
fn an_expiry_that_was_moved_is_waited_for_anew() {
    let start = Instant::now();
    let mut agenda = agenda(RULES, DONE, start);
    agenda.expires(Some(Timestamp(0)), Timestamp(0), start);
    assert!(agenda.deletes(Timestamp(0), start));
    agenda.expires(Some(Timestamp(60_000)), Timestamp(0), start);
    // Somebody asked while the clock was ahead.
    assert_eq!(agenda.is_past(start), Upkeep::Unchanged);
    assert_eq!(agenda.deleted(Deletion::Moved, Timestamp(0), start), Upkeep::Sooner);
    assert_eq!(agenda.next(start), Next::Sleep(start + MINUTE));
    agenda.expires(None, Timestamp(0), start);
    assert_eq!(agenda.next(start), Next::Rest);
}

#[test]
fn an_expiry_that_was_moved_after_a_deletion_failed_is_up_to_the_clock_again() {
    let start = Instant::now();
    let mut agenda = agenda(RULES, DONE, start);
    agenda.expires(Some(Timestamp(0)), Timestamp(0), start);
    assert!(agenda.deletes(Timestamp(0), start));
    assert_eq!(agenda.deleted(Deletion::Failed, Timestamp(0), start), Upkeep::Sooner);
    agenda.expires(Some(Timestamp(60_000)), Timestamp(0), start);
    assert_eq!(agenda.next(start + MINUTE), Next::Delete);
    assert!(!agenda.deletes(Timestamp(59_000), start + MINUTE), "the clock was put back");
    assert_eq!(agenda.next(start + MINUTE), Next::Sleep(start + MINUTE + SECOND));
}

#[test]
fn who_gathers_sees_an_expiry_come() {
    let start = Instant::now();
    let mut agenda = agenda(Rules { linger: MINUTE, ..RULES }, DONE, start);
    agenda.appends(start);
    agenda.expires(Some(Timestamp(1_000)), Timestamp(0), start);
    let _ = agenda.queued(SYNC, start);
    assert_eq!(agenda.next(start), Next::Gather(start + SECOND));
    assert_eq!(agenda.next(start + SECOND), Next::Delete);
}

#[test]
fn a_driver_that_is_dropped_leaves_nothing_queued() {
    let start = Instant::now();
    let mut agenda = agenda(RULES, DONE, start);
    let _ = agenda.queued(SYNC.and(LOOK), start);
    agenda.begins(SYNC, 0, start);
    agenda.dropped();
    assert_eq!((agenda.next(start), agenda.in_queue()), (Next::Rest, Queued::default()));
}
