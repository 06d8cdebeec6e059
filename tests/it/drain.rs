//! Draining: a host lets its connections go evenly, says where to, takes no new work, answers administrators, and comes to an end.

use std::time::Duration;

use tokio::time::Instant;

mod asks;
mod paced;
mod viewers;

/// The most of these moments that lie within one such time of each other.
pub(crate) fn most_within(moments: &[Instant], time: Duration) -> usize {
    let mut sorted = moments.to_vec();
    sorted.sort();
    let from = |at: usize| sorted[at..].iter().take_while(|moment| **moment - sorted[at] < time).count();
    (0..sorted.len()).map(from).max().unwrap_or_default()
}
