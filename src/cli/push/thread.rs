//! Which other files belong to a transcript: what it goes on from, the next file of its thread, and its subagents' files.
//!
//! Agents leave these in the same folder or in those beside it, and each by its own rules, which stand here.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use capshare::transcripts::{Agent, base_of};
use serde_json::{Map, Value, json};

use crate::cli::push::input;

/// Files of other sessions that are looked at for those that belong to one. A day's folder has some dozens.
const FILES_MAX: usize = 4_096;

/// Bytes of a file's first line that are read to know whose it is.
const FIRST_LINE_BYTES_MAX: u64 = 4 << 20;

/// Bytes of a file's beginning in which it says that it is a branch.
const HEAD_BYTES: u64 = 256 << 10;

/// The end of the names of files that Codex packed.
pub(super) const PACKED: &str = ".zst";

/// The end of the names of Cline's transcripts.
pub(super) const MESSAGES: &str = ".messages.json";

/// Segments of one thread: each is begun by somebody who goes back.
pub(super) const SEGMENTS_MAX: usize = 1_000;

/// Bytes of a file that says more of a session; agents write some kB.
pub(super) const ABOUT_BYTES_MAX: usize = 4 << 20;

/// The file beside a transcript that says of its session what the transcript does not, if the agent writes one.
pub(super) fn about(agent: Agent, path: &Path) -> Option<PathBuf> {
    if agent == Agent::KimiCode {
        // .../SESSION/agents/main/wire.jsonl
        let agents = path.parent()?.parent().filter(|agents| agents.ends_with("agents"))?;
        return Some(agents.parent()?.join("state.json"));
    }
    if agent == Agent::Cline {
        let name = path.file_name()?.to_str()?.strip_suffix(MESSAGES)?;
        return Some(path.with_file_name(format!("{name}.json")));
    }
    (agent == Agent::KimiCli).then(|| path.with_file_name("state.json"))
}

/// A subagent's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subagent {
    /// The subagent's name among those of its session.
    pub(super) name: String,
    /// The id of the call that began it, where a file beside it says so.
    pub(super) call: Option<String>,
    pub(super) path: PathBuf,
}

/// How another session came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// It goes on from a session in its own way.
    Branch,
    /// Its user cleared the conversation, and begins another one.
    Cleared,
}

/// What a session of Claude Code begins with whose user said `/clear`. It does not say which session was left.
const CLEAR: &[u8] = b"<command-name>/clear</command-name>";

/// Finds the files that belong to one transcript, and remembers those that do not.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// What is asked of the first records of files that were looked at.
    firsts: HashMap<PathBuf, Value>,
    /// The files beside the transcript that were there before.
    seen: HashSet<PathBuf>,
    /// The sizes of other files that do not say yet what they are. Each is read again when it has grown.
    undecided: HashMap<PathBuf, u64>,
}

impl Finder {
    /// The files of the subagents of a session, in the order of their names.
    pub(super) fn subagents(&mut self, agent: Agent, path: &Path, session: &str) -> Vec<Subagent> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut found = match agent {
            Agent::Claude => named(&path.with_extension("").join("subagents"), "toolUseId", None),
            Agent::Qwen => {
                let beside = folder.join("subagents");
                let above = folder.parent().map(|above| above.join("subagents").join(session));
                let mut found = named(&beside, "toolUseId", Some(session));
                found.extend(above.map(|above| named(&above, "toolUseId", None)).unwrap_or_default());
                found
            }
            Agent::Gemini => {
                let files = files(&folder.join(session)).into_iter().filter(|path| has_extension(path, "jsonl"));
                files.map(|path| Subagent { name: stem(&path).to_owned(), call: None, path: path.clone() }).collect()
            }
            Agent::Codex => self.rollouts(path, session),
            // .../SESSION/agents/AGENT/wire.jsonl
            Agent::KimiCode if folder.ends_with("agents/main") => {
                let agents = folder.parent().map(folders).unwrap_or_default();
                let others = agents.into_iter().filter(|agent| agent.as_path() != folder);
                let wire = |agent: PathBuf| {
                    let name = agent.file_name()?.to_str()?.to_owned();
                    let path = agent.join("wire.jsonl");
                    path.is_file().then_some(Subagent { name, call: None, path })
                };
                others.filter_map(wire).collect()
            }
            Agent::Cline => {
                let document = |other: PathBuf| {
                    let name = other.file_name()?.to_str()?.strip_suffix(MESSAGES)?;
                    let is_it = name.starts_with("agent_") && other.as_path() != path;
                    is_it.then(|| Subagent { name: name.to_owned(), call: None, path: other.clone() })
                };
                files(folder).into_iter().filter_map(document).collect()
            }
            Agent::Pi | Agent::Copilot | Agent::Vibe | Agent::Asciicast | _ => Vec::new(),
        };
        found.sort_by(|one, other| one.path.cmp(&other.path));
        found
    }

    /// The rollouts of the subagents of a session of Codex: they lie among those of other sessions.
    fn rollouts(&mut self, path: &Path, session: &str) -> Vec<Subagent> {
        let mut found = Vec::new();
        for path in later(path) {
            let first = self.first(&path);
            let payload = &first["payload"];
            let is_below = payload["session_id"] == session || payload["parent_thread_id"] == session;
            if let Some(name) = payload["id"].as_str().filter(|id| is_below && *id != session)
                && payload["thread_source"] == "subagent"
            {
                found.push(Subagent { name: name.to_owned(), call: None, path: path.clone() });
            }
        }
        found
    }

    /// The file in which a thread of Codex goes on after this one, the newest if there are several.
    pub(super) fn next(&mut self, path: &Path, session: &str) -> Option<PathBuf> {
        let segment = segment_of(path);
        let nexts = later(path).into_iter().filter(|other| other.as_path() != path).filter(|other| {
            let first = self.first(other);
            let is_of_thread = first["payload"]["id"] == session;
            let goes_on_from = base_of(first.to_string().as_bytes()).map(|base| base.segment);
            is_of_thread && goes_on_from.is_some() && segment_of(other) != segment
        });
        let newest = nexts.max_by_key(|other| (modified(other), other.clone()))?;
        ((modified(&newest), newest.as_path()) > (modified(path), path)).then_some(newest)
    }

    /// A transcript is followed from now on: the files beside it that are there are no new branches.
    pub(super) fn follow(&mut self, path: &Path) {
        self.seen = beside(path).into_iter().collect();
    }

    /// The files beside a transcript that were begun since it is followed, and that say that they are branches of its session, or that
    /// Claude Code began when its user said `/clear`.
    pub(super) fn begun(&mut self, path: &Path, session: &str) -> Vec<(PathBuf, Begun)> {
        let Self { seen, undecided, .. } = self;
        let said =
            [format!("\"forkedFrom\":{{\"sessionId\":\"{session}\""), format!("\"forked_from_id\":\"{session}\"")];
        let says_so = |head: &[u8]| said.iter().any(|said| memchr::memmem::find(head, said.as_bytes()).is_some());
        // pi names the file.
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let goes_on_from =
            |path: &Path| first_record(path)["parentSession"].as_str().is_some_and(|of| of.ends_with(file));
        let new: Vec<_> = beside(path).into_iter().filter(|path| !seen.contains(path)).take(FILES_MAX).collect();
        let mut begun = Vec::new();
        for path in new {
            let Ok(size) = fs::metadata(&path).map(|about| about.len()) else { continue };
            if undecided.insert(path.clone(), size) == Some(size) {
                continue;
            }
            let mut head = Vec::new();
            let read = fs::File::open(&path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
            let has = |what: &[u8]| memchr::memmem::find(&head, what).is_some();
            let what = if read.is_err() || head.is_empty() {
                None
            } else if says_so(&head) || goes_on_from(&path) {
                Some(Begun::Branch)
            } else {
                has(CLEAR).then_some(Begun::Cleared)
            };
            // One in which nobody has answered yet is looked at again: notes of the program come first.
            if what.is_some() || has(b"\"assistant\"") || head.len() as u64 == HEAD_BYTES {
                undecided.remove(&path);
                seen.insert(path.clone());
            }
            begun.extend(what.map(|what| (path, what)));
        }
        begun
    }

    fn first(&mut self, path: &Path) -> Value {
        if let Some(known) = self.firsts.get(path) {
            return known.clone();
        }
        let record = first_record(path);
        // A file that is being begun may have no first line yet.
        if record.is_null() {
            return record;
        }
        // The record also holds the program's instructions, and there are thousands of files.
        let asked = ["id", "session_id", "parent_thread_id", "thread_source", "history_base"];
        let payload: Map<String, Value> =
            asked.iter().map(|name| ((*name).to_owned(), record["payload"][*name].clone())).collect();
        let first = json!({ "type": record["type"], "payload": payload });
        if self.firsts.len() < FILES_MAX {
            self.firsts.insert(path.to_owned(), first.clone());
        }
        first
    }
}

/// The file of a segment of Codex: its name ends with the segment's id. It is looked for beside a file that goes on from it, and in the
/// folders of other days.
pub(super) fn segment(beside: &Path, id: &str) -> Option<PathBuf> {
    let is_it = |path: &PathBuf| is_lines(path) && segment_of(path) == id;
    let here = beside.parent().unwrap_or(Path::new("."));
    if let Some(found) = files(here).into_iter().find(|path| is_it(path)) {
        return Some(found);
    }
    // A copy may have another name, but it says what it is.
    let says = |path: &PathBuf| {
        let first = if is_lines(path) { first_record(path) } else { Value::Null };
        let is_first = first["payload"].get("history_base").is_none_or(Value::is_null);
        first["type"] == "session_meta" && first["payload"]["id"] == id && is_first
    };
    if let Some(found) = files(here).into_iter().find(says) {
        return Some(found);
    }
    // .../sessions/YYYY/MM/DD, and the archive beside it.
    let root = here.ancestors().nth(3).filter(|root| root.ends_with("sessions"))?;
    let archive = root.parent().map(|home| home.join("archived_sessions"));
    let days = folders(root).into_iter().flat_map(|year| folders(&year)).flat_map(|month| folders(&month));
    let mut days: Vec<_> = days.chain(archive).collect();
    days.sort_by(|one, other| other.cmp(one));
    days.iter().flat_map(|day| files(day)).take(FILES_MAX).find(|path| is_it(path))
}

/// The last id in a file's name.
fn segment_of(path: &Path) -> &str {
    let stem = stem(path);
    let last = stem.rsplit('_').next().unwrap_or(stem);
    // `rollout-2026-11-30T04-32-26-` and an id, which may have dashes, too.
    let id = last.strip_prefix("rollout-").and_then(|rest| rest.get(20..));
    id.unwrap_or_else(|| last.rsplit_once("rollout-").map_or(last, |(_, id)| id))
}

/// The rollouts of the day of this one and of later days.
fn later(path: &Path) -> Vec<PathBuf> {
    let here = path.parent().unwrap_or(Path::new("."));
    let root = here.ancestors().nth(3).filter(|root| root.ends_with("sessions"));
    let days: Vec<PathBuf> = match root {
        Some(root) => {
            let days = folders(root).into_iter().flat_map(|year| folders(&year)).flat_map(|month| folders(&month));
            days.filter(|day| day.as_path() >= here).collect()
        }
        None => vec![here.to_owned()],
    };
    let files = days.iter().flat_map(|day| files(day)).filter(|path| is_lines(path));
    files.take(FILES_MAX).collect()
}

/// The files of subagents in a folder, `agent-NAME.jsonl`, each with a `.meta.json` that may name the call.
fn named(folder: &Path, call: &str, session: Option<&str>) -> Vec<Subagent> {
    let files = files(folder).into_iter().filter(|path| has_extension(path, "jsonl"));
    let subagent = |path: PathBuf| {
        let name = stem(&path).strip_prefix("agent-")?.to_owned();
        let about = fs::read(path.with_extension("meta.json")).unwrap_or_default();
        let about: Value = serde_json::from_slice(&about).unwrap_or_default();
        let of = about["parentSessionId"].as_str();
        if session.is_some() && of.is_some() && of != session {
            return None;
        }
        Some(Subagent { name, call: about[call].as_str().map(str::to_owned), path })
    };
    files.filter_map(subagent).collect()
}

/// The first record of a file of lines; null if there is none.
pub(super) fn first_record(path: &Path) -> Value {
    let mut head = Vec::new();
    let read = input::beginning(path).and_then(|file| {
        let mut file = std::io::BufReader::new(file.take(FIRST_LINE_BYTES_MAX));
        std::io::BufRead::read_until(&mut file, b'\n', &mut head)
    });
    if read.is_err() || !head.ends_with(b"\n") {
        return Value::Null;
    }
    serde_json::from_slice(&head).unwrap_or_default()
}

/// The files of lines in the folder of a transcript.
fn beside(path: &Path) -> Vec<PathBuf> {
    let here = path.parent().unwrap_or(Path::new("."));
    files(here).into_iter().filter(|path| has_extension(path, "jsonl")).collect()
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(path).and_then(|about| about.modified()).ok()
}

fn stem(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = name.strip_suffix(PACKED).unwrap_or(name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Whether a file is one of lines, which Codex packs when it is old.
fn is_lines(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.strip_suffix(PACKED).unwrap_or(name).ends_with(".jsonl")
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|own| own == extension)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    entries(folder, false)
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    entries(folder, true)
}

fn entries(folder: &Path, is_folder: bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(FILES_MAX);
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_dir() == is_folder).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_named_by_the_last_id_in_its_files_name() {
        for (name, segment) in [
            (
                "rollout-2026-11-30T04-34-53-01a22abc-0161-7553-9d08-e240451b54d5.jsonl",
                "01a22abc-0161-7553-9d08-e240451b54d5",
            ),
            ("rollout-2026-11-30T04-35-14-01a22abc-0161_01a22abc-528a.jsonl", "01a22abc-528a"),
            ("rollout-2026-11-30T10-00-00-t1.jsonl", "t1"),
            ("rollout-2026-11-30T10-00-05-t1_SEGMENT.jsonl", "SEGMENT"),
            ("t1.jsonl", "t1"),
            ("rollout-2026-11-30T10-00-05-t1_SEGMENT.jsonl.zst", "SEGMENT"),
        ] {
            assert_eq!(segment_of(Path::new(name)), segment, "{name}");
        }
    }
}
