//! Those who use linked clients: who produces, follows, reads whole states and calls; and the service that pushes to them.

use std::time::Duration;

use capshare::__internal::connections::outlet::PushError;
use capshare::__internal::connections::push::{Action, Answer, PushOptions};
use capshare::client::{CallError, ClientError, Closed, Items, Lost, Replica, Share, WatchFrom};
use capshare::share::error::Refusal;
use capshare::share::limits::Limit;
use capshare::share::revision::Revision;
use tokio::sync::watch;
use tokio::time::Instant;

use super::record::Changes;
use super::{Desk, Stage};
use crate::simulation::dice::Dice;
use crate::simulation::hosts;

/// Whether a client may tell this to a caller that has done nothing wrong: the bucket is away or the client has ended, and the call
/// may be made again.
fn may_be_told(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(refusal) => refusal.is_transient(),
        ClientError::Overloaded(_) | ClientError::Unreachable { .. } | ClientError::Timeout { .. } => true,
        ClientError::Closed(closed) => *closed != Closed::Here,
        _ => false,
    }
}

/// Whether this is the refusal of a batch for its size, of which nothing was applied.
fn is_too_large(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(Refusal::LimitExceeded { limit, .. }) if *limit == Limit::MessageBytesMax)
}

/// Whether this says that a batch is too large for the host of the hour, and may be applied all the same.
fn is_left_open(error: &ClientError) -> bool {
    matches!(error, ClientError::Disconnected { cause: Lost::Refused(Refusal::LimitExceeded { .. }) })
}

/// A share as one producer holds it: the handle, and its number.
struct Handle {
    share: Share,
    writer: usize,
    /// It has queued more than a host with low limits takes in one batch.
    is_large: bool,
}

/// Queues, flushes, syncs, takes a new handle now and then, and flushes what it has in the end.
pub(super) async fn producer(stage: &Stage, desk: &Desk, number: u64) -> Result<(), String> {
    let dice = Dice::new(stage.seed, 200 + number);
    let mut handle = begin(stage, desk, &dice).await?;
    for _ in 0..4 + dice.below(6) {
        rest(&dice).await;
        let done = match dice.below(13) {
            0..4 => queue(stage, &mut handle, &dice, Size::Small).await,
            4 => queue(stage, &mut handle, &dice, Size::Large).await,
            5..7 => sync(stage, &handle, &dice, Size::Small).await,
            7 => sync(stage, &handle, &dice, Size::Large).await,
            8 | 9 => bulk(stage, &handle, &dice).await,
            10 | 11 => flush(stage, &handle).await,
            _ => match flush(stage, &handle).await {
                Ok(true) => Ok(false),
                other => other,
            },
        };
        if !done? {
            stage.record.lost(handle.writer);
            handle = begin(stage, desk, &dice).await?;
        }
    }
    flush(stage, &handle).await.map(drop)
}

/// A handle: by creating the session's share, with items, or by opening it.
async fn begin(stage: &Stage, desk: &Desk, dice: &Dice) -> Result<Handle, String> {
    loop {
        let writer = stage.next_writer();
        let known = stage.share.borrow().clone();
        let (client, made) = match known.filter(|_| dice.chance(700)) {
            Some((id, secret)) => {
                let client = desk.client();
                let opened = client.open(&id, &secret).await;
                (client, opened)
            }
            None => {
                let changes = changes(stage, writer, dice, Size::Small);
                let (items, op) = (items(&changes), stage.record.sends(writer, changes));
                let client = desk.client();
                let created = client.create(&"ses_1".parse().unwrap(), Some(items)).await;
                if created.is_ok() {
                    stage.record.applied(op);
                }
                (client, created)
            }
        };
        drop(client);
        match made {
            Ok(share) => {
                stage.world.tell(format_args!("writer {writer} has {}", share.id()));
                stage.has_share(share.id(), share.secret().ok_or("a share that was created has no secret")?)?;
                return Ok(Handle { share, writer, is_large: false });
            }
            Err(error) if may_be_told(&error) => rest(dice).await,
            Err(error) => return Err(format!("writer {writer} begins: {error:?}")),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    /// 225 KB: more than hosts with low limits and narrow proxies take in one message, in items that they do take.
    Large,
}

/// The changes of the next operation: an item of its own, some that the writer alone writes, and some that all write.
fn changes(stage: &Stage, writer: usize, dice: &Dice, size: Size) -> Changes {
    let op = stage.record.next();
    let text = |id: &str, rest: &str| Some(format!(r#"{{"id":"{id}","by":"{writer}.{op}"{rest}}}"#));
    let own = op.to_string();
    let mut changes = vec![(format!("other/own/{own}"), text(&own, ""))];
    for _ in 0..dice.below(3) {
        let id = format!("{writer}-{}", dice.below(3));
        let value = if dice.chance(300) { None } else { text(&id, "") };
        changes.push((format!("other/mine/{id}"), value));
    }
    for _ in 0..dice.below(3) {
        let id = dice.below(3).to_string();
        let value = if dice.chance(250) { None } else { text(&id, "") };
        changes.push((format!("other/shared/{id}"), value));
    }
    if size == Size::Large {
        let filling = format!(r#","x":"{}""#, "x".repeat(25_000));
        changes.extend((0..9).map(|n| {
            let id = format!("{op}-{n}");
            (format!("other/fill/{id}"), text(&id, &filling))
        }));
    }
    changes
}

fn items(changes: &Changes) -> Items {
    let mut items = Items::new();
    for (key, text) in changes {
        let kind = key.split('/').nth(1).unwrap();
        match text {
            Some(text) => items.put(kind, text),
            None => items.remove(key),
        }
        .unwrap();
    }
    items
}

/// False: the handle has failed, as it may.
async fn queue(stage: &Stage, handle: &mut Handle, dice: &Dice, size: Size) -> Result<bool, String> {
    handle.is_large |= size == Size::Large;
    for _ in 0..1 + dice.below(3) {
        let changes = changes(stage, handle.writer, dice, size);
        let items = items(&changes);
        stage.record.queues(handle.writer, changes);
        let queued = handle.share.queue(items).await;
        if !settled(stage, handle, "queue", queued)? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn flush(stage: &Stage, handle: &Handle) -> Result<bool, String> {
    let flushed = settled(stage, handle, "flush", handle.share.flush().await)?;
    if flushed {
        stage.record.flushed(handle.writer);
    }
    Ok(flushed)
}

/// What a queue may come to: it goes on, or its client has ended, or its batch is too large for the host of the hour.
fn settled(stage: &Stage, handle: &Handle, what: &str, came: Result<(), ClientError>) -> Result<bool, String> {
    stage.world.tell(format_args!("writer {} {what}: {came:?}", handle.writer));
    match came {
        Ok(()) => Ok(true),
        Err(ClientError::Closed(closed)) if closed != Closed::Here => Ok(false),
        Err(error) if handle.is_large && is_left_open(&error) => Ok(false),
        Err(error) => Err(format!("writer {} {what}: {error:?}", handle.writer)),
    }
}

async fn sync(stage: &Stage, handle: &Handle, dice: &Dice, size: Size) -> Result<bool, String> {
    let changes = changes(stage, handle.writer, dice, size);
    send(stage, handle, changes, size).await
}

/// One batch of its own.
async fn send(stage: &Stage, handle: &Handle, changes: Changes, size: Size) -> Result<bool, String> {
    let (items, op) = (items(&changes), stage.record.sends(handle.writer, changes));
    let synced = handle.share.sync(items).await;
    stage.world.tell(format_args!("writer {} sync {op}: {synced:?}", handle.writer));
    match synced {
        Ok(synced) => {
            // All that was queued before it was sent before it.
            stage.record.flushed(handle.writer);
            stage.record.synced(op, synced);
            Ok(true)
        }
        Err(error) if size == Size::Large && is_too_large(&error) => {
            stage.record.refused(op);
            Ok(true)
        }
        Err(error) if size == Size::Large && is_left_open(&error) => Ok(true),
        // The queue before it has failed.
        Err(error) if handle.is_large && is_left_open(&error) => Ok(false),
        Err(ClientError::Closed(closed)) if closed != Closed::Here => Ok(false),
        Err(error) if may_be_told(&error) => Ok(true),
        Err(error) => Err(format!("writer {} sync {op}: {error:?}", handle.writer)),
    }
}

/// Removes, once or several times, most of the keys or more of which a share remembers the removal, and leaves some new items each
/// time: who reads meanwhile comes to a pass of several chunks, within which it is told to begin again.
async fn bulk(stage: &Stage, handle: &Handle, dice: &Dice) -> Result<bool, String> {
    // With 261 bytes a key: more than a share remembers, or so many that it forgets those of one round by the next.
    let (rounds, count) = if dice.chance(250) { (1, 560) } else { (2 + dice.below(3), 400) };
    let keys: Vec<_> = (0..count).map(|n| format!("{:0>250}", n + 1_000 * handle.writer)).collect();
    for _ in 0..rounds {
        let mut puts = changes(stage, handle.writer, dice, Size::Small);
        puts.extend(keys.iter().map(|key| (format!("other/bulk/{key}"), Some(format!(r#"{{"id":"{key}"}}"#)))));
        // More than narrow proxies take.
        if !send(stage, handle, puts, Size::Large).await? {
            return Ok(false);
        }
        // Meanwhile who reads comes to the next pass, which is long then.
        tokio::time::sleep(dice.millis(0, if rounds == 1 { 800 } else { 100 })).await;
        let mut removals = changes(stage, handle.writer, dice, Size::Small);
        removals.extend(keys.iter().map(|key| (format!("other/bulk/{key}"), None)));
        // They come last in the order in which a state is read.
        let filling = "x".repeat(1_500);
        let op = stage.record.next();
        removals.extend((0..dice.below(4)).map(|n| {
            let id = format!("{op}-{n}");
            (format!("other/late/{id}"), Some(format!(r#"{{"id":"{id}","x":"{filling}"}}"#)))
        }));
        if !send(stage, handle, removals, Size::Large).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes snapshots, and asks for facts.
pub(super) async fn reader(stage: &Stage, desk: &Desk, number: u64) -> Result<(), String> {
    let dice = Dice::new(stage.seed, 300 + number);
    let (id, _) = stage.known_share().await;
    for round in 0..5 + dice.below(8) {
        rest(&dice).await;
        let (client, began) = (desk.client(), Instant::now());
        let error = if dice.chance(750) {
            match client.snapshot(&id).await {
                Ok(replica) => {
                    let who = format!("snapshot {round} of reader {number}");
                    stage.world.tell(format_args!("{who} at {}, {} items", replica.revision(), replica.len()));
                    stage.record.snapshot(who, began, &replica);
                    continue;
                }
                Err(error) => error,
            }
        } else {
            match client.info(&id).await {
                Ok(_) => continue,
                Err(error) => error,
            }
        };
        stage.world.tell(format_args!("reader {number}: {error:?}"));
        if !may_be_told(&error) {
            return Err(format!("reader {number}: {error:?}"));
        }
    }
    Ok(())
}

/// Follows the share until it stands where all ends, or further if a host that stood still wrote later, on one watch after the other.
pub(super) async fn follower(
    stage: &Stage,
    desk: &Desk,
    number: u64,
    mut goal: watch::Receiver<Option<Revision>>,
) -> Result<(), String> {
    let dice = Dice::new(stage.seed, 400 + number);
    let (id, _) = stage.known_share().await;
    let mut replica = Replica::new();
    rest(&dice).await;
    loop {
        let client = desk.client();
        let mut watch = client.watch(&id, WatchFrom::After(replica.revision()));
        drop(client);
        let moves = tokio::time::sleep(dice.millis(500, 30_000));
        tokio::pin!(moves);
        loop {
            if goal.borrow_and_update().is_some_and(|goal| replica.revision() >= goal) {
                return Ok(());
            }
            let step = tokio::select! {
                biased;
                () = &mut moves => break,
                Ok(()) = goal.changed() => continue,
                step = watch.next() => step,
            };
            let step = match step {
                Some(Ok(step)) => step,
                Some(Err(error)) if may_be_told(&error) => break,
                other => return Err(format!("follower {number}: {other:?}")),
            };
            let (at, count) = (replica.revision(), replica.sync_count());
            stage.world.tell(format_args!("follower {number} goes from {at} to {}", step.revision));
            if step.revision < at || (step.revision == at && step.sync_count == count && !step.reset) {
                return Err(format!("follower {number} stands at {at} and is told {} again", step.revision));
            }
            replica.apply(&step).map_err(|gap| format!("follower {number}: {gap}"))?;
            stage.record.step(format!("follower {number}"), &replica);
            if dice.chance(150) {
                tokio::time::sleep(dice.millis(10, 3_000)).await;
            }
        }
    }
}

/// Makes calls that must not be made twice.
pub(super) async fn caller(stage: &Stage, desk: &Desk, number: u64) -> Result<(), String> {
    let dice = Dice::new(stage.seed, 500 + number);
    for round in 0..6 + dice.below(8) {
        rest(&dice).await;
        let token = 1_000 * number + round;
        let called = desk.client().call("count", token).await;
        let times = stage.net.executed.lock().unwrap().get(&token).copied().unwrap_or(0);
        stage.world.tell(format_args!("call {token}: {called:?}, {times} times"));
        let is_right = match &called {
            Ok(_) => times == 1,
            Err(CallError::Client(ClientError::Disconnected { .. })) => times <= 1,
            Err(CallError::Client(error)) => times <= 1 && may_be_told(error),
            Err(_) => false,
        };
        if !is_right {
            return Err(format!("call {token} was carried out {times} times, and came to {called:?}"));
        }
    }
    Ok(())
}

/// The service: pushes to connections, whose clients answer as they are asked to, now and then with too much.
pub(super) async fn pusher(stage: &Stage) -> Result<(), String> {
    let dice = Dice::new(stage.seed, 600);
    for round in 0..5 + dice.below(6) {
        rest(&dice).await;
        let host = hosts::any(&stage.net.hosts, &dice).await;
        let connections = host.hub.connections().registry().connections();
        if connections.is_empty() {
            continue;
        }
        let to = dice.pick(&connections).id.clone();
        let wants = *dice.pick(&["as it came", "as it came", "too much", "an error"]);
        let action = Action::custom(wants, round);
        let answer = host.hub.connections().push(&to, action, PushOptions::default()).await;
        stage.world.tell(format_args!("push {round} for {wants}: {}", answer.is_ok()));
        let is_right = match (&answer, wants) {
            (Ok(answer), "as it came") => *answer == Answer::custom(round),
            (Err(PushError::ClientError(_)), wants) => wants != "as it came",
            (Err(PushError::Timeout { .. } | PushError::ConnectionGone | PushError::NoReturnPath), _) => true,
            _ => false,
        };
        if !is_right {
            return Err(format!("a push for {wants} came to {answer:?}"));
        }
    }
    Ok(())
}

/// Who runs the hosts: has one after the other let its clients go, and takes it back.
pub(super) async fn drainer(stage: &Stage) -> Result<(), String> {
    let dice = Dice::new(stage.seed, 650);
    for _ in 0..2 + dice.below(4) {
        rest(&dice).await;
        let host = hosts::any(&stage.net.hosts, &dice).await;
        let connections = host.hub.connections();
        let going = connections.drain(dice.millis(100, 6_000)).map_err(|refusal| format!("a drain: {refusal}"))?;
        stage.world.tell(format_args!("{} lets {going} go", host.link.name));
        tokio::time::sleep(dice.millis(100, 8_000)).await;
        connections.undrain();
    }
    Ok(())
}

/// Between two operations: mostly short.
async fn rest(dice: &Dice) {
    let time: Duration = match dice.below(12) {
        0 => dice.millis(1_000, 8_000),
        1..5 => dice.millis(100, 1_500),
        _ => dice.millis(0, 60),
    };
    tokio::time::sleep(time).await;
}
