//! An export that is read as its text comes: of the text no more is held than the value that is being looked at.

use std::collections::VecDeque;
use std::fmt;

use serde_json::value::RawValue;

use crate::share::error::Refusal;
use crate::share::limits::TRANSCRIPT_DOCUMENT_BYTES_MAX;
use crate::transcripts::export::member::Member;
use crate::transcripts::export::revert::Revert;
use crate::transcripts::export::value::Value;
use crate::transcripts::export::{ExportError, ExportMessage};
use crate::transcripts::item_lines::id_of_session;
use crate::transcripts::piece::Piece;
use crate::transcripts::report::{LeftOut, Report};
use crate::transcripts::values::utf8;

/// Places where an export may begin that are tried: what is printed before it has few braces.
const STARTS_MAX: usize = 64;

/// Items beside the messages that go into one piece, and their bytes, after which a piece takes no more.
const BESIDE_MAX: usize = 100;
const BESIDE_BYTES_MAX: usize = 1 << 20;

/// Reads an OpenCode export as far as it goes, while its text comes: what is no item is left out and counted, what other programs printed
/// before and behind the export is passed over, and of one that ends early the messages before its end are given out. What the session's
/// `revert` says was taken back is removed.
///
/// [`feed`](Self::feed) takes the text, in pieces of any size; [`take`](Self::take) gives out the session, then each message with its
/// parts, then what is beside them. After the last of the text comes [`end`](Self::end), and then what `take` still has. Nothing is given out of a
/// text that is no export. A reader holds one message, and before it knows that the text is an export all of the text.
///
/// ```
/// use capshare::transcripts::ExportReader;
///
/// let mut reader = ExportReader::default();
/// reader.feed(br#"Exporting... {"info": {"id": "ses_1"}, "messages": [{"info": {"id": "msg_1"}, "#);
/// assert_eq!(reader.take().unwrap().0.session.as_deref(), Some("ses_1"));
/// assert!(reader.take().is_none());
/// reader.feed(br#""parts": []}]}"#);
/// assert_eq!(reader.take().unwrap().0.changes[0].key.to_string(), "message/msg_1");
/// assert_eq!(reader.end(), Ok(true));
/// ```
pub struct ExportReader {
    /// What was fed and may be needed again.
    text: Vec<u8>,
    /// Up to here the text was looked at.
    at: usize,
    /// Here the name or the value begins that is being looked at.
    from: usize,
    /// Bytes that were fed, and how many of them came before [`text`](Self::text).
    fed: usize,
    passed: usize,
    place: Place,
    value: Value,
    /// The name of the member whose value is being read.
    member: Member,
    /// Where the object begins that may be the export, until it is known to be.
    start: usize,
    starts: usize,
    has_info: bool,
    has_messages: bool,
    pieces: VecDeque<(Piece, u64)>,
    /// What stands beside the messages, and bytes of the text that it was made of.
    beside: Piece,
    beside_bytes: usize,
    /// What was taken back.
    revert: Option<Revert>,
    report: Report,
    /// Why the first object that may have been the export is none.
    why: Option<String>,
}

/// What is awaited in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The object that may be the export.
    Outside,
    /// A member's name; `true`: or the end of an object without any.
    Name(bool),
    InName,
    Colon,
    Value,
    InValue,
    /// A comma between members, or the end of the object.
    Comma,
    /// An element of a list; `true`: or the end of a list without any.
    Element(bool),
    InElement,
    /// A comma between elements, or the end of the list.
    ListComma,
    /// The export has ended.
    Over,
    /// The export goes on with what is no JSON.
    Broken,
}

impl Default for ExportReader {
    fn default() -> Self {
        Self {
            text: Vec::new(),
            at: 0,
            from: 0,
            fed: 0,
            passed: 0,
            place: Place::Outside,
            value: Value::default(),
            member: Member::Unknown,
            start: 0,
            starts: 0,
            has_info: false,
            has_messages: false,
            pieces: VecDeque::new(),
            beside: Piece::default(),
            beside_bytes: 0,
            revert: None,
            report: Report::default(),
            why: None,
        }
    }
}

impl ExportReader {
    /// Takes more of the text, in UTF-8. Bytes that are none are read as U+FFFD. Of a text above
    /// [`TRANSCRIPT_DOCUMENT_BYTES_MAX`] the rest is passed over, and
    /// [`end`](Self::end) says so.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.fed = self.fed.saturating_add(bytes.len());
        if self.fed > TRANSCRIPT_DOCUMENT_BYTES_MAX || matches!(self.place, Place::Over | Place::Broken) {
            return;
        }
        self.text.extend_from_slice(bytes);
        while self.step() {}
        let kept = if !self.is_export() && self.place != Place::Outside {
            self.start
        } else if matches!(self.place, Place::InName | Place::InValue | Place::InElement) {
            self.from
        } else {
            self.at
        };
        self.text.drain(..kept);
        self.passed += kept;
        (self.at, self.from, self.start) = (self.at - kept, self.from.saturating_sub(kept), 0);
    }

    /// The next piece, and the number of bytes of the text that it was made of. `None`: more of the text is needed.
    pub fn take(&mut self) -> Option<(Piece, u64)> {
        if self.is_export() { self.pieces.pop_front() } else { None }
    }

    /// Takes note that no more text comes. `false`: the export does not come to its end, because it was cut off or is broken somewhere; the
    /// message where that is, and what came after it, is missing.
    ///
    /// # Errors
    /// [`ExportError::NotAnExport`], then nothing was given out; or [`ExportError::TooLarge`], then the messages were that stand before the limit.
    pub fn end(&mut self) -> Result<bool, ExportError> {
        if self.fed > TRANSCRIPT_DOCUMENT_BYTES_MAX {
            return Err(ExportError::TooLarge { bytes: self.fed });
        }
        // An object that never ends may have begun in what was printed before the export.
        while !self.is_export() && self.place != Place::Outside {
            self.is_none("it ends early".to_owned());
            while self.step() {}
        }
        if !self.is_export() {
            let reason = self.why.take().unwrap_or_else(|| "it has no JSON object".to_owned());
            return Err(ExportError::NotAnExport { reason });
        }
        self.tell_beside();
        Ok(self.place == Place::Over)
    }

    /// Counts of what is not among the pieces, or not whole, up to now.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    fn is_export(&self) -> bool {
        self.has_info && self.has_messages
    }

    /// Looks at the next byte that tells something. `false`: more of the text is needed.
    fn step(&mut self) -> bool {
        match self.place {
            Place::Over | Place::Broken => return false,
            Place::Outside => return self.begin(),
            Place::InName | Place::InValue | Place::InElement => return self.go_on(),
            Place::Name(_) | Place::Colon | Place::Value | Place::Comma | Place::Element(_) | Place::ListComma => {}
        }
        let Some(byte) = self.text.get(self.at).copied() else { return false };
        let awaited = self.place;
        let mut next = |place| {
            self.at += 1;
            self.place = place;
        };
        match (awaited, byte) {
            (_, byte) if byte.is_ascii_whitespace() => self.at += 1,
            (Place::Name(_), b'"') => self.look_at(Place::InName),
            (Place::Name(true) | Place::Comma, b'}') => {
                next(Place::Over);
                if !self.is_export() {
                    let missing = if self.has_info { "messages" } else { "info" };
                    self.is_none(format!("it has no member \"{missing}\""));
                }
            }
            (Place::Colon, b':') => next(Place::Value),
            (Place::Value, b'[') if self.member.is_list() => {
                next(Place::Element(true));
                self.has_messages |= self.member == Member::Messages;
            }
            (Place::Value, _) if self.member == Member::Messages => self.is_wrong(),
            (Place::Value, _) => self.look_at(Place::InValue),
            (Place::Comma, b',') => next(Place::Name(false)),
            (Place::Element(true) | Place::ListComma, b']') => next(Place::Comma),
            (Place::Element(_), _) => self.look_at(Place::InElement),
            (Place::ListComma, b',') => next(Place::Element(false)),
            _ => self.is_wrong(),
        }
        true
    }

    /// Finds the next object that may be the export.
    fn begin(&mut self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(at) = memchr::memchr(b'{', rest).filter(|_| self.starts < STARTS_MAX) else {
            self.at = self.text.len();
            return false;
        };
        self.starts += 1;
        self.start = self.at + at;
        self.at = self.start + 1;
        self.place = Place::Name(true);
        true
    }

    /// A name or a value begins here.
    fn look_at(&mut self, place: Place) {
        (self.from, self.place, self.value) = (self.at, place, Value::default());
    }

    /// Goes on with the name or the value that is being looked at.
    fn go_on(&mut self) -> bool {
        if !self.value.has_ended(&self.text, &mut self.at) {
            return false;
        }
        let text = std::mem::take(&mut self.text);
        let found = utf8(text.get(self.from..self.at).unwrap_or_default());
        if found.is_empty() {
            self.is_wrong();
        } else if self.place == Place::InName {
            self.member = Member::of(&found);
            self.place = Place::Colon;
        } else if self.place == Place::InElement {
            self.place = Place::ListComma;
            self.element(&found);
        } else {
            self.place = Place::Comma;
            self.value(&found);
        }
        drop(found);
        self.text = text;
        true
    }

    /// The text is not what an export has there.
    fn is_wrong(&mut self) {
        if self.is_export() {
            self.place = Place::Broken;
        } else {
            self.is_none(format!("it is not JSON, or not of this form, at byte {}", self.passed + self.at));
        }
    }

    /// The object that may have been the export is none: the next one is tried.
    fn is_none(&mut self, why: String) {
        self.why.get_or_insert(why);
        (self.place, self.at) = (Place::Outside, self.start + 1);
        (self.has_info, self.has_messages) = (false, false);
        (self.beside, self.beside_bytes, self.revert, self.report) = (Piece::default(), 0, None, Report::default());
        self.pieces.clear();
    }

    /// Takes the value of a member that is no list.
    fn value(&mut self, json: &str) {
        match self.member {
            // Only the first one says the session: pieces of it may have been given out.
            Member::Info if self.has_info => self.report.leave_out(LeftOut::NotAnItem),
            Member::Info => {
                let mut first = Piece::default();
                if json != "null" {
                    let put = first.put("session", json);
                    self.count(put);
                }
                first.session = serde_json::from_str::<&RawValue>(json).ok().and_then(id_of_session);
                self.has_info = true;
                self.revert = Revert::of(json);
                // The messages may come before it.
                if let Some(revert) = &mut self.revert {
                    self.pieces.iter_mut().for_each(|(piece, _)| revert.apply(piece));
                }
                self.pieces.push_front((first, json.len() as u64));
            }
            Member::SessionDiff if json != "null" => {
                let put = self.beside.put("session_diff", json);
                self.count(put);
            }
            Member::Subagents | Member::Models | Member::Other if json != "null" => {
                self.report.leave_out(LeftOut::NotAnItem)
            }
            Member::Messages
            | Member::Subagents
            | Member::Models
            | Member::SessionDiff
            | Member::Other
            | Member::Unknown => {}
        }
    }

    /// Takes an element of a list.
    fn element(&mut self, json: &str) {
        if matches!(self.member, Member::Messages | Member::Subagents) {
            return self.message(json);
        }
        let put =
            if self.member == Member::Models { self.beside.put("model", json) } else { self.beside.sync_data(json) };
        self.count(put);
        self.beside_bytes += json.len();
        if self.beside.changes.len() >= BESIDE_MAX || self.beside_bytes >= BESIDE_BYTES_MAX {
            self.tell_beside();
        }
    }

    fn message(&mut self, json: &str) {
        let Ok(message) = serde_json::from_str::<ExportMessage<'_>>(json) else {
            return self.report.leave_out(LeftOut::NotAnItem);
        };
        let mut piece = Piece::default();
        let put = piece.put("message", message.info.get());
        self.count(put);
        for part in message.parts {
            let put = piece.put("part", part.get());
            self.count(put);
        }
        if let Some(revert) = &mut self.revert {
            revert.apply(&mut piece);
        }
        self.pieces.push_back((piece, json.len() as u64));
    }

    fn tell_beside(&mut self) {
        let beside = std::mem::take(&mut self.beside);
        self.beside_bytes = 0;
        if !beside.changes.is_empty() {
            self.pieces.push_back((beside, 0));
        }
    }

    fn count(&mut self, put: Result<bool, Refusal>) {
        match put {
            Ok(true) => self.report.made_smaller(),
            Ok(false) => {}
            Err(Refusal::LimitExceeded { .. }) => self.report.leave_out(LeftOut::TooLarge),
            Err(_) => self.report.leave_out(LeftOut::NotAnItem),
        }
    }
}

impl fmt::Debug for ExportReader {
    /// Shows no contents: they do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportReader").field("fed", &self.fed).field("place", &self.place).finish_non_exhaustive()
    }
}
