//! Progress bars: on stderr, and only if that is a terminal and the results are for people.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::output::Output;

/// A bar that counts bytes.
pub(crate) fn bytes(total: u64, output: Output) -> ProgressBar {
    bar(total, "{bar:30} {bytes}/{total_bytes}  {msg}", output)
}

/// A bar that counts steps.
pub(crate) fn steps(total: u64, output: Output) -> ProgressBar {
    bar(total, "{bar:30} {pos}/{len}  {msg}", output)
}

/// A counter of objects whose total is not known.
pub(crate) fn objects(output: Output) -> ProgressBar {
    let target = if output.is_json() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{spinner} {human_pos} objects  {elapsed}");
    ProgressBar::with_draw_target(None, target).with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

fn bar(total: u64, template: &str, output: Output) -> ProgressBar {
    // Where stderr is no terminal, indicatif draws nothing by itself.
    let target = if output.is_json() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), target).with_style(style)
}
