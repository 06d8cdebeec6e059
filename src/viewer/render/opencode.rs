//! A share as `opencode import` takes it in, whichever agent's it is: an export with ids of OpenCode's form and all members that it asks
//! for, or the same items one by one, as OpenCode reads them from a URL.
//!
//! What OpenCode itself made stays as it is. An import puts all messages of an export into one session, so those of subagents, which are
//! of sessions of their own, stand beside the others, where it does not look: in `subagents`, in the form of `messages`. Each of these
//! sessions is an export of its own, too ([`Document::subagent_for_opencode`]).

mod fit;
mod ids;

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::share::item::{ItemKey, Payload};
use crate::viewer::render::document::{Document, Turn};
use crate::viewer::render::opencode::fit::{Model, Place};
use crate::viewer::render::opencode::ids::{Numbered, Numbers};
use crate::viewer::render::read::{self, Head, Message, Part, Session};

impl Document {
    /// The export, piece by piece. Ends with a line break.
    pub fn opencode(mut self) -> impl Iterator<Item = String> + Send {
        let (own, below) = self.split();
        let (own, below) = (Fitting::of(&self, own), Fitting::of(&self, below));
        if let Some(session) = self.session.take() {
            self.session = Some(own.session(session));
        }
        self.told(own.turns(), below.turns())
    }

    /// The sessions of subagents, in the order in which they were begun, with the ids that they have in the export.
    #[must_use]
    pub fn subagents(&self) -> Vec<String> {
        let own = self.own();
        let others =
            self.messages.iter().filter_map(|turn| session_of(turn).filter(|session| Some(session) != own.as_ref()));
        let mut seen = HashSet::new();
        let others = others.filter(|_| own.is_some()).map(|session| ids::session(&session));
        others.filter(|session| seen.insert(session.clone())).collect()
    }

    /// The export of a subagent's session, by the id that it has in the share, or in the export. `None`: there is no such session.
    #[must_use]
    pub fn subagent_for_opencode(mut self, session: &str) -> Option<impl Iterator<Item = String> + Send + use<>> {
        let wanted = ids::session(session);
        let info = self.info_of(&wanted)?;
        let (_, below) = self.split();
        let of_it = |turn: &Turn| session_of(turn).is_some_and(|session| ids::session(&session) == wanted);
        let turns: Vec<Turn> = below.into_iter().filter(of_it).collect();
        let fitting = Fitting::of(&self, turns);
        let info = fit::session(info, fitting.from(), fitting.to());
        self.session = Some(payload(&info));
        (self.session_diff, self.models, self.other) = (None, Vec::new(), Vec::new());
        Some(self.told(fitting.turns(), Vec::new().into_iter()))
    }

    /// A share's items as OpenCode imports them from a URL, each with its key: without those of subagents.
    #[must_use]
    pub fn items_for_opencode(items: Vec<(ItemKey, Payload)>) -> Vec<(ItemKey, Payload)> {
        let mut document = Self::gather(items.iter().cloned());
        // What has the id of a session of OpenCode was sent by its client, which reads it in this form.
        let is_opencodes = document.own().is_none_or(|own| own.starts_with("ses_"));
        if is_opencodes && document.subagents().is_empty() {
            return items;
        }
        let (own, _) = document.split();
        let fitting = Fitting::of(&document, own);
        let session = document.session.take().map(|session| (ItemKey::session(), fitting.session(session)));
        let mut fitted: Vec<(ItemKey, Payload)> = session.into_iter().collect();
        for turn in fitting.turns() {
            let id = id_of(&turn.message);
            fitted.extend(ItemKey::message(&id).ok().map(|key| (key, turn.message)));
            let parts = turn.parts.into_iter().filter_map(|part| Some((ItemKey::part(&id, &id_of(&part)).ok()?, part)));
            fitted.extend(parts);
        }
        let is_beside = |key: &ItemKey| !matches!(key.as_str().split('/').next(), Some("session" | "message" | "part"));
        fitted.extend(items.into_iter().filter(|(key, _)| is_beside(key)));
        fitted
    }

    /// The id of the share's own session.
    fn own(&self) -> Option<String> {
        self.session.as_ref().and_then(|session| read::item::<Session>(session.as_str()).id)
    }

    /// Takes the messages: those of the share's own session, and those of others.
    fn split(&mut self) -> (Vec<Turn>, Vec<Turn>) {
        let own = self.own();
        let is_own = |turn: &Turn| own.is_none() || session_of(turn).is_none_or(|session| Some(session) == own);
        std::mem::take(&mut self.messages).into_iter().partition(is_own)
    }

    /// What is known of a subagent's session: it has no record in the share. `wanted`: its id in the export.
    fn info_of(&self, wanted: &str) -> Option<Value> {
        let own = self.own()?;
        let session: Value = serde_json::from_str(self.session.as_ref()?.as_str()).ok()?;
        let is_it = |turn: &&Turn| session_of(turn).is_some_and(|id| id != own && ids::session(&id) == wanted);
        self.messages.iter().find(is_it)?;
        let says_it = |id: &Value| id.as_str().is_some_and(|id| ids::session(id) == wanted);
        let call = self.messages.iter().find_map(|turn| {
            let mut calls = turn.parts.iter().filter_map(|part| {
                memchr::memmem::find(part.as_str().as_bytes(), b"\"sessionId\"")?;
                let Part::Tool(tool) = Part::of(part.as_str()).1 else { return None };
                Some(tool)
            });
            let call = calls.find(|tool| tool.state.metadata.get("sessionId").is_some_and(says_it))?;
            Some((session_of(turn), call))
        });
        let (parent, call) = call.map_or((None, None), |(parent, call)| (parent, Some(call)));
        let title = call.and_then(|call| {
            let asked = call.state.input.get("description").and_then(Value::as_str).map(str::to_owned);
            asked.or(call.state.title)
        });
        Some(json!({
            "id": wanted,
            "parentID": parent.unwrap_or(own),
            "title": title.filter(|title| !title.is_empty()).unwrap_or_else(|| "Subagent".to_owned()),
            "directory": session["directory"],
            "projectID": session["projectID"],
            "version": session["version"],
        }))
    }
}

/// The turns of some sessions, and what their items need to be OpenCode's.
struct Fitting {
    turns: Vec<Turn>,
    /// Of each turn; none if they are OpenCode's already.
    known: Option<Vec<Known>>,
    created: u64,
}

/// What is known of a message from all of its session.
struct Known {
    session: String,
    ids: Numbered,
    created: u64,
    parent: String,
    model: Model,
}

/// What is known of a session up to one of its messages.
struct Thread {
    id: String,
    numbers: Numbers,
    /// The ids that messages have, by those that they had.
    ids: HashMap<String, String>,
    asked: Option<String>,
    created: u64,
    model: Model,
}

impl Fitting {
    fn of(document: &Document, turns: Vec<Turn>) -> Self {
        let session =
            document.session.as_ref().map(|session| read::item::<Session>(session.as_str())).unwrap_or_default();
        let created = session.time.created.map_or(0, |at| at as u64);
        let own = session.id.filter(|_| !document.is_opencodes);
        let known = own.map(|own| known(&turns, &own, created));
        Self { turns, known, created }
    }

    fn from(&self) -> u64 {
        self.known.as_ref().and_then(|known| known.first()).map_or(self.created, |known| known.created)
    }

    fn to(&self) -> u64 {
        self.known.iter().flatten().map(|known| known.created).max().unwrap_or(self.created)
    }

    /// The session's record.
    fn session(&self, session: Payload) -> Payload {
        if self.known.is_none() {
            return session;
        }
        payload(&fit::session(value(&session), self.from(), self.to()))
    }

    fn turns(self) -> impl ExactSizeIterator<Item = Turn> + Send {
        let mut known = self.known.map(Vec::into_iter);
        self.turns.into_iter().map(move |turn| match known.as_mut().and_then(Iterator::next) {
            Some(known) => known.fitted(&turn),
            None => turn,
        })
    }
}

impl Known {
    fn fitted(&self, turn: &Turn) -> Turn {
        let turn = turn.opened();
        let place = Place { session: &self.session, ids: &self.ids, created: self.created };
        let parts = turn.parts.iter().enumerate().map(|(at, part)| payload(&fit::part(value(part), at, &place)));
        Turn {
            message: payload(&fit::message(value(&turn.message), &place, &self.parent, &self.model)),
            parts: parts.collect(),
            is_below: turn.is_below,
        }
    }
}

fn known(turns: &[Turn], own: &str, created: u64) -> Vec<Known> {
    let heads: Vec<(Head, Message)> = turns
        .iter()
        .map(|turn| {
            let turn = turn.opened();
            (read::item(turn.message.as_str()), read::item(turn.message.as_str()))
        })
        .collect();
    let of = |head: &Head| head.session_id.clone().unwrap_or_else(|| own.to_owned());
    // A user's message is for the model that answers it.
    let mut answered: HashMap<String, Model> = HashMap::new();
    let mut models: Vec<Option<Model>> = heads
        .iter()
        .rev()
        .map(|(head, message)| {
            let said = model(message);
            if let Some(said) = &said {
                answered.insert(of(head), said.clone());
            }
            let is_user = message.role.as_deref() == Some("user");
            said.or_else(|| answered.get(&of(head)).filter(|_| is_user).cloned())
        })
        .collect();
    models.reverse();
    let mut threads: HashMap<String, Thread> = HashMap::new();
    let known = heads.into_iter().zip(models).enumerate().map(|(at, ((head, message), model))| {
        let session = of(&head);
        let thread = threads.entry(session).or_insert_with_key(|session| Thread {
            id: ids::session(session),
            numbers: Numbers::of(session),
            ids: HashMap::new(),
            asked: None,
            created,
            model: Model::default(),
        });
        thread.created = message.time.created.filter(|at| *at >= 0.0).map_or(thread.created, |at| at as u64);
        let id = message.id.unwrap_or_else(|| at.to_string());
        let ids = thread.numbers.next(&id, thread.created);
        let is_user = message.role.as_deref() == Some("user");
        if let Some(model) = model {
            thread.model = model;
        } else if !is_user {
            thread.model = Model::default();
        }
        let parent = head.parent_id.and_then(|parent| thread.ids.get(&parent).cloned());
        let parent = parent.or_else(|| thread.asked.clone()).unwrap_or_else(|| ids.message.clone());
        if is_user {
            thread.asked = Some(ids.message.clone());
        }
        thread.ids.insert(id, ids.message.clone());
        Known { session: thread.id.clone(), ids, created: thread.created, parent, model: thread.model.clone() }
    });
    known.collect()
}

fn model(message: &Message) -> Option<Model> {
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let said = message.model.as_ref();
    let id = filled(&message.model_id).or_else(|| filled(&said?.model_id)).or_else(|| filled(&said?.id))?;
    let provider = filled(&message.provider_id).or_else(|| filled(&said?.provider_id));
    Some(Model { provider, id: Some(id) })
}

fn session_of(turn: &Turn) -> Option<String> {
    read::item::<Head>(turn.message.as_str()).session_id
}

fn id_of(item: &Payload) -> String {
    read::item::<Message>(item.as_str()).id.unwrap_or_default()
}

fn value(payload: &Payload) -> Value {
    serde_json::from_str(payload.as_str()).unwrap_or_default()
}

fn payload(value: &Value) -> Payload {
    Payload::from_checked_json(&value.to_string())
}
