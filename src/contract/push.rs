//! Pushes and their answers: from the domain's types to Cap'n Proto and back. What comes in is checked here.

use crate::contract::read_error::ReadError;
use crate::contract::sync_data::check_json;
use crate::share::error::Refusal;
use crate::share::limits::Limits;
use crate::share::push::{Action, Answer};
use crate::share_capnp::{push_action, push_answer};

/// Writes a push.
pub fn write_action(action: &Action, mut to: push_action::Builder<'_>) {
    match action {
        Action::Ping(nonce) => to.set_ping(*nonce),
        Action::Notice(text) => to.set_notice(text.as_str()),
        Action::Custom { name, data } => {
            let mut custom = to.init_custom();
            custom.set_name(name.as_str());
            custom.set_data(data.as_str());
        }
    }
}

/// Reads and checks a push.
///
/// # Errors
/// The push is past a limit, its JSON text is invalid, this version does not know its kind, or the message is malformed.
pub fn read_action(from: push_action::Reader<'_>) -> Result<Action, ReadError> {
    let action = match from.which() {
        Ok(push_action::Which::Ping(nonce)) => Action::Ping(nonce),
        Ok(push_action::Which::Notice(text)) => Action::Notice(text?.to_string().map_err(capnp::Error::from)?),
        Ok(push_action::Which::Custom(custom)) => Action::Custom {
            name: custom.get_name()?.to_string().map_err(capnp::Error::from)?,
            data: custom.get_data()?.to_string().map_err(capnp::Error::from)?,
        },
        Err(capnp::NotInSchema(_)) => return Err(unknown("push").into()),
    };
    action.check_size()?;
    if let Some(json) = action.json() {
        check_json("push", json, &Limits::default())?;
    }
    Ok(action)
}

/// Writes the answer to a push.
pub fn write_answer(answer: &Answer, mut to: push_answer::Builder<'_>) {
    match answer {
        Answer::Done => to.set_done(()),
        Answer::Pong(nonce) => to.set_pong(*nonce),
        Answer::Custom(data) => to.set_custom(data.as_str()),
    }
}

/// Reads and checks the answer to a push.
///
/// # Errors
/// The answer is past a limit, its JSON text is invalid, this version does not know its kind, or the message is malformed.
pub fn read_answer(from: push_answer::Reader<'_>) -> Result<Answer, ReadError> {
    let answer = match from.which() {
        Ok(push_answer::Which::Done(())) => Answer::Done,
        Ok(push_answer::Which::Pong(nonce)) => Answer::Pong(nonce),
        Ok(push_answer::Which::Custom(data)) => Answer::Custom(data?.to_string().map_err(capnp::Error::from)?),
        Err(capnp::NotInSchema(_)) => return Err(unknown("answer").into()),
    };
    answer.check_size()?;
    if let Some(json) = answer.json() {
        check_json("answer", json, &Limits::default())?;
    }
    Ok(answer)
}

fn unknown(what: &str) -> Refusal {
    Refusal::invalid(0, format!("this version does not know this kind of {what}: use a newer version"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::limits::PUSH_BYTES_MAX;

    fn carried(action: &Action) -> Result<Action, ReadError> {
        let mut message = capnp::message::Builder::new_default();
        write_action(action, message.init_root());
        read_action(message.get_root_as_reader().unwrap())
    }

    fn answered(answer: &Answer) -> Result<Answer, ReadError> {
        let mut message = capnp::message::Builder::new_default();
        write_answer(answer, message.init_root());
        read_answer(message.get_root_as_reader().unwrap())
    }

    #[test]
    fn every_action_and_every_answer_comes_back() {
        for action in [Action::Ping(u64::MAX), Action::Notice("é".into()), Action::custom("a", r#"{"b": [1]}"#)] {
            assert_eq!(carried(&action).unwrap(), action);
        }
        for answer in [Answer::Done, Answer::Pong(7), Answer::custom("null")] {
            assert_eq!(answered(&answer).unwrap(), answer);
        }
    }

    #[test]
    fn what_is_no_json_or_too_large_is_refused() {
        let large = format!("\"{}\"", "x".repeat(PUSH_BYTES_MAX));
        for action in [Action::custom("a", "{"), Action::custom("", "1"), Action::custom("a", &large)] {
            assert!(matches!(carried(&action), Err(ReadError::Refused(_))), "{action:?}");
        }
        let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
        for answer in [Answer::custom("{"), Answer::custom(&large), Answer::custom(deep)] {
            assert!(matches!(answered(&answer), Err(ReadError::Refused(_))), "{answer:?}");
        }
    }
}
