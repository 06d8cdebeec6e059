//! From the flags of a client command to a client of the right hosts, and from its errors to exit codes.
//!
//! A credential from the environment goes only to the hosts that the environment (or the default) names: the URL of a share
//! comes from somebody else, and must not be able to ask for it. One on the command line goes where the command line says. Hosts that
//! a host names are the client's matter, which shows them a credential only if they were named over TLS and are reached over TLS.

use std::sync::Arc;

use capshare::__internal::contract::RPC_PATH;
use capshare::client::defaults::QUEUE_ITEMS_MAX;
use capshare::client::redact::Redactor;
use capshare::client::{Builder, Client, ClientError, Closed, ConnectionState, Hello, Lost};
use capshare::share::error::Refusal;
use capshare::share::grant::GrantToken;
use capshare::share::id::ShareId;

use crate::cli::args;
use crate::cli::defaults::{LISTEN, QUEUE_BYTES_MAX};
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::losses::tell_of_losses;
use crate::cli::origin::origin;
use crate::cli::output::{Output, clean};
use crate::cli::secrets::Place;

/// The hosts of a command, and the way to them.
pub(crate) struct Target {
    /// A client of the hosts.
    pub(crate) client: Client,
    /// The hosts' origins, in the order in which they were named.
    origins: Vec<String>,
    /// Whether the user named the hosts, by flag, variable or default, and not only somebody's URL of a share.
    is_of_user: bool,
}

impl Target {
    /// The hosts that the flags and the environment name.
    pub(crate) fn of(args: &args::Host, environment: &Environment) -> Result<Self, Failure> {
        build(args, environment, None, None)
    }

    /// The one host that the flags and the environment name, for what is about one host.
    pub(crate) fn of_one(args: &args::Host, environment: &Environment) -> Result<Self, Failure> {
        let target = build(args, environment, None, None)?;
        match target.origins.len() {
            1 => Ok(target),
            count => Err(Failure::new(
                Exit::Usage,
                format!("{count} hosts are named, and this command is about one: name it by --to, once"),
            )),
        }
    }

    /// The hosts that the flags and the environment name, by a client that masks secrets in what is sent.
    pub(crate) fn masking(args: &args::Host, environment: &Environment, redactor: Redactor) -> Result<Self, Failure> {
        build(args, environment, None, Some(redactor))
    }

    /// The host of a share, given by its id or its URL, and the token that comes with it: by itself in the place of the id,
    /// or at the end of the URL, where browsers send it to no host.
    pub(crate) fn of_share(
        share: &str,
        args: &args::Host,
        environment: &Environment,
    ) -> Result<(Self, ShareId, Option<GrantToken>), Failure> {
        if share.starts_with(GrantToken::PREFIX) {
            let token = grant_token(share)?;
            return Ok((build(args, environment, None, None)?, token.share().clone(), Some(token)));
        }
        let (share, token) = match share.split_once("#grant=") {
            Some((share, token)) => (share, Some(grant_token(token)?)),
            None => (share, None),
        };
        let share = share.trim_end_matches('/');
        let (base, id) = match share.rsplit_once('/') {
            Some((before, id)) => (before.strip_suffix("/share").or_else(|| before.strip_suffix("/ws")), id),
            None => (None, share),
        };
        if base.is_none() && share.contains('/') {
            let message = format!("invalid share {share:?}: write its id, or its URL such as http://{LISTEN}/share/ID");
            return Err(Failure::new(Exit::Usage, message));
        }
        // No share has an id that is not valid.
        let id: ShareId = id.parse().map_err(|_| of_refusal(&Refusal::not_found(id)))?;
        if token.as_ref().is_some_and(|token| *token.share() != id) {
            return Err(Failure::new(
                Exit::Usage,
                format!(
                    "the token in this URL belongs to another share than {id}: copy the whole line that `capshare link` printed"
                ),
            ));
        }
        Ok((build(args, environment, base, None)?, id, token))
    }

    /// The origin of the host that the client is connected to; without a connection, the origins of all that were named.
    pub(crate) fn host(&self) -> String {
        let state = self.client.state();
        let reached = if let ConnectionState::Connected(hello) = &*state.borrow() { origin(&hello.host) } else { None };
        reached.unwrap_or_else(|| self.origins.join(" or "))
    }

    /// What the host says of itself and of this program, and the place where the secrets of its shares are kept.
    ///
    /// # Errors
    /// The host cannot be reached, or refuses this program.
    pub(crate) async fn place(&self) -> Result<(Arc<Hello>, Place), Failure> {
        let hello = self.client.hello().await.map_err(|error| self.failure(&error))?;
        let reached = origin(&hello.host).filter(|reached| !self.origins.contains(reached));
        let hosts = self.origins.iter().cloned().chain(reached).collect();
        let place = Place { store: hello.store.clone(), hosts, is_of_user: self.is_of_user };
        Ok((hello, place))
    }

    /// The failure of the command that an error of a call makes, with advice.
    pub(crate) fn failure(&self, error: &ClientError) -> Failure {
        let exit = exit_of(error);
        let advice = match exit {
            Exit::Unauthorized if !matches!(error.refusal(), Some(Refusal::InvalidSecret { .. })) => {
                ": give your credential by CAPSHARE_TOKEN or --token-file"
            }
            Exit::Unreachable if matches!(error, ClientError::Unreachable { cause: Lost::Proxy { .. }, .. }) => {
                ": check that a capshare host runs behind it, or name another host by --to"
            }
            Exit::Unreachable if error.refusal().is_none() => {
                ": start a host there by `capshare serve`, or name another by --to"
            }
            Exit::Unreachable
            | Exit::Failed
            | Exit::Usage
            | Exit::NotFound
            | Exit::Unauthorized
            | Exit::Limit
            | Exit::Store
            | Exit::Address
            | Exit::PipeClosed => "",
        };
        let error_text = error.to_string();
        let failure = Failure::new(exit, format!("{}: {}{advice}", self.host(), clean::word(&error_text)));
        match error.refusal() {
            Some(refusal) => failure.refused(refusal),
            None => failure,
        }
    }

    /// Reports that the host cannot be reached, for how long, and when it can be again, until the client is dropped: queues
    /// and watches wait without a word.
    pub(crate) fn tell_of_losses(&self, mut output: Output) -> impl Future<Output = ()> + use<> {
        tell_of_losses(self.client.state(), move |text| output.note(text))
    }

    /// Resolves when the client has ended for good, with why.
    pub(crate) async fn ended(&self) -> Failure {
        let mut state = self.client.state();
        let closed = state.wait_for(|state| matches!(state, ConnectionState::Closed(_))).await;
        match closed.as_deref() {
            Ok(ConnectionState::Closed(closed)) => self.failure(&ClientError::Closed(closed.clone())),
            // Its driver is gone, which says so first.
            Ok(_) | Err(_) => self.failure(&ClientError::Closed(Closed::Here)),
        }
    }
}

/// A token as it was typed. An invalid one is not repeated in the message: it may be part of a valid one.
fn grant_token(text: &str) -> Result<GrantToken, Failure> {
    let message = "this is not a whole token of a share: copy all that `capshare link` printed";
    GrantToken::parse(text).ok_or_else(|| Failure::new(Exit::Usage, message))
}

/// The failure of the command that a refusal makes which was found on this side.
pub(crate) fn of_refusal(refusal: &Refusal) -> Failure {
    Failure::new(exit_of_refusal(refusal), refusal.to_string()).refused(refusal)
}

fn build(
    args: &args::Host,
    environment: &Environment,
    from_share: Option<&str>,
    redactor: Option<Redactor>,
) -> Result<Target, Failure> {
    let usual: Vec<String> = match environment.get("CAPSHARE_TO") {
        Some(urls) => urls.split_whitespace().map(str::to_owned).collect(),
        None => vec![format!("http://{LISTEN}")],
    };
    let (urls, is_of_user) = match (&args.to[..], from_share) {
        ([], None) => (usual, true),
        ([], Some(base)) => {
            let of_share = origin(base);
            let others: Vec<_> = usual.iter().filter(|url| origin(url) != of_share).cloned().collect();
            let url = format!("{base}{RPC_PATH}");
            // What one of the hosts holds that the user names, the others hold.
            let is_usual = others.len() < usual.len();
            (if is_usual { [vec![url], others].concat() } else { vec![url] }, is_usual)
        }
        (to, _) => (to.to_vec(), true),
    };
    let mut origins = Vec::new();
    for url in &urls {
        let origin = origin(url).ok_or_else(|| {
            let example = "such as https://share.example.org or http://127.0.0.1:7420";
            Failure::new(Exit::Usage, format!("invalid host URL {url:?}: write one {example}"))
        })?;
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    let mut urls = urls.into_iter();
    let first =
        urls.next().ok_or_else(|| Failure::new(Exit::Usage, "CAPSHARE_TO names no host: write its URL there"))?;
    let mut builder = urls.fold(Client::builder(first), Builder::and_at);
    builder = builder.call_timeout(args.timeout).connect_timeout(args.timeout);
    builder = builder.queue_bounds(QUEUE_ITEMS_MAX, QUEUE_BYTES_MAX);
    if args.only_these {
        builder = builder.ignore_named_hosts();
    }
    if let Some(token) = token(args, environment, is_of_user)? {
        builder = builder.token(token);
    }
    if let Some(redactor) = redactor {
        builder = builder.redact(redactor);
    }
    let client = builder.build().map_err(|error| Failure::of(Exit::Usage, &error))?;
    Ok(Target { client, origins, is_of_user })
}

fn token(args: &args::Host, environment: &Environment, is_of_user: bool) -> Result<Option<String>, Failure> {
    if let Some(token) = &args.token {
        return Ok(Some(token.clone()));
    }
    let from_environment = |name| environment.get(name).filter(|_| is_of_user);
    let path = match (&args.token_file, from_environment("CAPSHARE_TOKEN")) {
        (Some(path), _) => path.clone(),
        (None, Some(token)) => return Ok(Some(token.to_owned())),
        (None, None) => match from_environment("CAPSHARE_TOKEN_FILE") {
            Some(path) => path.into(),
            None => return Ok(None),
        },
    };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::new(Exit::Usage, format!("the token file {} cannot be read: {error}", path.display()))
    })?;
    Ok(Some(text.trim().to_owned()))
}

fn exit_of(error: &ClientError) -> Exit {
    match error {
        ClientError::Refused(refusal)
        | ClientError::Overloaded(refusal)
        | ClientError::Closed(Closed::Refused(refusal)) => exit_of_refusal(refusal),
        ClientError::Unreachable { .. } | ClientError::Disconnected { .. } | ClientError::Timeout { .. } => {
            Exit::Unreachable
        }
        ClientError::QueueFull { .. } | ClientError::Closed(Closed::TooManyConnections(_)) => Exit::Limit,
        ClientError::Closed(Closed::Revoked(_)) => Exit::Unauthorized,
        ClientError::Closed(_) | ClientError::Failed(_) | _ => Exit::Failed,
    }
}

fn exit_of_refusal(refusal: &Refusal) -> Exit {
    match refusal {
        Refusal::NotFound { .. } => Exit::NotFound,
        Refusal::Unauthorized { .. } | Refusal::InvalidSecret { .. } => Exit::Unauthorized,
        Refusal::RouteMismatch { .. }
        | Refusal::ProtocolMismatch { .. }
        | Refusal::UpgradeFailed { .. }
        | Refusal::Unavailable { .. } => Exit::Unreachable,
        Refusal::LimitExceeded { .. } => Exit::Limit,
        Refusal::StorageFailure { .. } => Exit::Store,
        Refusal::InvalidInput { .. }
        | Refusal::StaleProducer { .. }
        | Refusal::NotYet { .. }
        | Refusal::Unspecified { .. }
        | _ => Exit::Failed,
    }
}
