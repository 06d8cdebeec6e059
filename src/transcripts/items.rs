//! Items in OpenCode's shapes, made from what the readers know: a session, messages, parts, calls.
//!
//! The members are those that pages and documents read, and that OpenCode itself needs to take an export in. Times are in
//! milliseconds since 1970.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use crate::share::limits::ITEM_BYTES_MAX;
use crate::transcripts::out::Out;
use crate::transcripts::values::{bounded, object, text};

/// Most calls that wait for their results. Agents run a handful at once; each is at most an item, 4 MiB.
const CALLS_OPEN_MAX: usize = 64;

/// Most models that get an item of their own. Further ones are named in their messages only.
const MODELS_MAX: usize = 32;

/// The facts of a session, gathered from its records.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) id: Option<String>,
    pub(super) directory: Option<String>,
    pub(super) version: Option<String>,
    pub(super) tokens: Tokens,
    created: Option<i64>,
    updated: Option<i64>,
    title: Option<(Title, String)>,
}

/// The origin of a title; a greater one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Title {
    Prompt,
    Summary,
    Given,
}

impl Session {
    /// Widens the session's time so that it holds this one.
    pub(super) fn at(&mut self, time: Option<i64>) {
        let Some(time) = time else { return };
        self.created = Some(self.created.map_or(time, |created| created.min(time)));
        self.updated = Some(self.updated.map_or(time, |updated| updated.max(time)));
    }

    /// Sets the title unless a better one is known. Of several prompts the first counts, of other titles the last.
    pub(super) fn title(&mut self, from: Title, title: &str) {
        let line: String = title.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(100).collect();
        let is_better = self.title.as_ref().is_none_or(|(of, _)| from > *of || (from == *of && from != Title::Prompt));
        if !line.is_empty() && is_better {
            self.title = Some((from, line));
        }
    }

    pub(super) fn item(&self, agent: &str) -> Option<Value> {
        let id = self.id.as_ref()?;
        let title = self.title.as_ref().map(|(_, title)| title.as_str());
        Some(object([
            ("id", json!(id)),
            ("title", json!(title)),
            ("agent", json!(agent)),
            ("version", json!(self.version)),
            ("directory", json!(self.directory)),
            ("tokens", self.tokens.item()),
            ("time", json!({ "created": self.created, "updated": self.updated })),
        ]))
    }
}

/// Tokens, as OpenCode counts them: what came from a cache is not in `input`, what was thought not in `output`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) reasoning: u64,
    pub(super) read: u64,
    pub(super) write: u64,
}

impl Tokens {
    pub(super) fn item(&self) -> Value {
        json!({
            "input": self.input, "output": self.output, "reasoning": self.reasoning,
            "cache": { "read": self.read, "write": self.write },
        })
    }

    /// Adds the difference of two counts of one message.
    pub(super) fn grow(&mut self, now: &Self, before: &Self) {
        let grow = |count: &mut u64, now: u64, before: u64| *count = count.saturating_add(now).saturating_sub(before);
        grow(&mut self.input, now.input, before.input);
        grow(&mut self.output, now.output, before.output);
        grow(&mut self.reasoning, now.reasoning, before.reasoning);
        grow(&mut self.read, now.read, before.read);
        grow(&mut self.write, now.write, before.write);
    }
}

/// A message of the user.
pub(super) fn user(id: &str, session: &str, created: Option<i64>) -> Value {
    json!({ "id": id, "sessionID": session, "role": "user", "time": { "created": created } })
}

/// A message of a model, while it is being written.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) model: String,
    pub(super) provider: String,
    pub(super) agent: Option<String>,
    pub(super) created: Option<i64>,
    pub(super) completed: Option<i64>,
    pub(super) tokens: Tokens,
    pub(super) error: Option<Value>,
}

impl Turn {
    pub(super) fn item(&self, session: &str) -> Value {
        object([
            ("id", json!(self.id)),
            ("sessionID", json!(session)),
            ("role", json!("assistant")),
            ("parentID", json!(self.parent)),
            ("modelID", json!(Some(&self.model).filter(|model| !model.is_empty()))),
            ("providerID", json!(Some(&self.provider).filter(|provider| !provider.is_empty()))),
            ("agent", json!(self.agent)),
            // None of these agents says what a message cost, and OpenCode adds these up.
            ("cost", json!(0)),
            ("tokens", self.tokens.item()),
            ("error", json!(self.error)),
            ("time", object([("created", json!(self.created)), ("completed", json!(self.completed))])),
        ])
    }
}

/// The ids of a part: its session's, its message's and its own.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) session: String,
    pub(super) message: String,
    pub(super) id: String,
}

impl Place {
    fn part(&self, kind: &str, more: Value) -> Value {
        let mut part = json!({ "id": self.id, "messageID": self.message, "sessionID": self.session, "type": kind });
        if let (Value::Object(part), Value::Object(more)) = (&mut part, more) {
            part.extend(more);
        }
        part
    }

    /// A part that is a text or, with the kind `reasoning`, a thought. A `synthetic` text was put in for the model to read.
    pub(super) fn text(&self, kind: &str, text: &str, synthetic: bool, at: Option<i64>) -> Value {
        let mut more =
            object([("text", json!(bounded(text))), ("synthetic", if synthetic { json!(true) } else { Value::Null })]);
        if let Some(at) = at {
            more["time"] = json!({ "start": at, "end": at });
        }
        self.part(kind, more)
    }

    /// A part that is a file. The URL of a picture in base64 holds the picture.
    pub(super) fn file(&self, mime: &str, url: &str) -> Value {
        self.part("file", file(mime, url))
    }

    /// A part that marks where the conversation was compacted.
    pub(super) fn compaction(&self, auto: bool) -> Value {
        self.part("compaction", json!({ "auto": auto }))
    }
}

pub(super) fn file(mime: &str, url: &str) -> Value {
    let name = if mime.starts_with("image/") { "image" } else { "file" };
    json!({ "type": "file", "mime": mime, "filename": name, "url": url })
}

/// A URL that holds a file.
pub(super) fn data_url(mime: &str, base64: &str) -> String {
    format!("data:{mime};base64,{base64}")
}

/// A call of a tool.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) place: Place,
    pub(super) id: String,
    pub(super) tool: String,
    pub(super) input: Value,
    pub(super) start: Option<i64>,
}

/// The result of a call.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) output: String,
    pub(super) is_error: bool,
    pub(super) metadata: Map<String, Value>,
    pub(super) attachments: Vec<Value>,
    pub(super) end: Option<i64>,
}

impl Call {
    pub(super) fn running(&self) -> Value {
        let time = object([("start", json!(self.start))]);
        self.part(
            json!({ "status": "running", "input": self.input, "title": self.title(), "metadata": {}, "time": time }),
        )
    }

    /// The call with its result. Where both are too large for an item, the result's texts are shown without the arguments and the
    /// files.
    pub(super) fn done(&self, outcome: &Outcome) -> Value {
        let whole = self.settled(outcome, &self.input, &outcome.attachments);
        if whole.to_string().len() <= ITEM_BYTES_MAX { whole } else { self.settled(outcome, &json!({}), &[]) }
    }

    fn settled(&self, outcome: &Outcome, input: &Value, attachments: &[Value]) -> Value {
        let time = object([("start", json!(self.start)), ("end", json!(outcome.end.or(self.start)))]);
        let mut state = json!({
            "input": input, "title": self.title(), "metadata": outcome.metadata, "time": time,
        });
        let output = bounded(&outcome.output);
        if outcome.is_error {
            state["status"] = json!("error");
            state["error"] = json!(output);
        } else {
            state["status"] = json!("completed");
            state["output"] = json!(output);
        }
        if !attachments.is_empty() {
            state["attachments"] = json!(attachments);
        }
        self.part(state)
    }

    fn part(&self, state: Value) -> Value {
        self.place.part("tool", json!({ "callID": self.id, "tool": self.tool, "state": state }))
    }

    fn title(&self) -> String {
        let names = ["description", "filePath", "path", "pattern", "query", "url", "command"];
        let title = names.iter().map(|name| text(&self.input, name)).find(|text| !text.is_empty()).unwrap_or_default();
        title.lines().next().unwrap_or_default().chars().take(200).collect()
    }
}

/// The calls that have no result yet. Past [`CALLS_OPEN_MAX`] the oldest is forgotten, and shown as running for good.
#[derive(Debug, Default)]
pub(super) struct Calls(VecDeque<Call>);

impl Calls {
    pub(super) fn open(&mut self, mut call: Call, out: &mut Out) {
        let running = call.running();
        out.put("part", &running);
        // Arguments that no item can hold are not kept, so that the result can still be shown.
        if running.to_string().len() > ITEM_BYTES_MAX {
            call.input = json!({});
        }
        if self.0.len() == CALLS_OPEN_MAX {
            self.0.pop_front();
        }
        self.0.push_back(call);
    }

    /// Takes the call with this id out of those that wait.
    pub(super) fn close(&mut self, id: &str) -> Option<Call> {
        let at = self.0.iter().position(|call| call.id == id)?;
        self.0.remove(at)
    }
}

/// The models that were given out.
#[derive(Debug, Default)]
pub(super) struct Models(Vec<String>);

impl Models {
    pub(super) fn tell(&mut self, provider: &str, model: &str, out: &mut Out) {
        if !model.is_empty() && self.0.len() < MODELS_MAX && !self.0.iter().any(|told| told == model) {
            self.0.push(model.to_owned());
            out.put("model", &json!({ "id": model, "providerID": provider, "name": model }));
        }
    }
}
