//! Whole days of a room, by chance, beside the rules of upkeep as a second and plainer piece of code has them.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;

/// The rules, from nothing but what happened: every fact is looked at anew each time.
#[derive(Debug, Clone, Copy)]
struct Plain {
    rules: Rules,
    facts: Facts,
    described: Option<Stand>,
    grown_at: Instant,
    not_before: Instant,
    spacing: Instant,
    deferred: bool,
    writing: bool,
    leaving: bool,
}

impl Plain {
    fn idle_after(&self) -> Duration {
        match self {
            Self { leaving: true, .. } => Duration::ZERO,
            Self { facts: Facts { own: true, .. }, .. } => self.rules.fold_after,
            Self { .. } => 2 * self.rules.fold_after,
        }
    }

    fn upkeep_at(&self) -> Option<Instant> {
        let Facts { live, unfolded, cheap, stand, .. } = self.facts;
        let idle_at = self.grown_at + self.idle_after();
        let fold_at = match (unfolded, self.deferred) {
            (true, false) => Some(idle_at),
            (true, true) => Some(self.grown_at + 10 * self.rules.fold_after),
            (false, _) => None,
        };
        let describe_at = (self.described != Some(stand)).then_some(idle_at);
        let pause_at = cheap.then(|| self.grown_at + SECOND);
        let at = fold_at.into_iter().chain(describe_at).chain(pause_at).min()?;
        (live && !self.writing).then(|| at.max(self.not_before).max(self.spacing))
    }

    fn fold(&self, looked: bool, now: Instant) -> Option<(Occasion, bool)> {
        if self.writing || now < self.not_before || !self.facts.live {
            return None;
        }
        let alone = now - self.grown_at;
        let idle = looked && alone >= self.idle_after();
        let occasion = match idle {
            true if alone >= 10 * self.rules.fold_after => Occasion::Still,
            true => Occasion::Idle,
            false if looked && self.facts.cheap && alone >= SECOND => Occasion::Pause,
            false => Occasion::Busy,
        };
        Some((occasion, idle && self.described != Some(self.facts.stand)))
    }

    fn folds(&mut self, occasion: Occasion, made: bool, writes: bool, now: Instant) {
        if occasion != Occasion::Busy {
            self.facts.cheap = false;
        }
        if matches!(occasion, Occasion::Idle | Occasion::Still) {
            self.deferred = !made && self.facts.unfolded;
            if occasion == Occasion::Still && self.deferred {
                self.not_before = now + 10 * self.rules.fold_after;
            }
        }
        self.writing = writes;
    }
}

/// A room whose driver does what is next, and sleeps for as long as it was told, unless an event wakes it.
struct Day {
    agenda: Agenda,
    plain: Plain,
    start: Instant,
    now: Instant,
    /// Until when the driver or the alarm sleeps; `None`: for ever.
    told: Option<Instant>,
    queued: Queued,
    appended_at: Option<Instant>,
    expires_at: Option<Timestamp>,
    /// When the share is to be deleted, if that is not on its way.
    delete_at: Option<Instant>,
    deleting: bool,
    last_look: bool,
    /// What chance decides, used up from the front and begun again.
    dice: Vec<u8>,
    thrown: usize,
}

impl Day {
    fn of(linger: Duration, facts: Facts, dice: Vec<u8>) -> Self {
        let now = Instant::now();
        let rules = Rules { linger, ..RULES };
        let plain = Plain {
            rules,
            facts,
            described: None,
            grown_at: now,
            not_before: now,
            spacing: now,
            deferred: false,
            writing: false,
            leaving: false,
        };
        Self {
            agenda: Agenda::new(rules, facts, false, now),
            plain,
            start: now,
            now,
            told: None,
            queued: Queued::default(),
            appended_at: None,
            expires_at: None,
            delete_at: None,
            deleting: false,
            last_look: false,
            dice,
            thrown: 0,
        }
    }

    fn chance(&mut self, one_in: u8) -> bool {
        self.thrown += 1;
        self.dice[self.thrown % self.dice.len()].is_multiple_of(one_in)
    }

    fn clock(&self) -> Timestamp {
        Timestamp((self.now - self.start).as_millis() as i64)
    }

    /// What the driver does when it is woken, until it sleeps again.
    fn work(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..100 {
            let now = self.now;
            self.agenda.gathers(now);
            match self.agenda.next(now) {
                Next::Append => {
                    let Queued { appends, bytes, urgent, .. } = self.queued;
                    let waited = self.appended_at.is_none_or(|at| at + self.plain.rules.linger <= now);
                    prop_assert!(waited || urgent || bytes == 0 || bytes >= SEGMENT_BYTES_MAX, "too early");
                    prop_assert!(appends > 0);
                    self.round()?;
                }
                Next::Look => {
                    let due = self.last_look || self.plain.upkeep_at().is_some_and(|at| at <= now);
                    prop_assert!(self.queued.looks > 0 || due, "a look too early");
                    self.round()?;
                }
                Next::Fold { .. } => prop_assert!(false, "a fold that is no end of a round"),
                Next::Delete => {
                    let at = self.delete_at.filter(|_| !self.deleting);
                    prop_assert!(at.is_some_and(|at| at <= now), "a deletion too early");
                    self.deleting = self.agenda.deletes(self.clock(), now);
                    prop_assert!(self.deleting, "the clock goes as time does");
                }
                Next::Gather(at) => {
                    prop_assert!(at > now && self.queued.bytes > 0);
                    self.told = Some(at);
                    return Ok(());
                }
                Next::Sleep(at) => {
                    prop_assert!(at > now);
                    return self.sleeps(Some(at));
                }
                Next::Rest => return self.sleeps(None),
            }
        }
        Err(TestCaseError::fail("there is always something to do"))
    }

    /// The driver is told to sleep until then: nothing is queued, and nothing is due sooner.
    fn sleeps(&mut self, until: Option<Instant>) -> Result<(), TestCaseError> {
        prop_assert!(self.queued == Queued::default() && !self.last_look);
        let delete_at = self.delete_at.filter(|_| !self.deleting);
        prop_assert_eq!(until, self.plain.upkeep_at().into_iter().chain(delete_at).min());
        self.told = until;
        Ok(())
    }

    fn round(&mut self) -> Result<(), TestCaseError> {
        let begun = self.now;
        let looked = self.last_look || self.plain.upkeep_at().is_some_and(|at| at <= begun);
        if looked {
            self.plain.spacing = begun + SECOND;
        }
        self.last_look = false;
        self.agenda.begins(Queued::default(), 0, begun);
        let Queued { appends, .. } = std::mem::take(&mut self.queued);
        if appends > 0 {
            self.agenda.appends(begun);
            self.appended_at = Some(begun);
        }
        let takes = if self.chance(3) { 200 * MS } else { 2 * MS };
        self.now += takes;
        let now = self.now;
        let carried_out = !self.chance(5);
        if carried_out && (appends > 0 || self.chance(4)) {
            self.agenda.appended(appends, now - begun);
            self.agenda.grew(now);
            self.plain.grown_at = now;
            if std::mem::take(&mut self.plain.deferred) {
                self.plain.not_before = now;
            }
            let (count, revision, _) = self.plain.facts.stand;
            let stand = (count + 1, revision.next(), self.expires_at);
            self.plain.facts = Facts { stand, unfolded: true, own: appends > 0, ..self.plain.facts };
        }
        self.plain.facts.cheap = self.chance(3);
        if looked && !carried_out {
            self.plain.not_before = now + 30 * SECOND;
        }
        self.agenda.ends(self.plain.facts, carried_out, now);
        let expected = self.plain.fold(looked, now);
        let Next::Fold { occasion, describe } = self.agenda.next(now) else {
            prop_assert_eq!(expected, None);
            return Ok(());
        };
        prop_assert_eq!(expected, Some((occasion, describe)));
        let made = self.chance(2);
        let writes = made || describe;
        self.agenda.folds(made, writes, now);
        self.plain.folds(occasion, made, writes, now);
        Ok(())
    }

    /// Time passes, and the one who waits wakes up whenever it was told to.
    fn pass(&mut self, time: Duration) -> Result<(), TestCaseError> {
        let until = self.now + time;
        while let Some(at) = self.told.filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.work()?;
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// Something comes from elsewhere. Who is not woken for it sleeps past nothing.
    fn event(&mut self, kind: u8, size: u16) -> Result<(), TestCaseError> {
        let now = self.now;
        let upkeep = match kind {
            0..3 => {
                let bytes = if size.is_multiple_of(50) { SEGMENT_BYTES_MAX } else { usize::from(size % 10) };
                let job = if kind == 2 { LOOK } else { Queued { bytes, urgent: size % 20 == 1, ..SYNC } };
                self.queued = self.queued.and(job);
                self.agenda.queued(job, now)
            }
            3 if self.plain.writing => self.written(!size.is_multiple_of(3)),
            4 if self.deleting => self.deleted(size % 3),
            5 if self.expires_at != Some(Timestamp(self.clock().0 + i64::from(size))) => {
                // Of the driver's own rounds, so it asks again.
                self.expires_at = Some(Timestamp(self.clock().0 + i64::from(size)));
                self.agenda.expires(self.expires_at, self.clock(), now);
                self.delete_at = Some(now + u32::from(size) * MS);
                Upkeep::Sooner
            }
            6 if size.is_multiple_of(4) => {
                self.last_look |= self.plain.upkeep_at().is_some();
                self.plain.leaving |= self.last_look;
                self.agenda.leaves();
                Upkeep::Sooner
            }
            _ => return self.pass(u32::from(size) * MS * if size % 7 == 1 { 20 } else { 1 }),
        };
        if upkeep == Upkeep::Sooner {
            return self.work();
        }
        let is_lost = match self.agenda.next(now) {
            Next::Gather(at) | Next::Sleep(at) => self.told.is_none_or(|told| at < told),
            Next::Append | Next::Look | Next::Delete | Next::Fold { .. } => self.told.is_none_or(|told| now < told),
            Next::Rest => false,
        };
        prop_assert!(!is_lost, "nobody is woken for {:?}, who sleeps until {:?}", self.agenda.next(now), self.told);
        Ok(())
    }

    fn written(&mut self, is_written: bool) -> Upkeep {
        self.plain.writing = false;
        if is_written {
            self.plain.described = Some(self.plain.facts.stand);
            self.plain.facts.unfolded = false;
            self.agenda.notes(self.plain.facts);
        } else {
            self.plain.not_before = self.now + 30 * SECOND;
        }
        self.agenda.written(self.plain.described.filter(|_| is_written), self.now)
    }

    fn deleted(&mut self, outcome: u16) -> Upkeep {
        self.deleting = false;
        let moved_to = self.expires_at.map(|at| self.start + Duration::from_millis(at.0 as u64));
        let (deletion, delete_at) = match outcome {
            0 => (Deletion::Done, None),
            1 => (Deletion::Failed, Some(self.now + MINUTE)),
            _ => (Deletion::Moved, moved_to),
        };
        self.delete_at = delete_at.map(|at| at.max(self.now));
        self.agenda.deleted(deletion, self.clock(), self.now)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No deadline is lost, nothing is done early, and a room rests only if there is nothing to do for it at any time.
    #[test]
    fn what_is_next_is_what_is_due(
        linger in prop_oneof![Just(Duration::ZERO), Just(SECOND)],
        (unfolded, own) in any::<(bool, bool)>(),
        dice in proptest::collection::vec(any::<u8>(), 16..32),
        events in proptest::collection::vec((0_u8..12, any::<u16>()), 1..80),
    ) {
        let mut day = Day::of(linger, Facts { unfolded, own, ..WRITTEN }, dice);
        day.work()?;
        for (kind, size) in events {
            day.event(kind, size)?;
        }
        day.pass(60 * MINUTE)?;
    }
}
