//! Codex CLI: `~/.codex/sessions/YYYY/MM/DD/rollout-<time>-<id>.jsonl`, one record a line, appended as the session goes on.
//!
//! After its source (openai/codex, `codex-rs/protocol/src/models.rs` and `codex-rs/core/src/rollout`, read in November 2026) and
//! public samples of the versions 0.46 to 0.147. A record is `{timestamp, type, payload}`: `session_meta` says which session,
//! `turn_context` which model, `response_item` is what went to and came from the model, `event_msg` what a screen shows. The
//! conversation is read from the first three; of the events only what they do not say: tokens, where a turn begins and ends. The
//! other events repeat it, so they make no items. Before 0.30 a record was the bare payload; that is read too.
//!
//! Records have no ids that all versions write, so messages and parts are named by the numbers of their lines. What the program
//! puts in for the model (the developer's messages, `<environment_context>`, the text of AGENTS.md) is not the user's word, and
//! goes to the `other` lane.

use serde_json::{Value, json};

use crate::transcripts::dialect::{Dialect, Record};
use crate::transcripts::items::{Call, Calls, Models, Outcome, Place, Session, Title, Tokens, Turn, file, user};
use crate::transcripts::out::Out;
use crate::transcripts::values::{count, renamed, text, time};

#[derive(Default)]
pub(super) struct Codex {
    session: Session,
    provider: String,
    model: String,
    turn: Option<Turn>,
    calls: Calls,
    models: Models,
    asked: Option<String>,
    /// The session's token counts, from the last record that had them.
    total: Tokens,
}

impl Dialect for Codex {
    fn record(&mut self, record: &Record<'_>, out: &mut Out) {
        let value = &record.value;
        let at = time(&value["timestamp"]);
        self.session.at(at);
        let id = format!("line-{}", record.line);
        let payload = &value["payload"];
        match (text(value, "type"), payload.is_object()) {
            ("session_meta", true) => self.begin(payload),
            ("turn_context", true) => self.context(payload, out),
            ("response_item", true) => self.item(payload, record, at, out),
            ("event_msg", true) => self.event(payload, record, at, out),
            ("compacted", true) => {
                let place = self.place(record.line, 0, at, out);
                out.put("part", &place.compaction(true));
            }
            // Before there was an envelope.
            ("", false) if value["id"].is_string() && self.session.id.is_none() => self.begin(value),
            (kind, false) if is_item(kind) => self.item(value, record, at, out),
            (kind, _) => out.other(kind, &id, record.raw),
        }
    }

    fn settle(&mut self, _is_over: bool, out: &mut Out) {
        self.tell_turn(out);
        if let Some(session) = self.session.item("codex") {
            out.put("session", &session);
        }
    }

    fn session(&self) -> Option<&str> {
        self.session.id.as_deref()
    }
}

impl Codex {
    /// Takes the first record of a session. A forked session has the record of its origin as well, after its own.
    fn begin(&mut self, meta: &Value) {
        if self.session.id.is_some() {
            return;
        }
        let said = |name: &str| Some(text(meta, name)).filter(|said| !said.is_empty()).map(str::to_owned);
        self.session.id = said("id");
        self.session.directory = said("cwd");
        self.session.version = said("cli_version");
        self.provider = said("model_provider").unwrap_or_else(|| "openai".to_owned());
        self.session.at(time(&meta["timestamp"]));
    }

    fn context(&mut self, context: &Value, out: &mut Out) {
        let model = text(context, "model");
        if !model.is_empty() {
            model.clone_into(&mut self.model);
            self.models.tell(&self.provider, model, out);
        }
    }

    fn item(&mut self, item: &Value, record: &Record<'_>, at: Option<i64>, out: &mut Out) {
        let line = record.line;
        match (text(item, "type"), text(item, "role")) {
            ("message", "user") if !is_put_in(&item["content"]) => self.user(item, line, at, out),
            ("message", "assistant") => {
                for (n, said) in texts(&item["content"]).iter().enumerate() {
                    let place = self.place(line, n, at, out);
                    out.put("part", &place.text("text", said, false, at));
                }
            }
            ("reasoning", _) => {
                let thoughts = [texts(&item["summary"]), texts(&item["content"])].concat().join("\n\n");
                // Most are encrypted, for the model alone.
                if thoughts.is_empty() {
                    return out.other("response_item.reasoning", &format!("line-{line}"), record.raw);
                }
                let place = self.place(line, 0, at, out);
                out.put("part", &place.text("reasoning", &thoughts, false, at));
            }
            ("function_call" | "custom_tool_call" | "local_shell_call" | "web_search_call", _) => {
                let place = self.place(line, 0, at, out);
                let (tool, input) = tool(item);
                let id = Some(text(item, "call_id")).filter(|id| !id.is_empty()).unwrap_or(&place.id).to_owned();
                let call = Call { place, id, tool, input, start: at };
                // A search has no result of its own.
                if text(item, "type") == "web_search_call" {
                    out.put("part", &call.done(&Outcome::default()));
                } else {
                    self.calls.open(call, out);
                }
            }
            ("function_call_output" | "custom_tool_call_output", _) => match self.calls.close(text(item, "call_id")) {
                Some(call) => out.put("part", &call.done(&outcome(&item["output"], at))),
                None => out.other("response_item.output", &format!("line-{line}"), record.raw),
            },
            (kind, _) => out.other(&format!("response_item.{kind}"), &format!("line-{line}"), record.raw),
        }
    }

    fn user(&mut self, item: &Value, line: u64, at: Option<i64>, out: &mut Out) {
        self.end_turn(out);
        let id = format!("msg_{line}");
        let session = self.session.id.clone().unwrap_or_default();
        out.put("message", &user(&id, &session, at));
        for (n, piece) in item["content"].as_array().into_iter().flatten().enumerate() {
            let place = Place { session: session.clone(), message: id.clone(), id: format!("prt_{line}_{n}") };
            match text(piece, "type") {
                "input_image" => {
                    let url = text(piece, "image_url");
                    out.put("part", &place.file(mime(url), url));
                }
                _ => {
                    self.session.title(Title::Prompt, text(piece, "text"));
                    out.put("part", &place.text("text", text(piece, "text"), false, None));
                }
            }
        }
        self.asked = Some(id);
    }

    fn event(&mut self, event: &Value, record: &Record<'_>, at: Option<i64>, out: &mut Out) {
        match text(event, "type") {
            "task_started" | "turn_started" => self.end_turn(out),
            "task_complete" | "turn_complete" => {
                if let Some(turn) = &mut self.turn {
                    turn.completed = at;
                }
                self.end_turn(out);
            }
            "turn_aborted" => {
                if let Some(turn) = &mut self.turn {
                    let why = json!({ "message": format!("the turn was ended: {}", text(event, "reason")) });
                    turn.error = Some(json!({ "name": "MessageAbortedError", "data": why }));
                }
                self.end_turn(out);
            }
            "token_count" => {
                let total = tokens(&event["info"]["total_token_usage"]);
                // Said again whenever the limits of the account are told.
                if let Some(total) = total.filter(|total| *total != self.total) {
                    if let Some(turn) = &mut self.turn {
                        turn.tokens.grow(&total, &self.total);
                    }
                    (self.total, self.session.tokens) = (total, total);
                }
            }
            "thread_name_updated" => self.session.title(Title::Given, text(event, "thread_name")),
            kind if is_repeated(kind) => {}
            kind => out.other(&format!("event_msg.{kind}"), &format!("line-{}", record.line), record.raw),
        }
    }

    /// The place of the next part in the model's message. Begins a message if none is open.
    fn place(&mut self, line: u64, n: usize, at: Option<i64>, out: &mut Out) -> Place {
        let session = self.session.id.clone().unwrap_or_default();
        let (model, provider, parent) = (&self.model, &self.provider, &self.asked);
        let turn = self.turn.get_or_insert_with(|| {
            let turn = Turn {
                id: format!("msg_{line}"),
                parent: parent.clone(),
                model: model.clone(),
                provider: provider.clone(),
                created: at,
                ..Turn::default()
            };
            out.put("message", &turn.item(&session));
            turn
        });
        turn.completed = at.or(turn.completed);
        Place { session, message: turn.id.clone(), id: format!("prt_{line}_{n}") }
    }

    fn tell_turn(&self, out: &mut Out) {
        if let (Some(turn), Some(session)) = (&self.turn, &self.session.id) {
            out.put("message", &turn.item(session));
        }
    }

    fn end_turn(&mut self, out: &mut Out) {
        self.tell_turn(out);
        self.turn = None;
    }
}

fn is_item(kind: &str) -> bool {
    matches!(
        kind,
        "message"
            | "reasoning"
            | "function_call"
            | "function_call_output"
            | "custom_tool_call"
            | "custom_tool_call_output"
            | "local_shell_call"
            | "web_search_call"
    )
}

/// Whether an event repeats what a response item says.
fn is_repeated(kind: &str) -> bool {
    matches!(
        kind,
        "user_message"
            | "agent_message"
            | "agent_reasoning"
            | "agent_reasoning_raw_content"
            | "agent_reasoning_section_break"
            | "context_compacted"
            | "item_started"
            | "item_completed"
            | "exec_command_begin"
            | "exec_command_end"
            | "patch_apply_begin"
            | "patch_apply_end"
            | "mcp_tool_call_begin"
            | "mcp_tool_call_end"
            | "web_search_begin"
            | "web_search_end"
            | "view_image_tool_call"
            | "plan_update"
    )
}

/// Whether a user's message was put in by the program.
fn is_put_in(content: &Value) -> bool {
    let texts = texts(content);
    let put_in = |said: &String| {
        let said = said.trim();
        let tag = said.strip_prefix('<').and_then(|rest| rest.split_once('>')).map(|(tag, _)| tag.to_owned());
        said.starts_with("# AGENTS.md instructions") || tag.is_some_and(|tag| said.ends_with(&format!("</{tag}>")))
    };
    !texts.is_empty() && texts.iter().all(put_in)
}

/// The texts of a content: a text, or a list of `{type, text}`.
fn texts(content: &Value) -> Vec<String> {
    match content {
        Value::String(said) => vec![said.clone()],
        Value::Array(pieces) => {
            let texts = pieces.iter().map(|piece| text(piece, "text")).filter(|said| !said.is_empty());
            texts.map(str::to_owned).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

fn mime(url: &str) -> &str {
    url.strip_prefix("data:").and_then(|rest| rest.split_once(';')).map_or("image/png", |(mime, _)| mime)
}

fn tokens(usage: &Value) -> Option<Tokens> {
    usage.is_object().then(|| {
        let (cached, thought) = (count(usage, "cached_input_tokens"), count(usage, "reasoning_output_tokens"));
        Tokens {
            input: count(usage, "input_tokens").saturating_sub(cached),
            output: count(usage, "output_tokens").saturating_sub(thought),
            reasoning: thought,
            read: cached,
            write: 0,
        }
    })
}

/// A tool and its arguments, by the names that a page knows.
fn tool(item: &Value) -> (String, Value) {
    match text(item, "type") {
        "local_shell_call" => return ("bash".to_owned(), json!({ "command": command(&item["action"]["command"]) })),
        "web_search_call" => {
            let action = &item["action"];
            let tool = if text(action, "type") == "search" { "websearch" } else { "webfetch" };
            return (tool.to_owned(), action.clone());
        }
        _ => {}
    }
    // Arguments come as a text of JSON, those of a custom tool as any text.
    let arguments = item.get("arguments").or_else(|| item.get("input")).cloned().unwrap_or_default();
    let input = arguments.as_str().and_then(|said| serde_json::from_str(said).ok()).filter(Value::is_object);
    let input =
        input.unwrap_or_else(|| if arguments.is_object() { arguments.clone() } else { json!({ "input": arguments }) });
    let name = text(item, "name");
    let (tool, input) = match name {
        "shell" | "shell_command" | "container.exec" | "exec_command" => {
            let said = input.get("command").or_else(|| input.get("cmd")).map(command).unwrap_or_default();
            (
                "bash",
                json!({ "command": said, "description": text(&input, "justification"), "workdir": input["workdir"] }),
            )
        }
        "apply_patch" => ("apply_patch", renamed(&input, &[("input", "patchText"), ("patch", "patchText")])),
        "update_plan" => {
            let steps = input["plan"].as_array().into_iter().flatten();
            let todos: Vec<_> = steps.map(|step| renamed(step, &[("step", "content")])).collect();
            ("todowrite", json!({ "todos": todos }))
        }
        "spawn_agent" => ("task", renamed(&input, &[("message", "prompt"), ("agent_type", "subagent_type")])),
        "view_image" => ("read", renamed(&input, &[("path", "filePath")])),
        "read_file" => ("read", renamed(&input, &[("file_path", "filePath")])),
        "list_dir" => ("list", renamed(&input, &[("dir_path", "path")])),
        "grep_files" => ("grep", input),
        other => (other, input),
    };
    (tool.to_owned(), input)
}

/// A command line, from a text or a list of words; a shell's own words before its script are dropped.
fn command(value: &Value) -> String {
    let words: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match &words[..] {
        [_, "-c" | "-lc", script] => (*script).to_owned(),
        [] => value.as_str().unwrap_or_default().to_owned(),
        words => words.join(" "),
    }
}

/// A result: a text, pieces, `{content, success}`, or a text that holds `{"output", "metadata": {"exit_code"}}`.
fn outcome(output: &Value, end: Option<i64>) -> Outcome {
    let content = output.get("content").unwrap_or(output);
    let is_error = output.get("success") == Some(&json!(false));
    let mut outcome = Outcome { output: texts(content).join("\n"), is_error, end, ..Outcome::default() };
    let images = content.as_array().into_iter().flatten().map(|piece| text(piece, "image_url"));
    outcome.attachments = images.filter(|url| !url.is_empty()).map(|url| file(mime(url), url)).collect();
    let inner: Value = serde_json::from_str(&outcome.output).unwrap_or_default();
    let mut exit = inner["metadata"]["exit_code"].as_i64();
    if let Some(said) = inner["output"].as_str() {
        outcome.output = said.to_owned();
    } else if ["Chunk ID: ", "Exit code: ", "Wall time: "].iter().any(|begin| outcome.output.starts_with(begin))
        && let Some((head, said)) = outcome.output.split_once("\nOutput:\n")
    {
        let of = |line: &str| {
            let code = line.strip_prefix("Exit code: ").or_else(|| line.strip_prefix("Process exited with code "))?;
            code.trim().parse::<i64>().ok()
        };
        exit = head.lines().find_map(of);
        outcome.output = said.to_owned();
    }
    if let Some(exit) = exit {
        outcome.metadata.insert("exit".to_owned(), json!(exit));
    }
    outcome
}
