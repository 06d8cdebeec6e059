//! The figures of a scene as Markdown, which is also what the terminal shows.
//!
//! One table for each metric, a row for each line of the scene, a column for each system: median and (least..most) over the
//! rounds. Before them the aims, after them what was not available.

use std::fmt::Write as _;

use crate::aims::{Standing, with_spread};
use crate::rounds::{Results, Series};
use crate::scene::Scene;

/// A scene's part of the report.
pub(crate) fn scene(scene: &Scene, results: &Results, standings: &[Standing]) -> String {
    let mut text = String::new();
    if !standings.is_empty() {
        let mut rows = vec![["aim", "wanted", "measured", ""].map(str::to_owned).to_vec()];
        rows.extend(standings.iter().map(|standing| {
            let Standing { work, wanted, measured, verdict } = standing;
            vec![(*work).to_owned(), wanted.clone(), measured.clone(), (*verdict).to_owned()]
        }));
        text.push_str(&table(&rows));
    }
    let of_scene: Vec<&Series> = results.series.iter().filter(|series| series.key == scene.key).collect();
    for metric in unique(of_scene.iter().map(|series| series.metric)) {
        let of_metric: Vec<_> = of_scene.iter().filter(|series| series.metric == metric).collect();
        let systems = unique(of_metric.iter().map(|series| series.system.as_str()));
        let mut rows =
            vec![[&[metric], systems.as_slice()].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()];
        for line in unique(of_metric.iter().map(|series| series.scene.as_str())) {
            let cell = |system: &&str| {
                let found = of_metric.iter().find(|series| series.scene == line && series.system == *system);
                found.and_then(|series| series.spread()).map_or_else(String::new, with_spread)
            };
            rows.push(std::iter::once(line.to_owned()).chain(systems.iter().map(cell)).collect());
        }
        text.push_str(&table(&rows));
    }
    for missing in results.missing.iter().filter(|missing| missing.key == scene.key) {
        let why: String = missing.why.chars().take(300).map(|c| if c == '\n' { ' ' } else { c }).collect();
        let _written = writeln!(text, "{}: not available: {why}\n", missing.system);
    }
    text
}

/// The distinct ones, in the order in which they come.
pub(crate) fn unique<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for one in all {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// A Markdown table, its columns as wide as they need to be; the first row is its head.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let _written = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            for width in &widths {
                let _written = write!(text, "|-{}-", "-".repeat(*width));
            }
            text.push_str("|\n");
        }
    }
    text.push('\n');
    text
}
