//! A call of a tool, while it runs and when it has ended.

use serde_json::{Map, Value, json};

use crate::transcripts::values::{bounded, object, text};

/// A call of a tool. [`Talk::tool`](super::Talk::tool) writes it into a share, and writes it again when more of it is known.
///
/// Pages and documents show these names in their own way: `bash` (input `command`), `read`, `write` and `edit` (`filePath`,
/// `content`, `oldString`, `newString`), `apply_patch` (`patchText`), `grep`, `glob`, `list`, `webfetch`, `websearch`, `todowrite`
/// (`todos`) and `task` (`description`, `prompt`, `subagent_type`). Other tools keep their own names and arguments.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tool {
    /// The call's id, by which its result names it.
    pub call: String,
    /// The tool's name.
    pub name: String,
    /// The arguments, an object.
    pub input: Value,
    /// When it began, in milliseconds since 1970.
    pub start: Option<i64>,
    /// When it ended, in milliseconds since 1970.
    pub end: Option<i64>,
    /// What came of it.
    pub state: ToolState,
    /// The exit code of a command.
    pub exit: Option<i64>,
    /// The change that it made, in the unified form.
    pub diff: Option<String>,
    /// Files that it gave, such as pictures.
    pub files: Vec<File>,
    /// Bytes of the whole result, where the agent kept less of it.
    pub whole_bytes: Option<u64>,
    /// The session of the subagent that it began, whose messages stand below it.
    pub session: Option<String>,
}

/// What came of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolState {
    /// It runs, or what came of it is not known.
    #[default]
    Running,
    /// It ended, with this result.
    Done(String),
    /// It failed, with these words.
    Failed(String),
}

/// A file in a message or a result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// Its type, such as `image/png`.
    pub mime: String,
    /// Its name; empty if it is not known.
    pub name: String,
    /// Its URL. One that begins with `data:` holds the file itself.
    pub url: String,
}

impl Tool {
    /// A call that has just begun.
    #[must_use]
    pub fn new(call: &str, name: &str, input: Value) -> Self {
        Self { call: call.to_owned(), name: name.to_owned(), input, ..Self::default() }
    }

    /// The bytes of what came of it.
    pub(super) fn result_bytes(&self) -> usize {
        let said = match &self.state {
            ToolState::Running => 0,
            ToolState::Done(said) | ToolState::Failed(said) => said.len(),
        };
        let files: usize = self.files.iter().map(|file| file.url.len()).sum();
        said + files + self.diff.as_ref().map_or(0, String::len)
    }

    /// The members of the call's part.
    pub(super) fn members(&self) -> Value {
        let mut state = Map::new();
        let mut put = |name: &str, value: Value| state.insert(name.to_owned(), value);
        put("input", if self.input.is_object() { self.input.clone() } else { json!({}) });
        put("title", json!(self.title()));
        put("metadata", self.metadata());
        let ended = !matches!(self.state, ToolState::Running);
        let end = self.end.or(self.start).filter(|_| ended);
        put("time", object([("start", json!(self.start)), ("end", json!(end))]));
        match &self.state {
            ToolState::Running => put("status", json!("running")),
            ToolState::Done(output) => {
                put("output", json!(self.said(output)));
                put("status", json!("completed"))
            }
            ToolState::Failed(error) => {
                put("error", json!(self.said(error)));
                put("status", json!("error"))
            }
        };
        if !self.files.is_empty() {
            put("attachments", self.files.iter().map(File::members).collect());
        }
        json!({ "callID": self.call, "tool": self.name, "state": state })
    }

    fn metadata(&self) -> Value {
        object([
            ("exit", json!(self.exit)),
            ("diff", json!(self.diff.as_deref().map(bounded))),
            ("sessionId", json!(self.session)),
        ])
    }

    /// A result, and how much of it the agent did not keep.
    fn said(&self, result: &str) -> String {
        let mut said = bounded(result);
        let held = result.len() as u64;
        if let Some(whole) = self.whole_bytes.filter(|whole| *whole > held) {
            if !said.is_empty() && !said.ends_with('\n') {
                said.push('\n');
            }
            said.push_str(&format!(
                "… {} of {whole} bytes are missing: the agent did not keep them here",
                whole - held
            ));
        }
        said
    }

    fn title(&self) -> String {
        let names = ["description", "filePath", "path", "pattern", "query", "url", "command"];
        let title = names.iter().map(|name| text(&self.input, name)).find(|text| !text.is_empty()).unwrap_or_default();
        title.lines().next().unwrap_or_default().chars().take(200).collect()
    }
}

impl File {
    /// A file that a URL holds, in base64.
    #[must_use]
    pub fn held(mime: &str, base64: &str) -> Self {
        Self { mime: mime.to_owned(), name: String::new(), url: format!("data:{mime};base64,{base64}") }
    }

    /// A file at a URL.
    #[must_use]
    pub fn at(mime: &str, url: &str) -> Self {
        Self { mime: mime.to_owned(), name: String::new(), url: url.to_owned() }
    }

    /// The members of the file's part.
    pub(super) fn members(&self) -> Value {
        let of_kind = if self.mime.starts_with("image/") { "image" } else { "file" };
        let name = if self.name.is_empty() { of_kind } else { &self.name };
        json!({ "type": "file", "mime": self.mime, "filename": name, "url": self.url })
    }
}
