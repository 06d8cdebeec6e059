//! A tool call as blocks that any document can show: what was asked, and what came of it.

use serde_json::Value;

use crate::viewer::render::diff;
use crate::viewer::render::format::local;
use crate::viewer::render::read::{File, Tool};
use crate::viewer::render::words::{error_words, pretty, words};

/// A piece of a tool call, as documents show it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    /// Text in a language of Markdown's code blocks; the language may be empty.
    Code { language: &'static str, text: String },
    /// What a program said, with all by which it controlled its [terminal](super::terminal).
    Output(String),
    /// A patch in the unified form.
    Diff(String),
    /// A list of things to do, each with whether it is done and what it is.
    Todos(Vec<(Todo, String)>),
    /// The error with which the call failed, as a program said it.
    Error(String),
    /// A file that the call gave.
    File(File),
}

/// The state of a thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Todo {
    Open,
    Doing,
    Done,
}

impl Todo {
    /// The state as a box of text.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Open => "☐",
            Self::Doing => "◐",
            Self::Done => "☑",
        }
    }
}

impl Tool {
    /// The name by which kinds of tools are known.
    fn kind(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// The subject of the call, in a line: its title, or the argument that says most. Paths are told from the session's `folder` on.
    pub(super) fn subject(&self, folder: &str) -> Option<String> {
        let input = |name: &str| self.state.input.get(name).and_then(Value::as_str).map(str::to_owned);
        let title = self.state.title.clone().filter(|title| !title.trim().is_empty());
        let path =
            || ["filePath", "path"].iter().find_map(|name| input(name)).map(|path| local(&path, folder).to_owned());
        let others = || ["pattern", "query", "url", "description", "command"].iter().find_map(|name| input(name));
        let subject = title.map(|title| local(&title, folder).to_owned()).or_else(path).or_else(others)?;
        let line = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = if line.chars().count() > 120 { line.chars().take(119).chain(['…']).collect() } else { line };
        Some(line + &self.stretch())
    }

    /// Which lines of a file were read, if not all of them.
    fn stretch(&self) -> String {
        let number = |name: &str| self.state.input.get(name).and_then(Value::as_u64);
        match (self.kind().as_str(), number("offset"), number("limit")) {
            ("read", Some(offset), None) => format!(", from line {offset}"),
            ("read", offset, Some(limit)) if limit > 0 => {
                let first = offset.unwrap_or(1).max(1);
                format!(", lines {first}–{}", first.saturating_add(limit - 1))
            }
            _ => String::new(),
        }
    }

    /// The state of the call, the exit code of a command that failed, and how long it took.
    pub(super) fn outcome(&self) -> String {
        let status = self.state.status.as_deref().unwrap_or("pending");
        let exit = self.state.metadata.get("exit").and_then(Value::as_i64).filter(|exit| *exit != 0);
        let exit = exit.map(|exit| format!(", exit {exit}")).unwrap_or_default();
        let duration = self.state.time.duration().map(|duration| format!(", {duration}")).unwrap_or_default();
        format!("{status}{exit}{duration}")
    }

    /// The pieces of the call: its arguments and its results.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let (state, kind) = (&self.state, self.kind());
        let input = |name: &str| state.input.get(name).and_then(Value::as_str);
        let mut output = words(&state.output).filter(|output| !output.is_empty());
        match kind.as_str() {
            "bash" | "shell" if input("command").is_some() => {
                blocks.push(code("sh", input("command").unwrap_or_default()));
                // What a command said until it was stopped.
                output = output.or_else(|| words(state.metadata.get("output")?).filter(|output| !output.is_empty()));
            }
            // Its subject says all of it.
            "read" if self.has_only(&["filePath", "path", "offset", "limit"]) => {}
            "write" if input("content").is_some() => {
                blocks.push(code("", input("content").unwrap_or_default()));
            }
            "todowrite" | "todoread" if self.todos().is_some() => {
                blocks.push(Block::Todos(self.todos().unwrap_or_default()));
                output = None;
            }
            "edit" | "multiedit" | "patch" | "apply_patch" => match self.patch() {
                Some(patch) => {
                    blocks.push(Block::Diff(patch));
                    output = None;
                }
                None => blocks.extend(arguments(&state.input)),
            },
            _ => blocks.extend(arguments(&state.input)),
        }
        // A file has characters of its own, also those that a terminal would obey.
        blocks.extend(output.map(|output| if kind == "read" { code("", &output) } else { Block::Output(output) }));
        blocks.extend(error_words(&state.error).map(Block::Error));
        blocks.extend(state.attachments.iter().cloned().map(Block::File));
        blocks
    }

    fn has_only(&self, names: &[&str]) -> bool {
        self.state.input.as_object().is_some_and(|input| input.keys().all(|name| names.contains(&name.as_str())))
    }

    /// The patch of an edit, as the tool said it, or as its arguments do.
    fn patch(&self) -> Option<String> {
        if let Some(diff) = self.state.metadata.get("diff").and_then(Value::as_str).filter(|diff| !diff.is_empty()) {
            return Some(diff.to_owned());
        }
        let input = |name: &str| self.state.input.get(name).and_then(Value::as_str);
        match (input("oldString"), input("newString"), input("patchText")) {
            (Some(before), Some(after), _) => diff::between(before, after),
            (_, _, Some(patch)) => Some(patch.to_owned()),
            _ => None,
        }
    }

    fn todos(&self) -> Option<Vec<(Todo, String)>> {
        let list = self.state.input.get("todos").or_else(|| self.state.metadata.get("todos"))?.as_array()?;
        let text = |todo: &Value, name: &str| todo.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(
            list.iter()
                .map(|todo| {
                    let done = match text(todo, "status").as_str() {
                        "completed" | "cancelled" => Todo::Done,
                        "in_progress" => Todo::Doing,
                        _ => Todo::Open,
                    };
                    (done, text(todo, "content"))
                })
                .collect(),
        )
    }
}

fn code(language: &'static str, text: &str) -> Block {
    Block::Code { language, text: text.to_owned() }
}

/// The arguments of a call as JSON, if there are any.
fn arguments(input: &Value) -> Option<Block> {
    let is_empty = input.is_null() || input.as_object().is_some_and(serde_json::Map::is_empty);
    (!is_empty).then(|| Block::Code { language: "json", text: pretty(input) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viewer::render::read::Part;

    fn tool(json: &str) -> Tool {
        let Part::Tool(tool) = Part::of(json).1 else { panic!("{json}") };
        *tool
    }

    #[test]
    fn each_kind_of_call_shows_what_it_did() {
        let shell = tool(
            r#"{"type":"tool","tool":"bash","state":{"status":"completed","input":{"command":"ls"},"output":"a\n",
            "time":{"start":1000,"end":2500}}}"#,
        );
        assert_eq!(shell.blocks(), [code("sh", "ls"), Block::Output("a\n".to_owned())]);
        assert_eq!((shell.subject("").as_deref(), shell.outcome().as_str()), (Some("ls"), "completed, 1.5 s"));
        let edit = tool(
            r#"{"type":"tool","tool":"edit","state":{"input":{"oldString":"a\nb\n","newString":"a\nc\n"},"output":"done"}}"#,
        );
        assert!(matches!(&edit.blocks()[..], [Block::Diff(patch)] if patch.contains("-b\n+c\n")), "{edit:?}");
        let todos = tool(
            r#"{"type":"tool","tool":"todowrite","state":{"input":{"todos":[{"content":"x","status":"completed"}]}}}"#,
        );
        assert_eq!(todos.blocks(), [Block::Todos(vec![(Todo::Done, "x".to_owned())])]);
        let exited = tool(r#"{"type":"tool","tool":"bash","state":{"status":"completed","metadata":{"exit":3}}}"#);
        assert_eq!(exited.outcome(), "completed, exit 3");
        let failed =
            tool(r#"{"type":"tool","tool":"web","state":{"status":"error","input":{"url":"u"},"error":"no"}}"#);
        assert_eq!(failed.blocks(), [code("json", "{\n  \"url\": \"u\"\n}"), Block::Error("no".to_owned())]);
        let read = tool(
            r#"{"type":"tool","tool":"Read","state":{"input":{"filePath":"/a/b c","offset":5,"limit":3},"output":"x\u001b[1m"}}"#,
        );
        assert_eq!(read.blocks(), [code("", "x\u{1b}[1m")]);
        assert_eq!(read.subject("/a").as_deref(), Some("b c, lines 5–7"));
        let odd = tool(
            r#"{"type":"tool","tool":"mcp","state":{"output":{"content":[{"type":"text","text":"a"}]},"error":{"message":"b"}}}"#,
        );
        assert_eq!(odd.blocks(), [Block::Output("a".to_owned()), Block::Error("b".to_owned())]);
        assert_eq!(tool(r#"{"type":"tool","tool":"later","state":{}}"#).blocks(), []);
    }
}
