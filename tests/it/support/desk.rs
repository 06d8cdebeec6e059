//! Access for scenes: tokens that are given out, revoked, and looked at once more when the scene says so; and hooks that
//! write down what they see.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use capshare::__internal::access::{Access, Credential, Principal, Scopes};
use capshare::__internal::connections::entry::Entry;
use capshare::__internal::connections::hooks::{ConnectionHooks, HookError};
use capshare::share::error::Refusal;
use capshare::share::secret::Secret;
use capshare::share::time::Timestamp;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::support::patience::within;

/// Who may come in.
#[derive(Debug, Clone)]
pub(crate) struct Desk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    valid: Mutex<BTreeMap<String, Principal>>,
    /// Second looks that have begun.
    looks: watch::Sender<usize>,
    /// Second looks that may go on.
    released: watch::Sender<bool>,
    /// What second looks meet, if not a valid token.
    fault: Mutex<Option<Refusal>>,
}

/// A principal of an account, by a token of this id with scopes.
pub(crate) fn token(account: &str, id: &str, scopes: Scopes) -> Principal {
    Principal {
        account: account.parse().unwrap(),
        credential: Credential::Token(id.to_owned()),
        scopes,
        expires_at: None,
    }
}

/// The same by a login session.
pub(crate) fn session(account: &str, id: &str) -> Principal {
    Principal { credential: Credential::Session(id.to_owned()), ..token(account, id, Scopes::SHARE) }
}

/// The same by a shared key, which is neither.
pub(crate) fn key(account: &str) -> Principal {
    Principal { credential: Credential::Key, ..token(account, "", Scopes::SHARE) }
}

/// The same until a moment.
pub(crate) fn until(principal: Principal, at: Timestamp) -> Principal {
    Principal { expires_at: Some(at), ..principal }
}

impl Desk {
    /// A desk that knows these principals by what they show.
    pub(crate) fn of(known: impl IntoIterator<Item = (&'static str, Principal)>) -> Self {
        let valid = known.into_iter().map(|(shown, who)| (shown.to_owned(), who)).collect();
        Self(Arc::new(Inner {
            valid: Mutex::new(valid),
            looks: watch::Sender::new(0),
            released: watch::Sender::new(true),
            fault: Mutex::default(),
        }))
    }

    /// Makes what is shown worth nothing: the durable part of a revocation.
    pub(crate) fn revoke(&self, shown: &str) {
        self.0.valid.lock().unwrap().remove(shown);
    }

    /// Second looks wait from now on.
    pub(crate) fn hold(&self) {
        self.0.released.send_replace(false);
    }

    /// Second looks go on.
    pub(crate) fn release(&self) {
        self.0.released.send_replace(true);
    }

    /// Second looks come to this.
    pub(crate) fn fail(&self, refusal: Refusal) {
        *self.0.fault.lock().unwrap() = Some(refusal);
    }

    /// Waits until so many second looks have begun.
    pub(crate) async fn looked(&self, times: usize) {
        let mut looks = self.0.looks.subscribe();
        within("a second look", looks.wait_for(|looks| *looks >= times)).await.unwrap();
    }
}

impl Access for Desk {
    fn anonymous(&self) -> Option<Principal> {
        None
    }

    fn authenticate<'a>(&'a self, token: &'a Secret) -> BoxFuture<'a, Result<Principal, Refusal>> {
        let found = self.0.valid.lock().unwrap().get(token.reveal()).cloned();
        Box::pin(async move { found.ok_or(Refusal::Unauthorized { reason: "not known here".into() }) })
    }

    fn recheck<'a>(&'a self, who: &'a Principal) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            self.0.looks.send_modify(|looks| *looks += 1);
            self.0.released.subscribe().wait_for(|released| *released).await.unwrap();
            if let Some(fault) = self.0.fault.lock().unwrap().clone() {
                return Err(fault);
            }
            let is_valid = self.0.valid.lock().unwrap().values().any(|valid| valid == who);
            if is_valid { Ok(()) } else { Err(Refusal::Unauthorized { reason: "revoked".into() }) }
        })
    }

    fn describe(&self) -> String {
        "a desk".to_owned()
    }
}

/// What hooks saw: the connection's id, its account, and which of the two it was.
pub(crate) type Seen = (String, Option<String>, &'static str);

/// Hooks that write down what they see; each opening takes the next of the answers, and goes well without one.
#[derive(Debug, Default)]
pub(crate) struct Guestbook {
    seen: Mutex<Vec<Seen>>,
    answers: Mutex<VecDeque<watch::Receiver<Option<bool>>>>,
}

impl Guestbook {
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Has the next opening wait until the answer is there: whether it goes well.
    pub(crate) fn hold(&self) -> watch::Sender<Option<bool>> {
        let (answer, answers) = watch::channel(None);
        self.answers.lock().unwrap().push_back(answers);
        answer
    }

    fn note(&self, connection: &Entry, what: &'static str) {
        let account = connection.identity().map(|who| who.account.to_string());
        self.seen.lock().unwrap().push((connection.id.to_string(), account, what));
    }
}

impl ConnectionHooks for Guestbook {
    fn opened<'a>(&'a self, connection: &'a Arc<Entry>) -> BoxFuture<'a, Result<(), HookError>> {
        Box::pin(async move {
            self.note(connection, "opened");
            let answer = self.answers.lock().unwrap().pop_front();
            let goes_well = match answer {
                Some(mut answer) => answer.wait_for(Option::is_some).await.unwrap().unwrap(),
                None => true,
            };
            if goes_well { Ok(()) } else { Err("the book is full".into()) }
        })
    }

    fn closed(&self, connection: &Entry) {
        self.note(connection, "closed");
    }
}
