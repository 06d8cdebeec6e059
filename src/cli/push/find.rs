//! Where agents leave their transcripts, and which of them is the newest.
//!
//! The newest is the one that was written to last and is of the folder that the program runs in, so that nobody shares another
//! project by mistake: a session of another folder is shared only when `--any-folder` asks for it. What the transcript itself says of
//! its folder counts more than the name of the folder that it lies in, which is cut where it is long, and the same for several
//! folders. What subagents write is passed over. OpenCode keeps all sessions in one database, which knows.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::ValueEnum as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::cli::agent::Agent;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::push::database as database_of;
use crate::cli::push::digest::md5;
use crate::cli::push::input;
use crate::cli::push::thread::{self, MESSAGES, PACKED};

/// Most entries of folders that are looked at: more than years of sessions have.
const ENTRIES_MAX: usize = 100_000;

/// Most transcripts into which is looked to know whose they are, the newest first.
const LOOKED_INTO_MAX: usize = 4_096;

/// Bytes at a transcript's beginning that say whose it is.
const HEAD_BYTES: u64 = 256 << 10;

/// Records at a transcript's beginning that are looked at.
const RECORDS_MAX: usize = 20;

/// Characters of the folder's name after which Claude Code cuts it, and adds a dash and six characters.
const NAME_CHARS_MAX: usize = 200;

/// A transcript that was found.
pub(super) struct Found {
    pub(super) agent: Agent,
    pub(super) path: PathBuf,
    /// Which of the sessions in the file, if it holds many.
    pub(super) session: Option<String>,
    /// Whether it belongs to another folder: the current one has no session.
    pub(super) is_elsewhere: bool,
    /// When it was written to last.
    pub(super) written: SystemTime,
}

/// The transcript of an agent that was written to last. `any_folder`: if the current folder has no session, one of any other.
pub(super) fn latest(agent: Agent, environment: &Environment, any_folder: bool) -> Result<Found, Failure> {
    let here = environment.current_folder.as_deref();
    let found = if agent == Agent::OpenCode {
        let path = database(environment)?;
        let (session, is_elsewhere, written) = database_of::latest(&path, here)?;
        Found { agent, path, session: Some(session), is_elsewhere, written }
    } else {
        newest(agent, environment, here)?
    };
    if found.is_elsewhere && !any_folder {
        let which = found.session.clone().unwrap_or_else(|| found.path.display().to_string());
        let message = format!(
            "there is no session of {} of this folder; the newest of another folder is {which}: --any-folder shares it",
            agent.title()
        );
        return Err(Failure::new(Exit::Failed, message));
    }
    Ok(found)
}

/// The session of the current folder that was written to last, of whichever agent. An agent whose sessions cannot be looked at is told of,
/// and passed over.
pub(super) fn latest_of_any(environment: &Environment, output: &mut Output) -> Result<Found, Failure> {
    let here = environment.current_folder.as_deref();
    let mut found = Vec::new();
    for agent in Agent::value_variants() {
        if *agent != Agent::OpenCode {
            let root = root(*agent, environment);
            found
                .extend(root.zip(here).and_then(|(root, here)| newest_here(*agent, &root, here, &mut { ENTRIES_MAX })));
        } else if database(environment).is_ok() {
            match latest(*agent, environment, true) {
                Ok(latest) => found.extend(Some(latest).filter(|latest| !latest.is_elsewhere)),
                Err(failure) => output.note(failure.message()),
            }
        }
    }
    found.into_iter().max_by_key(|found| found.written).ok_or_else(|| {
        let message = "there is no session of this folder, of any agent that is known here: name a file, or an agent by --agent AGENT --latest; \
                       --any-folder looks in other folders, too";
        Failure::new(Exit::Failed, message)
    })
}

fn newest(agent: Agent, environment: &Environment, here: Option<&Path>) -> Result<Found, Failure> {
    let root = root(agent, environment).ok_or_else(|| none(agent, "the home folder, which is not known"))?;
    let mut left = ENTRIES_MAX;
    if let Some(found) = here.and_then(|here| newest_here(agent, &root, here, &mut left)) {
        return Ok(found);
    }
    let (root, depth) = root;
    let mut found = Vec::new();
    walk(agent, &root, depth, &mut left, &mut found);
    let found = first(agent, found, |_| true).ok_or_else(|| none(agent, &root.display().to_string()))?;
    Ok(Found { is_elsewhere: agent != Agent::Asciicast, ..found })
}

/// The newest of a folder, below the folder of the agent's transcripts.
fn newest_here(agent: Agent, (root, depth): &(PathBuf, usize), here: &Path, left: &mut usize) -> Option<Found> {
    let mut found = Vec::new();
    let of_project = of_project(agent, root, here);
    // A transcript that does not say its folder is of this one only if it lies where those of this folder lie.
    let is_placed = of_project.is_some();
    for (folder, depth) in of_project.unwrap_or_else(|| vec![(root.clone(), *depth)]) {
        walk(agent, &folder, depth, left, &mut found);
    }
    first(agent, found, |about| match &about.folder {
        Some(folder) => is_same(Path::new(folder), here),
        None => is_placed,
    })
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
        Agent::Qwen => (home("QWEN_HOME", ".qwen")?.join("projects"), 2),
        Agent::Pi => match environment.get("PI_CODING_AGENT_SESSION_DIR") {
            Some(folder) => (PathBuf::from(folder), 1),
            None => {
                let home = environment.get("PI_CODING_AGENT_DIR").map(PathBuf::from);
                let home = home.or_else(|| Some(environment.home_folder.as_ref()?.join(".pi").join("agent")));
                (home?.join("sessions"), 1)
            }
        },
        Agent::Copilot => (home("COPILOT_HOME", ".copilot")?.join("session-state"), 1),
        Agent::Vibe => (home("VIBE_HOME", ".vibe")?.join("logs").join("session").join("unified"), 1),
        Agent::KimiCode => (home("KIMI_CODE_HOME", ".kimi-code")?.join("sessions"), 4),
        Agent::KimiCli => (home("KIMI_SHARE_DIR", ".kimi")?.join("sessions"), 2),
        Agent::Cline => match environment.get("CLINE_SESSION_DATA_DIR") {
            Some(sessions) => (PathBuf::from(sessions), 1),
            None => match environment.get("CLINE_DATA_DIR") {
                Some(data) => (Path::new(data).join("sessions"), 1),
                None => (home("CLINE_DIR", ".cline")?.join("data").join("sessions"), 1),
            },
        },
        Agent::Continue => (home("CONTINUE_GLOBAL_DIR", ".continue")?.join("sessions"), 0),
        Agent::Asciicast => (environment.current_folder.clone()?, 0),
        Agent::OpenCode => return None,
    })
}

/// The folders in which an agent keeps the transcripts of a project, and how many folders deep. `None`: where a transcript lies does not
/// tell which project it is of.
fn of_project(agent: Agent, root: &Path, here: &Path) -> Option<Vec<(PathBuf, usize)>> {
    let text = here.to_string_lossy();
    let entries = || fs::read_dir(root).into_iter().flatten().take(ENTRIES_MAX).flatten().map(|entry| entry.path());
    let named = || {
        let name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let cut = name.get(..NAME_CHARS_MAX).filter(|_| name.len() > NAME_CHARS_MAX).map(|cut| format!("{cut}-"));
        match cut {
            None => vec![root.join(name)],
            Some(cut) => {
                let is_it = |path: &PathBuf| {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    name.starts_with(&cut) || *name == cut[..NAME_CHARS_MAX]
                };
                entries().filter(is_it).chain([root.join(&name)]).collect()
            }
        }
    };
    Some(match agent {
        Agent::Claude => named().into_iter().map(|folder| (folder, 0)).collect(),
        Agent::Qwen => named().into_iter().map(|folder| (folder.join("chats"), 0)).collect(),
        Agent::Gemini => {
            let digest = Sha256::digest(text.as_bytes());
            let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            // Newer versions name it after the project, and say inside which one that is.
            let is_it = |folder: &PathBuf| {
                let said = fs::read_to_string(folder.join(".project_root")).unwrap_or_default();
                folder.ends_with(&hash) || said.trim() == text
            };
            entries().filter(is_it).map(|folder| (folder.join("chats"), 0)).collect()
        }
        // The folder's name is a digest of the project's.
        Agent::KimiCli => vec![(root.join(md5(text.as_bytes())), 1)],
        Agent::Asciicast => vec![(root.to_owned(), 0)],
        Agent::Codex
        | Agent::Pi
        | Agent::Copilot
        | Agent::Vibe
        | Agent::KimiCode
        | Agent::Cline
        | Agent::Continue
        | Agent::OpenCode => return None,
    })
}

/// Finds the transcripts below a folder, with the times at which they were written to last.
fn walk(agent: Agent, folder: &Path, depth: usize, left: &mut usize, found: &mut Vec<(SystemTime, PathBuf)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let path = entry.path();
        let Ok(about) = fs::metadata(&path) else { continue };
        if about.is_dir() && depth > 0 {
            walk(agent, &path, depth - 1, left, found);
        } else if about.is_file()
            && is_transcript(agent, &path)
            && let Ok(time) = about.modified()
        {
            // While a run goes on, only the journal is written to.
            let journal = (agent == Agent::Vibe).then(|| fs::read_dir(path.with_file_name("journal")));
            let journals = journal.into_iter().flatten().flatten().flatten();
            let times = journals.filter_map(|journal| journal.metadata().ok()?.modified().ok());
            found.push((times.fold(time, SystemTime::max), path));
        }
    }
}

/// Whether a file is the transcript of a whole session, by its name: subagents write files of their own beside it.
fn is_transcript(agent: Agent, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match agent {
        Agent::Claude | Agent::Qwen | Agent::Pi => name.ends_with(".jsonl") && !name.starts_with("agent-"),
        Agent::Codex => name.starts_with("rollout-") && name.strip_suffix(PACKED).unwrap_or(&name).ends_with(".jsonl"),
        Agent::Gemini => name.starts_with("session-") && (name.ends_with(".json") || name.ends_with(".jsonl")),
        Agent::Copilot => name == "events.jsonl",
        Agent::Vibe => name == "meta.json",
        Agent::KimiCode => name == "wire.jsonl" && path.parent().is_some_and(|agent| agent.ends_with("agents/main")),
        Agent::KimiCli => name == "wire.jsonl",
        Agent::Cline => name.ends_with(MESSAGES) && !name.starts_with("agent_"),
        Agent::Continue => name.ends_with(".json") && name != "sessions.json",
        Agent::Asciicast => name.ends_with(".cast"),
        Agent::OpenCode => false,
    }
}

/// The newest of these that is a session, and is wanted.
fn first(agent: Agent, mut found: Vec<(SystemTime, PathBuf)>, is_wanted: impl Fn(&About) -> bool) -> Option<Found> {
    // Of two of one time, always the same.
    found.sort_by(|one, other| other.cmp(one));
    let is_session = |(_, path): &(SystemTime, PathBuf)| {
        let about = About::of(agent, path);
        // Gemini leaves files in which nobody says anything.
        !about.is_subagent && (about.has_messages || agent != Agent::Gemini) && is_wanted(&about)
    };
    let (written, path) = found.into_iter().take(LOOKED_INTO_MAX).find(is_session)?;
    Some(Found { agent, path, session: None, is_elsewhere: false, written })
}

/// What a transcript says of itself in its first records.
#[derive(Default)]
struct About {
    folder: Option<String>,
    is_subagent: bool,
    has_messages: bool,
}

impl About {
    fn of(agent: Agent, path: &Path) -> Self {
        let mut about = Self::default();
        let Ok(begun) = head(path) else { return about };
        if agent == Agent::Continue {
            let folder = member(&begun, "workspaceDirectory");
            about.folder = folder.map(|folder| folder.strip_prefix("file://").unwrap_or(&folder).to_owned());
            return about;
        }
        if matches!(agent, Agent::Cline | Agent::KimiCode) {
            let beside = agent.reader().and_then(|reader| thread::about(reader, path));
            about.folder = beside.and_then(|beside| member(&head(&beside).ok()?, "cwd"));
        }
        let records = begun.split(|byte| *byte == b'\n').take(RECORDS_MAX);
        for record in records.filter_map(|line| serde_json::from_slice::<Value>(line).ok()) {
            let payload = &record["payload"];
            let of_start = &record["data"]["context"]["cwd"];
            let said = [
                &record["cwd"],
                &payload["cwd"],
                of_start,
                &record["origin_directory"],
                &record["environmentDisclosure"]["cwd"],
            ];
            about.folder = about.folder.or_else(|| said.into_iter().find_map(Value::as_str).map(str::to_owned));
            about.is_subagent |= payload["thread_source"] == "subagent" || record["kind"] == "subagent";
            about.is_subagent |= record["parent_session_id"].is_string();
            about.has_messages |= record["id"].is_string() && record["type"].is_string();
        }
        // A document is no line by itself, or it is the only one.
        about.has_messages |= path.extension().is_some_and(|extension| extension == "json");
        about
    }
}

/// The beginning of a file.
fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    input::beginning(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

/// A member of a JSON document that is a text, out of the document's beginning: the first member of that name.
fn member(head: &[u8], name: &str) -> Option<String> {
    let named = format!("\"{name}\"");
    let at = memchr::memmem::find(head, named.as_bytes())? + named.len();
    let rest = head[at..].trim_ascii_start().strip_prefix(b":")?;
    serde_json::Deserializer::from_slice(rest).into_iter::<String>().next()?.ok()
}

/// Whether two paths are of one folder, also through links.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    one == other || real(one).is_some_and(|one| Some(one) == real(other))
}
