//! The time of day and randomness of a host, handed in so that a test can own them. A host that was told nothing else has those of its
//! machine.

pub use crate::ambient::{
    Ambient, Clock, Entropy, Moment, NoEntropy, SeededEntropy, SystemClock, SystemEntropy, TokioClock,
};
