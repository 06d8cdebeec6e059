//! The bundled recording: what an OpenCode CLI sent to its share host while it worked, line by line, with the times.
//!
//! It is read twice, in two ways: as items to be sent, and folded into plain JSON values by a few lines that know nothing
//! of our keys' code, which is what the follower's copy is held against.

use std::collections::BTreeMap;
use std::time::Duration;

use capshare::client::{Items, Replica};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::connect::of_refusal;
use crate::cli::exit::{Exit, Failure};

const RECORDING: &str = include_str!("../../../tests/data/opencode-recording.jsonl");

/// A recorded session.
pub(super) struct Recording {
    pub(super) session: String,
    pub(super) syncs: Vec<Sync>,
    /// What a share of it must hold in the end.
    folded: BTreeMap<String, Value>,
}

/// One recorded sync.
pub(super) struct Sync {
    /// When, from the beginning on.
    pub(super) at: Duration,
    pub(super) items: Items,
}

#[derive(Deserialize)]
struct Line<'a> {
    t: u64,
    #[serde(borrow)]
    body: Body<'a>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(rename = "sessionID")]
    session: Option<String>,
    #[serde(borrow, default)]
    data: Vec<&'a RawValue>,
}

impl Recording {
    pub(super) fn read() -> Result<Self, Failure> {
        let damaged = |what: &str| Failure::new(Exit::Failed, format!("the bundled recording is damaged: {what}"));
        let mut recording = Self { session: String::new(), syncs: Vec::new(), folded: BTreeMap::new() };
        let mut first = None;
        for line in RECORDING.lines() {
            let line: Line<'_> = serde_json::from_str(line).map_err(|error| damaged(&error.to_string()))?;
            let begin = *first.get_or_insert(line.t);
            recording.session = line.body.session.unwrap_or(recording.session);
            let mut items = Items::new();
            for item in &line.body.data {
                items.sync_data(item.get()).map_err(|refusal| of_refusal(&refusal))?;
                let item = serde_json::from_str(item.get()).map_err(|error| damaged(&error.to_string()))?;
                fold(&mut recording.folded, &item).ok_or_else(|| damaged("an item without its ids"))?;
            }
            if !items.is_empty() {
                recording.syncs.push(Sync { at: Duration::from_millis(line.t.saturating_sub(begin)), items });
            }
        }
        Ok(recording)
    }

    /// How long it took.
    pub(super) fn duration(&self) -> Duration {
        self.syncs.last().map_or(Duration::ZERO, |sync| sync.at)
    }

    pub(super) fn items_sent(&self) -> usize {
        self.syncs.iter().map(|sync| sync.items.len()).sum()
    }

    /// How many items both hold, all of them the same; else what is not.
    pub(super) fn compare(&self, held: &Replica) -> Result<usize, String> {
        let held: BTreeMap<String, Value> = held
            .iter()
            .map(|(key, value)| (key.to_string(), serde_json::from_str(value.as_str()).unwrap_or(Value::Null)))
            .collect();
        if let Some(key) = self.folded.keys().find(|key| !held.contains_key(*key)) {
            return Err(format!("the follower lacks {key}, which was sent: please report this"));
        }
        for (key, value) in &held {
            match self.folded.get(key) {
                Some(sent) if sent == value => {}
                Some(_) => {
                    return Err(format!("the follower holds another value of {key} than was sent: please report this"));
                }
                None => return Err(format!("the follower holds {key}, which was not sent: please report this")),
            }
        }
        Ok(held.len())
    }
}

/// Replaces what has the same key.
fn fold(folded: &mut BTreeMap<String, Value>, item: &Value) -> Option<()> {
    let data = &item["data"];
    let id = |value: &Value, name: &str| Some(value[name].as_str()?.to_owned());
    match item["type"].as_str()? {
        kind @ ("session" | "session_diff") => drop(folded.insert(kind.to_owned(), data.clone())),
        "message" => drop(folded.insert(format!("message/{}", id(data, "id")?), data.clone())),
        "part" => drop(folded.insert(format!("part/{}/{}", id(data, "messageID")?, id(data, "id")?), data.clone())),
        "model" => {
            for model in data.as_array()? {
                folded.insert(format!("model/{}/{}", id(model, "providerID")?, id(model, "id")?), model.clone());
            }
        }
        _ => return None,
    }
    Some(())
}
