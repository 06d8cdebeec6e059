//! What a program that follows says of its connection: when it is lost, when it is back, and where.

use std::time::Duration;

use capshare::client::{ConnectionState, Lost};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::cli::origin::origin;
use crate::cli::output::clean;

/// Time between two remarks that a host still cannot be reached.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Reports by `note` each loss of the connection and each return, until the client is dropped.
pub(crate) async fn tell_of_losses(mut state: watch::Receiver<ConnectionState>, mut note: impl FnMut(&str)) {
    let (mut last, mut away) = (None::<String>, None::<Away>);
    while state.changed().await.is_ok() {
        let now = state.borrow_and_update().clone();
        match now {
            ConnectionState::Waiting { cause, .. } => {
                let (is_proxy, at) = (matches!(cause, Lost::Proxy { .. }), Instant::now());
                let cause = cause.to_string();
                let cause = clean::word(&cause);
                let away = away.get_or_insert(Away { since: at, told: None, proxy_was_told: false });
                match away.told {
                    None if last.is_some() => {
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
            ConnectionState::Connected(hello) => {
                let (before, was_away) = (last.replace(hello.host.clone()), away.take().is_some());
                let here = origin(&hello.host).unwrap_or_default();
                let here = clean::word(&here);
                match before {
                    Some(before) if before != hello.host => note(&format!("going on at {here}; nothing is lost")),
                    Some(_) if was_away => note("connected again"),
                    None if was_away => note("connected"),
                    Some(_) | None => {}
                }
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
}
