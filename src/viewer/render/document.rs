//! A share's items at one revision, grouped as a session is read.
//!
//! A share may hold the sessions of subagents beside its own: their messages have another `sessionID`, which is the
//! `state.metadata.sessionId` of the call that began them. They stand behind the message with that call, whatever their times.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::share::item::{ItemKey, ItemKind, Payload};
use crate::viewer::render::figures::Figures;
use crate::viewer::render::order::{self, Told};
use crate::viewer::render::read::{self, Head, Part, Session};

/// A share's items, grouped. Cheap to make and to hold: it shares its texts with the state that they came from.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// The folder that the session worked in; empty if it is not known.
    pub(super) folder: String,
    pub(super) figures: Figures,
    pub(super) session: Option<Payload>,
    /// Whether all ids are of the form that OpenCode gives its own.
    pub(super) is_opencodes: bool,
    pub(super) messages: Vec<Turn>,
    pub(super) session_diff: Option<Payload>,
    pub(super) models: Vec<Payload>,
    /// Items of unknown types, and parts whose message is not there.
    pub(super) other: Vec<(ItemKey, Payload)>,
}

/// A message and its parts, in the order in which they first came.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) message: Payload,
    pub(super) parts: Vec<Payload>,
    /// Whether it is a subagent's, and stands below the call that began that one.
    pub(super) is_below: bool,
}

impl Document {
    /// Groups items that come in the order in which they first came, as states and replicas give them, and puts them into
    /// that of the session (`order`).
    pub fn gather(items: impl IntoIterator<Item = (ItemKey, Payload)>) -> Self {
        let mut document = Self { is_opencodes: true, ..Self::default() };
        let mut turns: Vec<(String, Turn)> = Vec::new();
        let mut turn_of: HashMap<String, usize> = HashMap::new();
        let mut parts = Vec::new();
        for (key, value) in items {
            match key.kind() {
                ItemKind::Session => document.session = Some(value),
                ItemKind::SessionDiff => document.session_diff = Some(value),
                ItemKind::Model { .. } => document.models.push(value),
                ItemKind::Other { .. } => document.other.push((key, value)),
                ItemKind::Message { id } => {
                    document.is_opencodes &= id.starts_with("msg_");
                    turn_of.insert(id.clone(), turns.len());
                    turns.push((id, Turn { message: value, parts: Vec::new(), is_below: false }));
                }
                ItemKind::Part { message, id } => parts.push((message, id, key, value)),
            }
        }
        // A part may have come before its message.
        let mut ids: Vec<Vec<String>> = vec![Vec::new(); turns.len()];
        for (message, id, key, value) in parts {
            match turn_of.get(&message).and_then(|turn| Some((turns.get_mut(*turn)?, ids.get_mut(*turn)?))) {
                Some(((_, turn), ids)) => {
                    document.is_opencodes &= id.starts_with("prt_");
                    turn.parts.push(value);
                    ids.push(id);
                }
                None => document.other.push((key, value)),
            }
        }
        for ((_, turn), ids) in turns.iter_mut().zip(ids) {
            let mut parts: Vec<_> = std::mem::take(&mut turn.parts).into_iter().map(Some).collect();
            turn.parts = order::of_parts(&ids).into_iter().filter_map(|place| parts.get_mut(place)?.take()).collect();
        }
        let mut told = Vec::with_capacity(turns.len());
        for (id, turn) in &turns {
            let head: Head = read::item(turn.message.as_str());
            document.figures.add(&head);
            told.push(head.told(id));
        }
        let sessions =
            told.iter().filter_map(|told| Some((told.id.clone(), told.session.clone()?))).collect::<HashMap<_, _>>();
        let mut turns: Vec<_> = turns.into_iter().map(|(_, turn)| Some(turn)).collect();
        let ordered = order::of_messages(&told)
            .into_iter()
            .filter_map(|place| Some((told.get(place)?.id.clone(), turns.get_mut(place)?.take()?)));
        let session = document.session.as_ref().map(|session| read::item::<Session>(session.as_str()));
        let id = session.as_ref().and_then(|session| session.id.as_deref());
        document.is_opencodes &= id.is_none_or(|id| id.starts_with("ses_"));
        document.folder = session.and_then(|session| session.directory).unwrap_or_default();
        document.messages = below_their_calls(ordered.collect(), document.session.as_ref(), &sessions);
        document
    }

    /// Number of messages.
    #[must_use]
    pub fn message_count(&self) -> usize {
        self.messages.len()
    }

    /// Number of parts of all messages.
    #[must_use]
    pub fn part_count(&self) -> usize {
        self.messages.iter().map(|turn| turn.parts.len()).sum()
    }

    /// Bytes of all texts.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        let size = |payload: &Payload| payload.as_str().len();
        let turns = self.messages.iter().map(|turn| size(&turn.message) + turn.parts.iter().map(size).sum::<usize>());
        let rest = self.session.iter().chain(&self.session_diff).chain(&self.models).map(size);
        turns.chain(rest).chain(self.other.iter().map(|(_, value)| size(value))).sum()
    }
}

impl Head {
    /// What the message says about its place.
    fn told(self, id: &str) -> Told {
        Told {
            id: id.to_owned(),
            parent: self.parent_id.filter(|id| !id.is_empty()),
            session: self.session_id.filter(|id| !id.is_empty()),
            is_user: self.role.or(self.kind).as_deref() == Some("user"),
            created: self.time.created.map(|at| at as i64),
        }
    }
}

/// Puts the messages of subagents behind the messages with the calls that began them. `sessions`: of each message its session.
fn below_their_calls(
    turns: Vec<(String, Turn)>,
    session: Option<&Payload>,
    sessions: &HashMap<String, String>,
) -> Vec<Turn> {
    let (ids, turns): (Vec<String>, Vec<Turn>) = turns.into_iter().unzip();
    let own = session.and_then(|session| read::item::<Session>(session.as_str()).id).filter(|id| !id.is_empty());
    let others: HashSet<&str> =
        sessions.values().map(String::as_str).filter(|session| own.as_deref() != Some(*session)).collect();
    if own.is_none() || others.is_empty() {
        return turns;
    }
    let session_of = |id: &String| sessions.get(id).filter(|session| others.contains(session.as_str()));
    // The sessions that each message began.
    let begun: Vec<Vec<String>> = turns.iter().map(|turn| begun(turn, &others)).collect();
    let has_call: HashSet<&str> = begun.iter().flatten().map(String::as_str).collect();
    let mut below: HashMap<&str, Vec<usize>> = HashMap::new();
    // The last is the next.
    let mut next = Vec::new();
    for (place, id) in ids.iter().enumerate().rev() {
        match session_of(id).filter(|session| has_call.contains(session.as_str())) {
            Some(session) => below.entry(session).or_default().push(place),
            None => next.push(Next::Turn(place, false)),
        }
    }
    let mut places = Vec::with_capacity(turns.len());
    while let Some(one) = next.pop() {
        match one {
            Next::Turn(place, is_below) => {
                places.push((place, is_below));
                next.extend(begun[place].iter().rev().map(|session| Next::Session(session)));
            }
            Next::Session(session) => {
                next.extend(below.remove(session).unwrap_or_default().into_iter().map(|place| Next::Turn(place, true)));
            }
        }
    }
    // Sessions that began each other stand below no message; they stand at the end.
    let mut left: Vec<Vec<usize>> = below.into_values().collect();
    left.sort_by_key(|places| places.last().copied());
    places.extend(left.into_iter().flat_map(|places| places.into_iter().rev()).map(|place| (place, true)));
    let mut turns: Vec<Option<Turn>> = turns.into_iter().map(Some).collect();
    let turn = |(place, is_below): (usize, bool)| Some(Turn { is_below, ..turns.get_mut(place)?.take()? });
    places.into_iter().filter_map(turn).collect()
}

/// What is put in order: a turn, and whether it stands below a call; or all turns of a subagent's session.
enum Next<'a> {
    Turn(usize, bool),
    Session(&'a str),
}

/// The sessions that calls of a message began.
fn begun(turn: &Turn, others: &HashSet<&str>) -> Vec<String> {
    let says_one = |part: &&Payload| memchr::memmem::find(part.as_str().as_bytes(), b"\"sessionId\"").is_some();
    let session = |part: &Payload| {
        let Part::Tool(tool) = Part::of(part.as_str()).1 else { return None };
        tool.state.metadata.get("sessionId").and_then(Value::as_str).map(str::to_owned)
    };
    turn.parts.iter().filter(says_one).filter_map(session).filter(|session| others.contains(session.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viewer::render::read::AnyPart;

    /// S112: messages, parts and the messages of subagents stand in one order, here and on the page (`tests/real/browser/texts.test.mjs`).
    #[test]
    fn a_session_stands_in_the_order_of_the_table() {
        let cases: Vec<Value> = serde_json::from_str(include_str!("../../../tests/data/order.json")).unwrap();
        assert!(cases.len() > 10);
        for case in cases {
            let item = |item: &Value| {
                let key = item[0].as_str().unwrap().parse().unwrap();
                (key, Payload::from_checked_json(&item[1].to_string()))
            };
            let document = Document::gather(case["items"].as_array().unwrap().iter().map(item));
            let id = |payload: &Payload| read::item::<AnyPart>(payload.as_str()).id.unwrap();
            let turn = |turn: &Turn| {
                let sign = if turn.is_below { "> " } else { "" };
                std::iter::once(format!("{sign}{}", id(&turn.message)))
                    .chain(turn.parts.iter().map(id))
                    .collect::<Vec<_>>()
            };
            let told: Vec<String> = document.messages.iter().map(|one| turn(one).join(" ")).collect();
            let expected: Vec<&str> =
                case["told"].as_array().unwrap().iter().map(|told| told.as_str().unwrap()).collect();
            assert_eq!(told, expected, "{}", case["what"]);
        }
    }
}
