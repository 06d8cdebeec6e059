//! What a terminal shows of a program's output: returns, erasures and moves are carried out, colours are told apart, and nothing
//! of what controls it is left.
//!
//! Every document reads output by this file, and the web page by the same rules (`viewer/page/app/text/terminal.ts`);
//! `tests/data/terminal.json` has the outputs for which both are tried.
//!
//! The screen has no end: a program that draws the same lines again draws over them, as long as they are among the last
//! [`ROWS_MAX`], and what a cleared screen held before is kept above it, once. Reading costs time and memory in the measure of the
//! output, whatever it says.

mod escapes;
mod screen;
mod style;

use std::borrow::Cow;

use self::escapes::{Control, Pieces};
use self::screen::Screen;

/// How a run of characters is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Style {
    /// One of 16 colours, 0 to 15; `None` is the text's own.
    pub(super) ink: Option<u8>,
    /// As `ink`, of what is behind the text.
    pub(super) ground: Option<u8>,
    pub(super) bold: bool,
    pub(super) faint: bool,
    pub(super) italic: bool,
    pub(super) underlined: bool,
    pub(super) inverse: bool,
}

/// Characters that are drawn alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) style: Style,
    pub(super) text: String,
}

/// Rows from the last one up that a program can still draw over.
const ROWS_MAX: usize = 256;
/// Characters of a row; a longer line goes on in the next row, without a line break between them.
const COLUMNS_MAX: usize = 1 << 16;

/// What stands on the screen after this output, in runs of one style.
pub(super) fn runs(output: &str) -> Vec<Run> {
    if !has_controls(output) {
        return vec![Run { style: Style::default(), text: output.to_owned() }];
    }
    let mut screen = Screen::new(output.len());
    for piece in Pieces::of(output) {
        screen.take(&piece);
    }
    screen.end()
}

/// What stands on the screen after this output, as text.
pub(super) fn plain(output: &str) -> Cow<'_, str> {
    if !has_controls(output) {
        return output.into();
    }
    runs(output).into_iter().map(|run| run.text).collect::<String>().into()
}

/// A text that somebody wrote, without what controls terminals. Returns are line breaks here, and nothing is drawn over.
pub(super) fn without_escapes(text: &str) -> Cow<'_, str> {
    if !has_controls(text) {
        return text.into();
    }
    let mut kept = String::with_capacity(text.len());
    for piece in Pieces::of(text) {
        match piece {
            Control::Text(text) => kept.push_str(text),
            Control::LineBreak => kept.push('\n'),
            // One of both stands for a line break.
            Control::Return { before_break: false } => kept.push('\n'),
            Control::Return { before_break: true } | Control::Back | Control::Sequence { .. } => {}
        }
    }
    kept.into()
}

/// Whether there is anything in it but text and line breaks.
fn has_controls(text: &str) -> bool {
    // A control of the upper half is two bytes, of which the first is 0xC2 and the second below 0xA0.
    let bytes = text.as_bytes();
    bytes.iter().any(|byte| (*byte < 0x20 && !matches!(byte, b'\n' | b'\t')) || *byte == 0x7f)
        || memchr::memchr_iter(0xc2, bytes).any(|at| bytes.get(at + 1).is_some_and(|next| *next < 0xa0))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// S114: what stands on a terminal stands in every document.
    #[test]
    fn outputs_read_as_a_terminal_shows_them() {
        let cases: Vec<Value> = serde_json::from_str(include_str!("../../../tests/data/terminal.json")).unwrap();
        assert!(cases.len() > 20);
        for case in cases {
            let output = case["output"].as_str().unwrap();
            let shown = case["shown"].as_str().unwrap();
            assert_eq!(plain(output), shown, "{}", case["what"]);
            if let Some(text) = case["text"].as_str() {
                assert_eq!(without_escapes(output), text, "{}", case["what"]);
            }
            if let Some(expected) = case["runs"].as_array() {
                let expected: Vec<_> =
                    expected.iter().map(|run| (run[0].as_str().unwrap(), run[1].as_str().unwrap())).collect();
                let runs = runs(output);
                let told: Vec<_> = runs.iter().map(|run| (run.style.classes(), run.text.as_str())).collect();
                assert_eq!(
                    told.iter().map(|(classes, text)| (classes.as_str(), *text)).collect::<Vec<_>>(),
                    expected,
                    "{}",
                    case["what"]
                );
            }
        }
    }

    /// Each of these would cost the square of its length, if what it erases or fills had no bound.
    #[test]
    fn no_output_costs_more_than_its_length() {
        let wide = "x".repeat(COLUMNS_MAX);
        for again in [
            "\x1b[1K",
            "\x1b[2K\x1b[60000Cx",
            "\r\x1b[1P",
            "\x1b[65000G\x1b[1K",
            "\x1b[200;60000Hx",
            "\x1b[2J",
            "\n\x1b[2Jx",
            "\x1b]",
            "\u{9d}",
        ] {
            let output = format!("{wide}{}", again.repeat(200_000));
            let shown = plain(&output);
            assert!(shown.len() <= 16 * output.len(), "{again:?}: {}", shown.len());
        }
    }
}
