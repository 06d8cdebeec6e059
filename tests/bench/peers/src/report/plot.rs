//! The figures of a scene as bars: `target/bench/SCENE.svg`, drawn by hand, with nothing but rectangles, lines and text.
//!
//! A panel for each metric and line, a bar for each system as long as its median, a whisker from the least to the most. Each
//! panel has its own scale, which begins at 0.

use std::fmt::Write as _;

use crate::aims::with_spread;
use crate::context::Context;
use crate::report::table::unique;
use crate::rounds::{Results, Series};
use crate::scene::Scene;
use crate::stats::Spread;

const WIDTH: usize = 900;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 230.0;
const LONGEST: f64 = 430.0;
const ROW: usize = 20;
const HEAD: usize = 30;

/// Draws it anew, unless there is nothing to draw.
///
/// # Errors
///
/// The file cannot be written.
pub(crate) fn write(context: &Context, scene: &Scene, results: &Results) -> anyhow::Result<()> {
    let series: Vec<&Series> = results.series.iter().filter(|series| series.key == scene.key).collect();
    if series.is_empty() {
        return Ok(());
    }
    let mut body = String::new();
    let mut y = 40;
    let _written = writeln!(body, r#"<text x="10" y="22" font-size="16">{}</text>"#, escaped(scene.question));
    for metric in unique(series.iter().map(|series| series.metric)) {
        let of_metric: Vec<_> = series.iter().filter(|series| series.metric == metric).collect();
        for line in unique(of_metric.iter().map(|series| series.scene.as_str())) {
            let bars = of_metric.iter().filter(|series| series.scene == line);
            let bars: Vec<_> = bars.filter_map(|series| Some((series.system.as_str(), series.spread()?))).collect();
            panel(&mut body, &mut y, &format!("{line}: {metric}"), &bars);
        }
    }
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    );
    std::fs::write(context.out.join(format!("{}.svg", scene.key)), svg)?;
    Ok(())
}

fn panel(body: &mut String, y: &mut usize, title: &str, bars: &[(&str, Spread)]) {
    let most = bars.iter().map(|(_, spread)| spread.max).fold(f64::MIN_POSITIVE, f64::max);
    let x_of = |value: f64| LEFT + value / most * LONGEST;
    let _written = writeln!(body, r#"<text x="10" y="{}" font-weight="bold">{}</text>"#, *y + 18, escaped(title));
    *y += HEAD;
    for (system, spread) in bars {
        let color = if system.starts_with("capshare") { "#1f6feb" } else { "#9aa4b2" };
        let (middle, text_y) = (*y + ROW / 2, *y + 14);
        let (length, least, highest) = (x_of(spread.median) - LEFT, x_of(spread.min), x_of(spread.max));
        let _written = writeln!(
            body,
            "<text x=\"{}\" y=\"{text_y}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{}\" width=\"{length:.1}\" height=\"{}\" fill=\"{color}\"/>\n\
             <line x1=\"{least:.1}\" y1=\"{middle}\" x2=\"{highest:.1}\" y2=\"{middle}\" stroke=\"black\"/>\n\
             <text x=\"{:.1}\" y=\"{text_y}\">{}</text>",
            LEFT - 8.0,
            escaped(system),
            *y + 3,
            ROW - 6,
            highest + 8.0,
            escaped(&with_spread(*spread)),
        );
        *y += ROW;
    }
    *y += ROW / 2;
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
