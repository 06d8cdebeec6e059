//! From a path to its source: the form is found out from the file's beginning.

use std::path::Path;

use capshare::share::id::SessionId;
use capshare::transcripts::{self, Reader};

use crate::cli::agent::Agent;
use crate::cli::exit::{Exit, Failure};
use crate::cli::push::database::Database;
use crate::cli::push::document::DocumentFile;
use crate::cli::push::export::ExportFile;
use crate::cli::push::input;
use crate::cli::push::items_file::ItemsFile;
use crate::cli::push::lines::Lines;
use crate::cli::push::sniff::{Beginning, Shape, sniff};
use crate::cli::push::source::{Source, cannot_read};
use crate::cli::push::transcript_file::TranscriptFile;
use crate::cli::push::vibe::{self, VibeFolder};

/// How a file is to be read.
pub(super) struct Wish<'a> {
    /// The agent that the command line names.
    pub(super) agent: Option<Agent>,
    /// Which of a database's sessions to share.
    pub(super) session: Option<&'a SessionId>,
    pub(super) follow: bool,
    /// Whether what a program wrote for its model and for itself is shared, too.
    pub(super) include_context: bool,
}

/// Opens a file; `-` is standard input.
pub(super) async fn open(path: &Path, wish: &Wish<'_>) -> Result<Box<dyn Source>, Failure> {
    let reader = |agent| {
        let origin = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Reader::new(agent, &origin.to_string_lossy()).with_context(wish.include_context)
    };
    if matches!(wish.agent, None | Some(Agent::Vibe))
        && let Some(folder) = vibe::folder_of(path)
    {
        return Ok(Box::new(VibeFolder::new(&folder, reader(transcripts::Agent::Vibe), wish.follow)));
    }
    let cannot = |error: std::io::Error| cannot_read(path, &error);
    let stream = input::open(path).map_err(cannot)?;
    // Of what comes through a pipe, or is packed, nothing is ever appended that would not come anyway.
    let follow = wish.follow && stream.is_none();
    let is_stream = stream.is_some();
    let total = if is_stream { 0 } else { tokio::fs::metadata(path).await.map_err(cannot)?.len() };
    let mut lines = match stream {
        Some(stream) => Lines::stream(stream),
        None => Lines::open(path).await.map_err(cannot)?,
    };
    let (head, is_all) = lines.head().await.map_err(cannot)?;
    let is_named_json = path.extension().is_some_and(|extension| extension == "json");
    let agent = wish.agent.and_then(Agent::reader);
    let shape = sniff(&Beginning { head, is_all, agent, follow: wish.follow, is_named_json });
    Ok(match shape {
        Shape::Items => Box::new(ItemsFile::new(path, lines, follow, total)),
        Shape::Transcript(agent) => Box::new(TranscriptFile::new(path, lines, reader(agent), follow, total)),
        Shape::Document(agent) => Box::new(DocumentFile::new(path, lines, reader(agent), follow, total)),
        Shape::Export => Box::new(ExportFile::open(path, lines, total).await?),
        Shape::Database if is_stream => {
            let message =
                format!("{} is a database, which can be read from a file only: name the file", path.display());
            return Err(Failure::new(Exit::Usage, message));
        }
        Shape::Database => {
            let session = wish.session.ok_or_else(|| {
                let message = format!(
                    "{} holds many sessions: name one by --session ID, or the newest by --agent opencode --latest",
                    path.display()
                );
                Failure::new(Exit::Usage, message)
            })?;
            Box::new(Database::open(path, session.as_str(), follow)?)
        }
    })
}
