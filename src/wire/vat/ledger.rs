//! The open calls of a connection in both directions, and what capnp-rpc leaves undone for them.
//!
//! Every message passes here, on its way in and on its way out. What capnp-rpc (0.27.3) leaves undone is done to the messages:
//!
//! - It never returns a call that its caller gave up, and keeps its entry until the connection ends. So the Finish of a call that
//!   a [guard](crate::wire::guard) runs, and that no other call waits for, is held back: the guard stops the call, capnp-rpc returns
//!   it as failed, that Return goes out as `canceled`, and then the Finish is handed on, which frees the entry.
//! - A call that was given up before any guard had it (made on a promise that is not resolved) is kept by capnp-rpc all the same,
//!   and so is a call of this side that it gave up and that the peer never returns. They are counted. Past
//!   [`VatLimits::calls_kept_max`](super::VatLimits::calls_kept_max) the vat ends, and its connection is to be made anew.
//! - It never begins a tail call (a call whose results are to stay here, for the peer to name as the answer to a call of this
//!   side). So such a call is not taken: it is answered as done elsewhere, and the call of this side fails as unimplemented.
//! - It ends the connection at a capability that is offered by way of a third party. Here the capability's vine is put in its
//!   place, an object of the peer that passes calls on; an implementation that knows no third parties is meant to do that.
//! - A peer's Abort is the end of the connection. It is taken for a fault of the peer there, here for its goodbye.

mod messages;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use capnp::message::{Builder, HeapAllocator, Reader, ReaderOptions};
use capnp::raw;
use capnp::serialize::OwnedSegments;
use capnp_rpc::rpc_capnp::{
    call, cap_descriptor, exception, finish, message, message_target, payload, resolve, return_,
};

pub(super) use self::messages::Incoming;
use self::messages::{Vine, by_their_vines, cancelled, failed, sent_elsewhere};
use crate::wire::call::PeerCall;

/// Characters of a peer's Abort reason that are kept.
const LAST_WORDS_CHARS_MAX: usize = 200;

/// A cheap handle on the open calls of one vat. When the vat has ended, it keeps the last figures.
#[derive(Clone, Default)]
pub struct Ledger(Rc<Books>);

#[derive(Default)]
struct Books {
    /// The peer's calls that were not returned, by the number that the peer gave them. Bound: [`Ledger::is_full`].
    calls: RefCell<HashMap<u32, Call>>,
    /// The number of the call whose message is being handled.
    handling: Cell<Option<u32>>,
    /// Finishes that were held back, of calls that have returned. Never more than there were calls.
    due: RefCell<VecDeque<Incoming>>,
    /// Numbers of the calls that this side gave up and that the peer has not returned. Bound: [`Ledger::is_full`].
    given_up: RefCell<HashSet<u32>>,
    last_words: RefCell<Option<LastWords>>,
    kept_max: usize,
    is_full: Cell<bool>,
}

/// A call of the peer that was not returned.
struct Call {
    stage: Stage,
    /// The number of the call whose results this one is made on.
    made_on: Option<u32>,
    /// Number of calls that are made on this call's results, and of mentions of its results. While there are any, the call goes
    /// on though its caller gave it up.
    mentions: u32,
}

/// How far a call of the peer is.
enum Stage {
    /// A guard runs the call, or was just called for it.
    Running(PeerCall),
    /// No guard has taken the call up yet.
    Waiting,
    /// A guard was told to stop the call; the peer's Finish waits for that.
    Stopping(Incoming),
    /// The call was given up and left to capnp-rpc, which keeps its entry if nobody wants the results.
    Kept,
}

/// The reason that a peer gave when it ended the connection by an Abort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWords {
    /// Whether the peer only said that it disconnects, and not that something went wrong.
    pub is_goodbye: bool,
    /// The peer's text as one line of at most 200 characters, with control characters and direction marks escaped.
    pub reason: String,
}

/// What becomes of a message from the peer.
pub(super) enum TakenIn {
    HandOn(Incoming),
    /// The message is not handed on; this answer is sent, if there is one.
    Done(Option<Builder<HeapAllocator>>),
    /// The message was the peer's last one.
    End,
}

impl Ledger {
    pub(super) fn new(kept_max: usize) -> Self {
        Self(Rc::new(Books { kept_max, ..Books::default() }))
    }

    /// Number of the peer's calls that were not returned, including those that capnp-rpc keeps for ever.
    #[must_use]
    pub fn calls_open(&self) -> usize {
        self.0.calls.borrow().len()
    }

    /// Number of calls that this side gave up and that the peer has not returned.
    #[must_use]
    pub fn calls_given_up(&self) -> usize {
        self.0.given_up.borrow().len()
    }

    /// Whether the vat has ended, or is about to, because too many calls are kept; the client makes a new connection.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.is_full.get()
    }

    /// The reason that the peer gave when it ended the connection; `None` if it gave none.
    #[must_use]
    pub fn last_words(&self) -> Option<LastWords> {
        self.0.last_words.borrow().clone()
    }

    /// Takes a Finish that was held back and may be handed on now.
    pub(super) fn due(&self) -> Option<Incoming> {
        self.0.due.borrow_mut().pop_front()
    }

    /// Whether the reading task is to be woken, because a Finish is due or the vat ends.
    pub(super) fn has_news(&self) -> bool {
        self.is_full() || !self.0.due.borrow().is_empty()
    }

    /// Notes that capnp-rpc has handled the last message and asks for the next one.
    pub(super) fn handled(&self) {
        let was_taken_up = PeerCall::take_back().is_none();
        if let Some(question) = self.0.handling.take()
            && !was_taken_up
            && let Some(call) = self.0.calls.borrow_mut().get_mut(&question)
        {
            call.stage = Stage::Waiting;
        }
    }

    /// Decides what becomes of a message from the peer. A message that cannot be read here is left to capnp-rpc to refuse.
    pub(super) fn take_in(&self, message: Reader<OwnedSegments>, options: ReaderOptions) -> TakenIn {
        match self.judge(&message) {
            Ok(Verdict::Nothing) | Err(_) => TakenIn::HandOn(Incoming::Read(message)),
            Ok(Verdict::Vines(vines)) => TakenIn::HandOn(Incoming::Read(by_their_vines(message, &vines, options))),
            Ok(Verdict::Replace(made)) => TakenIn::HandOn(Incoming::Made(made)),
            Ok(Verdict::Answer(made)) => TakenIn::Done(Some(made)),
            Ok(Verdict::Finish(question)) => self.finish(question, message),
            Ok(Verdict::End) => TakenIn::End,
        }
    }

    fn judge(&self, message: &Reader<OwnedSegments>) -> capnp::Result<Verdict> {
        let vines = |vines: Vec<Vine>| if vines.is_empty() { Verdict::Nothing } else { Verdict::Vines(vines) };
        match message.get_root::<message::Reader<'_>>()?.which()? {
            message::Call(call) => {
                let call = call?;
                if let call::send_results_to::Yourself(()) = call.get_send_results_to().which()? {
                    return Ok(Verdict::Answer(sent_elsewhere(call.get_question_id())));
                }
                let verdict = vines(self.look_through(call.get_params()?)?);
                let made_on = match call.get_target()?.which()? {
                    message_target::PromisedAnswer(answer) => Some(answer?.get_question_id()),
                    message_target::ImportedCap(_) => None,
                };
                self.begin(call.get_question_id(), made_on);
                Ok(verdict)
            }
            message::Return(returned) => {
                let returned = returned?;
                let is_awaited = !self.0.given_up.borrow_mut().remove(&returned.get_answer_id());
                Ok(match returned.which()? {
                    return_::Results(results) => vines(self.look_through(results?)?),
                    return_::Exception(_) => Verdict::Nothing,
                    return_::Canceled(()) | return_::ResultsSentElsewhere(()) if !is_awaited => Verdict::Nothing,
                    return_::Canceled(()) | return_::ResultsSentElsewhere(()) => Verdict::Replace(failed(
                        returned,
                        exception::Type::Failed,
                        "the peer gave no results for a call that was not cancelled",
                    )?),
                    return_::TakeFromOtherQuestion(_) | return_::AcceptFromThirdParty(_) => Verdict::Replace(failed(
                        returned,
                        exception::Type::Unimplemented,
                        "the peer answered by a tail call, which this side does not take: answer with the results",
                    )?),
                })
            }
            message::Resolve(resolved) => match resolved?.which()? {
                resolve::Cap(capability) => Ok(vines(self.look_at(capability?)?.into_iter().collect())),
                resolve::Exception(_) => Ok(Verdict::Nothing),
            },
            message::Finish(finish) => Ok(Verdict::Finish(finish?.get_question_id())),
            message::Abort(abort) => {
                let abort = abort?;
                let is_goodbye = matches!(abort.get_type(), Ok(exception::Type::Disconnected));
                let reason = printable(abort.get_reason()?.to_str().unwrap_or_default());
                *self.0.last_words.borrow_mut() = Some(LastWords { is_goodbye, reason });
                Ok(Verdict::End)
            }
            message::Unimplemented(_)
            | message::Bootstrap(_)
            | message::Release(_)
            | message::Disembargo(_)
            | message::Provide(_)
            | message::Accept(_)
            | message::Join(_)
            | message::ObsoleteSave(_)
            | message::ObsoleteDelete(_) => Ok(Verdict::Nothing),
        }
    }

    /// Notes which calls' results are mentioned among the capabilities of a message, and finds those that are offered by way of a
    /// third party.
    fn look_through(&self, payload: payload::Reader<'_>) -> capnp::Result<Vec<Vine>> {
        let mut vines = Vec::new();
        for capability in payload.get_cap_table()? {
            vines.extend(self.look_at(capability)?);
        }
        Ok(vines)
    }

    fn look_at(&self, capability: cap_descriptor::Reader<'_>) -> capnp::Result<Option<Vine>> {
        match capability.which() {
            Ok(cap_descriptor::ThirdPartyHosted(offered)) => {
                let address = raw::get_struct_data_section(capability).as_ptr().addr();
                Ok(Some(Vine { address, export: offered?.get_vine_id() }))
            }
            Ok(cap_descriptor::ReceiverAnswer(answer)) => {
                // For how long it is held nobody says.
                if let Some(call) = self.0.calls.borrow_mut().get_mut(&answer?.get_question_id()) {
                    call.mentions += 1;
                }
                Ok(None)
            }
            Ok(
                cap_descriptor::None(())
                | cap_descriptor::SenderHosted(_)
                | cap_descriptor::SenderPromise(_)
                | cap_descriptor::ReceiverHosted(_),
            )
            | Err(capnp::NotInSchema(_)) => Ok(None),
        }
    }

    /// Enters a call of the peer that is about to be handled.
    fn begin(&self, question: u32, made_on: Option<u32>) {
        let mut calls = self.0.calls.borrow_mut();
        // A number that is in use is refused by capnp-rpc.
        if calls.contains_key(&question) {
            return;
        }
        let made_on = made_on.filter(|other| {
            let other = calls.get_mut(other);
            other.map(|other| other.mentions += 1).is_some()
        });
        let call = PeerCall::default();
        call.hand_out();
        self.0.handling.set(Some(question));
        calls.insert(question, Call { stage: Stage::Running(call), made_on, mentions: 0 });
        self.count(calls.len());
    }

    /// Handles a Finish: the peer gives up a call, or has got its results.
    fn finish(&self, question: u32, message: Reader<OwnedSegments>) -> TakenIn {
        let mut calls = self.0.calls.borrow_mut();
        let Some(call) = calls.get_mut(&question) else { return TakenIn::HandOn(Incoming::Read(message)) };
        match &call.stage {
            Stage::Running(running) if call.mentions == 0 => {
                running.give_up();
                call.stage = Stage::Stopping(Incoming::Read(message));
                return TakenIn::Done(None);
            }
            Stage::Stopping(_) => return TakenIn::Done(None),
            Stage::Running(_) | Stage::Waiting | Stage::Kept => call.stage = Stage::Kept,
        }
        if call.mentions == 0
            && let Some(other) = call.made_on.take()
        {
            release(&mut calls, other);
        }
        TakenIn::HandOn(Incoming::Read(message))
    }

    /// Takes out a call of the peer that is being returned.
    fn returned(&self, question: u32) -> Option<Stage> {
        let mut calls = self.0.calls.borrow_mut();
        let call = calls.remove(&question)?;
        if let Some(other) = call.made_on {
            release(&mut calls, other);
        }
        Some(call.stage)
    }

    /// Notes a message that is sent; `Some` is to be sent in its place.
    pub(super) fn send_out(&self, message: &Builder<HeapAllocator>) -> Option<Builder<HeapAllocator>> {
        self.note(message).unwrap_or_default()
    }

    fn note(&self, message: &Builder<HeapAllocator>) -> capnp::Result<Option<Builder<HeapAllocator>>> {
        let message: message::Reader<'_> = message.get_root_as_reader()?;
        if let message::Return(returned) = message.which()? {
            let returned = returned?;
            let question = returned.get_answer_id();
            if let Some(Stage::Stopping(finish)) = self.returned(question) {
                self.0.due.borrow_mut().push_back(finish);
                // It may have come to its results all the same.
                if let return_::Exception(_) = returned.which()? {
                    return Ok(Some(cancelled(question)));
                }
            }
        } else if let message::Finish(finish) = message.which()? {
            let finish: finish::Reader<'_> = finish?;
            // So capnp-rpc says that it has no answer yet.
            if finish.get_release_result_caps() {
                let mut given_up = self.0.given_up.borrow_mut();
                given_up.insert(finish.get_question_id());
                self.count(given_up.len());
            }
        }
        Ok(None)
    }

    fn count(&self, kept: usize) {
        if kept > self.0.kept_max {
            self.0.is_full.set(true);
        }
    }
}

/// What is to be done with a message from the peer.
enum Verdict {
    Nothing,
    /// These capabilities in the message are offered by way of a third party.
    Vines(Vec<Vine>),
    /// This message is handed on in its place.
    Replace(Builder<HeapAllocator>),
    /// The message is not handed on, and this is the answer.
    Answer(Builder<HeapAllocator>),
    Finish(u32),
    End,
}

fn release(calls: &mut HashMap<u32, Call>, question: u32) {
    if let Some(call) = calls.get_mut(&question) {
        call.mentions = call.mentions.saturating_sub(1);
    }
}

/// A text of a peer for a log: one line, without characters that a terminal obeys.
fn printable(text: &str) -> String {
    let is_mark =
        |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut line = String::new();
    for c in text.chars().take(LAST_WORDS_CHARS_MAX) {
        if c.is_control() || is_mark(c) {
            line.extend(c.escape_unicode());
        } else {
            line.push(c);
        }
    }
    line
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger")
            .field("calls_open", &self.calls_open())
            .field("calls_given_up", &self.calls_given_up())
            .field("is_full", &self.is_full())
            .finish_non_exhaustive()
    }
}
