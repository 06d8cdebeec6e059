//! Commands that every host of a deployment carries out: by way of the one that is asked, each for itself.

use capshare::client::{Admin, ClientError};
use capshare::share::error::Refusal;
use capshare::share::host::HostStanding;
use futures::future::join_all;

use crate::cli::connect::Target;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::clean;

/// The hosts that a command is about.
pub(super) struct Everywhere<'a> {
    target: &'a Target,
    /// The host that is asked; `None`: it does not tell, because its version is older.
    here: Option<HostStanding>,
    others: Vec<HostStanding>,
}

/// What one host answered.
pub(super) struct Answered<T> {
    /// The host's id; empty if it did not tell.
    pub(super) host: String,
    pub(super) answer: T,
}

/// What all of them answered.
pub(super) struct Answers<T> {
    pub(super) all: Vec<Answered<T>>,
    /// Those that did not answer, in words.
    silent: Vec<String>,
}

impl<'a> Everywhere<'a> {
    /// All hosts that the host of this target knows, or with `here` that one alone.
    pub(super) async fn of(target: &'a Target, here: bool) -> Result<Self, Failure> {
        match target.client.admin().hosts().await {
            Ok(hosts) => {
                let (asked, others): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|host| host.is_asked);
                let others = if here { Vec::new() } else { others };
                Ok(Self { target, here: asked.into_iter().next(), others })
            }
            Err(ClientError::Refused(Refusal::NotYet { .. })) => Ok(Self { target, here: None, others: Vec::new() }),
            Err(error) => Err(target.failure(&error)),
        }
    }

    /// Whether there are several.
    pub(super) fn are_many(&self) -> bool {
        !self.others.is_empty()
    }

    /// Has each host do something: the others at once, and then the one that is asked, which may close the connection of this command
    /// by it. Fails if the host that is asked does.
    pub(super) async fn each<T, F>(&self, call: impl Fn(Admin) -> F) -> Result<Answers<T>, Failure>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let admin = self.target.client.admin();
        let elsewhere = self.others.iter().map(|host| call(admin.at(&host.info.id)));
        let elsewhere = join_all(elsewhere).await;
        let own = call(admin).await.map_err(|error| self.target.failure(&error))?;
        let host = self.here.as_ref().map(|here| here.info.id.to_string()).unwrap_or_default();
        let mut answers = Answers { all: vec![Answered { host, answer: own }], silent: Vec::new() };
        for (host, answer) in self.others.iter().zip(elsewhere) {
            match answer {
                Ok(answer) => answers.all.push(Answered { host: host.info.id.to_string(), answer }),
                Err(error) => answers.silent.push(silent(host, &error)),
            }
        }
        Ok(answers)
    }
}

/// A host that did not answer, in words.
fn silent(host: &HostStanding, error: &ClientError) -> String {
    let at = host.info.urls.first().map(|url| format!(" ({url})")).unwrap_or_default();
    let why = match error.refusal() {
        Some(Refusal::Unavailable { .. }) if !host.is_linked => "there is no connection to it".to_owned(),
        Some(Refusal::Unavailable { .. }) => "it did not answer in time".to_owned(),
        Some(_) | None => clean::word(&error.to_string()).into_owned(),
    };
    format!("{}{at}: {why}", host.info.id)
}

impl<T> Answers<T> {
    /// Fails if any host did not answer. To be called when all else was printed.
    pub(super) fn complete(&self) -> Result<(), Failure> {
        if self.silent.is_empty() {
            return Ok(());
        }
        let silent = self.silent.join("; ");
        let message = format!(
            "not every host of the deployment answered, and what is printed leaves these out: {silent}. Ask such a host itself, by \
             --to URL --here"
        );
        Err(Failure::new(Exit::Unreachable, message))
    }
}
