//! Numbers: those that JSON has, and those that it has not.

use super::super::text::Text;

/// A finite number, as its JSON text: `12`, `-0.5`, `1e3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(pub(in super::super) Text);

/// A number that JSON does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonFinite {
    /// `Infinity`.
    Infinity,
    /// `-Infinity`.
    NegativeInfinity,
    /// `NaN`.
    NaN,
}

impl Number {
    /// The number, rounded as JavaScript does.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        self.0.as_str().parse().unwrap_or(f64::NAN)
    }

    /// The number, if it is an integer that fits, whether it is written as `3` or as `3.0`.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        let integer = self.0.as_str().parse().ok();
        integer.or_else(|| Some(self.as_f64()).filter(|n| n.fract() == 0.0 && n.abs() <= SAFE).map(|n| n as i64))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The largest integer up to which a float holds every integer: 2^53 - 1.
const SAFE: f64 = 9_007_199_254_740_991.0;
