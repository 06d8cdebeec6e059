//! What a viewer sends up: `{id, procedure, input}`, read and answered, whether it came in a frame or was posted.
//!
//! Whatever is wrong with it is an answer, and never the end of the stream. The answer has the frame's id, null if it has
//! none that could be read.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::share::error::Refusal;
use crate::viewer::command::{Caller, Command};
use crate::viewer::frame;

/// Bytes of a frame that a viewer may send: commands are small.
pub const UPLINK_BYTES_MAX: usize = 64 << 10;

/// Bytes of a frame's id.
const ID_BYTES_MAX: usize = 128;

/// What every input of a stream has unless it says otherwise: the `?input=` of its URL.
pub type Defaults = Map<String, Value>;

/// A command, and what its answer is to be told apart by.
#[derive(Debug)]
pub struct Uplink {
    /// A number or a text.
    pub id: Value,
    /// The command.
    pub command: Command,
    /// The stream that it is about, if it was posted and says so.
    pub channel: Option<String>,
}

/// Reads `?input=`.
///
/// # Errors
/// It is not a JSON object; or it has what must not stand in a URL.
pub fn read_defaults(text: &str) -> Result<Defaults, Refusal> {
    let defaults: Defaults = serde_json::from_str(text)
        .map_err(|error| Refusal::invalid(0, format!("input is a JSON object, percent-encoded: {error}")))?;
    if ["secret", "token"].iter().any(|name| defaults.contains_key(*name)) {
        let reason = "a secret in a URL ends up in logs: send it in the input of the command itself";
        return Err(Refusal::Unauthorized { reason: reason.into() });
    }
    Ok(defaults)
}

impl Uplink {
    /// Reads a frame.
    ///
    /// # Errors
    /// What is wrong with it, and the id to answer it with.
    pub fn read(text: &[u8], defaults: &Defaults) -> Result<Self, (Value, Refusal)> {
        let refuse = |id, reason: String| Err((id, Refusal::invalid(0, reason)));
        let mut frame: Map<String, Value> = match serde_json::from_slice(text) {
            Ok(frame) => frame,
            Err(error) => return refuse(Value::Null, format!("a frame is {{id, procedure, input}} in JSON: {error}")),
        };
        let mut take = |name| frame.remove(name).unwrap_or_default();
        let id = match take("id") {
            id @ Value::Number(_) => id,
            Value::String(id) if id.len() <= ID_BYTES_MAX => id.into(),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                return refuse(Value::Null, "a frame needs an id, a number or a text of at most 128 bytes".to_owned());
            }
        };
        let Value::String(procedure) = take("procedure") else {
            return refuse(id, "a frame names its procedure, such as share.ping".to_owned());
        };
        let input = match take("input") {
            Value::Null => defaults.clone(),
            Value::Object(input) => {
                let mut merged = defaults.clone();
                merged.extend(input);
                merged
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return refuse(id, "input is an object".to_owned());
            }
        };
        let channel = match take("channel") {
            Value::Null => None,
            Value::String(channel) => Some(channel),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                return refuse(id, "channel is the text that the ready event gave".to_owned());
            }
        };
        match Command::read(&procedure, Value::Object(input)) {
            Ok(command) => Ok(Self { id, command, channel }),
            Err(refusal) => Err((id, refusal)),
        }
    }

    /// Runs it and gives the frame that answers it, at the latest after `within`.
    pub async fn answer(self, caller: &Caller, within: Duration) -> String {
        let Self { id, command, .. } = self;
        let running = AssertUnwindSafe(command.run(caller)).catch_unwind();
        let done = match timeout(within, running).await {
            Ok(Ok(done)) => done,
            Ok(Err(_panic)) => {
                tracing::error!(share = %caller.room.id(), "a viewer's command panicked");
                Err(Refusal::Unspecified { message: "the host failed: see its log".into() })
            }
            Err(_late) => Err(Refusal::Unavailable { retry_after_ms: 1_000 }),
        };
        match done {
            Ok(data) => frame::answered(&id, &data),
            Err(refusal) => frame::refused(&id, &refusal),
        }
    }
}
