//! A few words about a share: what a link to it shows before anybody has opened it.

use crate::share::item::Payload;
use crate::viewer::render::document::{Document, Turn};
use crate::viewer::render::read::{self, Message, ModelName, Part, Session};
use crate::viewer::render::{figures, format};

/// Characters of a title and of a description: programs that show previews cut longer ones.
const TITLE_CHARS_MAX: usize = 120;
const DESCRIPTION_CHARS_MAX: usize = 240;

/// Number of messages and parts in which the first words of a user are looked for.
const LOOKED_AT_MAX: usize = 50;

/// What a share is about, as far as it says so. Plain text of one line each, nothing of it escaped.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct About {
    /// The session's title, or the first words of a user; at most 120 characters.
    pub title: String,
    /// What was asked first; at most 240 characters. `None` if no user said anything.
    pub first: Option<String>,
    /// The models that were used, as `provider/model`, without repetition.
    pub models: Vec<String>,
    /// The version of the client that recorded the session.
    pub version: Option<String>,
    /// Number of messages.
    pub messages: usize,
    /// Number of parts of all messages.
    pub parts: usize,
    /// Numbers of files changed, of lines added and of lines removed.
    pub changes: Option<(u64, u64, u64)>,
    /// Cost of the session, in US dollars.
    pub cost: Option<f64>,
    /// Numbers of tokens that went into the models, those from a cache too, and of tokens that came out of them, thoughts too. `None`
    /// if nobody counted them.
    pub tokens: Option<(u64, u64)>,
    /// How long the session took, from its first message to its last, such as `3 min 5 s`.
    pub duration: Option<String>,
}

impl About {
    /// Gathers what a document is about.
    #[must_use]
    pub fn of(document: &Document) -> Self {
        let session =
            document.session.as_ref().map(|session| read::item::<Session>(session.as_str())).unwrap_or_default();
        let mut models: Vec<String> = Vec::new();
        let mut used = |model: Option<String>| {
            if let Some(model) = model.filter(|model| !models.contains(model)) {
                models.push(line(&model, TITLE_CHARS_MAX));
            }
        };
        for model in &document.models {
            used(read::item::<ModelName>(model.as_str()).label());
        }
        used(session.model.as_ref().and_then(ModelName::label));
        let figures = document.figures.clone().of_session(&session);
        Self {
            title: title(&session),
            first: first_words(document),
            models,
            version: session.version.as_deref().map(|version| line(version, 32)).filter(|version| !version.is_empty()),
            messages: document.message_count(),
            parts: document.part_count(),
            changes: figures::changes(document.session_diff.as_ref().map(Payload::as_str), &session),
            cost: Some(figures.cost).filter(|cost| *cost > 0.0),
            tokens: figures.tokens.filter(|(input, output)| *input > 0 || *output > 0),
            duration: figures.duration().and_then(format::duration),
        }
    }

    /// The facts for a line under the title: models, counts, cost.
    #[must_use]
    pub fn facts(&self) -> Vec<String> {
        let mut facts = Vec::new();
        match &self.models[..] {
            [] => {}
            [one] => facts.push(one.clone()),
            [one, other] => facts.push(format!("{one} & {other}")),
            [one, others @ ..] => facts.push(format!("{one} & {} others", others.len())),
        }
        facts.push(counted(self.messages as u64, "message", "messages"));
        if let Some((files, added, removed)) = self.changes {
            facts.push(format!("{} +{added} −{removed}", counted(files, "file", "files")));
        }
        if let Some((input, output)) = self.tokens {
            let tokens = if input == 1 { "token" } else { "tokens" };
            facts.push(format!("{} {tokens} in, {} out", format::count(input), format::count(output)));
        }
        facts.extend(self.cost.map(format::money));
        facts.extend(self.duration.clone());
        facts
    }

    /// The description for previews: what was asked first, and the facts.
    #[must_use]
    pub fn description(&self) -> String {
        let facts = self.facts().join(" · ");
        let description = match &self.first {
            Some(first) => format!("“{}” — {facts}", line(first, DESCRIPTION_CHARS_MAX - 80)),
            None => facts,
        };
        line(&description, DESCRIPTION_CHARS_MAX)
    }
}

fn title(session: &Session) -> String {
    let title = session.title.as_deref().map(|title| line(title, TITLE_CHARS_MAX)).filter(|title| !title.is_empty());
    title.unwrap_or_else(|| match &session.id {
        Some(id) if !id.trim().is_empty() => format!("Session {}", line(id, TITLE_CHARS_MAX / 2)),
        Some(_) | None => "A shared session".to_owned(),
    })
}

fn first_words(document: &Document) -> Option<String> {
    let mut turns = document.messages.iter().take(LOOKED_AT_MAX).map(Turn::opened);
    let first = turns.find(|turn| read::item::<Message>(turn.message.as_str()).role.as_deref() == Some("user"))?;
    let texts = first.parts.iter().take(LOOKED_AT_MAX).filter_map(|part| match Part::of(part.as_str()).1 {
        Part::Text(text) => Some(line(&text, DESCRIPTION_CHARS_MAX)).filter(|text| !text.is_empty()),
        Part::Reasoning(_)
        | Part::Tool(_)
        | Part::File(_)
        | Part::Patch(_)
        | Part::Note(_)
        | Part::Hidden
        | Part::Unknown => None,
    });
    // The client puts a command line's words between quotes.
    texts.map(|text| text.trim_matches('"').to_owned()).next()
}

/// Makes one line of a text, of at most `chars_max` characters and without control characters.
pub(super) fn line(text: &str, chars_max: usize) -> String {
    // What is looked at is bounded as well: a word may have megabytes.
    let text: String = text.chars().take(chars_max * 8).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > chars_max { line.chars().take(chars_max - 1).chain(['…']).collect() } else { line }
}

pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
