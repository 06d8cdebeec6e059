//! OpenCode's items as types, read tolerantly: a member of another type than expected is one that is not there.
//!
//! Only what documents show is read. Everything else is skipped, so that a message with a long system prompt costs its scan
//! and no memory.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::viewer::render::format;
use crate::viewer::render::words::error_words;

/// Reads an item; gives an empty one where it is not the object that it should be.
pub(super) fn item<T: DeserializeOwned + Default>(json: &str) -> T {
    // Asked for by hand, because a struct may be read from an array as well.
    if json.starts_with('{') { serde_json::from_str(json).unwrap_or_default() } else { T::default() }
}

fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(from: D) -> Result<T, D::Error> {
    let raw = <&RawValue>::deserialize(from)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or_default())
}

macro_rules! readable {
    ($($(#[$doc:meta])* $type:ident { $($(#[$attribute:meta])* $member:ident: $kind:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(default)]
        pub(super) struct $type {
            $($(#[$attribute])* #[serde(deserialize_with = "lenient")] pub(super) $member: $kind,)*
        }
    )*};
}

readable! {
    /// When something was created and changed, in milliseconds since 1970; of parts and calls, when it began and ended.
    Time {
        created: Option<f64>,
        updated: Option<f64>,
        completed: Option<f64>,
        start: Option<f64>,
        end: Option<f64>,
    }

    /// The members of a message by which messages are ordered and counted.
    Head {
        #[serde(rename = "type")]
        kind: Option<String>,
        role: Option<String>,
        #[serde(rename = "sessionID")]
        session_id: Option<String>,
        #[serde(rename = "parentID")]
        parent_id: Option<String>,
        cost: Option<f64>,
        tokens: Option<Tokens>,
        time: Time,
    }

    Session {
        id: Option<String>,
        title: Option<String>,
        version: Option<String>,
        agent: Option<String>,
        directory: Option<String>,
        model: Option<ModelName>,
        cost: Option<f64>,
        tokens: Option<Tokens>,
        summary: Summary,
        time: Time,
    }

    /// A model, as sessions, user messages and models themselves say it.
    ModelName {
        id: Option<String>,
        #[serde(rename = "modelID")]
        model_id: Option<String>,
        #[serde(rename = "providerID")]
        provider_id: Option<String>,
        name: Option<String>,
    }

    Tokens {
        input: Option<f64>,
        output: f64,
        reasoning: f64,
        cache: Cached,
    }

    /// Tokens that a model read from a cache.
    Cached {
        read: f64,
    }

    /// Numbers of changed files and lines.
    Summary {
        additions: Option<f64>,
        deletions: Option<f64>,
        files: Option<f64>,
    }

    Message {
        id: Option<String>,
        role: Option<String>,
        agent: Option<String>,
        model: Option<ModelName>,
        #[serde(rename = "modelID")]
        model_id: Option<String>,
        #[serde(rename = "providerID")]
        provider_id: Option<String>,
        cost: Option<f64>,
        tokens: Option<Tokens>,
        error: Option<Value>,
        time: Time,
    }

    /// The members of all kinds of parts.
    AnyPart {
        id: Option<String>,
        #[serde(rename = "type")]
        kind: Option<String>,
        text: Option<String>,
        synthetic: bool,
        ignored: bool,
        tool: Option<String>,
        state: ToolState,
        mime: Option<String>,
        filename: Option<String>,
        url: Option<String>,
        files: Vec<String>,
        name: Option<String>,
        agent: Option<String>,
        description: Option<String>,
        prompt: Option<String>,
        attempt: Option<f64>,
        error: Option<Value>,
        auto: bool,
        time: Time,
    }

    ToolState {
        status: Option<String>,
        input: Value,
        output: Value,
        title: Option<String>,
        error: Value,
        metadata: Value,
        time: Time,
        attachments: Vec<File>,
    }

    /// A file in a part: a URL, often one that holds the file itself.
    File {
        mime: Option<String>,
        filename: Option<String>,
        url: Option<String>,
    }

    /// A file's change, in either of OpenCode's forms: both texts, or a patch.
    FileDiff {
        file: Option<String>,
        before: Option<String>,
        after: Option<String>,
        patch: Option<String>,
        additions: Option<f64>,
        deletions: Option<f64>,
        status: Option<String>,
    }
}

/// A part, by its kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    /// A text that somebody wrote.
    Text(String),
    /// A model's reasoning.
    Reasoning(String),
    /// A tool call.
    Tool(Box<Tool>),
    /// A file that came with a message.
    File(File),
    /// Files that a step changed.
    Patch(Vec<String>),
    /// A remark on what happened: a subtask, a retry, a compaction.
    Note(String),
    /// A part that people do not look at: marks of steps, snapshots, texts that the client wrote for the model.
    Hidden,
    /// A part of an unknown kind, or without a kind.
    Unknown,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) state: ToolState,
}

impl Part {
    /// Reads a part and its id.
    pub(super) fn of(json: &str) -> (Option<String>, Self) {
        let any: AnyPart = item(json);
        let id = any.id.clone();
        let part = match any.kind.as_deref() {
            Some("text") if any.synthetic || any.ignored => Self::Hidden,
            Some("text") => any.text.map_or(Self::Unknown, Self::Text),
            Some("reasoning") => any.text.map_or(Self::Unknown, Self::Reasoning),
            Some("tool") => match any.tool {
                Some(name) => Self::Tool(Box::new(Tool { name, state: any.state })),
                None => Self::Unknown,
            },
            Some("file") => Self::File(File { mime: any.mime, filename: any.filename, url: any.url }),
            Some("patch") => Self::Patch(any.files),
            Some("agent") => Self::Note(format!("Agent {}", any.name.unwrap_or_default())),
            Some("subtask") => {
                let what: Vec<String> = [any.description, any.prompt].into_iter().flatten().collect();
                Self::Note(format!("Subtask of {}: {}", any.agent.as_deref().unwrap_or("an agent"), what.join("\n\n")))
            }
            Some("retry") => {
                let why = any.error.as_ref().and_then(error_words).unwrap_or_default();
                Self::Note(format!("Retry {}: {why}", any.attempt.unwrap_or(1.0)))
            }
            Some("compaction") => Self::Note(
                if any.auto { "The conversation was compacted by itself" } else { "The conversation was compacted" }
                    .to_owned(),
            ),
            Some("step-start" | "step-finish" | "snapshot") => Self::Hidden,
            Some(_) | None => Self::Unknown,
        };
        (id, part)
    }
}

impl ModelName {
    /// The model as `provider/model`, or as much of that as there is.
    pub(super) fn label(&self) -> Option<String> {
        let id = self.id.as_ref().or(self.model_id.as_ref()).or(self.name.as_ref()).filter(|id| !id.is_empty())?;
        let provider = self.provider_id.as_ref().filter(|provider| !provider.is_empty());
        Some(provider.map_or_else(|| id.clone(), |provider| format!("{provider}/{id}")))
    }
}

impl Message {
    /// The model that made the message, or that it was written to.
    pub(super) fn model_label(&self) -> Option<String> {
        let (id, provider_id) = (self.model_id.clone(), self.provider_id.clone());
        let own = ModelName { id, provider_id, ..ModelName::default() };
        own.label().or_else(|| self.model.as_ref()?.label())
    }

    /// Who speaks, as a heading.
    pub(super) fn speaker(&self) -> &str {
        match self.role.as_deref() {
            Some("user") => "User",
            Some("assistant") => "Assistant",
            Some(other) if !other.is_empty() => other,
            Some(_) | None => "Message",
        }
    }

    /// The error of the message.
    pub(super) fn error_text(&self) -> Option<String> {
        self.error.as_ref().and_then(error_words)
    }
}

/// The file changes of a `session_diff`, or none if it is no list.
pub(super) fn file_diffs(json: &str) -> Vec<FileDiff> {
    let raw: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
    raw.into_iter().map(|diff| item(diff.get())).collect()
}

impl Time {
    /// How long it took, for people.
    pub(super) fn duration(&self) -> Option<String> {
        format::duration(self.end.or(self.completed)? - self.start.or(self.created)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_of_another_type_is_one_that_is_not_there() {
        let session: Session =
            item(r#"{"id":7,"title":"T","cost":"much","tokens":[],"time":{"created":"x","updated":2},"model":null}"#);
        assert_eq!((session.id, session.title.as_deref(), session.cost), (None, Some("T"), None));
        assert_eq!((session.time.created, session.time.updated), (None, Some(2.0)));
        assert_eq!(item::<Message>("[1]"), Message::default());
        assert_eq!(item::<Message>("17"), Message::default());
    }

    #[test]
    fn parts_are_told_apart_and_what_is_not_known_is_unknown() {
        let kind = |json| Part::of(json).1;
        assert_eq!(kind(r#"{"type":"text","text":"a"}"#), Part::Text("a".to_owned()));
        assert_eq!(kind(r#"{"type":"text","text":"a","synthetic":true}"#), Part::Hidden);
        assert_eq!(kind(r#"{"type":"step-start"}"#), Part::Hidden);
        assert_eq!(kind(r#"{"type":"patch","files":["a"]}"#), Part::Patch(vec!["a".to_owned()]));
        for unknown in
            [r#"{"type":"hologram"}"#, r#"{"type":7}"#, "{}", "[]", r#"{"type":"text"}"#, r#"{"type":"tool"}"#]
        {
            assert_eq!(kind(unknown), Part::Unknown, "{unknown}");
        }
        let retry = kind(r#"{"type":"retry","attempt":2,"error":{"name":"APIError","data":{"message":"busy"}}}"#);
        assert_eq!(retry, Part::Note("Retry 2: APIError: busy".to_owned()));
    }
}
