//! What a viewer sends up: `{id, procedure, input}`, read and answered, whether it came in a frame or was posted.
//!
//! A malformed command is answered with an error; it never ends the stream. The answer has the frame's id, or null if no id
//! could be read.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::share::error::Refusal;
use crate::viewer::command::{Caller, Command};
use crate::viewer::frame;

/// Bytes that a frame of a viewer may have: commands are small.
pub const UPLINK_BYTES_MAX: usize = 64 << 10;

/// Bytes that the id of a frame may have.
const ID_BYTES_MAX: usize = 128;

/// Members that the input of each command of a stream has unless it says otherwise: the `?input=` of the stream's URL.
pub type Defaults = Map<String, Value>;

/// A command, and the id by which its answer is told apart.
#[derive(Debug)]
pub struct Uplink {
    /// The frame's id: a number or a text.
    pub id: Value,
    /// The command.
    pub command: Command,
    /// The channel of the stream that the command is about, if it was posted and names one.
    pub channel: Option<String>,
}

/// Reads the `?input=` of a stream's URL.
///
/// # Errors
/// It is not a JSON object, or it has a secret or a token, which must not stand in a URL.
pub fn read_defaults(text: &str) -> Result<Defaults, Refusal> {
    let defaults: Defaults = serde_json::from_str(text).map_err(|error| {
        Refusal::invalid(0, format!("invalid input in the URL: write a JSON object, percent-encoded: {error}"))
    })?;
    if ["secret", "token"].iter().any(|name| defaults.contains_key(*name)) {
        let reason = "the input in this URL has a secret in it, and a URL ends up in logs: send the secret in the input of the command itself";
        return Err(Refusal::Unauthorized { reason: reason.into() });
    }
    Ok(defaults)
}

impl Uplink {
    /// Reads a frame of a viewer.
    ///
    /// # Errors
    /// The id to answer with, and what is wrong with the frame.
    pub fn read(text: &[u8], defaults: &Defaults) -> Result<Self, (Value, Refusal)> {
        let refuse = |id, reason: String| Err((id, Refusal::invalid(0, reason)));
        let mut frame: Map<String, Value> = match serde_json::from_slice(text) {
            Ok(frame) => frame,
            Err(error) => {
                return refuse(Value::Null, format!("invalid frame: write {{id, procedure, input}} in JSON: {error}"));
            }
        };
        let mut take = |name| frame.remove(name).unwrap_or_default();
        let id = match take("id") {
            id @ Value::Number(_) => id,
            Value::String(id) if id.len() <= ID_BYTES_MAX => id.into(),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                return refuse(
                    Value::Null,
                    "the frame has no valid id: give a number, or a text of at most 128 bytes".to_owned(),
                );
            }
        };
        let Value::String(procedure) = take("procedure") else {
            return refuse(id, "the frame names no procedure: give one, such as share.ping".to_owned());
        };
        let input = match take("input") {
            Value::Null => defaults.clone(),
            Value::Object(input) => {
                let mut merged = defaults.clone();
                merged.extend(input);
                merged
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return refuse(id, "invalid input: write a JSON object".to_owned());
            }
        };
        let channel = match take("channel") {
            Value::Null => None,
            Value::String(channel) => Some(channel),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                return refuse(id, "invalid channel: give the text that the ready event has".to_owned());
            }
        };
        match Command::read(&procedure, Value::Object(input)) {
            Ok(command) => Ok(Self { id, command, channel }),
            Err(refusal) => Err((id, refusal)),
        }
    }

    /// Runs the command and gives the frame that answers it, at the latest after `within`.
    pub async fn answer(self, caller: &Caller, within: Duration) -> String {
        let Self { id, command, .. } = self;
        let running = AssertUnwindSafe(command.run(caller)).catch_unwind();
        let done = match timeout(within, running).await {
            Ok(Ok(done)) => done,
            Ok(Err(_panic)) => {
                tracing::error!(share = %caller.room.id(), "a viewer's command panicked");
                Err(Refusal::Unspecified {
                    message: "the command was not carried out to its end: the host's log says why".into(),
                })
            }
            Err(_late) => Err(Refusal::Unavailable { retry_after_ms: 1_000 }),
        };
        match done {
            Ok(data) => frame::answered(&id, &data),
            Err(refusal) => frame::refused(&id, &refusal),
        }
    }
}
