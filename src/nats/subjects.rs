//! The names under which messages go.

use crate::hints::{Control, Message};
use crate::share::id::{HostId, ShareId, StoreId};

/// The subjects of one store, as one host uses them.
#[derive(Debug)]
pub(super) struct Subjects {
    prefix: String,
    host: HostId,
}

impl Subjects {
    pub(super) fn new(store: &StoreId, host: &HostId) -> Self {
        Self { prefix: format!("capshare.{store}"), host: host.clone() }
    }

    /// Where hints of a share go.
    pub(super) fn share(&self, share: &ShareId) -> String {
        format!("{}.share.{share}", self.prefix)
    }

    /// Where control messages for all hosts go.
    pub(super) fn hosts(&self) -> String {
        format!("{}.hosts", self.prefix)
    }

    /// Where control messages for this host go.
    pub(super) fn own(&self) -> String {
        self.one(&self.host)
    }

    /// Where nobody subscribes, so that the server itself answers.
    pub(super) fn nobody(&self) -> String {
        format!("{}.nobody", self.prefix)
    }

    /// Where this host hears the answer to its request of this number.
    pub(super) fn answer(&self, number: u64) -> String {
        format!("{}.{number}", self.own())
    }

    /// Where a message goes.
    pub(super) fn of(&self, message: &Message) -> String {
        match message {
            Message::Share(hint) => self.share(&hint.share),
            Message::Control(Control { to: Some(host), .. }) => self.one(host),
            Message::Control(Control { to: None, .. }) => self.hosts(),
        }
    }

    fn one(&self, host: &HostId) -> String {
        format!("{}.host.{host}", self.prefix)
    }
}
