//! Pushes: what a host asks of a client over the connection that the client opened, and what the client answers.
//!
//! Both sides use these types. The JSON in them is text, and is checked where it comes in from outside.

use std::fmt;

use crate::share::error::Refusal;
use crate::share::limits::{ID_BYTES_MAX, Limit, PUSH_BYTES_MAX};

/// What a host asks of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Asks the client to answer [`Answer::Pong`] with this number.
    Ping(u64),
    /// Asks the client to show this text to people, and to answer [`Answer::Done`].
    Notice(String),
    /// Asks for something that the two services have agreed on; the answer is [`Answer::Custom`].
    Custom {
        /// The name of what is asked: 1 to 256 bytes.
        name: String,
        /// Its argument: a JSON text.
        data: String,
    },
}

/// What a client answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Answers a notice.
    Done,
    /// Answers a ping, with the ping's number.
    Pong(u64),
    /// Answers a custom action, with a JSON text.
    Custom(String),
}

impl Action {
    /// Makes a custom action. `data` is anything whose `Display` is JSON, such as a `serde_json::Value`, or JSON text.
    #[must_use]
    pub fn custom(name: impl Into<String>, data: impl fmt::Display) -> Self {
        Self::Custom { name: name.into(), data: data.to_string() }
    }

    /// The action's JSON text; `None` if it has none.
    #[must_use]
    pub fn json(&self) -> Option<&str> {
        match self {
            Self::Ping(_) | Self::Notice(_) => None,
            Self::Custom { data, .. } => Some(data),
        }
    }

    /// Checks the action's name and size, and not whether its JSON text is JSON.
    ///
    /// # Errors
    /// [`Refusal::LimitExceeded`] ([`Limit::PushBytesMax`], [`Limit::IdBytesMax`]), or [`Refusal::InvalidInput`] if a custom
    /// action has an empty name.
    pub fn check_size(&self) -> Result<(), Refusal> {
        match self {
            Self::Ping(_) => Ok(()),
            Self::Notice(text) => within(text.len()),
            Self::Custom { name, .. } if name.is_empty() => {
                Err(Refusal::invalid(0, "invalid push: the name of a custom action must not be empty"))
            }
            Self::Custom { name, .. } if name.len() > ID_BYTES_MAX => {
                Err(Refusal::limit(Limit::IdBytesMax, ID_BYTES_MAX, name.len()))
            }
            Self::Custom { name, data } => within(name.len() + data.len()),
        }
    }
}

impl Answer {
    /// Makes an answer to a custom action. `data` is anything whose `Display` is JSON, as for [`Action::custom`].
    #[must_use]
    pub fn custom(data: impl fmt::Display) -> Self {
        Self::Custom(data.to_string())
    }

    /// The answer's kind, by its name in the contract: `done`, `pong` or `custom`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Pong(_) => "pong",
            Self::Custom(_) => "custom",
        }
    }

    /// The answer's JSON text; `None` if it has none.
    #[must_use]
    pub fn json(&self) -> Option<&str> {
        match self {
            Self::Done | Self::Pong(_) => None,
            Self::Custom(data) => Some(data),
        }
    }

    /// Checks the answer's size, and not whether its JSON text is JSON.
    ///
    /// # Errors
    /// [`Refusal::LimitExceeded`] ([`Limit::PushBytesMax`]).
    pub fn check_size(&self) -> Result<(), Refusal> {
        within(self.json().map_or(0, str::len))
    }
}

fn within(bytes: usize) -> Result<(), Refusal> {
    if bytes > PUSH_BYTES_MAX { Err(Refusal::limit(Limit::PushBytesMax, PUSH_BYTES_MAX, bytes)) } else { Ok(()) }
}
