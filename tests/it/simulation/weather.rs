//! Weather: how often which request goes astray, and what befalls hosts meanwhile.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::dice::Dice;
use super::hosts::SimHost;
use super::world::World;
use crate::support::clock::Still;

/// How many kinds of weather there are; a seed's is `seed % KINDS`.
pub(super) const KINDS: u64 = 11;

/// Frequencies are in a thousand requests, or in a thousand turns of [`rage`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    pub(super) lost_request: u64,
    pub(super) lost_answer: u64,
    /// Answered with an error, and done a while later.
    pub(super) lands_late: u64,
    /// A create is answered 409 or 412, and nothing was there.
    pub(super) conflict: u64,
    /// A create is done, answered 500, and made again by the client: it meets itself.
    pub(super) meets_itself: u64,
    /// 429, 500 or 503, and nothing was done.
    pub(super) busy: u64,
    pub(super) deletion_fails: u64,
    /// Up to [`SLOW_MS_MAX`] each way.
    pub(super) slow: u64,
    crash: u64,
    stall: u64,
    freeze: u64,
    fills_up: u64,
    clock_jumps: u64,
    /// A host sleeps, and some of its clocks stand still meanwhile, ...
    sleep: u64,
    /// ... for at most so long ...
    sleep_ms_max: u64,
    /// ... and these.
    still: Standing,
    /// The bucket's answers say what time it is.
    pub(super) tells_time: bool,
    pub(super) lasts_ms: u64,
}

/// Which clocks stand still while a host sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Any, but not all of them.
    Some,
    All,
}

/// How long a host may sleep with all its clocks standing still if nobody can tell it: half of what the store leaves between
/// the end of a lease with its last request and the moment from which on keys are freed
/// ([`hosts::settings`](super::hosts::settings)), as it may sleep twice.
const UNTOLD_MS_MAX: u64 = 500;

/// How slow one way can be. A request that is slow both ways and one that lands late stay within the time that a request
/// may take ([`hosts::settings`](super::hosts::settings)), which is what the store relies on.
pub(super) const SLOW_MS_MAX: u64 = 2_900;

/// How late one lands that was answered with an error.
pub(super) const LATE_MS_MAX: u64 = 5_500;

impl Weather {
    pub(super) const CALM: Self = Self {
        lost_request: 0,
        lost_answer: 0,
        lands_late: 0,
        conflict: 0,
        meets_itself: 0,
        busy: 0,
        deletion_fails: 0,
        slow: 0,
        crash: 0,
        stall: 0,
        freeze: 0,
        fills_up: 0,
        clock_jumps: 0,
        sleep: 0,
        sleep_ms_max: 180_000,
        still: Standing::Some,
        tells_time: false,
        lasts_ms: 0,
    };

    /// The weather of a seed.
    pub(super) fn of(seed: u64) -> Self {
        let calm = Self { clock_jumps: 100, lasts_ms: 10_000, ..Self::CALM };
        match seed % KINDS {
            0 => calm,
            1 => Self { lost_request: 60, lost_answer: 100, lands_late: 60, slow: 50, ..calm },
            2 => Self { conflict: 120, meets_itself: 120, lost_answer: 40, ..calm },
            3 => Self { slow: 350, lost_answer: 30, lasts_ms: 30_000, ..calm },
            4 => Self { crash: 400, lost_answer: 40, slow: 60, lasts_ms: 20_000, ..calm },
            5 => Self { stall: 120, freeze: 120, slow: 50, lands_late: 20, lasts_ms: 120_000, ..calm },
            6 => Self { fills_up: 250, busy: 150, deletion_fails: 300, lost_answer: 20, lasts_ms: 20_000, ..calm },
            // Nobody sets the time of day: it may be the one clock that goes on.
            8 => Self { sleep: 120, slow: 50, lands_late: 20, clock_jumps: 0, lasts_ms: 120_000, ..calm },
            9 => Self { sleep: 120, still: Standing::All, tells_time: true, slow: 50, lasts_ms: 120_000, ..calm },
            10 => Self { sleep: 100, still: Standing::All, sleep_ms_max: UNTOLD_MS_MAX, slow: 100, ..calm },
            _ => Self {
                lost_request: 40,
                lost_answer: 60,
                lands_late: 40,
                conflict: 50,
                meets_itself: 50,
                busy: 40,
                deletion_fails: 150,
                slow: 120,
                crash: 150,
                stall: 60,
                freeze: 40,
                fills_up: 60,
                clock_jumps: 200,
                sleep: 40,
                still: Standing::All,
                tells_time: true,
                lasts_ms: 60_000,
                ..calm
            },
        }
    }
}

/// Crashes, stalls, full disks and clocks that jump, until it is over and every host is up again.
pub(super) async fn rage(world: &World, hosts: &[SimHost], dice: &Dice) {
    let weather = world.weather();
    let end = Instant::now() + Duration::from_millis(weather.lasts_ms);
    while Instant::now() < end {
        tokio::time::sleep(dice.millis(300, 3_000)).await;
        let host = dice.pick(hosts);
        if dice.chance(weather.crash) {
            host.crash();
            tokio::time::sleep(dice.millis(0, 2_000)).await;
            host.start();
        }
        if dice.chance(weather.stall) {
            host.stall(dice.millis(1_000, 180_000));
        }
        if dice.chance(weather.freeze) {
            host.freeze(dice.millis(1_000, 180_000));
        }
        if dice.chance(weather.sleep) {
            let still = if weather.still == Standing::All { Still::ALL } else { *dice.pick(&Still::SOME) };
            host.sleep(dice.millis(weather.sleep_ms_max.min(1_000) / 2, weather.sleep_ms_max), still);
        }
        if dice.chance(weather.fills_up) {
            world.tell(format_args!("full"));
            world.full.store(true, Ordering::Relaxed);
            tokio::time::sleep(dice.millis(100, 5_000)).await;
            world.full.store(false, Ordering::Relaxed);
        }
        if dice.chance(weather.clock_jumps) {
            host.clock.jump(dice);
        }
    }
    world.calm_down();
}
