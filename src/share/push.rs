//! Pushes: what a host asks of a client over the connection that the client opened, and what the client answers.
//!
//! Both sides use these types. The JSON in them is text; whoever takes one in from outside checks it there.

use std::fmt;

use crate::share::error::Refusal;
use crate::share::limits::{ID_BYTES_MAX, Limit, PUSH_BYTES_MAX};

/// What a client is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// To answer [`Answer::Pong`] with the same number.
    Ping(u64),
    /// To show a text to people, and answer [`Answer::Done`].
    Notice(String),
    /// Whatever the two services have agreed on; the answer is [`Answer::Custom`].
    Custom {
        /// What is asked: 1 to 256 bytes.
        name: String,
        /// JSON.
        data: String,
    },
}

/// What a client answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To a notice.
    Done,
    /// To a ping: its number.
    Pong(u64),
    /// To a custom action: JSON.
    Custom(String),
}

impl Action {
    /// A custom action. `data` is anything whose `Display` is JSON, such as a `serde_json::Value`, or JSON text.
    #[must_use]
    pub fn custom(name: impl Into<String>, data: impl fmt::Display) -> Self {
        Self::Custom { name: name.into(), data: data.to_string() }
    }

    /// Its JSON, if it carries any.
    #[must_use]
    pub fn json(&self) -> Option<&str> {
        match self {
            Self::Ping(_) | Self::Notice(_) => None,
            Self::Custom { data, .. } => Some(data),
        }
    }

    /// Passes if it has a name where it needs one and is within the limits. Whether its JSON is JSON is for the caller to see.
    ///
    /// # Errors
    /// [`Refusal::LimitExceeded`] (`pushBytesMax`, `idBytesMax`), or no name.
    pub fn check_size(&self) -> Result<(), Refusal> {
        match self {
            Self::Ping(_) => Ok(()),
            Self::Notice(text) => within(text.len()),
            Self::Custom { name, .. } if name.is_empty() => Err(Refusal::invalid(0, "a custom push has a name")),
            Self::Custom { name, .. } if name.len() > ID_BYTES_MAX => {
                Err(Refusal::limit(Limit::IdBytesMax, ID_BYTES_MAX, name.len()))
            }
            Self::Custom { name, data } => within(name.len() + data.len()),
        }
    }
}

impl Answer {
    /// An answer to a custom action. `data` is anything whose `Display` is JSON, as for [`Action::custom`].
    #[must_use]
    pub fn custom(data: impl fmt::Display) -> Self {
        Self::Custom(data.to_string())
    }

    /// What it is called in the contract.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Pong(_) => "pong",
            Self::Custom(_) => "custom",
        }
    }

    /// Its JSON, if it carries any.
    #[must_use]
    pub fn json(&self) -> Option<&str> {
        match self {
            Self::Done | Self::Pong(_) => None,
            Self::Custom(data) => Some(data),
        }
    }

    /// Passes if it is within the limits.
    ///
    /// # Errors
    /// [`Refusal::LimitExceeded`] (`pushBytesMax`).
    pub fn check_size(&self) -> Result<(), Refusal> {
        within(self.json().map_or(0, str::len))
    }
}

fn within(bytes: usize) -> Result<(), Refusal> {
    if bytes > PUSH_BYTES_MAX { Err(Refusal::limit(Limit::PushBytesMax, PUSH_BYTES_MAX, bytes)) } else { Ok(()) }
}
