//! `capshare admin`: who is connected to a host, telling them something, closing connections, draining it; and everybody's shares,
//! in [`shares`].

mod everywhere;
mod shares;

use std::convert::Infallible;
use std::time::Duration;

use capshare::client::Admin;
use capshare::share::admin::{BroadcastFilter, CloseWhich, ConnectionInfo, HostStats};
use capshare::share::push::Action;
use serde_json::{Value, json};

use crate::cli::admin::everywhere::{Answered, Answers, Everywhere};
use crate::cli::args::{AdminBroadcast, AdminCommand, AdminConnections, AdminWhat, AdminWhich, Where};
use crate::cli::connect::{self, Target};
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{Output, clean};
use crate::cli::stop;
use crate::cli::time::{from_now, time};

/// Between two looks of `--watch`.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Carries out one command.
pub(crate) async fn run(command: AdminCommand, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    match command {
        AdminCommand::Shares(args) => shares::list(args, environment, output).await,
        AdminCommand::Hide(args) => shares::hide(args, environment, output).await,
        AdminCommand::Rm(args) => shares::remove(args, environment, output).await,
        AdminCommand::Connections(args) => connections(args, environment, output).await,
        AdminCommand::Close(args) => {
            let which = which(args.which)?;
            let target = Target::of(&args.host.into(), environment)?;
            let everywhere = Everywhere::of(&target, args.reach.here).await?;
            let closed = everywhere
                .each(|admin| {
                    let which = which.clone();
                    async move { admin.close(which).await }
                })
                .await?;
            told_by_all(output, "closed", &closed)?;
            target.client.close().await;
            closed.complete()
        }
        AdminCommand::Send(args) => {
            let action = action(args.what)?;
            let (account, target) = (&args.account, Target::of(&args.host.into(), environment)?);
            let everywhere = Everywhere::of(&target, args.reach.here).await?;
            let action = &action;
            let sent = everywhere.each(|admin| async move { admin.send_to_account(account, action).await }).await?;
            told_by_all(output, "reached", &sent)?;
            target.client.close().await;
            sent.complete()
        }
        AdminCommand::Broadcast(args) => {
            let AdminBroadcast { what, except, filter, reach, host } = args;
            let (action, except, filter) = (&action(what)?, &except, &only(filter)?);
            let target = Target::of(&host.into(), environment)?;
            let everywhere = Everywhere::of(&target, reach.here).await?;
            let sent = everywhere.each(|admin| async move { admin.broadcast(action, except, filter).await }).await?;
            told_by_all(output, "reached", &sent)?;
            target.client.close().await;
            sent.complete()
        }
        AdminCommand::Stats(args) => {
            let target = Target::of(&args.host.into(), environment)?;
            let everywhere = Everywhere::of(&target, args.reach.here).await?;
            let all = everywhere.each(|admin| async move { admin.stats().await }).await?;
            for Answered { host, answer } in &all.all {
                let facts = stats(host, answer);
                output.result(lines(&facts), &facts)?;
                if everywhere.are_many() && !output.is_json() {
                    output.text("\n")?;
                }
            }
            target.client.close().await;
            all.complete()
        }
        AdminCommand::Drain(args) => {
            let target = Target::of_one(&args.host.into(), environment)?;
            let deadline = (!args.within.is_zero()).then(|| from_now(args.within));
            let told_off = target.client.admin().drain(deadline).await.map_err(|error| target.failure(&error))?;
            told(output, "draining", told_off)?;
            target.client.close().await;
            Ok(())
        }
        AdminCommand::Undrain(args) => {
            let target = Target::of_one(&args.host.into(), environment)?;
            let staying = target.client.admin().undrain().await.map_err(|error| target.failure(&error))?;
            told(output, "serving", staying)?;
            target.client.close().await;
            Ok(())
        }
    }
}

async fn connections(args: AdminConnections, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let target = Target::of(&args.host.into(), environment)?;
    let admin = target.client.admin();
    if args.watch {
        let stop = stop::on_signal()?;
        let telling = tokio::spawn(target.tell_of_losses(*output));
        tokio::select! {
            () = stop.cancelled() => {}
            ended = keep_showing(&admin, &target, output) => match ended? {},
        }
        telling.abort();
    } else {
        let everywhere = Everywhere::of(&target, args.reach.here).await?;
        let answers = everywhere.each(|admin| admin.connections().into_vec()).await?;
        let all = answers.all.iter().flat_map(|Answered { answer, .. }| answer).cloned().collect::<Vec<_>>();
        show(&all, false, output)?;
        target.client.close().await;
        return answers.complete();
    }
    target.client.close().await;
    Ok(())
}

/// Shows them again and again. A host that goes away afterwards is waited for.
async fn keep_showing(admin: &Admin, target: &Target, output: &mut Output) -> Result<Infallible, Failure> {
    let mut were_shown = false;
    loop {
        match admin.connections().into_vec().await {
            Ok(all) => {
                show(&all, true, output)?;
                were_shown = true;
            }
            // The remark on the loss has said so.
            Err(error) if were_shown && error.is_transient() => {}
            Err(error) => return Err(target.failure(&error)),
        }
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

fn show(all: &[ConnectionInfo], afresh: bool, output: &mut Output) -> Result<(), Failure> {
    if output.is_json() {
        return match afresh {
            // Each look is one line, so that a reader knows where it ends.
            true => output.object(&json!({ "connections": all.iter().map(object).collect::<Vec<_>>() })),
            false => all.iter().try_for_each(|connection| output.object(&object(connection))),
        };
    }
    if afresh {
        output.clear()?;
    }
    let mut table = format!(
        "{:16}  {:20}  {:10}  {:6}  {:24}  {:>10}  {:>10}  {:>5}  {:>8}  STATES\n",
        "ID", "ACCOUNT", "CREDENTIAL", "DOOR", "SINCE", "IN", "OUT", "CALLS", "QUEUE"
    );
    for connection in all {
        let states = connection.states.join(",");
        let states = if states.is_empty() { "-".into() } else { clean::word(&states) };
        let account = if connection.account.is_empty() { "-".into() } else { clean::word(&connection.account) };
        table.push_str(&format!(
            "{:16}  {account:20}  {:10}  {:6}  {}  {:>10}  {:>10}  {:>5}  {:>8}  {states}\n",
            clean::word(&connection.id),
            clean::word(&connection.credential),
            clean::word(&connection.door),
            time(connection.since),
            connection.bytes_in,
            connection.bytes_out,
            connection.calls_in_flight,
            connection.queued_bytes,
        ));
    }
    output.text(&table)
}

fn object(connection: &ConnectionInfo) -> Value {
    json!({
        "id": connection.id,
        "account": connection.account,
        "credential": connection.credential,
        "credential_id": connection.credential_id,
        "door": connection.door,
        "since": time(connection.since),
        "bytes_in": connection.bytes_in,
        "bytes_out": connection.bytes_out,
        "calls_in_flight": connection.calls_in_flight,
        "queued_bytes": connection.queued_bytes,
        "states": connection.states,
    })
}

/// A fact a line, for people.
fn lines(facts: &Value) -> String {
    let facts = facts.as_object().into_iter().flatten();
    let line = |(name, value): (&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{:18} {value}", name.replace('_', " "))
    };
    facts.map(line).collect::<Vec<_>>().join("\n")
}

/// The counters of a host.
fn stats(host: &str, stats: &HostStats) -> Value {
    json!({
        "host": host,
        "rpc_connections": stats.rpc_connections,
        "viewers": stats.viewers,
        "pending": stats.pending,
        "accounts": stats.accounts,
        "calls_in_flight": stats.calls_in_flight,
        "capabilities_held": stats.capabilities_held,
        "shares_in_memory": stats.rooms,
        "followers": stats.followers,
        "syncs": stats.syncs,
        "shares_created": stats.shares_created,
        "shares_deleted": stats.shares_deleted,
        "storage_failures": stats.storage_failures,
        "draining": stats.draining,
    })
}

/// Says how many connections it was on all hosts together.
fn told_by_all(output: &mut Output, event: &str, answers: &Answers<u64>) -> Result<(), Failure> {
    told(output, event, answers.all.iter().map(|Answered { answer, .. }| answer).sum())
}

fn told(output: &mut Output, event: &str, count: u64) -> Result<(), Failure> {
    let plural = if count == 1 { "" } else { "s" };
    output.result(format_args!("{event} {count} connection{plural}"), &json!({ "event": event, "count": count }))
}

fn which(args: AdminWhich) -> Result<CloseWhich, Failure> {
    let AdminWhich { account, session, token, connection } = args;
    let which = account
        .map(CloseWhich::Account)
        .or(session.map(CloseWhich::Session))
        .or(token.map(CloseWhich::Token))
        .or(connection.map(CloseWhich::Connection));
    which.ok_or_else(|| {
        Failure::new(Exit::Usage, "say which connections to close: --account, --session, --token or --connection")
    })
}

fn action(args: AdminWhat) -> Result<Action, Failure> {
    let action = match args {
        AdminWhat { notice: Some(text), .. } => Action::Notice(text),
        AdminWhat { name: Some(name), data: Some(data), .. } => Action::custom(name, data),
        AdminWhat { .. } => return Err(Failure::new(Exit::Usage, "say what to send: --notice, or --name and --data")),
    };
    // What the host would refuse is found here, where the shell's quoting can be mended.
    let is_json = action.json().is_none_or(|json| serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok());
    if !is_json {
        return Err(Failure::new(Exit::Usage, "--data is not JSON: in a shell, write a text as '\"text\"'"));
    }
    action.check_size().map_err(|refusal| connect::of_refusal(&refusal))?;
    Ok(action)
}

/// All of the facts hold; one of a kind, as no connection has two.
fn only(facts: Vec<Where>) -> Result<BroadcastFilter, Failure> {
    let mut filter = BroadcastFilter::default();
    for fact in facts {
        let before = match fact {
            Where::Account(name) => filter.account.replace(name),
            Where::Door(name) => filter.door.replace(name),
            Where::State(name) => filter.state.replace(name),
        };
        if before.is_some() {
            return Err(Failure::new(Exit::Usage, "--where may name each of account, door and state only once"));
        }
    }
    Ok(filter)
}
