//! A tool call as blocks that any document can show: what was asked, and what came of it.

use serde_json::Value;

use crate::viewer::render::diff;
use crate::viewer::render::read::{File, Tool, duration};

/// A piece of a tool call, as documents show it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    /// Text in a language of Markdown's code blocks; the language may be empty.
    Code { language: &'static str, text: String },
    /// A patch in the unified form.
    Diff(String),
    /// A list of things to do, each with whether it is done and what it is.
    Todos(Vec<(Todo, String)>),
    /// The error with which the call failed.
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
    /// The subject of the call, in a line: its title, or the argument that says most.
    pub(super) fn subject(&self) -> Option<String> {
        let input = |name: &str| self.state.input.get(name).and_then(Value::as_str).map(str::to_owned);
        let title = self.state.title.clone().filter(|title| !title.trim().is_empty());
        let arguments = ["filePath", "path", "pattern", "query", "url", "description", "command"];
        let subject = title.or_else(|| arguments.iter().find_map(|name| input(name)))?;
        let line = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(if line.chars().count() > 120 { line.chars().take(119).chain(['…']).collect() } else { line })
    }

    /// The state of the call, the exit code of a command that failed, and how long it took.
    pub(super) fn outcome(&self) -> String {
        let status = self.state.status.as_deref().unwrap_or("pending");
        let exit = self.state.metadata.get("exit").and_then(Value::as_i64).filter(|exit| *exit != 0);
        let exit = exit.map(|exit| format!(", exit {exit}")).unwrap_or_default();
        let duration = duration(&self.state.time).map(|duration| format!(", {duration}")).unwrap_or_default();
        format!("{status}{exit}{duration}")
    }

    /// The pieces of the call: its arguments and its results.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let state = &self.state;
        let input = |name: &str| state.input.get(name).and_then(Value::as_str);
        let mut output = state.output.clone();
        match self.name.as_str() {
            "bash" | "shell" if input("command").is_some() => {
                blocks.push(code("sh", input("command").unwrap_or_default()));
            }
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
        blocks.extend(output.filter(|output| !output.is_empty()).map(|output| code("", &output)));
        blocks.extend(state.error.clone().map(Block::Error));
        blocks.extend(state.attachments.iter().cloned().map(Block::File));
        blocks
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
    let text = || serde_json::to_string_pretty(input).unwrap_or_default();
    (!is_empty).then(|| Block::Code { language: "json", text: text() })
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
        assert_eq!(shell.blocks(), [code("sh", "ls"), code("", "a\n")]);
        assert_eq!((shell.subject().as_deref(), shell.outcome().as_str()), (Some("ls"), "completed, 1.5 s"));
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
        assert_eq!(tool(r#"{"type":"tool","tool":"later","state":{}}"#).blocks(), []);
    }
}
