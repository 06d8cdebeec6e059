//! `capshare export`: a share as a document, in a file or on stdout.
//!
//! The share is read whole, at one revision, before a byte is written; a file that is there already is replaced. What it
//! writes as `jsonl` is what `push` reads, and the share that becomes of it holds the same items. What it writes as `opencode` both `push`
//! and `opencode import` read: items that OpenCode made are the same, and those of other agents get ids and members as OpenCode has them.

use std::io::Write as _;
use std::path::Path;

use capshare::__internal::contract::sync_data::write_sync_data;
use capshare::__internal::viewer::render::Document;
use capshare::client::WatchFrom;
use capshare::share::error::Refusal;
use capshare::share::view::{Changed, Step};
use serde_json::json;

use crate::cli::args;
use crate::cli::connect::{Target, of_refusal};
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::reach::view;
use crate::cli::stop;

/// `capshare export`: writes a share to a file or to stdout.
pub(crate) async fn run(args: args::Export, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let stop = stop::on_signal()?;
    let (target, id, token) = Target::of_share(&args.share, &args.host, environment)?;
    let telling = tokio::spawn(target.tell_of_losses(*output));
    // Reading waits for a host for ever; there must be one to begin with.
    target.client.hello().await.map_err(|error| target.failure(&error))?;
    let view = view(&target, &id, token).await?;
    let mut watch = view.watch(WatchFrom::WholeState);
    let step = tokio::select! {
        () = stop.cancelled() => return Err(Failure::new(Exit::Failed, "stopped before the share was read: nothing was written")),
        step = watch.next() => step,
    };
    telling.abort();
    // A watch that ends without a word was of a share that is not there any more.
    let step = step.ok_or_else(|| of_refusal(&Refusal::not_found(id.as_str())))?;
    let step = step.map_err(|error| target.failure(&error))?;
    drop((watch, view));
    let (revision, items) = (step.revision, step.changes.len());
    let written = document(step, args.format, args.session.as_deref())?;
    if !written.subagents.is_empty() {
        let each = written.subagents.join(" ");
        output.note(&format!(
            "`opencode import` takes one session: those of subagents are written beside it, each by --session ID ({each})"
        ));
    }
    let pieces = written.pieces;
    match &args.output {
        None => {
            for piece in pieces {
                match args.format {
                    args::ExportFormat::Markdown => output.text(&piece)?,
                    args::ExportFormat::Opencode | args::ExportFormat::Jsonl => output.json_text(&piece)?,
                }
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
                    "revision": revision.0,
                }),
            )?;
        }
    }
    target.client.close().await;
    Ok(())
}

/// What is written.
struct Written {
    pieces: Box<dyn Iterator<Item = String>>,
    /// The sessions of subagents, where these stand where nobody may look.
    subagents: Vec<String>,
}

/// The document of a share's whole state, as pieces of text; or that of the session of one of its subagents.
fn document(step: Step, format: args::ExportFormat, session: Option<&str>) -> Result<Written, Failure> {
    let changes = step.changes.into_iter();
    let gather = |changes: std::vec::IntoIter<Changed>| {
        Document::gather(changes.filter_map(|Changed { key, value, .. }| Some((key, value?))))
    };
    let mut subagents = Vec::new();
    let pieces: Box<dyn Iterator<Item = String>> = match format {
        args::ExportFormat::Opencode => {
            let document = gather(changes);
            let there = document.subagents();
            match session {
                None => {
                    subagents = there;
                    Box::new(document.opencode())
                }
                Some(session) => {
                    Box::new(document.subagent_for_opencode(session).ok_or_else(|| no_subagent(session, &there))?)
                }
            }
        }
        args::ExportFormat::Markdown => Box::new(gather(changes).markdown()),
        args::ExportFormat::Jsonl => {
            Box::new(changes.map(|changed| format!("{}\n", write_sync_data(&changed.into_change()))))
        }
    };
    Ok(Written { pieces, subagents })
}

fn no_subagent(session: &str, there: &[String]) -> Failure {
    let those = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    let message = format!("the share has no session {session} of a subagent; it has {those}");
    Failure::new(Exit::NotFound, message)
}

fn write(path: &Path, pieces: impl Iterator<Item = String>) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for piece in pieces {
        file.write_all(piece.as_bytes())?;
    }
    file.flush()
}
