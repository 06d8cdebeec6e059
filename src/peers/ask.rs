//! Questions to another host, for administrators: bytes that both hosts understand, and an answer, or why it did not come.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Peers;
use crate::share::id::HostId;

/// How long another host may take for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A question that waits to be sent, or for its answer.
#[derive(Debug)]
pub struct Asked {
    /// The question.
    pub question: Bytes,
    answer: oneshot::Sender<Bytes>,
}

impl Asked {
    /// Resolves when nobody waits for the answer any more.
    pub async fn given_up(&mut self) {
        self.answer.closed().await;
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.answer.is_closed()
    }

    /// Gives the answer to the one who asked. A question that is dropped without it counts as not answered.
    pub fn answer(self, answer: Bytes) {
        // Who asked may have gone.
        drop(self.answer.send(answer));
    }
}

/// Another host gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnswered {
    /// There is no connection to it.
    #[error("there is no connection to this host: it may be gone, or it does not say where other hosts reach it")]
    NotLinked,
    /// Too many questions wait.
    #[error("too many questions to this host wait for their answers: ask again later")]
    TooMany,
    /// It took too long, or its connection ended meanwhile.
    #[error("this host did not answer")]
    Silent,
}

/// A carrier that can ask one other host something.
pub trait Asking: Send + Sync {
    /// Asks a host, and waits for its answer for some seconds.
    ///
    /// # Errors
    /// There is no answer. What was asked may be done all the same.
    fn ask(&self, host: &HostId, question: Bytes) -> impl Future<Output = Result<Bytes, NotAnswered>> + Send;
}

impl Asking for Peers {
    async fn ask(&self, host: &HostId, question: Bytes) -> Result<Bytes, NotAnswered> {
        let (answer, answered) = oneshot::channel();
        let mut asked = Asked { question, answer };
        let mut is_linked = false;
        for wire in self.links().iter().filter(|wire| wire.host == *host) {
            is_linked = true;
            match wire.ask(asked) {
                Ok(()) => {
                    return timeout(ANSWER_WITHIN, answered).await.ok().and_then(Result::ok).ok_or(NotAnswered::Silent);
                }
                Err(back) => asked = back,
            }
        }
        Err(if is_linked { NotAnswered::TooMany } else { NotAnswered::NotLinked })
    }
}
