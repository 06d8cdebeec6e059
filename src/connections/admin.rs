//! What administrators do with connections: see who is connected, close connections. It is about the connections of this host
//! alone; what administrators do with shares is in `rooms/shares.rs`.
//!
//! The doors ask for the scope `admin` before they come here; the program that the host is part of may always. Each action
//! writes its line of the audit log when it is done. Sending and broadcasting are the pushes' matter, draining that of `drain.rs`.

use crate::access::{Credential, Principal};
use crate::audit::{self, By};
use crate::connections::Connections;
use crate::connections::close::CloseReason;
use crate::connections::entry::Entry;
use crate::connections::registry::Departure;
use crate::share::admin::{CloseWhich, ConnectionInfo, ConnectionPage};
use crate::share::error::Refusal;
use crate::share::id::AccountId;
use crate::share::view::page_limit;

impl Connections {
    /// A page of the admitted connections, the oldest first. Begin with an empty cursor; a `limit` of 0 means 100.
    ///
    /// # Errors
    /// The cursor is invalid, or more than 1,000 are asked for at once.
    pub fn page(&self, cursor: &str, limit: usize) -> Result<ConnectionPage, Refusal> {
        let limit = page_limit(limit)?;
        let after = match cursor {
            "" => 0,
            cursor => cursor.parse().map_err(|_| Refusal::invalid(0, "a cursor that no page gave"))?,
        };
        let (entries, next) = self.registry().page(after, limit);
        let connections = entries.iter().map(|entry| info(entry)).collect();
        Ok(ConnectionPage { connections, next_cursor: next.map(|number| number.to_string()) })
    }

    /// Closes exactly the connections that match with 4001, of every door, admitted or about to be, and says how many they
    /// were on this host. Their credentials are as good as before. The other hosts of the deployment that a carrier of news reaches
    /// are told to do the same.
    pub fn close(&self, which: &CloseWhich) -> usize {
        self.tell_to_close(which);
        self.close_by(By::Host, which)
    }

    /// As [`Connections::close`], for somebody who is not connected to this host.
    pub fn close_by(&self, by: By<'_>, which: &CloseWhich) -> usize {
        let closed = self.registry().close_matching(CloseReason::CLOSED, |entry| matches(entry, which));
        self.tell_closed(by, which, closed);
        closed
    }

    /// All of an account; see [`Connections::close`].
    pub fn close_account(&self, account: &AccountId) -> usize {
        self.close(&CloseWhich::Account(account.as_str().to_owned()))
    }

    /// Those of a login session; see [`Connections::close`].
    pub fn close_session(&self, session: &str) -> usize {
        self.close(&CloseWhich::Session(session.to_owned()))
    }

    /// Those of a token, by its id; see [`Connections::close`].
    pub fn close_token(&self, token: &str) -> usize {
        self.close(&CloseWhich::Token(token.to_owned()))
    }

    /// The one of this name; see [`Connections::close`].
    pub fn close_connection(&self, connection: &str) -> usize {
        self.close(&CloseWhich::Connection(connection.to_owned()))
    }

    /// As [`Connections::close`], for a connection that asks for it. If it is among them, the answer goes out before the
    /// [`Departure`] is dropped.
    pub fn close_from(&self, own: &Entry, who: &Principal, which: &CloseWhich) -> (usize, Option<Departure>) {
        let matching = |entry: &Entry| matches(entry, which);
        let (closed, departure) = self.registry().close_matching_from(&own.id, CloseReason::CLOSED, matching);
        self.tell_closed(own.by(Some(who)), which, closed);
        (closed, departure)
    }

    fn tell_closed(&self, by: By<'_>, which: &CloseWhich, closed: usize) {
        let (what, target) = which.parts();
        self.metrics.connections_revoked.inc_by(closed as u64);
        audit::administered(by, &format!("close {what}"), target, closed);
    }
}

fn matches(entry: &Entry, which: &CloseWhich) -> bool {
    entry.any_principal(|who| match (which, &who.credential) {
        (CloseWhich::Account(account), _) => who.account.as_str() == account,
        (CloseWhich::Session(id), Credential::Session(of)) | (CloseWhich::Token(id), Credential::Token(of)) => of == id,
        (CloseWhich::Session(_) | CloseWhich::Token(_) | CloseWhich::Connection(_), _) => false,
    }) || matches!(which, CloseWhich::Connection(id) if entry.id.as_str() == id)
}

fn info(entry: &Entry) -> ConnectionInfo {
    let who = entry.identity();
    let (account, credential, credential_id) = match &who {
        Some(who) => (who.account.as_str(), who.credential.kind(), who.credential.id()),
        None => ("", "none", ""),
    };
    ConnectionInfo {
        id: entry.id.as_str().to_owned(),
        account: account.to_owned(),
        credential: credential.to_owned(),
        credential_id: credential_id.to_owned(),
        door: entry.door.as_str().to_owned(),
        since: entry.since,
        bytes_in: entry.traffic.bytes_in(),
        bytes_out: entry.traffic.bytes_out(),
        calls_in_flight: entry.traffic.calls_in_flight(),
        queued_bytes: entry.traffic.queued_bytes(),
        states: entry.states.names(),
    }
}
