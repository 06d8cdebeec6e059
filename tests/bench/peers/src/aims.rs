//! What capshare must reach, and whether it did.
//!
//! A ratio is taken within a round, where both systems had the machine in the same hour, and its median over the rounds is held
//! against the aim.

use crate::rounds::Results;
use crate::stats::Spread;

/// A figure of a scene, by what it is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick {
    pub(crate) scene: &'static str,
    pub(crate) system: &'static str,
    pub(crate) metric: &'static str,
}

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::enum_variant_names, reason = "an aim reads as a sentence")]
pub(crate) enum Bound {
    /// At least so many times that one.
    AtLeastOf(f64, Pick),
    /// At most so many times that one.
    AtMostOf(f64, Pick),
    AtLeast(f64),
    AtMost(f64),
}

/// One line of what must be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    /// The key of the scene that measures it.
    pub(crate) key: &'static str,
    /// In words.
    pub(crate) work: &'static str,
    pub(crate) ours: Pick,
    pub(crate) bound: Bound,
}

/// How an aim stands.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) work: &'static str,
    pub(crate) wanted: String,
    /// "0.93 (0.91..0.95)"; what is missing, if it could not be measured.
    pub(crate) measured: String,
    /// "met", "MISSED", or "not measured".
    pub(crate) verdict: &'static str,
}

impl Aim {
    /// Holds what was measured against the aim.
    pub(crate) fn standing(&self, results: &Results) -> Standing {
        let (wanted, above, limit, values) = match self.bound {
            Bound::AtLeast(limit) => (format!("at least {}", short(limit)), true, limit, self.alone(results)),
            Bound::AtMost(limit) => (format!("at most {}", short(limit)), false, limit, self.alone(results)),
            Bound::AtLeastOf(limit, theirs) => {
                (format!("at least {} of {}", short(limit), theirs.system), true, limit, self.beside(results, theirs))
            }
            Bound::AtMostOf(limit, theirs) => {
                (format!("at most {} of {}", short(limit), theirs.system), false, limit, self.beside(results, theirs))
            }
        };
        let Some(spread) = Spread::of(&values) else {
            return Standing { work: self.work, wanted, measured: "-".to_owned(), verdict: "not measured" };
        };
        let met = if above { spread.median >= limit } else { spread.median <= limit };
        let verdict = if met { "met" } else { "MISSED" };
        Standing { work: self.work, wanted, measured: with_spread(spread), verdict }
    }

    fn alone(&self, results: &Results) -> Vec<f64> {
        let found = results.find(self.key, self.ours.scene, self.ours.system, self.ours.metric);
        found.map(|series| series.values.iter().map(|(_, value)| *value).collect()).unwrap_or_default()
    }

    /// Ours over theirs, of every round that has both.
    fn beside(&self, results: &Results, theirs: Pick) -> Vec<f64> {
        let ours = results.find(self.key, self.ours.scene, self.ours.system, self.ours.metric);
        let theirs = results.find(self.key, theirs.scene, theirs.system, theirs.metric);
        let (Some(ours), Some(theirs)) = (ours, theirs) else { return Vec::new() };
        let of_round = |round: usize| theirs.values.iter().find(|(at, _)| *at == round).map(|(_, value)| *value);
        ours.values.iter().filter_map(|(round, value)| Some(value / of_round(*round)?)).collect()
    }
}

/// A number with three digits that count, or all before the point.
pub(crate) fn short(value: f64) -> String {
    let digits = if value == 0.0 { 0 } else { (2 - value.abs().log10().floor() as i32).clamp(0, 3) };
    let text = format!("{value:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { grouped(&text) }
}

/// "median (min..max)", or the one value.
pub(crate) fn with_spread(spread: Spread) -> String {
    let Spread { median, min, max } = spread;
    if min == max { short(median) } else { format!("{} ({}..{})", short(median), short(min), short(max)) }
}

/// 1234567 as 1,234,567.
fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut text = sign.to_owned();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_are_written_with_what_counts_of_them() {
        assert_eq!(short(0.0), "0");
        assert_eq!(short(0.9), "0.9");
        assert_eq!(short(0.01234), "0.012");
        assert_eq!(short(1.2345), "1.23");
        assert_eq!(short(43.21), "43.2");
        assert_eq!(short(123_456.7), "123,457");
        assert_eq!(short(200.0), "200");
    }
}
