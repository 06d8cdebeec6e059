//! A transcript on its way into a share: each record goes to the reader of its agent, and the items come back.

use std::collections::HashSet;
use std::fmt;

use crate::contract::repair::repaired;
use crate::share::item::ItemKey;
use crate::share::limits::{
    SHARE_ITEMS_MAX, TRANSCRIPT_DOCUMENT_BYTES_MAX, TRANSCRIPT_LINE_BYTES_MAX, TRANSCRIPT_SUBAGENTS_MAX,
};
use crate::transcripts::agent::Agent;
use crate::transcripts::dialect::{Dialect, Origin, Record};
use crate::transcripts::out::Out;
use crate::transcripts::piece::Piece;
use crate::transcripts::report::{LeftOut, Report};
use crate::transcripts::session::subagent;
use crate::transcripts::table::entry;
use crate::transcripts::talk::Talk;
use crate::transcripts::values::utf8;

/// Reads one session, record by record: the transcript of its agent, and those of the subagents that it began.
///
/// Each method gives out the [`Piece`] that is ready, or `None` if there is nothing new. Dropping a reader loses what it was
/// still gathering, and nothing else. The [module's page](super) has an example.
pub struct Reader {
    agent: Agent,
    origin: String,
    main: Thread,
    /// The subagents' threads, by the names under which they were begun.
    below: Vec<Below>,
    /// The ids of calls that began subagents and were taken back, and the sessions of these; as many as a share has items.
    gone: HashSet<String>,
    /// The names of subagents past those that are read: whoever finds one's file finds it again and again.
    too_many: HashSet<String>,
    /// A piece with the session's id was given out.
    session_is_told: bool,
}

/// One transcript: its dialect, and the conversation that comes of it.
struct Thread {
    dialect: Box<dyn Dialect>,
    talk: Talk,
}

/// A subagent's transcript.
struct Below {
    name: String,
    /// The call that began it, until the call was seen.
    call: Option<String>,
    thread: Thread,
    /// It was tied to the call that began it, or that asked for what it does.
    is_tied: bool,
    /// Its call was taken back, so none of its messages is shown.
    is_gone: bool,
}

impl Reader {
    /// Makes a reader for a transcript of an agent.
    ///
    /// `origin` tells this transcript from others where nothing in it does: a recording of a terminal without a time gets its
    /// session id from it, and the session of Kimi Code and kimi-cli is named by the folder of its file. The absolute path of the file is a good
    /// origin. Nothing else of it appears in any item.
    #[must_use]
    pub fn new(agent: Agent, origin: &str) -> Self {
        let talk = Talk::of(agent.name());
        let main = Thread { dialect: (entry(agent).begin)(&Origin { name: origin, is_child: false }), talk };
        let (below, gone, too_many) = (Vec::new(), HashSet::new(), HashSet::new());
        Self { agent, origin: origin.to_owned(), main, below, gone, too_many, session_is_told: false }
    }

    /// Lets records that are no part of the conversation into the share's `other` lane: what the program wrote for its model and
    /// for itself, and what is not known. Without this they are counted and left out, because they hold instructions, notes and
    /// names of files that nobody said.
    #[must_use]
    pub fn with_context(mut self, with_context: bool) -> Self {
        self.main.talk.out.with_context(with_context);
        self
    }

    /// The agent that wrote the transcript.
    #[must_use]
    pub fn agent(&self) -> Agent {
        self.agent
    }

    /// The id of the transcript's session, once a record has said it.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.main.talk.session.id.as_deref()
    }

    /// Counts of the records up to now that are not shown in the conversation.
    #[must_use]
    pub fn report(&self) -> &Report {
        self.main.talk.out.report()
    }

    /// Says what the session's share holds from an earlier push. What of it the transcript does not say any more is removed by the
    /// next [`pause`](Self::pause) or [`end`](Self::end), so that the share becomes what a new share would be. Items that no transcript
    /// of the agent makes stay: the session's file changes, and those of the `other` lane whose type does not begin with the agent's name.
    /// To be called before the first line, or at least before the first `pause`.
    pub fn held(&mut self, keys: impl IntoIterator<Item = ItemKey>) {
        keys.into_iter().for_each(|key| self.main.talk.out.held(&key));
    }

    /// The lines are only the later part of the session, because a file with the earlier part is not there. Nothing that the share
    /// holds is removed for not having been said again, until [`restart`](Self::restart).
    pub fn is_a_part(&mut self) {
        self.main.talk.out.keep_all(true);
    }

    /// Takes the next line, without its line break.
    pub fn line(&mut self, line: &[u8]) -> Option<Piece> {
        self.main.line(line);
        self.drop_orphans();
        self.piece()
    }

    /// Takes a file that is one JSON document ([`Form::Document`](super::Form::Document)): the whole of it, each time it has
    /// changed.
    pub fn document(&mut self, document: &[u8]) -> Option<Piece> {
        if document.len() > TRANSCRIPT_DOCUMENT_BYTES_MAX {
            self.leave_out(LeftOut::TooLarge);
        } else {
            self.main.talk.out.says_again();
            self.main.record(document);
        }
        self.drop_orphans();
        self.pause()
    }

    /// Begins the transcript of a subagent of this session, which stands below the call that began it. `name`: the subagent's name
    /// among those of the session, as the agent names it. `call`: the id of the call, if it is known from elsewhere than the
    /// transcripts. `false`: the session is not known yet, or it has as many subagents as are read.
    pub fn begin_subagent(&mut self, name: &str, call: Option<&str>) -> bool {
        if self.below.iter().any(|below| below.name == name) {
            return true;
        }
        let Some(session) = self.session() else { return false };
        if self.below.len() >= TRANSCRIPT_SUBAGENTS_MAX {
            if self.too_many.len() < SHARE_ITEMS_MAX && self.too_many.insert(name.to_owned()) {
                self.leave_out(LeftOut::Subagents);
            }
            return false;
        }
        let session = subagent(session, name);
        let is_gone = self.gone.contains(&session) || call.is_some_and(|call| self.gone.contains(call));
        let thread = Thread::child(self.agent, name, &session);
        let call = call.map(str::to_owned);
        self.below.push(Below { name: name.to_owned(), call, thread, is_tied: false, is_gone });
        true
    }

    /// Takes the next line of the transcript of a subagent that was [begun](Self::begin_subagent).
    pub fn subagent_line(&mut self, name: &str, line: &[u8]) -> Option<Piece> {
        if let Some(below) = self.below.iter_mut().find(|below| below.name == name && !below.is_gone) {
            // There is one place where items go, and whoever is read has it.
            std::mem::swap(&mut self.main.talk.out, &mut below.thread.talk.out);
            below.thread.line(line);
            std::mem::swap(&mut self.main.talk.out, &mut below.thread.talk.out);
        }
        self.piece()
    }

    /// Takes a subagent's transcript that is one JSON document, each time it has changed. The subagent was [begun](Self::begin_subagent).
    /// If nobody said which call began it, nothing is told until a call is known that asked for what the subagent does: then the document is
    /// to be given again when the session's own has changed. What the user took back leaves such documents behind.
    pub fn subagent_document(&mut self, name: &str, document: &[u8]) -> Option<Piece> {
        if document.len() > TRANSCRIPT_DOCUMENT_BYTES_MAX {
            self.leave_out(LeftOut::TooLarge);
        } else if let Some(below) = self.below.iter_mut().find(|below| below.name == name && !below.is_gone)
            && below.is_asked_for(self.agent, document, &mut self.main.talk)
        {
            std::mem::swap(&mut self.main.talk.out, &mut below.thread.talk.out);
            below.thread.record(document);
            std::mem::swap(&mut self.main.talk.out, &mut below.thread.talk.out);
        }
        self.drop_orphans();
        self.piece()
    }

    /// Takes a JSON document beside the transcript that says of the session what the transcript does not: its id, its title, its folder,
    /// its cost. To be given before the first line, and again whenever it has changed. What is no such document changes nothing.
    pub fn about(&mut self, document: &[u8]) -> Option<Piece> {
        let text = utf8(document.get(..TRANSCRIPT_LINE_BYTES_MAX).unwrap_or(document));
        if let Ok(about) = serde_json::from_str(&repaired(&text)) {
            self.main.dialect.beside(&about, &mut self.main.talk);
        }
        self.piece()
    }

    /// Counts a line that is larger than a limit, and was not read because of that.
    pub fn line_is_too_large(&mut self) {
        self.leave_out(LeftOut::TooLarge);
    }

    /// Gives out what the lines up to now make, when nothing more is at hand but more may come.
    pub fn pause(&mut self) -> Option<Piece> {
        self.settle(false);
        self.piece()
    }

    /// Gives out the rest, when nothing more comes.
    pub fn end(&mut self) -> Option<Piece> {
        self.settle(true);
        self.piece()
    }

    /// Begins anew with the first line, after the file was cut, replaced, or is another one now. `rest`: what the old file held
    /// after its last line break. What the new lines do not say any more is removed by the next [`pause`](Self::pause) or [`end`](Self::end).
    /// Subagents are to be begun anew, too.
    pub fn restart(&mut self, rest: Option<&[u8]>) -> Option<Piece> {
        if let Some(rest) = rest {
            self.main.line(rest);
        }
        self.settle(true);
        let fresh = Self::new(self.agent, &self.origin);
        let mut out = std::mem::take(&mut self.main.talk.out);
        out.read_anew();
        out.keep_all(false);
        self.main = fresh.main;
        self.main.talk.out = out;
        self.below.clear();
        self.gone.clear();
        self.piece()
    }

    fn leave_out(&mut self, why: LeftOut) {
        self.main.talk.out.leave_out(why);
    }

    fn settle(&mut self, is_over: bool) {
        self.link();
        self.main.settle(is_over);
        for below in self.below.iter_mut().filter(|below| !below.is_gone) {
            std::mem::swap(&mut self.main.talk.out, &mut below.thread.talk.out);
            below.thread.settle(is_over);
            std::mem::swap(&mut self.main.talk.out, &mut below.thread.talk.out);
        }
        // A file without a message is no newer state of the session: it was cut, or is about to be written.
        if self.main.talk.messages().next().is_some() {
            self.main.talk.out.sweep();
        }
        self.tell_version();
    }

    /// Ties subagents to the calls that began them, wherever these stand.
    fn link(&mut self) {
        for at in 0..self.below.len() {
            let Some(session) = self.session().map(|session| subagent(session, &self.below[at].name)) else { continue };
            let Some(call) = self.below.get(at).and_then(|below| below.call.clone()) else { continue };
            let mut is_tied = self.main.talk.tie(&call, &session);
            for below in &mut self.below {
                if is_tied {
                    break;
                }
                std::mem::swap(&mut self.main.talk.out, &mut below.thread.talk.out);
                is_tied = below.thread.talk.tie(&call, &session);
                std::mem::swap(&mut self.main.talk.out, &mut below.thread.talk.out);
            }
            if is_tied && let Some(below) = self.below.get_mut(at) {
                (below.call, below.is_tied) = (None, true);
            }
        }
    }

    /// Takes back the subagents whose calls were taken back.
    fn drop_orphans(&mut self) {
        let gone = self.main.talk.calls.take_orphans();
        if gone.is_empty() {
            return;
        }
        for below in &mut self.below {
            let names = [&below.call, &below.thread.talk.session.id];
            if names.into_iter().flatten().any(|name| gone.contains(name)) {
                std::mem::swap(&mut self.main.talk.out, &mut below.thread.talk.out);
                below.thread.talk.take_back_where(0, |_| true);
                std::mem::swap(&mut self.main.talk.out, &mut below.thread.talk.out);
                below.is_gone = true;
            }
        }
        if self.gone.len() < SHARE_ITEMS_MAX {
            self.gone.extend(gone);
        }
    }

    /// Says that the transcript is of a newer version, if that may be why records are not known.
    fn tell_version(&mut self) {
        let known = entry(self.agent).versions.1;
        let talk = &mut self.main.talk;
        let Some(version) = talk.session.version.as_ref().filter(|version| is_newer(version, known)) else { return };
        if !talk.out.report().unknown.is_empty() {
            talk.out.report_mut().newer(version, known);
        }
    }

    /// What is ready. It says the session if it has items, or if nobody was told it yet.
    fn piece(&mut self) -> Option<Piece> {
        let out: &mut Out = &mut self.main.talk.out;
        let is_empty = out.is_empty();
        let session = self.main.talk.session.id.clone().filter(|_| !self.session_is_told || !is_empty);
        self.session_is_told |= session.is_some();
        (session.is_some() || !is_empty).then(|| Piece { session, ..out.take() })
    }
}

impl Below {
    /// Whether a call is known that began this subagent. If not, the document says what was asked of it, and nothing that it says is told.
    fn is_asked_for(&mut self, agent: Agent, document: &[u8], caller: &mut Talk) -> bool {
        if self.is_tied || self.call.is_some() {
            return true;
        }
        let Some(session) = self.thread.talk.session.id.clone() else { return false };
        self.thread.record(document);
        let read = std::mem::replace(&mut self.thread, Thread::child(agent, &self.name, &session));
        self.is_tied = read.talk.task().is_some_and(|task| caller.tie_task(task, &session));
        self.is_tied
    }
}

impl Thread {
    /// A subagent's.
    fn child(agent: Agent, name: &str, session: &str) -> Self {
        let dialect = (entry(agent).begin)(&Origin { name, is_child: true });
        Self { dialect, talk: Talk::child(agent.name(), session) }
    }

    fn line(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        if line.len() > TRANSCRIPT_LINE_BYTES_MAX {
            return self.talk.out.leave_out(LeftOut::TooLarge);
        }
        self.record(line);
    }

    fn record(&mut self, bytes: &[u8]) {
        let raw = utf8(bytes);
        let raw = repaired(raw.trim_start_matches('\u{FEFF}').trim());
        if self.dialect.is_comment(&raw) {
            return;
        }
        match serde_json::from_str(&raw) {
            Ok(value) => self.dialect.record(&Record { raw: &raw, value }, &mut self.talk),
            Err(_) => self.talk.out.leave_out(LeftOut::NotJson),
        }
    }

    fn settle(&mut self, is_over: bool) {
        self.dialect.settle(is_over, &mut self.talk);
        self.talk.settle();
    }
}

/// Whether a version such as `2.1.332` comes after another one.
fn is_newer(version: &str, known: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        version.split(['.', '-', '+']).map_while(|number| number.parse().ok()).collect()
    };
    numbers(version) > numbers(known)
}

impl fmt::Debug for Reader {
    /// Shows no contents: they do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("agent", &self.agent).finish_non_exhaustive()
    }
}
