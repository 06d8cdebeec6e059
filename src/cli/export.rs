//! `capshare export`: a share as a document, in a file or on stdout.
//!
//! The share is read whole, at one revision, before a byte is written; a file that is there already is replaced. What it
//! writes as `opencode` or `jsonl` is what `push` reads, and the share that becomes of it holds the same items.

use std::io::Write as _;
use std::path::Path;

use capshare::client::Watch;
use capshare::contract::sync_data::write_sync_data;
use capshare::share::error::Refusal;
use capshare::share::view::{Changed, Step};
use capshare::viewer::render::Document;
use serde_json::json;

use crate::cli::args;
use crate::cli::connect::{Target, of_refusal};
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::link;
use crate::cli::output::Output;

/// Writes a share.
pub(crate) async fn run(args: args::Export, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let (target, id, token) = Target::of_share(&args.share, &args.host, environment)?;
    let view = link::view(&target, &id, token).await?;
    let read = tokio::time::timeout(args.host.timeout, whole(view.watch(0))).await;
    let Ok(step) = read else {
        let message = format!("{}: the share did not come within {:?}: see --timeout", target.host, args.host.timeout);
        return Err(Failure::new(Exit::Unreachable, message));
    };
    let step = match step {
        Some(step) => step.map_err(|error| target.failure(&error))?,
        None => return Err(of_refusal(&Refusal::not_found(id.as_str()))),
    };
    let (revision, items) = (step.revision, step.changes.len());
    let pieces = document(step, args.format);
    match &args.output {
        None => {
            for piece in pieces {
                output.text(&piece)?;
            }
        }
        Some(path) => {
            write(path, pieces).map_err(|error| {
                Failure::new(Exit::Failed, format!("{} cannot be written: {error}", path.display()))
            })?;
            output.result(
                format_args!("{items} items at revision {revision} written to {}", path.display()),
                &json!({
                    "event": "exported",
                    "id": id.as_str(),
                    "file": path.display().to_string(),
                    "items": items,
                    "revision": revision,
                }),
            )?;
        }
    }
    target.client.close().await;
    Ok(())
}

/// The whole state.
async fn whole(mut watch: Watch) -> Option<Result<Step, capshare::client::ClientError>> {
    watch.next().await
}

/// The document of a whole state, piece by piece.
fn document(step: Step, format: args::ExportFormat) -> Box<dyn Iterator<Item = String>> {
    let changes = step.changes.into_iter().filter(|changed| changed.value.is_some());
    let items = |changes: &mut dyn Iterator<Item = Changed>| {
        Document::gather(changes.filter_map(|Changed { key, value, .. }| Some((key, value?))))
    };
    let mut changes = changes;
    match format {
        args::ExportFormat::Opencode => Box::new(items(&mut changes).json()),
        args::ExportFormat::Markdown => Box::new(items(&mut changes).markdown()),
        args::ExportFormat::Jsonl => {
            Box::new(changes.map(|changed| format!("{}\n", write_sync_data(&changed.into_change()))))
        }
    }
}

fn write(path: &Path, pieces: impl Iterator<Item = String>) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for piece in pieces {
        file.write_all(piece.as_bytes())?;
    }
    file.flush()
}
