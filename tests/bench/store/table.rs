//! What a run prints: for each figure what is wanted and what was measured.

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    AtMost(f64),
    AtLeast(f64),
    /// Shown to be compared with others.
    Shown,
}

/// Prints a heading.
#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
pub(crate) fn scene(name: &str) {
    println!("\n{name}\n{:<62} {:>10} {:>12}", "", "wanted", "measured");
}

/// Prints a figure.
#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
pub(crate) fn figure(what: &str, wanted: Wanted, measured: f64) {
    let (text, met) = match wanted {
        Wanted::AtMost(most) => (format!("<= {}", short(most)), measured <= most),
        Wanted::AtLeast(least) => (format!(">= {}", short(least)), measured >= least),
        Wanted::Shown => (String::new(), true),
    };
    println!("{what:<62} {text:>10} {:>12}{}", short(measured), if met { "" } else { "  MISSED" });
}

/// Prints a line of words.
#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
pub(crate) fn remark(text: &str) {
    println!("{text}");
}

/// Three digits that say something.
fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 || size == 0.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 0.1 => format!("{number:.2}"),
        _ => format!("{number:.5}"),
    }
}
