//! `capshare probe`: is this host one that we can work with, and how far away is it?

use std::time::Duration;

use capshare::__internal::contract::CONTRACT_VERSION;
use capshare::client::{ClientError, Measured, ProbeValue};
use capshare::share::time::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use crate::cli::args;
use crate::cli::connect::Target;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{Output, clean};

/// Makes four checks, each with its time; the first that fails ends it.
pub(crate) async fn run(args: args::Probe, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let mut host = args.host;
    host.to.extend(args.url);
    let target = Target::of(&host, environment)?;
    let client = &target.client;
    let failure = |error: ClientError| target.failure(&error);

    let since = Instant::now();
    let hello = client.hello().await.map_err(failure)?;
    let host = target.host();
    passed(
        output,
        "reach",
        since.elapsed(),
        &format!(
            "{host} answered, and this program is account {} there; the time includes connecting",
            clean::word(&hello.account)
        ),
    )?;
    let (agent, contract) = (clean::word(&hello.agent), hello.contract_version);
    let version = format!(
        "{agent} speaks version {contract} of the contract, as this program does; the time is that of an empty call"
    );
    debug_assert_eq!(hello.contract_version, CONTRACT_VERSION, "hello compares them");
    passed(output, "version", client.ping().await.map_err(failure)?, &version)?;

    // Bytes that are not text, a time before 1970, and a number that decimal notation would change.
    let sent = ProbeValue { when: Timestamp(-1), bytes: (0..=255).collect(), x: 0.1 + 0.2 };
    let Measured { value, round_trip } = client.probe_value(sent.clone()).await.map_err(failure)?;
    if value != sent {
        return Err(Failure::new(
            Exit::Failed,
            format!("{host} returned another value than was sent: please report this"),
        ));
    }
    passed(output, "value", round_trip, "a time, bytes and a nested struct came back as they were sent")?;

    let answered = client.probe_callback(|words| format!("{words}, client-answered")).await.map_err(failure)?;
    if answered.value != "server-called, client-answered" {
        return Err(Failure::new(
            Exit::Failed,
            format!("{host} did not return the answer to its callback: please report this"),
        ));
    }
    passed(output, "callback", answered.round_trip, "the host called back over the same connection")?;
    client.close().await;
    Ok(())
}

fn passed(output: &mut Output, check: &str, took: Duration, what: &str) -> Result<(), Failure> {
    let milliseconds = (took.as_secs_f64() * 1e6).round() / 1e3;
    output.result(
        format_args!("ok  {check:<9} {milliseconds:>9.3} ms  {what}"),
        &json!({ "check": check, "ok": true, "ms": milliseconds, "detail": what }),
    )
}
