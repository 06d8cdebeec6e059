//! Where agents leave their transcripts, and which of them is the newest.
//!
//! The newest is the one that was written to last. Where an agent keeps them by folder, those of the folder that the
//! program runs in come first, so that nobody shares another project by mistake without being told. OpenCode keeps all of them in
//! one database, which knows.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::cli::agent::Agent;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::push::database as database_of;

/// Most entries of folders that are looked at: more than years of sessions have.
const ENTRIES_MAX: usize = 100_000;

/// A transcript that was found.
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Which of the sessions in the file, if it holds many.
    pub(super) session: Option<String>,
    /// Whether it belongs to another folder than the current one, which has none.
    pub(super) is_elsewhere: bool,
}

/// The transcript of an agent that was written to last.
pub(super) fn latest(agent: Agent, environment: &Environment) -> Result<Found, Failure> {
    let here = environment.current_folder.as_deref();
    if agent == Agent::OpenCode {
        let path = database(environment)?;
        let (session, is_elsewhere) = database_of::latest(&path, here)?;
        return Ok(Found { path, session: Some(session), is_elsewhere });
    }
    let (root, depth) = root(agent, environment).ok_or_else(|| none(agent, "the home folder, which is not known"))?;
    let mut looked = Looked { agent, left: ENTRIES_MAX, newest: None };
    if let Some(here) = here {
        for folder in of_project(agent, &root, here) {
            looked.walk(&folder, 0);
        }
    }
    let is_elsewhere = looked.newest.is_none();
    if is_elsewhere {
        looked.walk(&root, depth);
    }
    // Codex keeps its sessions by day, asciinema where it is told to.
    let is_by_folder = matches!(agent, Agent::Claude | Agent::Gemini);
    let (_, path) = looked.newest.ok_or_else(|| none(agent, &root.display().to_string()))?;
    Ok(Found { path, session: None, is_elsewhere: is_elsewhere && is_by_folder })
}

/// The path of OpenCode's database.
pub(super) fn database(environment: &Environment) -> Result<PathBuf, Failure> {
    // Beside ours, by the same rules.
    let folder = environment.data_folder.as_ref().and_then(|ours| ours.parent());
    let folder = folder.ok_or_else(|| none(Agent::OpenCode, "the home folder, which is not known"))?.join("opencode");
    let path = folder.join(environment.get("OPENCODE_DB").unwrap_or("opencode.db"));
    if path.is_file() { Ok(path) } else { Err(none(Agent::OpenCode, &folder.display().to_string())) }
}

fn none(agent: Agent, place: &str) -> Failure {
    let message = format!("there is no session of {} in {place}: name a file instead", agent.title());
    Failure::new(Exit::Failed, message)
}

/// The folder of an agent's transcripts, and how many folders deep they lie in it.
fn root(agent: Agent, environment: &Environment) -> Option<(PathBuf, usize)> {
    let home = |variable: &str, name: &str| {
        let said = environment.get(variable).map(PathBuf::from);
        said.or_else(|| Some(environment.home_folder.as_ref()?.join(name)))
    };
    Some(match agent {
        Agent::Claude => (home("CLAUDE_CONFIG_DIR", ".claude")?.join("projects"), 1),
        Agent::Codex => (home("CODEX_HOME", ".codex")?.join("sessions"), 3),
        Agent::Gemini => (home("GEMINI_CLI_HOME", "")?.join(".gemini").join("tmp"), 2),
        Agent::Asciicast => (environment.current_folder.clone()?, 0),
        Agent::OpenCode => return None,
    })
}

/// The folders in which an agent keeps the transcripts of a project.
fn of_project(agent: Agent, root: &Path, here: &Path) -> Vec<PathBuf> {
    let text = here.to_string_lossy();
    match agent {
        Agent::Claude => {
            let name = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
            vec![root.join(name.collect::<String>())]
        }
        Agent::Gemini => {
            let digest = Sha256::digest(text.as_bytes());
            let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            // Newer versions name it after the project, and say inside which one that is.
            let entries = fs::read_dir(root).into_iter().flatten().take(ENTRIES_MAX).flatten();
            let is_it = |folder: &PathBuf| {
                let said = fs::read_to_string(folder.join(".project_root")).unwrap_or_default();
                folder.ends_with(&hash) || said.trim() == text
            };
            entries.map(|entry| entry.path()).filter(is_it).map(|folder| folder.join("chats")).collect()
        }
        Agent::Codex | Agent::Asciicast | Agent::OpenCode => Vec::new(),
    }
}

struct Looked {
    agent: Agent,
    left: usize,
    newest: Option<(SystemTime, PathBuf)>,
}

impl Looked {
    fn walk(&mut self, folder: &Path, depth: usize) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            let path = entry.path();
            let Ok(about) = fs::metadata(&path) else { continue };
            if about.is_dir() && depth > 0 {
                self.walk(&path, depth - 1);
            } else if about.is_file()
                && self.is_transcript(&path)
                && let Ok(time) = about.modified()
                // Of two of one time, always the same.
                && self.newest.as_ref().is_none_or(|newest| (time, &path) > (newest.0, &newest.1))
            {
                self.newest = Some((time, path));
            }
        }
    }

    /// Whether a file is the transcript of a whole session: sub-agents write files of their own beside it.
    fn is_transcript(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match self.agent {
            Agent::Claude => name.ends_with(".jsonl") && !name.starts_with("agent-"),
            Agent::Codex => name.starts_with("rollout-") && name.ends_with(".jsonl"),
            Agent::Gemini => name.starts_with("session-") && (name.ends_with(".json") || name.ends_with(".jsonl")),
            Agent::Asciicast => name.ends_with(".cast"),
            Agent::OpenCode => false,
        }
    }
}
