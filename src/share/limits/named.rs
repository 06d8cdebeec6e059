//! The limits by their names: what a refusal says that something is past, and what a peer is told to do about it.

use std::borrow::Cow;

/// Declares the limits once: their variants, their names on the wires, and the list of them all.
macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $limit:ident = $name:literal,)+) => {
        /// Which limit something is past. [`name`](Self::name) is what travels on every wire, in error messages and in logs.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Limit {
            $($(#[doc = $doc])+ $limit,)+
            /// A limit that this version does not know, by the name that the peer gave it. Never one of the names above if it
            /// was made by [`Limit::named`].
            Other(Cow<'static, str>),
        }

        impl Limit {
            /// Every limit that this version knows.
            pub const ALL: &[Self] = &[$(Self::$limit,)+];

            /// The limit's name on the wires, such as `syncItemsMax`.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$limit => $name,)+
                    Self::Other(name) => name,
                }
            }

            /// The limit of this name; [`Limit::Other`] if this version knows none.
            #[must_use]
            pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
                let name = name.into();
                match name.as_ref() {
                    $($name => Self::$limit,)+
                    _ => Self::Other(name),
                }
            }
        }
    };
}

limits! {
    /// Bytes that all shares of an account hold together, by the host's quota.
    AccountBytesMax = "accountBytesMax",
    /// Bytes that an account sends in 24 hours, by the host's quota.
    AccountBytesPerDayMax = "accountBytesPerDayMax",
    /// Shares of an account, by the host's quota.
    AccountSharesMax = "accountSharesMax",
    /// Requests with a credential of one account in a minute, by the host's settings.
    AccountUpgradesPerMinute = "accountUpgradesPerMinute",
    /// Large HTTP answers that are on their way to one address or account at once.
    AnswersMax = "answersMax",
    /// Requests to OpenCode's API from one address in a minute, by the host's settings.
    ApiRequestsPerMinute = "apiRequestsPerMinute",
    /// Answers that a question may need: [`ASK_ANSWERS_MAX`](super::ASK_ANSWERS_MAX).
    AskAnswersMax = "askAnswersMax",
    /// Bytes of one choice of a question: [`ASK_CHOICE_BYTES_MAX`](super::ASK_CHOICE_BYTES_MAX).
    AskChoiceBytesMax = "askChoiceBytesMax",
    /// Choices of a question: [`ASK_CHOICES_MAX`](super::ASK_CHOICES_MAX).
    AskChoicesMax = "askChoicesMax",
    /// Bytes of a question: [`ASK_QUESTION_BYTES_MAX`](super::ASK_QUESTION_BYTES_MAX).
    AskQuestionBytesMax = "askQuestionBytesMax",
    /// Milliseconds that a question may be open: [`ASK_WITHIN_MS_MAX`](super::ASK_WITHIN_MS_MAX).
    AskWithinMsMax = "askWithinMsMax",
    /// Questions of one share that are open at once: [`ASKS_OPEN_MAX`](super::ASKS_OPEN_MAX).
    AsksOpenMax = "asksOpenMax",
    /// Bytes of all request bodies that one address or account sends at once.
    BodiesBytesMax = "bodiesBytesMax",
    /// Milliseconds that a request's body may take to arrive.
    BodyMsMax = "bodyMsMax",
    /// Unanswered calls of one connection: [`CALLS_IN_FLIGHT_MAX`](super::CALLS_IN_FLIGHT_MAX).
    CallsInFlightMax = "callsInFlightMax",
    /// Capabilities that one connection holds: [`CAPABILITIES_HELD_MAX`](super::CAPABILITIES_HELD_MAX).
    CapabilitiesHeldMax = "capabilitiesHeldMax",
    /// Commands of one viewer without an answer.
    CommandsInFlightMax = "commandsInFlightMax",
    /// Connections that the host has at once, by its settings.
    ConnectionsMax = "connectionsMax",
    /// Wrong credentials that one address may show in a minute, by the host's settings.
    FailedCredentialsPerMinute = "failedCredentialsPerMinute",
    /// Bytes of a grant's label: [`GRANT_LABEL_BYTES_MAX`](super::GRANT_LABEL_BYTES_MAX).
    GrantLabelBytesMax = "grantLabelBytesMax",
    /// Bytes of an HTTP request's line and headers.
    HeadBytesMax = "headBytesMax",
    /// Bytes of an id or a name: [`ID_BYTES_MAX`](super::ID_BYTES_MAX).
    IdBytesMax = "idBytesMax",
    /// Bytes of one item's JSON text: [`ITEM_BYTES_MAX`](super::ITEM_BYTES_MAX).
    ItemBytesMax = "itemBytesMax",
    /// Arrays and objects inside one another in a JSON text: [`ITEM_NESTING_MAX`](super::ITEM_NESTING_MAX).
    ItemNestingMax = "itemNestingMax",
    /// Entries in a page of a listing: [`LIST_PAGE_MAX`](super::LIST_PAGE_MAX).
    ListPageMax = "listPageMax",
    /// Bytes of one message: [`MESSAGE_BYTES_MAX`](super::MESSAGE_BYTES_MAX).
    MessageBytesMax = "messageBytesMax",
    /// Accounts that one connection may join shares as.
    PrincipalsMax = "principalsMax",
    /// Bytes of a push or of its answer: [`PUSH_BYTES_MAX`](super::PUSH_BYTES_MAX).
    PushBytesMax = "pushBytesMax",
    /// Bytes of a request's body.
    RequestBytesMax = "requestBytesMax",
    /// Items in one request to OpenCode's API.
    RequestItemsMax = "requestItemsMax",
    /// Bytes that a share holds: [`SHARE_BYTES_MAX`](super::SHARE_BYTES_MAX).
    ShareBytesMax = "shareBytesMax",
    /// Grants of a share that are valid at once: [`SHARE_GRANTS_MAX`](super::SHARE_GRANTS_MAX).
    ShareGrantsMax = "shareGrantsMax",
    /// Items that a share holds: [`SHARE_ITEMS_MAX`](super::SHARE_ITEMS_MAX).
    ShareItemsMax = "shareItemsMax",
    /// Milliseconds that a share may live: [`SHARE_TTL_MS_MAX`](super::SHARE_TTL_MS_MAX), or what the host's settings say.
    ShareTtlMsMax = "shareTtlMsMax",
    /// Names of states on one connection: [`STATES_MAX`](super::STATES_MAX).
    StatesMax = "statesMax",
    /// Items in one sync: [`SYNC_ITEMS_MAX`](super::SYNC_ITEMS_MAX).
    SyncItemsMax = "syncItemsMax",
    /// Bytes of the text to look for in titles: [`TITLE_TEXT_BYTES_MAX`](super::TITLE_TEXT_BYTES_MAX).
    TitleTextBytesMax = "titleTextBytesMax",
    /// Upgrades, streams, posted commands and documents that one address may ask for in a minute, by the host's settings.
    UpgradesPerMinute = "upgradesPerMinute",
    /// Bytes of a viewer's command.
    UplinkBytesMax = "uplinkBytesMax",
    /// Bytes of the name that a viewer shows: [`VIEWER_NAME_BYTES_MAX`](super::VIEWER_NAME_BYTES_MAX).
    ViewerNameBytesMax = "viewerNameBytesMax",
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_found_by_its_name_and_an_unknown_one_keeps_it() {
        for limit in Limit::ALL {
            assert_eq!(Limit::named(limit.name().to_owned()), *limit);
        }
        assert_eq!(Limit::named("wishesMax"), Limit::Other("wishesMax".into()));
        assert_eq!(Limit::named("wishesMax").to_string(), "wishesMax");
    }

    #[test]
    fn a_limit_is_named_after_its_variant() {
        for limit in Limit::ALL {
            let variant = format!("{limit:?}");
            assert!(variant[1..] == limit.name()[1..] && variant.eq_ignore_ascii_case(limit.name()), "{variant}");
        }
    }
}
