//! From a path to its source: the form is found out from the file's beginning.

use std::path::Path;

use capshare::share::id::SessionId;
use capshare::transcripts::Reader;

use crate::cli::agent::Agent;
use crate::cli::exit::{Exit, Failure};
use crate::cli::push::database::Database;
use crate::cli::push::document::DocumentFile;
use crate::cli::push::export::ExportFile;
use crate::cli::push::lines_file::{Contents, LinesFile};
use crate::cli::push::sniff::{Shape, sniff};
use crate::cli::push::source::{Source, cannot_read};

/// Opens a file. `agent`: the agent that the command line names. `session`: which of a database's sessions to share.
pub(super) async fn open(
    path: &Path,
    agent: Option<Agent>,
    session: Option<&SessionId>,
    follow: bool,
) -> Result<Box<dyn Source>, Failure> {
    let cannot = |error: std::io::Error| cannot_read(path, &error);
    let total = tokio::fs::metadata(path).await.map_err(cannot)?.len();
    let reader = |agent| {
        let origin = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Reader::new(agent, &origin.to_string_lossy())
    };
    Ok(match sniff(path, agent, follow).await.map_err(cannot)? {
        Shape::Items => Box::new(LinesFile::open(path, Contents::Items, follow, total).await?),
        Shape::Transcript(agent) => {
            Box::new(LinesFile::open(path, Contents::Transcript(Box::new(reader(agent))), follow, total).await?)
        }
        Shape::Document(agent) => Box::new(DocumentFile::new(path, reader(agent), follow, total)),
        Shape::Export => Box::new(ExportFile::open(path, total).await?),
        Shape::Database => {
            let session = session.ok_or_else(|| {
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
