//! The figures of a scene for programs: `target/bench/SCENE.json`.

use serde_json::json;

use crate::aims::Standing;
use crate::context::Context;
use crate::rounds::Results;
use crate::scene::Scene;

/// Writes it anew.
///
/// # Errors
///
/// The file cannot be written.
pub(crate) fn write(
    context: &Context,
    scene: &Scene,
    results: &Results,
    standings: &[Standing],
    machine: &str,
) -> anyhow::Result<()> {
    let figures = results.series.iter().filter(|series| series.key == scene.key).map(|series| {
        json!({
            "line": series.scene,
            "system": series.system,
            "metric": series.metric,
            "better": series.better,
            "values": series.values.iter().map(|(_, value)| value).collect::<Vec<_>>(),
            "spread": series.spread(),
        })
    });
    let aims = standings.iter().map(|standing| {
        json!({
            "work": standing.work,
            "wanted": standing.wanted,
            "measured": standing.measured,
            "verdict": standing.verdict,
        })
    });
    let missing = results.missing.iter().filter(|missing| missing.key == scene.key);
    let document = json!({
        "scene": scene.key,
        "question": scene.question,
        "machine": machine,
        "quick": context.quick,
        "figures": figures.collect::<Vec<_>>(),
        "aims": aims.collect::<Vec<_>>(),
        "missing": missing.map(|missing| json!({ "system": missing.system, "why": missing.why })).collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&document)? + "\n";
    std::fs::write(context.out.join(format!("{}.json", scene.key)), text)?;
    Ok(())
}
