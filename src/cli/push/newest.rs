//! Which file is shared: the one that is named, the newest of an agent's, or, where nothing is named, the newest of any agent's in this
//! folder.
//!
//! The last is a guess at what is meant, and a share is public: somebody is told whose session it is, its title, when it was written
//! to last and where, and is asked. Without anybody to ask, nothing is shared unless `--yes` said so before.

use std::path::PathBuf;

use capshare::share::id::SessionId;
use capshare::share::item::ItemKind;
use capshare::share::time::Timestamp;
use serde_json::Value;

use crate::cli::agent::Agent;
use crate::cli::args;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{Output, clean};
use crate::cli::push::find::{self, Found};
use crate::cli::push::{open, source};
use crate::cli::time::time;

/// Bytes of a session that are read to know its title. Most agents say it near the beginning, and some say a better one later.
const TITLE_BYTES_MAX: u64 = 16 << 20;

/// What is to be shared.
pub(super) struct Chosen {
    pub(super) path: PathBuf,
    /// The agent that wrote it, if it is not to be recognised.
    pub(super) agent: Option<Agent>,
    /// Which of the sessions in the file, if it holds many.
    pub(super) session: Option<String>,
}

/// Chooses what is to be shared, and says it. May be dropped, which ends a question.
pub(super) async fn chosen(
    args: &args::Push,
    environment: &Environment,
    output: &mut Output,
) -> Result<Chosen, Failure> {
    let named = |path| Chosen { path, agent: args.agent, session: None };
    let is_alone = args.session.is_none() && !args.latest;
    match (&args.file, args.agent) {
        (Some(file), _) => Ok(named(file.clone())),
        (None, Some(Agent::OpenCode)) if args.session.is_some() => Ok(named(find::database(environment)?)),
        (None, Some(agent)) if args.latest => {
            let found = find::latest(agent, environment, args.any_folder)?;
            let elsewhere =
                if found.is_elsewhere { "; it belongs to another folder, because this one has no session" } else { "" };
            output.note(&format!("{} is the newest session of {}{elsewhere}", place(&found), agent.title()));
            Ok(found.into())
        }
        (None, None) if is_alone => {
            let found = find::latest_of_any(environment, output)?;
            let title = title(&found, *output).await.unwrap_or_default();
            let title = if title.is_empty() { String::new() } else { format!("{:?}, ", clean::word(&title)) };
            let written = Timestamp::try_from(found.written).map(time).unwrap_or_default();
            let (agent, place) = (found.agent.title(), place(&found));
            output.note(&format!(
                "the newest session of this folder is {title}of {agent}, last written to at {written}: {place}"
            ));
            allowed(args.yes, output).await?;
            Ok(found.into())
        }
        (None, _) => {
            Err(Failure::new(Exit::Usage, "name a file, or the newest session of an agent by --agent AGENT --latest"))
        }
    }
}

/// Where a session is.
fn place(found: &Found) -> String {
    let session = found.session.as_ref().map(|session| format!("{session} in ")).unwrap_or_default();
    format!("{session}{}", found.path.display())
}

/// Whether it may be shared: an error if not.
async fn allowed(yes: bool, output: &mut Output) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !output.can_ask() {
        let message = "nothing was shared, because there is no terminal on which to ask whether this is the session that is meant: add --yes to \
                       share it, or name a file";
        return Err(Failure::new(Exit::Usage, message));
    }
    let answer = output.ask("share it? [y/N]").await;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(Exit::Failed, "nothing was shared: to share another session, name its file")),
    }
}

/// The title of a session, as its share would have it. `None`: it has none, or cannot be read, which is said when it is shared.
async fn title(found: &Found, output: Output) -> Option<String> {
    let session: Option<SessionId> = found.session.as_ref().and_then(|session| session.parse().ok());
    let wish =
        open::Wish { agent: Some(found.agent), session: session.as_ref(), follow: false, include_context: false };
    let mut source = open::open(&found.path, &wish).await.ok()?;
    let mut output = output.silent();
    let (mut title, mut bytes) = (None, 0);
    loop {
        let is_enough = source.progress().read.max(bytes) > TITLE_BYTES_MAX;
        let piece = if is_enough { source.end() } else { source::next(source.as_mut(), &mut output).await.ok()? };
        for change in piece.iter().flat_map(|piece| &piece.changes) {
            let json = change.value.as_ref().map_or("", |value| value.as_str());
            bytes += json.len() as u64;
            if matches!(change.key.kind(), ItemKind::Session) {
                let session: Value = serde_json::from_str(json).unwrap_or_default();
                title = session["title"].as_str().map(str::to_owned);
            }
        }
        if is_enough || piece.is_none() {
            return title;
        }
    }
}

impl From<Found> for Chosen {
    fn from(found: Found) -> Self {
        Self { agent: Some(found.agent), path: found.path, session: found.session }
    }
}
