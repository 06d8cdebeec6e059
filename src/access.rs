//! Access: from a credential to a principal, and what a principal may do.
//!
//! The doors ask [`Access`] once for each connection (and once for each `authenticate`), before anything else of it is
//! looked at, and once more by [`Access::recheck`] when the connection has its place, so that what is revoked in between is
//! not let in. An embedder brings its own by implementing the trait. Ours are [`SingleAccount`], [`SharedKeys`],
//! [`StoredTokens`] and, with the feature `jwt`, `JwtAccess`; [`AnyOf`] joins several.

use std::borrow::Cow;
use std::fmt;

use futures::future::BoxFuture;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::share::error::Refusal;
use crate::share::id::AccountId;
use crate::share::secret::{Secret, SecretHash};
use crate::share::time::Timestamp;

pub mod address;
mod any;
mod credentials;
mod delegated;
pub mod failures;
#[cfg(feature = "jwt")]
pub mod jwt;
mod tokens;

pub use any::AnyOf;
pub use credentials::Credentials;
#[cfg(feature = "jwt")]
pub use jwt::JwtAccess;
pub use tokens::{StoredTokens, mint};

/// Who a connection is, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Whose rights it has.
    pub account: AccountId,
    /// What it showed.
    pub credential: Credential,
    /// What it may do.
    pub scopes: Scopes,
    /// From when on its credential is nothing worth, and its connections are closed; `None`: never by itself.
    pub expires_at: Option<Timestamp>,
}

/// What kind of credential a connection showed; every one belongs to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// A login session of an account, by its name.
    Session(String),
    /// A token, by its id, which opens nothing by itself: of a stored token its 16 characters, of a signed one `jwt:` and
    /// its `jti`.
    Token(String),
    /// A shared key, or a signed token that names neither a session nor itself.
    Key,
    /// Nothing: it comes straight from a program of the host's own machine, and the host is for those ([`Way`]).
    Machine,
    /// Nothing: the host lets everybody in.
    None,
}

impl Credential {
    /// Its kind's name in logs and listings.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Session(_) => "session",
            Self::Token(_) => "token",
            Self::Key => "key",
            Self::Machine => "machine",
            Self::None => "none",
        }
    }

    /// The name of the login session or token, which is no secret; empty for the other kinds.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Session(id) | Self::Token(id) => id,
            Self::Key | Self::Machine | Self::None => "",
        }
    }

    /// Whether anything was shown: a session, a token or a key.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        match self {
            Self::Session(_) | Self::Token(_) | Self::Key => true,
            Self::Machine | Self::None => false,
        }
    }
}

/// How somebody came to the host, which says whether it can be a program of the host's own machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Straight from this machine: from a loopback address, under a loopback name, past no proxy; or within the process.
    Direct,
    /// Any other way.
    Relayed,
}

impl Way {
    /// Gives the principal back if it may come this way.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] for a principal that is let in for being of this machine, and did not come straight from it.
    pub fn admit(self, who: Principal) -> Result<Principal, Refusal> {
        if who.credential == Credential::Machine && self == Self::Relayed {
            let reason = "without a credential this host serves programs of its own machine only, and this request came \
                          through a proxy or under another name than localhost: show a token (capshare token create), \
                          give the host keys, or start it with --open";
            return Err(Refusal::Unauthorized { reason: reason.into() });
        }
        Ok(who)
    }
}

/// What a principal may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes {
    /// `share:write`: create, sync and delete shares.
    pub write: bool,
    /// `share:read`: list and read shares.
    pub read: bool,
    /// `admin`: everything of every account.
    pub admin: bool,
}

impl Scopes {
    /// What a producer needs.
    pub const SHARE: Self = Self { write: true, read: true, admin: false };
    /// Everything.
    pub const ALL: Self = Self { write: true, read: true, admin: true };
    /// Nothing.
    pub const NONE: Self = Self { write: false, read: false, admin: false };

    /// Their names, as tokens and settings write them.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        [("share:write", self.write), ("share:read", self.read), ("admin", self.admin)]
            .into_iter()
            .filter_map(|(name, has)| has.then_some(name))
            .collect()
    }

    /// What these names give. Other names give nothing.
    #[must_use]
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().fold(Self::NONE, |scopes, name| match name {
            "share:write" => Self { write: true, ..scopes },
            "share:read" => Self { read: true, ..scopes },
            "admin" => Self { admin: true, ..scopes },
            _ => scopes,
        })
    }
}

impl std::str::FromStr for Scopes {
    type Err = BadScopes;

    /// Names with commas between them.
    fn from_str(text: &str) -> Result<Self, BadScopes> {
        let names = || text.split(',').map(str::trim);
        let all = names().all(|name| Self::of_names([name]) != Self::NONE);
        if all { Ok(Self::of_names(names())) } else { Err(BadScopes) }
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(","))
    }
}

/// A text names a scope that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("scopes are share:write, share:read and admin, with commas between them")]
pub struct BadScopes;

impl Principal {
    /// Whether its rights come of something that not everybody has: a credential, or a place on the host's own machine.
    #[must_use]
    pub fn is_somebody(&self) -> bool {
        self.credential != Credential::None
    }

    /// Passes if the principal may write.
    ///
    /// # Errors
    /// It may not.
    pub fn may_write(&self) -> Result<(), Refusal> {
        self.needs(self.scopes.write, "this needs a credential with the scope share:write")
    }

    /// Passes if the principal may list and read.
    ///
    /// # Errors
    /// It may not.
    pub fn may_read(&self) -> Result<(), Refusal> {
        self.needs(self.scopes.read, "this needs a credential with the scope share:read")
    }

    /// Whether its account's shares are its own. They are not if it showed nothing on a host that lets everybody in: anybody may have
    /// come so, and knows of a share what its link shows.
    #[must_use]
    pub fn owns_its_account(&self) -> bool {
        self.credential != Credential::None
    }

    /// Passes if the principal may administer. Without a credential nobody does, whatever its scopes are.
    ///
    /// # Errors
    /// It may not.
    pub fn may_administer(&self) -> Result<(), Refusal> {
        if !self.credential.is_shown() {
            let reason = "without a credential nobody is an administrator: show a token with the scope admin, such as \
                          capshare token create --scope admin makes";
            return Err(Refusal::Unauthorized { reason: reason.into() });
        }
        self.needs(self.scopes.admin, "this needs a credential with the scope admin")
    }

    fn needs(&self, has: bool, reason: &'static str) -> Result<(), Refusal> {
        if has || self.scopes.admin { Ok(()) } else { Err(Refusal::Unauthorized { reason: reason.into() }) }
    }
}

/// Who may come in. Implement it to bring your own accounts.
pub trait Access: fmt::Debug + Send + Sync {
    /// The principal of a connection that showed no credential, if such may come in.
    fn anonymous(&self) -> Option<Principal>;

    /// The principal that this token stands for.
    ///
    /// The token may be anything that a client sent. Take the same time for every wrong one, and never log it.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] for a wrong token, [`Refusal::Unavailable`] if it cannot be told now.
    fn authenticate<'a>(&'a self, token: &'a Secret) -> BoxFuture<'a, Result<Principal, Refusal>>;

    /// Whether a token has the form of those that this knows, right or wrong. [`AnyOf`] asks the first that says so. Default:
    /// yes.
    fn recognises(&self, _token: &Secret) -> bool {
        true
    }

    /// Whether a principal's credential is still valid, as its source says now and not as it was remembered. Default: yes.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] if it was revoked or has expired, any other if it cannot be told now.
    fn recheck<'a>(&'a self, _who: &'a Principal) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether it can tell who comes in. Default: it can.
    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    /// What it does in the background for as long as its host runs. Default: nothing.
    fn tend(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// How the start-up line and `serve --check` name it: the mode, never a credential.
    fn describe(&self) -> String;
}

/// Whether an [`Access`] can tell who comes in; the texts are sentences for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// It can by what it knew before, and cannot learn anything new.
    Stale(Cow<'static, str>),
    /// It lets nobody in.
    Down(Cow<'static, str>),
}

/// No credential needed: everybody who reaches the host, or every program of its machine, is the one account. Nobody is an
/// administrator.
#[derive(Debug, Clone)]
pub struct SingleAccount {
    account: AccountId,
    credential: Credential,
}

impl SingleAccount {
    /// Everybody who reaches the host is this account, and may create, list and read its shares.
    #[must_use]
    pub fn new(account: AccountId) -> Self {
        Self { account, credential: Credential::None }
    }

    /// Every program of the host's own machine is this account, and owns its shares. A caller who comes another [`Way`] is refused.
    #[must_use]
    pub fn of_this_machine(account: AccountId) -> Self {
        Self { account, credential: Credential::Machine }
    }

    fn principal(&self) -> Principal {
        let (account, credential) = (self.account.clone(), self.credential.clone());
        Principal { account, credential, scopes: Scopes::SHARE, expires_at: None }
    }
}

impl Access for SingleAccount {
    fn anonymous(&self) -> Option<Principal> {
        Some(self.principal())
    }

    fn authenticate<'a>(&'a self, _: &'a Secret) -> BoxFuture<'a, Result<Principal, Refusal>> {
        // A client that shows a token where none is needed is let in, so that one configuration fits both hosts.
        Box::pin(std::future::ready(Ok(self.principal())))
    }

    fn describe(&self) -> String {
        let everybody =
            if self.credential == Credential::Machine { "every program of this machine" } else { "everybody" };
        format!("without a credential {everybody} is account {}", self.account)
    }
}

/// One or more keys, each shared with one account's clients.
#[derive(Clone)]
pub struct SharedKeys {
    keys: Vec<(SecretHash, AccountId, Scopes)>,
}

impl SharedKeys {
    /// The shortest key taken: 16 characters, because a key is guessed at over the network.
    pub const KEY_CHARS_MIN: usize = 16;
    /// The longest, in bytes.
    pub const KEY_BYTES_MAX: usize = 512;

    /// These keys, with what each gives. Only their hashes are kept.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = (AccountId, Secret, Scopes)>) -> Self {
        Self { keys: keys.into_iter().map(|(account, key, scopes)| (hash(&key), account, scopes)).collect() }
    }
}

impl fmt::Debug for SharedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedKeys({})", self.keys.len())
    }
}

impl Access for SharedKeys {
    fn anonymous(&self) -> Option<Principal> {
        None
    }

    fn authenticate<'a>(&'a self, token: &'a Secret) -> BoxFuture<'a, Result<Principal, Refusal>> {
        let shown = hash(token);
        // Every key is compared, so that the time says nothing about which was nearly right.
        let found = self.keys.iter().fold(
            None,
            |found, (key, account, scopes)| {
                if same(key, &shown) { Some((account, scopes)) } else { found }
            },
        );
        Box::pin(std::future::ready(match found {
            Some((account, scopes)) => {
                let account = account.clone();
                Ok(Principal { account, credential: Credential::Key, scopes: *scopes, expires_at: None })
            }
            None => Err(unknown()),
        }))
    }

    fn describe(&self) -> String {
        format!("{} shared key{}", self.keys.len(), if self.keys.len() == 1 { "" } else { "s" })
    }
}

/// The answer to any token that is not known, whatever is wrong with it.
fn unknown() -> Refusal {
    Refusal::Unauthorized { reason: "this token is not known here".into() }
}

/// The hash of a secret, as the log keeps it.
#[must_use]
pub fn hash(secret: &Secret) -> SecretHash {
    SecretHash(Sha256::digest(secret.reveal().as_bytes()).into())
}

/// Whether two hashes are the same, in constant time.
#[must_use]
pub fn same(one: &SecretHash, other: &SecretHash) -> bool {
    one.0.ct_eq(&other.0).into()
}
