//! Why the host closes a connection, in the codes of RFC 6455 that every door uses.

/// Why the host closes a connection: a WebSocket close code and its reason. `schema/share.capnp` says what a client does
/// on each.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReason {
    /// RFC 6455 section 7.4, or 4000 and above for our own.
    pub code: u16,
    /// At most 123 bytes.
    pub reason: &'static str,
}

impl CloseReason {
    /// The host is shutting down: come back, here or elsewhere.
    pub const GOING_AWAY: Self = Self { code: 1012, reason: "the host is restarting: come back" };
    /// Calls that were given up are kept in too great a number: come back.
    pub const WORN_OUT: Self =
        Self { code: 1012, reason: "too many calls of this connection were given up and are kept: come back" };
    /// A viewer may not see its share any more: do not come back by yourself.
    pub const HIDDEN: Self =
        Self { code: 4001, reason: "Unauthorized: the share is not visible to this viewer any more" };
    /// An administrator closed the connection, whose credential is as good as before: do not come back by yourself.
    pub const CLOSED: Self =
        Self { code: 4001, reason: "an administrator closed this connection: do not connect again by yourself" };
    /// The credential is not valid any more: do not come back by yourself.
    pub const REVOKED: Self = Self { code: 4001, reason: "revoked: connect again with a credential that is valid" };
    /// The credential's time is over; as [`REVOKED`](Self::REVOKED).
    pub const EXPIRED: Self = Self { code: 4001, reason: "the credential has expired: connect again with a newer one" };
    /// Nothing was heard from the peer: come back.
    pub const SILENT: Self = Self { code: 4003, reason: "nothing was heard from this side for two ping intervals" };
    /// The account has more connections than it may, and this was the oldest: do not come back by yourself.
    pub const TOO_MANY: Self =
        Self { code: 4004, reason: "the account has more connections than it may, and this was its oldest" };
    /// The address has more connections without a credential than it may, and this was its oldest; as
    /// [`TOO_MANY`](Self::TOO_MANY).
    pub const ADDRESS_FULL: Self = Self {
        code: 4004,
        reason: "this address has more connections without a credential than it may, and this was its oldest",
    };
    /// The host is full, and the connection, which has shown no credential, made room for one that has: come back later.
    pub const DISPLACED: Self =
        Self { code: 1013, reason: "the host is full, and others have shown a credential: come back later" };
    /// A connection that was going to authenticate in-band has not: come back, and authenticate at once.
    pub const UNAUTHENTICATED: Self =
        Self { code: 1008, reason: "no credential was shown in time: call authenticate as soon as you are connected" };
    /// The host could not tell whether to let the connection in: come back later.
    pub const FAULT: Self = Self { code: 1011, reason: "the host failed to admit this connection: see its log" };
}
