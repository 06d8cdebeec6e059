//! Who may come into a host. Bring your own accounts by implementing [`Access`], or use what is here: [`SingleAccount`],
//! [`SharedKeys`] and, with the feature `jwt`, `JwtAccess`; [`AnyOf`] joins several. Tokens that the store keeps come in besides, where
//! [`HubSettings::stored_tokens`](crate::host::settings::HubSettings::stored_tokens) says so.

pub use crate::access::{
    Access, AnyOf, BadScopes, Credential, Principal, Readiness, Scopes, SharedKeys, SingleAccount, Way,
};
#[cfg(feature = "jwt")]
pub use crate::access::{
    JwtAccess,
    jwt::{JwtKeys, JwtKeysError, JwtSettings},
};
