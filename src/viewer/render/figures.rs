//! What a session took and changed, in numbers: the figures that every document shows. The web page counts them in the same way
//! (`viewer/page/app/model/figures.ts`).

use crate::viewer::render::read::{self, Head, Session, Tokens};

/// The figures of a session. What nobody counted is not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Figures {
    /// US dollars.
    pub(super) cost: f64,
    /// Numbers of tokens that went into the models, those from a cache too, and of tokens that came out of them, thoughts too.
    pub(super) tokens: Option<(u64, u64)>,
    started: Option<f64>,
    ended: Option<f64>,
}

impl Figures {
    /// Counts a message.
    pub(super) fn add(&mut self, head: &Head) {
        self.cost += head.cost.filter(|cost| cost.is_finite()).unwrap_or_default();
        if let Some((input, output)) = head.tokens.as_ref().and_then(counted) {
            let (before, after) = self.tokens.unwrap_or_default();
            self.tokens = Some((before.saturating_add(input), after.saturating_add(output)));
        }
        if let Some(created) = head.time.created {
            self.started = Some(self.started.map_or(created, |started| started.min(created)));
        }
        if let Some(last) = head.time.completed.or(head.time.created) {
            self.ended = Some(self.ended.map_or(last, |ended| ended.max(last)));
        }
    }

    /// Takes what the session says of itself, which holds for all of it, also for messages that are not in the share.
    pub(super) fn of_session(mut self, session: &Session) -> Self {
        if let Some(tokens) = session.tokens.as_ref().and_then(counted) {
            self.tokens = Some(tokens);
            self.cost = session.cost.filter(|cost| cost.is_finite()).unwrap_or_default();
        }
        self.started = self.started.or(session.time.created);
        self
    }

    /// From the first message to the last sign of work, in milliseconds; `None` where nothing says that it took any time.
    pub(super) fn duration(&self) -> Option<f64> {
        Some(self.ended? - self.started?).filter(|took| *took > 0.0)
    }
}

/// `None`: nobody counted them.
fn counted(tokens: &Tokens) -> Option<(u64, u64)> {
    let count = |n: f64| n.max(0.0) as u64;
    Some((
        count(tokens.input?).saturating_add(count(tokens.cache.read)),
        count(tokens.output).saturating_add(count(tokens.reasoning)),
    ))
}

/// Numbers of files changed, of lines added and of lines removed: of the list of changes, else as the session says.
pub(super) fn changes(session_diff: Option<&str>, session: &Session) -> Option<(u64, u64, u64)> {
    let count = |n: f64| n.max(0.0) as u64;
    let diffs = session_diff.map(read::file_diffs).unwrap_or_default();
    if diffs.is_empty() {
        let summary = &session.summary;
        let files = summary.files.map(count).filter(|files| *files > 0)?;
        let lines = |n: Option<f64>| n.map(count).unwrap_or_default();
        return Some((files, lines(summary.additions), lines(summary.deletions)));
    }
    let (mut added, mut removed) = (0, 0);
    for diff in &diffs {
        let (more, less) = diff.lines();
        added += more;
        removed += less;
    }
    Some((diffs.len() as u64, added, removed))
}
