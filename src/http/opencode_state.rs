//! What OpenCode's API remembers between requests.

mod creates;
mod turns;

use self::creates::Creates;
use self::turns::{Turn, Turns};
use crate::access::address::AddressKey;
use crate::share::id::ShareId;

/// What the API of one host remembers between requests.
#[derive(Debug, Default)]
pub(in crate::http) struct OpenCode {
    pub(in crate::http) creates: Creates,
    /// The order of requests: of one address for one share, as they showed its secret.
    arrivals: Turns<(ShareId, AddressKey)>,
    /// One request at a time is applied to a share.
    pub(in crate::http) applying: Turns<ShareId>,
}

/// Who sends a sync, as far as the order of its requests goes.
#[derive(Debug)]
pub(in crate::http) struct Sender {
    pub(in crate::http) share: ShareId,
    /// `None`: from within the process.
    pub(in crate::http) address: Option<AddressKey>,
}

/// The turn of a request among those of its sender.
pub(in crate::http) type Arrival = Turn<(ShareId, AddressKey)>;

impl OpenCode {
    /// The turn of a sender who has shown the share's secret; `None` if others take too long, or it comes from within the process.
    pub(in crate::http) async fn turn_of(&self, sender: &Sender) -> Option<Arrival> {
        self.arrivals.soon((sender.share.clone(), sender.address?)).await
    }

    /// Forgets creates whose answers are not given again any more: to be called about once a minute.
    pub(in crate::http) fn forget(&self) {
        self.creates.forget();
    }
}
