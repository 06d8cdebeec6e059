//! Rounds: in each one every system of a scene has its turn, alone.
//!
//! A system that cannot be installed, started or driven is left out from then on, and the reports say why.

use crate::args::Args;
use crate::context::Context;
use crate::figure::{Better, Figure};
use crate::report;
use crate::scene::Scene;
use crate::stats::Spread;

/// The values of one figure, round by round.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// The scene's key.
    pub(crate) key: &'static str,
    pub(crate) scene: String,
    pub(crate) system: String,
    pub(crate) metric: &'static str,
    pub(crate) better: Better,
    /// Which round, and its value.
    pub(crate) values: Vec<(usize, f64)>,
}

impl Series {
    /// Over the rounds; `None` without one.
    pub(crate) fn spread(&self) -> Option<Spread> {
        Spread::of(&self.values.iter().map(|(_, value)| *value).collect::<Vec<_>>())
    }
}

/// A system that could not be measured in a scene, and why.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    pub(crate) key: &'static str,
    pub(crate) system: String,
    pub(crate) why: String,
}

/// All that a run brought, in the order in which it first came.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) series: Vec<Series>,
    pub(crate) missing: Vec<Missing>,
}

impl Results {
    fn add(&mut self, key: &'static str, round: usize, figure: Figure) {
        let same = |series: &&mut Series| {
            series.key == key
                && series.scene == figure.scene
                && series.system == figure.system
                && series.metric == figure.metric
        };
        if let Some(series) = self.series.iter_mut().find(same) {
            series.values.push((round, figure.value));
            return;
        }
        let Figure { scene, system, metric, value, better } = figure;
        self.series.push(Series { key, scene, system, metric, better, values: vec![(round, value)] });
    }

    /// One series, by what it is of.
    pub(crate) fn find(&self, key: &str, scene: &str, system: &str, metric: &str) -> Option<&Series> {
        self.series.iter().find(|series| {
            series.key == key && series.scene == scene && series.system == system && series.metric == metric
        })
    }
}

/// Runs all scenes, one after the other, with the systems that `peers` names (all, if it names none).
pub(crate) fn run(context: &Context, scenes: &[Scene], peers: &[String]) -> Results {
    let mut results = Results::default();
    for scene in scenes {
        let mut there = Vec::new();
        for contender in scene.contenders.iter().filter(|contender| Args::wants(peers, contender.system.name())) {
            match contender.system.install(context) {
                Ok(()) => there.push((contender, true)),
                Err(error) => leave_out(&mut results, scene, contender.system.name(), &error),
            }
        }
        for round in 1..=context.rounds {
            for (contender, runs) in there.iter_mut().filter(|(_, runs)| *runs) {
                let name = contender.system.name().to_owned();
                report::say(&format!("{}: round {round} of {}: {name}", scene.key, context.rounds));
                let figures = contender.system.start(context).and_then(|running| (contender.drive)(context, &running));
                match figures {
                    Ok(figures) => figures.into_iter().for_each(|figure| results.add(scene.key, round, figure)),
                    Err(error) => {
                        *runs = false;
                        leave_out(&mut results, scene, &name, &error);
                    }
                }
            }
        }
    }
    results
}

fn leave_out(results: &mut Results, scene: &Scene, system: &str, error: &anyhow::Error) {
    let why = format!("{error:#}");
    report::say(&format!("{}: {system} is not available: {why}", scene.key));
    results.missing.push(Missing { key: scene.key, system: system.to_owned(), why });
}
