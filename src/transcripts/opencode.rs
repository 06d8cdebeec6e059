//! OpenCode: rows of its database, `opencode.db`, made into what `opencode export` prints, which reads the same tables.
//!
//! After version 1.18.33 (its schema, and what it exports, in November 2026). Of `message` and `part` the column `data` is the item
//! without its ids; of `session` each column is a member. Columns that are not known are passed over, those that are missing are
//! members that are not there. Sessions of OpenCode's version 2, in the table `session_message`, are counted and not read.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::share::error::Refusal;
use crate::share::item::ItemKey;
use crate::transcripts::export::revert::session_begun_by;
use crate::transcripts::out::Out;
use crate::transcripts::piece::Piece;
use crate::transcripts::report::{LeftOut, Report};
use crate::transcripts::values::object;

/// Makes items of the rows of one session in OpenCode's database, and of the sessions of its subagents.
///
/// The caller reads the tables `session`, `message` and `part`, finds out what changed, gives each row that did, and
/// [takes](Self::take) what came of them. A row that the column `revert` says was taken back is to be given as one that is gone.
pub struct OpenCodeRows {
    session: String,
    out: Out,
}

impl OpenCodeRows {
    /// Makes a reader for the rows of the session with this id.
    #[must_use]
    pub fn new(session: &str) -> Self {
        Self { session: session.to_owned(), out: Out::of("opencode") }
    }

    /// Takes the session's row of the table `session`: its columns by name, those of JSON as texts.
    pub fn session(&mut self, columns: &Map<String, Value>) {
        self.out.put("session", &session(columns));
    }

    /// Takes a row of the table `message`: its id, and the JSON text of its column `data`.
    pub fn message(&mut self, id: &str, data: &str) {
        let item = Self::item(&[("id", id), ("sessionID", &self.session)], data);
        self.out.put_text("message", ItemKey::message(id), &item);
    }

    /// Takes a row of the table `message` that is of a subagent's session: it stands below the call that [began](Self::session_begun_by) that.
    pub fn subagent_message(&mut self, session: &str, id: &str, data: &str) {
        let item = Self::item(&[("id", id), ("sessionID", session)], data);
        self.out.put_text("message", ItemKey::message(id), &item);
    }

    /// Takes a row of the table `part` that is of a subagent's session.
    pub fn subagent_part(&mut self, session: &str, message: &str, id: &str, data: &str) {
        let item = Self::item(&[("id", id), ("sessionID", session), ("messageID", message)], data);
        self.out.put_text("part", ItemKey::part(message, id), &item);
    }

    /// The session of the subagent that a call began: out of the JSON text of the column `data` of the call's row in the table `part`.
    #[must_use]
    pub fn session_begun_by(data: &str) -> Option<String> {
        session_begun_by(data)
    }

    /// Takes a row of the table `part`: the id of its message, its own, and the JSON text of its column `data`.
    pub fn part(&mut self, message: &str, id: &str, data: &str) {
        let item = Self::item(&[("id", id), ("sessionID", &self.session), ("messageID", message)], data);
        self.out.put_text("part", ItemKey::part(message, id), &item);
    }

    /// Takes note that a message's row is gone: the message and its parts are removed from the share.
    pub fn remove_message(&mut self, id: &str) {
        self.remove(ItemKey::message(id));
    }

    /// Takes note that a part's row is gone: the part is removed from the share.
    pub fn remove_part(&mut self, message: &str, id: &str) {
        self.remove(ItemKey::part(message, id));
    }

    /// Says what the session's share holds from an earlier push. What of it has no row any more is removed by the next
    /// [`sweep`](Self::sweep). To be called before the first row.
    pub fn held(&mut self, keys: impl IntoIterator<Item = ItemKey>) {
        keys.into_iter().for_each(|key| self.out.held(&key));
    }

    /// All rows that there are were taken: what the share [held](Self::held) and no row made is removed.
    pub fn sweep(&mut self) {
        self.out.sweep();
    }

    fn remove(&mut self, key: Result<ItemKey, Refusal>) {
        match key {
            Ok(key) => self.out.remove(key),
            Err(_) => self.out.leave_out(LeftOut::NotAnItem),
        }
    }

    /// Counts a message in the table `session_message`, which OpenCode's version 2 writes and which is not read.
    pub fn leave_out_newer(&mut self) {
        self.out.leave_out(LeftOut::OpenCode2);
    }

    /// The changes that the rows made since this was called last; it may hold none.
    pub fn take(&mut self) -> Piece {
        Piece { session: Some(self.session.clone()), ..self.out.take() }
    }

    /// Counts of the rows up to now that are not in the share.
    #[must_use]
    pub fn report(&self) -> &Report {
        self.out.report()
    }

    /// The item with its ids before its other members. Spliced, so that its numbers stay as they are written.
    fn item(ids: &[(&str, &str)], data: &str) -> String {
        let members: Vec<_> = ids.iter().map(|(name, id)| format!("{}:{}", json!(name), json!(id))).collect();
        let inside = data.trim().strip_prefix('{').unwrap_or(data).trim_start();
        let comma = if inside.starts_with('}') { "" } else { "," };
        format!("{{{}{comma}{inside}", members.join(","))
    }
}

impl fmt::Debug for OpenCodeRows {
    /// Shows no contents: they do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenCodeRows").field("session", &self.session).finish_non_exhaustive()
    }
}

/// The session's own record, with the names and the shape that it has outside.
fn session(columns: &Map<String, Value>) -> Value {
    let column = |name: &str| columns.get(name).cloned().unwrap_or_default();
    let parsed =
        |name: &str| column(name).as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let count = |name: &str| columns.get(name).filter(|value| !value.is_null()).cloned().unwrap_or(json!(0));
    let is_summed =
        ["summary_additions", "summary_deletions", "summary_files"].iter().any(|name| !column(name).is_null());
    let summary = object([
        ("additions", count("summary_additions")),
        ("deletions", count("summary_deletions")),
        ("files", count("summary_files")),
        ("diffs", parsed("summary_diffs")),
    ]);
    let share = column("share_url").as_str().filter(|url| !url.is_empty()).map(|url| json!({ "url": url }));
    object([
        ("id", column("id")),
        ("slug", column("slug")),
        ("projectID", column("project_id")),
        ("workspaceID", column("workspace_id")),
        ("directory", column("directory")),
        ("path", column("path")),
        ("parentID", column("parent_id")),
        ("title", column("title")),
        ("agent", column("agent")),
        ("model", parsed("model")),
        ("version", column("version")),
        ("summary", if is_summed { summary } else { Value::Null }),
        ("cost", count("cost")),
        (
            "tokens",
            json!({
                "input": count("tokens_input"),
                "output": count("tokens_output"),
                "reasoning": count("tokens_reasoning"),
                "cache": { "read": count("tokens_cache_read"), "write": count("tokens_cache_write") },
            }),
        ),
        ("share", share.unwrap_or_default()),
        ("metadata", parsed("metadata")),
        ("revert", parsed("revert")),
        ("permission", parsed("permission")),
        (
            "time",
            object([
                ("created", column("time_created")),
                ("updated", column("time_updated")),
                ("compacting", column("time_compacting")),
                ("archived", column("time_archived")),
            ]),
        ),
    ])
}
