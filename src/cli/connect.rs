//! From the flags of a client command to a client of the right host, and from its errors to exit codes.
//!
//! A credential from the environment goes only to the host that the environment (or the default) names: the URL of a share
//! comes from somebody else, and must not be able to ask for it. One on the command line goes where the command line says.

use std::time::Duration;

use capshare::__internal::contract::RPC_PATH;
use capshare::client::redact::Redactor;
use capshare::client::{Client, ClientError, Closed, ConnectionState, Lost};
use capshare::share::error::Refusal;
use capshare::share::grant::GrantToken;
use capshare::share::id::ShareId;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::cli::args;
use crate::cli::defaults::LISTEN;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{Output, clean};

/// Time between two remarks that a host still cannot be reached.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// A host, and the way to it.
pub(crate) struct Target {
    /// A client of the host.
    pub(crate) client: Client,
    /// The host's origin, under which the secrets of its shares are kept.
    pub(crate) host: String,
}

impl Target {
    /// The host that the flags and the environment name.
    pub(crate) fn of(args: &args::Host, environment: &Environment) -> Result<Self, Failure> {
        build(args, environment, None, None)
    }

    /// The host that the flags and the environment name, by a client that masks secrets in what is sent.
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
        let failure = Failure::new(exit, format!("{}: {}{advice}", self.host, clean::word(&error_text)));
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

/// Reports by `note` each loss of the connection and each return, until the client is dropped.
async fn tell_of_losses(mut state: watch::Receiver<ConnectionState>, mut note: impl FnMut(&str)) {
    let (mut was_connected, mut away) = (false, None::<Away>);
    while state.changed().await.is_ok() {
        let now = state.borrow_and_update().clone();
        match now {
            ConnectionState::Waiting { cause, .. } => {
                let (is_proxy, at) = (matches!(cause, Lost::Proxy { .. }), Instant::now());
                let cause = cause.to_string();
                let cause = clean::word(&cause);
                let away = away.get_or_insert(Away { since: at, told: None, proxy_was_told: false });
                match away.told {
                    None if was_connected => {
                        note(&format!("the connection was lost ({cause}); connecting again, nothing is lost"))
                    }
                    None => note(&format!("the host cannot be reached ({cause}); trying again")),
                    // A cut comes first, and says nothing of what answers from then on.
                    Some(_) if is_proxy && !away.proxy_was_told => {
                        note(&format!("the host cannot be reached ({cause}); trying again"));
                    }
                    Some(told) if at - told >= TELL_AGAIN_AFTER => {
                        let minutes = (at - away.since).as_secs() / 60;
                        note(&format!("the host has not been reached for {minutes} min ({cause}); still trying"));
                    }
                    Some(_) => continue,
                }
                away.told = Some(at);
                away.proxy_was_told |= is_proxy;
            }
            ConnectionState::Connected(_) => {
                if away.take().is_some() {
                    note(if was_connected { "connected again" } else { "connected" });
                }
                was_connected = true;
            }
            ConnectionState::Idle | ConnectionState::Connecting { .. } | ConnectionState::Closed(_) | _ => {}
        }
    }
}

/// A host that cannot be reached, and what was reported of it.
struct Away {
    since: Instant,
    /// When it was reported last.
    told: Option<Instant>,
    /// Whether it was reported that a proxy answers in its place.
    proxy_was_told: bool,
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
    let usual = environment.get("CAPSHARE_TO").map_or_else(|| format!("http://{LISTEN}"), str::to_owned);
    let url = match (&args.to, from_share) {
        (Some(to), _) => to.clone(),
        (None, Some(base)) => format!("{base}{RPC_PATH}"),
        (None, None) => usual.clone(),
    };
    let host = origin(&url).ok_or_else(|| {
        let example = "such as https://share.example.org or http://127.0.0.1:7420";
        Failure::new(Exit::Usage, format!("invalid host URL {url:?}: write one {example}"))
    })?;
    let mut builder = Client::builder(url).call_timeout(args.timeout).connect_timeout(args.timeout);
    if let Some(token) = token(args, environment, args.to.is_some() || origin(&usual).as_ref() == Some(&host))? {
        builder = builder.token(token);
    }
    if let Some(redactor) = redactor {
        builder = builder.redact(redactor);
    }
    let client = builder.build().map_err(|error| Failure::of(Exit::Usage, &error))?;
    Ok(Target { client, host })
}

fn token(args: &args::Host, environment: &Environment, is_usual: bool) -> Result<Option<String>, Failure> {
    if let Some(token) = &args.token {
        return Ok(Some(token.clone()));
    }
    let from_environment = |name| environment.get(name).filter(|_| is_usual);
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

/// The scheme, name and port of a URL, in one spelling.
pub(crate) fn origin(url: &str) -> Option<String> {
    let url: http::Uri = url.parse().ok()?;
    let (scheme, usual_port) = match url.scheme_str()? {
        "http" | "ws" => ("http", 80),
        "https" | "wss" => ("https", 443),
        _ => return None,
    };
    let name = url.host().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let port = url.port_u16().unwrap_or(usual_port);
    Some(if port == usual_port { format!("{scheme}://{name}") } else { format!("{scheme}://{name}:{port}") })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// It is said when the host goes away, and once a minute for as long as it is, however often it is tried.
    #[tokio::test(start_paused = true)]
    async fn a_host_that_stays_away_is_told_once_a_minute() {
        let (states, state) = watch::channel(ConnectionState::Idle);
        let mut told = Vec::new();
        let telling = tell_of_losses(state, |text| told.push(text.to_owned()));
        let trying = async move {
            // An attempt each ten seconds, for two minutes and a half.
            for _ in 0..16 {
                let cause = Lost::Connection("no\nroute".into());
                states.send_replace(ConnectionState::Waiting { delay: Duration::from_secs(10), cause });
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
            drop(states);
        };
        tokio::join!(telling, trying);
        let away = |said: &str| {
            format!("the host {said} (no\u{fffd}route); trying again")
                .replace("min (no\u{fffd}route); trying again", "min (no\u{fffd}route); still trying")
        };
        assert_eq!(
            told,
            [away("cannot be reached"), away("has not been reached for 1 min"), away("has not been reached for 2 min")]
        );
    }

    /// What answers in the place of a host that was cut off is said when it does, and not anew at each attempt.
    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_answers_is_told_once() {
        let (states, state) = watch::channel(ConnectionState::Idle);
        let mut told = Vec::new();
        let telling = tell_of_losses(state, |text| told.push(text.to_owned()));
        let trying = async move {
            let proxy = |status| Lost::Proxy { status, answer: "in HTML".into() };
            for cause in [Lost::Connection("a cut".into()), proxy(404), proxy(502), Lost::Connection("refused".into())]
            {
                states.send_replace(ConnectionState::Waiting { delay: Duration::from_secs(1), cause });
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::join!(telling, trying);
        let away = |cause: &str| format!("the host cannot be reached ({cause}); trying again");
        assert_eq!(told, [away("a cut"), away("a proxy answered 404 in HTML")]);
    }

    #[test]
    fn the_same_host_has_one_origin() {
        for url in ["https://A.example", "wss://a.example/rpc/share", "https://a.example:443/"] {
            assert_eq!(origin(url).as_deref(), Some("https://a.example"), "{url}");
        }
        assert_eq!(origin("ws://[::1]:7420/x").as_deref(), Some("http://[::1]:7420"));
        for bad in ["", "a.example", "/x", "ftp://a.example", "http://"] {
            assert_eq!(origin(bad), None, "{bad}");
        }
    }
}
