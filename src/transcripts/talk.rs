//! A conversation on its way into a share: messages in their order, what stands in them, and what was taken back.
//!
//! Readers say what happened, in the terms of [`Turn`] and [`Tool`]; what a share's items look like is known here and in these
//! two. A message is told at once, and told again when more of it is known.

mod below;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

use serde_json::{Value, json};

use crate::share::item::ItemKey;
use crate::share::limits::SHARE_ITEMS_MAX;
use crate::transcripts::calls::Calls;
use crate::transcripts::out::Out;
use crate::transcripts::piece::Piece;
use crate::transcripts::session::{Session, Title};
use crate::transcripts::tool::{File, Tool};
use crate::transcripts::turn::{Fault, Role, Tokens, Turn};
use crate::transcripts::values::bounded;

/// Most messages whose heads are told again when they have changed: the records of one answer stand close together.
const TURNS_MAX: usize = 16;

/// Most models that get an item of their own. Further ones are named in their messages only.
const MODELS_MAX: usize = 32;

/// Writes a conversation as items of a share, in the shapes that pages and documents read.
///
/// ```
/// use capshare::transcripts::{Talk, Tool, ToolState, Turn};
///
/// let mut talk = Talk::new("session-1", "my-agent");
/// talk.turn(Turn::user("u1").at(Some(1_795_165_201_000)));
/// talk.text("u1", "u1-0", "Mend the parser", None);
/// talk.turn(Turn { model: "m-1".to_owned(), ..Turn::assistant("a1") });
/// let mut call = Tool::new("c1", "bash", serde_json::json!({ "command": "cargo test" }));
/// talk.tool("a1", &call); // it runs
/// call.state = ToolState::Done("ok".to_owned());
/// call.exit = Some(0);
/// talk.tool("a1", &call); // and has ended
///
/// let keys: Vec<_> = talk.take().changes.iter().map(|change| change.key.to_string()).collect();
/// assert_eq!(keys, ["message/u1", "part/u1/u1-0", "message/a1", "model//m-1", "part/a1/c1", "part/a1/c1", "session"]);
/// ```
#[derive(Default)]
pub struct Talk {
    agent: String,
    /// Whether it is a subagent's: then its session has no record of its own, and the share is its caller's.
    is_child: bool,
    pub(super) session: Session,
    pub(super) out: Out,
    pub(super) calls: Calls,
    /// The heads that may still change.
    turns: VecDeque<Turn>,
    /// The messages among them of which more is known than was told.
    grown: Vec<String>,
    /// The messages in their order, those that were taken back among them.
    spoken: Vec<Spoken>,
    /// The position of each message in `spoken`.
    places: HashMap<String, usize>,
    /// The greatest time of a message: a later message is not shown before an earlier one, whatever its clock says.
    latest: Option<i64>,
    /// The user's last message.
    asked: Option<String>,
    /// The places of the user's messages, and of the messages with a time, without those at the end that were taken back: whoever goes back
    /// again and again does not make all messages be looked at each time.
    prompts: Vec<usize>,
    timed: Vec<usize>,
    models: Vec<String>,
    /// The sessions of the subagents that calls began, by the calls' ids: agents that write everything anew tell a call again.
    tied: HashMap<String, String>,
    /// What the caller asked of the subagent whose conversation this is, where nothing else ties it to a call.
    task: Option<String>,
}

/// What is remembered of a message.
#[derive(Debug)]
struct Spoken {
    id: String,
    role: Role,
    at: Option<i64>,
    asked: Option<String>,
    tokens: Option<Tokens>,
    /// The session of a subagent, if it is not the conversation's.
    session: Option<String>,
    is_gone: bool,
}

impl Talk {
    /// A conversation of a session, by an agent of this name.
    #[must_use]
    pub fn new(session: &str, agent: &str) -> Self {
        let mut talk = Self::of("agent");
        agent.clone_into(&mut talk.agent);
        talk.session.named(session);
        talk
    }

    /// A conversation whose session is not known yet. `agent`: the name of its reader.
    pub(super) fn of(agent: &'static str) -> Self {
        Self { agent: agent.to_owned(), out: Out::of(agent), ..Self::default() }
    }

    /// The conversation of a subagent, in the share of its caller.
    pub(super) fn child(agent: &'static str, session: &str) -> Self {
        let mut talk = Self::of(agent);
        talk.is_child = true;
        talk.session.named(session);
        talk
    }

    /// Sets the session's title. Without one, the title is the beginning of the first message of a user.
    pub fn title(&mut self, title: &str) {
        self.session.title(Title::Given, title);
    }

    /// Adds a message, or says more of one that was added: its end, its tokens, its error.
    pub fn turn(&mut self, mut turn: Turn) {
        if let Some(known) = self.turns.iter_mut().find(|known| known.id == turn.id) {
            merge(known, turn);
            let known = known.clone();
            self.session.at(known.ended);
            self.account(&known);
            if !self.grown.contains(&known.id) {
                self.grown.push(known.id);
            }
            return;
        }
        self.session.at(turn.at);
        self.session.at(turn.ended);
        let place = self.places.get(&turn.id).copied();
        match place.and_then(|place| self.spoken.get(place)) {
            Some(known) => {
                turn.at = known.at;
                turn.asked = known.asked.clone();
            }
            None => self.add(&mut turn),
        }
        self.account(&turn);
        self.tell(&turn);
        let (provider, model) = (turn.provider.clone(), turn.model.clone());
        if self.turns.len() == TURNS_MAX
            && let Some(old) = self.turns.pop_front()
        {
            self.tell(&old);
        }
        self.turns.push_back(turn);
        self.model(&provider, &model);
    }

    /// Adds a text to a message, or replaces the one of this id. `at`: when it was said, in milliseconds since 1970.
    pub fn text(&mut self, message: &str, id: &str, text: &str, at: Option<i64>) {
        self.words("text", message, id, text, at);
    }

    /// Adds a text that a person wrote. The first of a session is its title, if it has no other.
    pub(super) fn prompt(&mut self, message: &str, id: &str, text: &str) {
        if let Some(place) = self.places.get(message) {
            self.session.prompt(*place, text);
        }
        self.words("text", message, id, text, None);
    }

    /// Adds a thought of a model to a message, or replaces the one of this id.
    pub fn thought(&mut self, message: &str, id: &str, text: &str, at: Option<i64>) {
        self.words("reasoning", message, id, text, at);
    }

    /// Adds a file to a message, or replaces the one of this id.
    pub fn file(&mut self, message: &str, id: &str, file: &File) {
        self.part(message, id, "file", file.members());
    }

    /// Adds a call of a tool to a message, or says more of the one with its id.
    pub fn tool(&mut self, message: &str, tool: &Tool) {
        let tied = self.tied(tool);
        let tool = tied.as_ref().unwrap_or(tool);
        self.part(message, &tool.call, "tool", tool.members());
        self.calls.said(message, tool);
    }

    /// Marks in a message that the conversation was compacted. `by_itself`: nobody asked for it.
    pub fn compacted(&mut self, message: &str, id: &str, by_itself: bool) {
        self.part(message, id, "compaction", json!({ "auto": by_itself }));
    }

    /// Marks the last answer as interrupted; if there is none since the user's last message, an answer without words.
    pub(super) fn interrupted(&mut self, words: &str, at: Option<i64>) {
        let is_own = |spoken: &&Spoken| spoken.session.is_none() && !spoken.is_gone;
        let Some(last) = self.spoken.iter().rfind(is_own) else { return };
        let turn = match last.role {
            Role::Assistant => self.turns.iter().find(|turn| turn.id == last.id).cloned(),
            Role::User => Some(Turn::assistant(&format!("{}-interrupted", last.id)).at(at)),
        };
        let Some(turn) = turn else { return };
        self.turn(Turn { fault: Some(Fault::Interrupted(words.to_owned())), ..turn });
    }

    /// Takes back a message and all after it: they are removed from the share.
    pub fn take_back(&mut self, message: &str) {
        if let Some(from) = self.places.get(message).copied() {
            self.take_back_where(from, |_| true);
        }
    }

    /// Takes back those messages from a place on at whose places `is_gone` holds.
    pub(super) fn take_back_where(&mut self, from: usize, is_gone: impl Fn(usize) -> bool) {
        for place in from..self.spoken.len() {
            if is_gone(place) {
                self.remove(place);
            }
        }
        self.after_removals();
    }

    /// Takes back these messages, and none after them.
    pub(super) fn take_back_each<'a>(&mut self, messages: impl IntoIterator<Item = &'a str>) {
        for message in messages {
            if let Some(place) = self.places.get(message).copied() {
                self.remove(place);
            }
        }
        self.after_removals();
    }

    /// A document was written anew, and holds these messages: others are taken back. One without any message takes nothing back, for its
    /// agent is about to write it.
    pub(super) fn keep_only(&mut self, kept: &HashSet<&str>) {
        if kept.is_empty() {
            return;
        }
        let gone: Vec<String> = self.messages().filter(|id| !kept.contains(id)).map(str::to_owned).collect();
        self.take_back_each(gone.iter().map(String::as_str));
    }

    fn remove(&mut self, place: usize) {
        let Some(spoken) = self.spoken.get_mut(place).filter(|spoken| !spoken.is_gone) else { return };
        spoken.is_gone = true;
        let id = spoken.id.clone();
        self.session.tokens.grow(&Tokens::default(), &spoken.tokens.take().unwrap_or_default());
        self.session.forget_prompt(place);
        self.places.remove(&id);
        self.turns.retain(|turn| turn.id != id);
        self.calls.take_back(&id);
        if let Ok(key) = ItemKey::message(&id) {
            self.out.remove(key);
        }
    }

    fn after_removals(&mut self) {
        for places in [&mut self.prompts, &mut self.timed] {
            while places.pop_if(|place| self.spoken[*place].is_gone).is_some() {}
        }
        self.asked = self.prompts.last().map(|place| self.spoken[*place].id.clone());
        // No message has an earlier time than those before it.
        self.latest = self.timed.last().and_then(|place| self.spoken[*place].at);
    }

    /// Names the agent, where the session says it by another name than its reader's.
    pub(super) fn by(&mut self, agent: &str) {
        agent.clone_into(&mut self.agent);
    }

    /// The number of messages up to now, those that were taken back among them: the place of the next one.
    pub(super) fn place(&self) -> usize {
        self.spoken.len()
    }

    /// The id of the user's message with which the last so many turns began.
    pub(super) fn prompt_before(&self, turns: usize) -> Option<String> {
        let prompts = self.prompts.iter().rev().map(|place| &self.spoken[*place]).filter(|spoken| !spoken.is_gone);
        prompts.take(turns).last().map(|spoken| spoken.id.clone())
    }

    /// Whether the conversation has this message.
    pub(super) fn has(&self, message: &str) -> bool {
        self.places.contains_key(message)
    }

    /// The ids of the messages that there are, in their order.
    pub(super) fn messages(&self) -> impl Iterator<Item = &str> {
        self.spoken.iter().filter(|spoken| !spoken.is_gone).map(|spoken| spoken.id.as_str())
    }

    /// The changes since this was called last; it may hold none.
    pub fn take(&mut self) -> Piece {
        self.settle();
        Piece { session: self.session.id.clone(), ..self.out.take() }
    }

    /// Tells what has changed of messages and of the session.
    pub(super) fn settle(&mut self) {
        for id in std::mem::take(&mut self.grown) {
            if let Some(turn) = self.turns.iter().find(|turn| turn.id == id).cloned() {
                self.tell(&turn);
            }
        }
        if !self.is_child
            && let Some(session) = self.session.item(&self.agent)
        {
            self.out.put("session", &session);
        }
    }

    /// Gives a model an item of its own.
    pub(super) fn model(&mut self, provider: &str, model: &str) {
        if !model.is_empty() && self.models.len() < MODELS_MAX && !self.models.iter().any(|told| told == model) {
            self.models.push(model.to_owned());
            self.out.put("model", &json!({ "id": model, "providerID": provider, "name": model }));
        }
    }

    /// Gives a new message its place. One past [`SHARE_ITEMS_MAX`], or whose id no item can have, is not remembered: no share holds
    /// it.
    fn add(&mut self, turn: &mut Turn) {
        turn.at = turn.at.map(|at| self.latest.map_or(at, |latest| at.max(latest)));
        turn.ended = turn.ended.map(|ended| turn.at.map_or(ended, |at| ended.max(at)));
        self.latest = turn.at.or(self.latest);
        match turn.role {
            Role::User if turn.session.is_some() => {}
            Role::User => self.asked = Some(turn.id.clone()),
            Role::Assistant => turn.asked = turn.asked.take().or_else(|| self.asked.clone()),
        }
        if self.spoken.len() < SHARE_ITEMS_MAX && ItemKey::message(&turn.id).is_ok() {
            self.places.insert(turn.id.clone(), self.spoken.len());
            if turn.role == Role::User && turn.session.is_none() {
                self.prompts.push(self.spoken.len());
            }
            if turn.at.is_some() {
                self.timed.push(self.spoken.len());
            }
            let (id, at, asked, session) = (turn.id.clone(), turn.at, turn.asked.clone(), turn.session.clone());
            self.spoken.push(Spoken { id, role: turn.role, at, asked, tokens: None, session, is_gone: false });
        }
    }

    /// Counts a message's tokens into the session's, once.
    fn account(&mut self, turn: &Turn) {
        let place = self.places.get(&turn.id).copied();
        if let (Some(now), Some(spoken)) = (turn.tokens, place.and_then(|place| self.spoken.get_mut(place))) {
            let before = spoken.tokens.replace(now).unwrap_or_default();
            self.session.tokens.grow(&now, &before);
        }
    }

    fn tell(&mut self, turn: &Turn) {
        if let Some(session) = &self.session.id {
            self.out.put("message", &turn.item(session, self.is_child));
        }
    }

    fn words(&mut self, kind: &str, message: &str, id: &str, text: &str, at: Option<i64>) {
        if text.is_empty() {
            return;
        }
        let mut members = json!({ "text": bounded(text) });
        if let Some(at) = at {
            members["time"] = json!({ "start": at, "end": at });
        }
        self.part(message, id, kind, members);
    }

    /// Adds a part to a message that is there. A part of a message that was taken back, or that no share holds, goes nowhere.
    fn part(&mut self, message: &str, id: &str, kind: &str, more: Value) {
        let spoken = self.places.get(message).and_then(|place| self.spoken.get(*place));
        let session = spoken.and_then(|spoken| spoken.session.as_ref().or(self.session.id.as_ref()));
        let Some(session) = session else { return };
        let mut part = json!({ "id": id, "messageID": message, "sessionID": session, "type": kind });
        if let (Value::Object(part), Value::Object(more)) = (&mut part, more) {
            part.extend(more.into_iter().filter(|(name, _)| name != "type"));
        }
        self.out.put("part", &part);
    }
}

impl fmt::Debug for Talk {
    /// Shows no contents: they do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk").field("agent", &self.agent).field("messages", &self.places.len()).finish_non_exhaustive()
    }
}

/// Adds what is newly known of a message.
fn merge(known: &mut Turn, now: Turn) {
    known.ended = match (known.ended, now.ended) {
        (Some(before), Some(ended)) => Some(before.max(ended)),
        (before, ended) => ended.or(before),
    };
    known.tokens = now.tokens.or(known.tokens);
    known.cost = now.cost.or(known.cost);
    known.fault = now.fault.or_else(|| known.fault.take());
    if !now.model.is_empty() {
        (known.model, known.provider) = (now.model, now.provider);
    }
}
