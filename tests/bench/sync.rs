//! What does a call cost beside the least that such a call can cost?
//!
//! **Scene.** A host over memory with one worker, as `serve` sets it up, on threads of this process; beside it the floor: bare
//! capnp-rpc over TCP with buffers and NODELAY, which answers the same calls of the same contract and does nothing else. One
//! thread calls them, with 1, 16 and 64 calls in flight on one connection, and 64 over 64 connections:
//!
//! | row | a call is |
//! |---|---|
//! | `probe` | `probeValue` of 1 KiB there and back: the connection and nothing else |
//! | `callback` | `probeCallback`: a call that calls the caller back before it answers |
//! | `sync by id` | `syncShare` of one part of 1 KiB, which differs from the one before |
//! | `sync` | the same through the capability of the share |
//! | `linked` | the same by [`capshare::Client`], with its thread and its channels; many in flight are many shares |
//!
//! The rounds are interleaved: each row, the floor's and ours, is measured once in each round, and a ratio is taken within a
//! round. Printed are medians: calls a second and their ratio to the floor's, and the processor time of both ends, the
//! kernel's for them with it, and its ratio.
//!
//! **Noise.** Two cores are shared by both ends and the kernel. Where others use them too, the rates say little, their ratio
//! something, and the processor time most. Run it by hand; what follows `--` picks rows by their name:
//!
//! ```text
//! cargo bench --bench sync --features bin,testing -- probe callback
//! ```
//!
//! Wanted of the rates: 0.9 of the floor with 64 in flight and 0.85 with 1.
#![expect(clippy::unwrap_used, reason = "a bench that meets an error has failed")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

#[path = "sync/calls.rs"]
mod calls;
#[path = "sync/floor.rs"]
mod floor;
#[path = "sync/hosts.rs"]
mod hosts;

use calls::{Calls, Figure, KINDS};

const ROUNDS: usize = 9;

/// In flight, and the connections that they are spread over.
const WINDOWS: [(usize, usize); 4] = [(1, 1), (16, 1), (64, 1), (64, 64)];

fn main() {
    // Without `--bench` it was only to be built.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let wanted: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    println!("{:<24}{:>12}{:>10}{:>12}{:>10}", "", "calls/s", "of floor", "us a call", "of floor");
    for kind in KINDS {
        for (in_flight, connections) in WINDOWS {
            let name = format!("{kind}, {in_flight}/{connections}");
            if !is_wanted(&name) || !kind.takes(connections) {
                continue;
            }
            let (floor, ours) = (Calls::of_floor(kind, connections), Calls::of_host(kind, connections, in_flight));
            let rounds: Vec<_> = (0..=ROUNDS).map(|_| (floor.measure(in_flight), ours.measure(in_flight))).collect();
            report(&name, &rounds[1..]); // The first warms up.
        }
    }
}

fn report(name: &str, rounds: &[(Figure, Figure)]) {
    let of = |figure: fn(&(Figure, Figure)) -> f64| {
        let mut figures: Vec<_> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    println!(
        "{name:<24}{:>12.0}{:>10.2}{:>12.2}{:>10.2}",
        of(|(_, ours)| ours.calls_per_second),
        of(|(floor, ours)| ours.calls_per_second / floor.calls_per_second),
        of(|(_, ours)| ours.cpu_us),
        of(|(floor, ours)| ours.cpu_us / floor.cpu_us),
    );
}
