//! Amounts as people write them: a number, of bytes with a unit if they like.

/// Reads a number, which may end with KiB, MiB, GiB or TiB; `none` is `Some(None)`, anything else `None`.
#[expect(clippy::option_option, reason = "no amount, and the amount none")]
pub(crate) fn amount(text: &str) -> Option<Option<u64>> {
    const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    if text == "none" {
        return Some(None);
    }
    let unit = UNITS.into_iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
    let (number, shift) = unit.unwrap_or((text, 0));
    number.trim().parse::<u64>().ok()?.checked_mul(1 << shift).map(Some)
}
