//! The way of a linked client to the hosts: a dialer of lines, each with a fate of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use capshare::__internal::connections::calls::{CallContext, CallFailure};
use capshare::__internal::hub::Hub;
use capshare::__internal::wire::websocket::PipeEnd;
use capshare::client::{Connection, Dial, DialError, DialRequest};
use futures::future::LocalBoxFuture;
use serde_json::Value;

use crate::simulation::dice::Dice;
use crate::simulation::hosts::SimHost;
use crate::simulation::world::World;
use crate::support::line::{self, Fate, Strike, When};

/// How lines fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    /// They are cut: within a request, within an answer, or any time.
    Cuts,
    /// They end in each way there is.
    Ends,
    /// They are cut, and some hosts and proxies take smaller messages than others.
    Sizes,
    /// All of it.
    All,
}

/// How many weathers there are; a seed's is `seed % WEATHERS`.
pub(super) const WEATHERS: u64 = 4;

impl Weather {
    pub(super) fn of(seed: u64) -> Self {
        match seed % WEATHERS {
            0 => Self::Cuts,
            1 => Self::Ends,
            2 => Self::Sizes,
            _ => Self::All,
        }
    }
}

/// The ends that the client gets over by itself. Codes as hosts, proxies and their restarts send them.
const PASSING: [Strike; 11] = [
    Strike::Cut,
    Strike::Close(1000, ""),
    Strike::Close(1001, "going away"),
    Strike::Close(1008, "policy"),
    Strike::Close(1011, "internal"),
    Strike::Close(1012, "restart"),
    Strike::Close(4000, "whatever"),
    Strike::Violation,
    Strike::TooLarge,
    Strike::Garbage,
    Strike::Silence,
];

/// The ends that end the client.
const FINAL: [Strike; 4] = [
    Strike::Close(4001, "revoked"),
    Strike::Close(4004, "a newer one"),
    Strike::Close(1003, "ProtocolMismatch: no"),
    Strike::TextFrame,
];

/// What all ways of one history lead to and tell.
pub(super) struct Net {
    pub(super) world: Arc<World>,
    pub(super) hosts: Vec<SimHost>,
    pub(super) weather: Weather,
    /// No line fares badly any more.
    pub(super) calm: AtomicBool,
    /// How often which call was carried out.
    pub(super) executed: Arc<Mutex<BTreeMap<u64, u64>>>,
    /// How the clients' ends of lines ended.
    pub(super) ends: Mutex<BTreeMap<&'static str, u64>>,
    /// What a client was not to do.
    pub(super) faults: Mutex<BTreeSet<String>>,
}

/// The dialer of one of the hosts that a client knows. Behind its name is one host, or every other one.
pub(super) struct Way {
    pub(super) net: Arc<Net>,
    pub(super) dice: Arc<Dice>,
    pub(super) name: String,
    /// Which half of the hosts it leads to.
    pub(super) half: usize,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Dial for Way {
    fn dial<'a>(&'a self, request: &'a DialRequest) -> LocalBoxFuture<'a, Result<Connection, DialError>> {
        Box::pin(async move {
            let calm = self.net.calm.load(Ordering::Relaxed);
            let hosts: Vec<_> = self.net.hosts.iter().skip(self.half).step_by(2).collect();
            let host = self.dice.pick(&hosts).up().ok_or_else(|| DialError::unreachable("the host is down"))?;
            if !calm && self.dice.chance(80) {
                return Err(DialError::unreachable("no route"));
            }
            let fate = if calm { Fate::default() } else { self.fate() };
            self.net.world.tell(format_args!("{} dials {}: {:?}", self.name, host.link.name, fate.strike));
            self.net.serve_calls(&host.hub);
            let (net, name) = (Arc::clone(&self.net), self.name.clone());
            line::connect(host.hub, request, fate, host.link.dead.clone(), move |end| net.ended(&name, end)).await
        })
    }
}

impl Way {
    fn fate(&self) -> Fate {
        let (dice, weather) = (&self.dice, self.net.weather);
        let struck = match weather {
            Weather::Cuts | Weather::Ends => 850,
            Weather::Sizes => 400,
            Weather::All => 700,
        };
        let strike = dice.chance(struck).then(|| {
            let when = match dice.below(4) {
                0 | 1 => When::After(dice.millis(0, 12_000)),
                2 => When::Down(dice.below(400_000)),
                _ => When::Up(dice.below(600_000)),
            };
            let strike = match weather {
                Weather::Cuts | Weather::Sizes => Strike::Cut,
                Weather::Ends | Weather::All if dice.chance(60) => *dice.pick(&FINAL),
                Weather::Ends | Weather::All => *dice.pick(&PASSING),
            };
            (when, strike)
        });
        let slow = if dice.chance(250) { 400 } else { 8 };
        let (delays, net) = (Arc::clone(dice), Arc::clone(&self.net));
        let delay = move || if net.calm.load(Ordering::Relaxed) { Duration::ZERO } else { delays.millis(0, slow) };
        let is_narrow = matches!(weather, Weather::Sizes | Weather::All) && dice.chance(250);
        Fate { strike, delay: Some(Box::new(delay)), proxy_bytes_max: is_narrow.then_some(40_000) }
    }
}

impl Net {
    /// The call that counts how often it is carried out.
    fn serve_calls(&self, hub: &Arc<Hub>) {
        // Only the counts: the hub is one of this net's, and would keep the net alive, which keeps the hub.
        let executed = Arc::clone(&self.executed);
        hub.connections().on_call("count", move |_: CallContext, token: Value| {
            let executed = Arc::clone(&executed);
            async move {
                *executed.lock().unwrap().entry(token.as_u64().unwrap()).or_default() += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok::<_, CallFailure>(token)
            }
        });
    }

    fn ended(&self, name: &str, end: &PipeEnd) {
        self.world.tell(format_args!("{name}'s line ended: {end}"));
        let kind = match end {
            PipeEnd::ClosedByPeer { code: 1009, .. } => "too large for the peer",
            PipeEnd::ClosedByPeer { .. } => "closed by the peer",
            PipeEnd::ClosedHere { .. } => "closed here",
            PipeEnd::TextFrame => "text",
            PipeEnd::TooLarge { .. } => "too large for the client",
            PipeEnd::TooLargeToSend { .. } => {
                self.blame(format!("{name} was to send a message that is too large"));
                "too large to send"
            }
            PipeEnd::Violation(_) => "violation",
            PipeEnd::Cut => "cut",
            PipeEnd::Transport(_) => "transport",
            PipeEnd::Idle => "idle",
            PipeEnd::Stalled => "stalled",
        };
        *self.ends.lock().unwrap().entry(kind).or_default() += 1;
    }

    pub(super) fn blame(&self, fault: String) {
        self.faults.lock().unwrap().insert(fault);
    }
}
