//! What is to happen to connections on every host of the deployment: this host tells the others, and does what they tell.
//!
//! Messages between hosts may be lost. So what must come to pass is in the bucket first: a token is revoked there, and each host
//! looks by itself after some seconds. That connections are to be closed which may come again is in no bucket: a host that the message does not
//! reach keeps them.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::audit::By;
use crate::connections::Connections;
use crate::hints::{Control, NotSent, REVOKED};
use crate::share::admin::CloseWhich;
use crate::share::error::chain;
use crate::share::id::TokenId;

/// The control message by which connections are closed: an object of one member, `account`, `session` or `token`, with its name.
const CLOSE: &str = "close";

/// Tokens that are looked at at once because other hosts say that they were revoked. Past it such a message is dropped, and the
/// token is looked at with all others, within seconds.
pub(super) const TOLD_LOOKS_MAX: usize = 16;

impl Connections {
    /// Tells the other hosts to close these connections. A connection by its own name is on no other host.
    pub(super) fn tell_to_close(&self, which: &CloseWhich) {
        let (what, name) = which.parts();
        if !matches!(which, CloseWhich::Connection(_)) {
            let body = json!({ what: name }).to_string();
            self.note_told(CLOSE, self.hints.tell(CLOSE, None, &body));
        }
    }

    /// Tells the other hosts that a token was revoked.
    pub(super) fn tell_of_revocation(&self, id: &TokenId) {
        self.note_told(REVOKED, self.hints.tell_of_revocation(id));
    }

    fn note_told(&self, name: &str, told: Result<(), NotSent>) {
        // Of a carrier that says that it is not connected nobody expects more.
        if told.is_err() && self.hints.is_connected() {
            tracing::warn!(name, "a message to the other hosts was not sent");
        }
    }

    /// Does what another host tells. What is not known here is passed over.
    pub(crate) fn told(self: &Arc<Self>, control: &Control) {
        let Ok(Value::Object(body)) = serde_json::from_str(&control.body) else { return };
        let named = |member: &str| body.get(member).and_then(Value::as_str).filter(|name| !name.is_empty());
        match &*control.name {
            CLOSE => {
                let which = (named("account").map(|name| CloseWhich::Account(name.to_owned())))
                    .or_else(|| named("session").map(|id| CloseWhich::Session(id.to_owned())))
                    .or_else(|| named("token").map(|id| CloseWhich::Token(id.to_owned())));
                if let Some(which) = which {
                    self.close_by(By::OtherHost { host: control.host.as_str(), account: "" }, &which);
                }
            }
            REVOKED => {
                if let Some(id) = named("token").and_then(|id| id.parse().ok()) {
                    self.look_at_told(id);
                }
            }
            _ => {}
        }
    }

    /// Looks in the bucket for a token that another host says was revoked, and closes the connections that came by it if so.
    fn look_at_told(self: &Arc<Self>, id: TokenId) {
        let Ok(place) = Arc::clone(&self.told_looks).try_acquire_owned() else { return };
        let connections = Arc::clone(self);
        drop(tokio::spawn(async move {
            let _place = place;
            match connections.access.is_valid(&id).await {
                Ok(true) => {}
                Ok(false) => drop(connections.close_tokens(&HashSet::from([id]))),
                Err(error) => {
                    tracing::warn!(token = %id, error = %chain(&error), "a token that was revoked elsewhere could not be looked at");
                }
            }
        }));
    }
}
