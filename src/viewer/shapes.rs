//! The shapes of what goes down to a viewer, as types: small payloads are written from them, and the schemas of the
//! manifest are made from all of them. [`StepShape`], [`ChangeShape`] and [`OperationShape`] are only described here: their frames are written by
//! hand, around texts that are JSON already, and a test holds those frames against these schemas.

use schemars::JsonSchema;
use serde::Serialize;

use crate::connections::moving::Moving;
use crate::rooms::audience::Watching;
use crate::rooms::ballot::{Asked, Counts, Settled, Verdict};
use crate::share::error::Refusal;
use crate::share::host::HostUrl;
use crate::share::revision::Revision;
use crate::share::view::ShareInfo;

/// The way from revision `base` to `revision`: changes to be folded in order.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Step")]
pub struct StepShape {
    /// The revision that the viewer must stand at; 0 in a snapshot.
    pub base: u64,
    /// The revision that it stands at when it has folded the whole step.
    pub revision: u64,
    /// How many syncs the share has accepted.
    pub sync_count: u64,
    /// Another piece of the same step follows, as `changes`.
    pub more: bool,
    /// In a snapshot, for a viewer that held something: why it must forget that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resync: Option<ResyncShape>,
    /// What changed.
    pub changes: Vec<ChangeShape>,
}

/// Why a viewer must forget what it held.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Resync")]
pub enum ResyncShape {
    /// What was removed since its revision is no longer known.
    RemovalsForgotten,
    /// It stands at a revision that the share does not have.
    Ahead,
}

/// An item as it stands, or the fact that it went.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Change")]
pub struct ChangeShape {
    /// Its key: `session`, `session_diff`, `message/MSG`, `part/MSG/PRT`, `model/PROVIDER/MODEL` or `other/TYPE[/ID]`.
    pub key: String,
    /// The revision that brought it to this value, or removed it.
    pub revision: u64,
    /// The revision with which it came, if that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Its place in the order in which items first came; in the answer to `share.items`, else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
    /// Its type; absent if it was removed.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its value, as the producer sent it; absent if it was removed, or if there is a patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// With a patch: the revision of the value that it is to be applied to, which the viewer holds; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<u64>,
    /// Instead of the value: what is different from the one of revision `base`. No two operations are about the same place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<Vec<OperationShape>>,
    /// True if it was removed, else absent.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub removed: bool,
}

/// One place of a value and what becomes of it: one of `append`, `value` and `removed`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Operation")]
pub struct OperationShape {
    /// The place, as a JSON pointer (RFC 6901); empty: the whole value.
    pub path: String,
    /// To be put at the end of the text, or of the list, that is there: a text, or a list of elements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append: Option<AppendShape>,
    /// What is to stand there: another member's or element's value, or a new member's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// True if the member went, else absent.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub removed: bool,
}

/// What is put at the end.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Append")]
pub enum AppendShape {
    /// More of a text.
    Text(String),
    /// More elements of a list.
    Elements(Vec<serde_json::Value>),
}

/// The viewer has all there is and is live.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Ready {
    /// Where it stands.
    pub revision: u64,
    /// The name of this stream, for commands that are posted: whoever knows it speaks for this viewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// URLs of other hosts where the same share is, such as `https://b.example.org`, at most 16: for when this one is away. Empty if
    /// none is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Vec<String>>,
}

/// This host lets its viewers go: connect to another one, and leave this connection when that one is there.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Moving")]
pub struct MovingShape {
    /// URLs of other hosts, in the order in which they are to be tried, at most 16. Empty if none is known; the URL by which the
    /// viewer came may lead to another host.
    pub urls: Vec<String>,
    /// After so many milliseconds this connection is ended.
    pub within_ms: u64,
}

/// Who watches on this host.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Presence {
    /// How many.
    pub viewers: u64,
    /// The names of those that gave one, at most 100.
    pub names: Vec<String>,
}

/// A question of the share's owner, open until one choice has as many answers as it needs, or its time is over.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Ask {
    /// Its name, for `share.answer`.
    pub ask: String,
    /// The question.
    pub question: String,
    /// What may be answered.
    pub choices: Vec<String>,
    /// So many answers of one choice settle it.
    pub needed: u64,
    /// When it is over in any case: milliseconds since 1970.
    pub deadline: i64,
    /// Answers by choice.
    pub counts: Counts,
}

/// A question is over.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Settled")]
pub struct SettledShape {
    /// Its name.
    pub ask: String,
    /// How it ended.
    pub outcome: OutcomeShape,
    /// What was agreed on, if something was.
    pub choice: Option<String>,
    /// Answers by choice at its end.
    pub counts: Counts,
    /// Why it was withdrawn, if the host did so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<WithdrawnShape>,
}

/// Why a host withdrew a question.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Withdrawn")]
pub enum WithdrawnShape {
    /// The host drains, and its viewers go to other hosts. The question may be asked again there.
    Draining,
}

/// How a question ended.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Outcome")]
pub enum OutcomeShape {
    /// So many as were needed gave the same choice.
    Agreed,
    /// Its time was over.
    Expired,
    /// Whoever asked took it back, or the host did.
    Withdrawn,
}

/// Why something is refused, or why the stream ends.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct ErrorShape {
    /// The refusal's name.
    pub code: &'static str,
    /// What to do, for people.
    pub message: String,
    /// The same may succeed later.
    pub transient: bool,
}

/// A share's facts.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Its id.
    pub id: String,
    /// The session that it shares.
    pub session_id: String,
    /// Where people look at it.
    pub url: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// When the newest sync was accepted.
    pub updated_at: i64,
    /// From when on it is gone; null: it stays.
    pub expires_at: Option<i64>,
    /// How many syncs were accepted.
    pub sync_count: u64,
    /// The number of its state.
    pub revision: u64,
    /// How many items it holds.
    pub item_count: u64,
    /// Bytes of their keys and texts.
    pub byte_count: u64,
}

/// The host's clock.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Pong {
    /// Milliseconds since 1970.
    pub at: i64,
}

/// A question that is open now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AskNamed {
    /// Its name.
    pub ask: String,
}

/// How a question stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Counted {
    /// Answers by choice.
    pub counts: Counts,
}

/// Whose connection it is now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Authenticated {
    /// The account; null if the token is one of a share and not of an account.
    pub account: Option<String>,
}

/// A page of what a share holds. See `share.history`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "History")]
pub struct HistoryShape {
    /// The share's revision now.
    pub revision: u64,
    /// In the order in which the items first came.
    pub changes: Vec<ChangeShape>,
    /// The cursor of the next page; null after the last.
    pub next: Option<String>,
}

/// Items with their whole values. See `share.items`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Items")]
pub struct ItemsShape {
    /// Those that the share holds, of the keys that were given.
    pub changes: Vec<ChangeShape>,
    /// Keys for which there was no room in the answer: to be asked for again.
    pub left: Vec<String>,
}

impl Ready {
    pub(super) fn new(revision: Revision, stream: Option<(String, Vec<HostUrl>)>) -> Self {
        let (channel, hosts) = stream.unzip();
        Self { revision: revision.0, channel, hosts: hosts.as_deref().map(texts) }
    }
}

fn texts(urls: &[HostUrl]) -> Vec<String> {
    urls.iter().map(ToString::to_string).collect()
}

impl From<&Moving> for MovingShape {
    fn from(Moving { urls, within, .. }: &Moving) -> Self {
        Self { urls: texts(urls), within_ms: u64::try_from(within.as_millis()).unwrap_or(u64::MAX) }
    }
}

impl From<Watching> for Presence {
    fn from(Watching { viewers, names }: Watching) -> Self {
        Self { viewers: viewers as u64, names }
    }
}

impl From<Asked> for Ask {
    fn from(Asked { ask, question, choices, needed, deadline, counts }: Asked) -> Self {
        Self { ask: (*ask).into(), question, choices, needed: needed as u64, deadline: deadline.0, counts }
    }
}

impl From<Settled> for SettledShape {
    fn from(Settled { ask, outcome, counts }: Settled) -> Self {
        let reason = (outcome == Verdict::Drained).then_some(WithdrawnShape::Draining);
        let (outcome, choice) = match outcome {
            Verdict::Agreed(choice) => (OutcomeShape::Agreed, Some(choice)),
            Verdict::Expired => (OutcomeShape::Expired, None),
            Verdict::Withdrawn | Verdict::Drained => (OutcomeShape::Withdrawn, None),
        };
        Self { ask: (*ask).into(), outcome, choice, counts, reason }
    }
}

impl From<&Refusal> for ErrorShape {
    fn from(refusal: &Refusal) -> Self {
        // There is no list here that it could be an item of.
        let message = if let Refusal::InvalidInput { reason, .. } = refusal {
            reason.clone().into_owned()
        } else {
            refusal.to_string()
        };
        Self { code: refusal.code(), message, transient: refusal.is_transient() }
    }
}

impl From<ShareInfo> for Info {
    fn from(info: ShareInfo) -> Self {
        Self {
            id: info.id.as_str().to_owned(),
            session_id: info.session.as_str().to_owned(),
            url: info.url,
            created_at: info.created_at.0,
            updated_at: info.updated_at.0,
            expires_at: info.expires_at.map(|at| at.0),
            sync_count: info.sync_count,
            revision: info.revision.0,
            item_count: info.item_count,
            byte_count: info.byte_count,
        }
    }
}
