//! Clients: those who create, send, read and delete, each for a while, on whichever host is up.

use std::time::Duration;

use capshare::__internal::access::{Credential, Principal, Scopes};
use capshare::__internal::rooms::Terms;
use capshare::share::change::{Batch, Change, Stamp};
use capshare::share::error::Refusal;
use capshare::share::id::{ProducerId, SessionId};
use capshare::share::item::{ItemKey, Payload};
use capshare::share::revision::Revision;

use super::Stage;
use super::dice::Dice;
use super::history::{Op, Ret, Sent};
use super::hosts::{self, Incarnation, POLL};
use super::order::{OWN, seen};

/// What became of a call.
pub(super) enum Answer<T> {
    Got(T),
    No(Refusal),
    /// The host crashed, or the caller gave up.
    Lost,
}

/// The account that does everything.
pub(super) fn ann() -> Principal {
    Principal { account: "ann".parse().unwrap(), credential: Credential::Key, scopes: Scopes::ALL, expires_at: None }
}

pub(super) fn session() -> SessionId {
    "ses_1".parse().unwrap()
}

/// Calls a host, with so much patience.
pub(super) async fn call<T>(
    host: &Incarnation,
    patience: Duration,
    asked: impl Future<Output = Result<T, Refusal>>,
) -> Answer<T> {
    tokio::select! {
        biased;
        () = host.link.dead.cancelled() => Answer::Lost,
        answer = tokio::time::timeout(patience, asked) => match answer {
            Ok(Ok(answer)) => Answer::Got(answer),
            Ok(Err(refusal)) => Answer::No(refusal),
            Err(_) => Answer::Lost,
        }
    }
}

/// Mostly long, now and then short.
pub(super) fn patience(dice: &Dice) -> Duration {
    if dice.chance(150) { dice.millis(5, 2_000) } else { Duration::from_secs(20) }
}

/// A batch with an item of its own, and changes to some that all write: among them ones that change nothing, and removals.
pub(super) fn batch(dice: &Dice, label: usize, text: &str, stamp: Option<Stamp>) -> Batch {
    let value = |text: String| Some(Payload::from_checked_json(&format!("\"{text}\"")));
    let own: ItemKey = format!("{OWN}{label}").parse().unwrap();
    let mut changes = vec![Change { key: own, value: value(format!("{text} {label}")) }];
    for _ in 0..dice.below(3) {
        let key = ItemKey::part("shared", &dice.below(3).to_string()).unwrap();
        let value = match dice.below(4) {
            0 => None,
            1 => value(format!("{text} again")),
            _ => value(format!("{text} of {label}")),
        };
        changes.push(Change { key, value });
    }
    Batch { stamp, changes }
}

/// A client who stamps what it sends: `producer`, in its epochs.
struct Stamps {
    client: usize,
    epoch: u64,
    sequence: u64,
}

impl Stamps {
    fn next(&mut self) -> Stamp {
        self.sequence += 1;
        let producer: ProducerId = format!("producer-{}", self.client).parse().unwrap();
        Stamp { producer, epoch: self.epoch, sequence: self.sequence }
    }
}

/// Makes the next batch of a client known, before it is sent.
fn prepare(stage: &Stage, dice: &Dice, client: usize, stamp: Option<Stamp>) -> (usize, Batch) {
    let label = stage.history.next_label();
    let batch = batch(dice, label, "precious", stamp);
    let stamp = batch.stamp.as_ref().map(|stamp| (stamp.epoch, stamp.sequence));
    stage.history.sends(Sent { client, stamp, batch: batch.clone() });
    (label, batch)
}

/// Creates the session's share, with data, until it is told that it has one.
pub(super) async fn creator(stage: &Stage, client: usize) -> Result<(), String> {
    let dice = Dice::new(stage.seed, 10 + client as u64);
    let mut stamps = Stamps { client, epoch: 1, sequence: 0 };
    let (label, batch) = prepare(stage, &dice, client, Some(stamps.next()));
    let operation = stage.history.invoke(client, Op::Sync(label));
    loop {
        let host = hosts::any(&stage.hosts, &dice).await;
        let (who, session, patience) = (ann(), session(), patience(&dice));
        match call(&host, patience, host.hub.rooms().create(&who, &session, Some(batch.clone()), Terms::default()))
            .await
        {
            Answer::Got(created) => {
                stage.world.tell(format_args!("client {client} has {} existed {}", created.id, created.existed));
                stage.history.answered(operation, Ret::Applied);
                if !created.existed && created.sync_count != 1 {
                    return Err(format!("a share created with data has {} syncs", created.sync_count));
                }
                return stage.has_share(created.id, created.secret);
            }
            Answer::No(refusal) if refusal.is_transient() => pause(&dice).await,
            Answer::No(refusal) => return Err(format!("create: {refusal}")),
            Answer::Lost => {}
        }
    }
}

/// Sends batches with stamps, each until it is answered, or now and then gives one up and goes on in the next epoch.
pub(super) async fn stamping_producer(stage: &Stage, client: usize) -> Result<(), String> {
    let dice = Dice::new(stage.seed, 10 + client as u64);
    let (id, secret) = stage.share().await;
    let mut stamps = Stamps { client, epoch: 1, sequence: 0 };
    'batches: for _ in 0..3 + dice.below(4) {
        rest(stage, &dice).await;
        let (label, batch) = prepare(stage, &dice, client, Some(stamps.next()));
        let operation = stage.history.invoke(client, Op::Sync(label));
        loop {
            let host = hosts::any(&stage.hosts, &dice).await;
            let who = ann();
            match call(&host, patience(&dice), host.hub.rooms().sync(&who, id.as_str(), &secret, batch.clone())).await {
                // The answer gets lost on its way to the client.
                Answer::Got(_) if dice.chance(80) => {}
                Answer::Got(synced) => {
                    stage.world.tell(format_args!("client {client} sync {label} has {synced:?}"));
                    stage.duplicates.set(stage.duplicates.get() + u64::from(synced.duplicate));
                    stage.acknowledged(operation, label, synced.sync_count)?;
                    break;
                }
                Answer::No(Refusal::NotFound { .. }) => return stage.gone(operation, client),
                Answer::No(refusal) if refusal.is_transient() => {
                    if dice.chance(60) {
                        // Takes over from itself, as after a crash of its own.
                        stamps = Stamps { client, epoch: stamps.epoch + 1, sequence: 0 };
                        continue 'batches;
                    }
                    pause(&dice).await;
                }
                Answer::No(refusal) => return Err(format!("sync {label} of client {client}: {refusal}")),
                Answer::Lost => {}
            }
        }
    }
    Ok(())
}

/// Sends batches without stamps, each once: what became of one that failed it never knows.
pub(super) async fn plain_producer(stage: &Stage, client: usize) -> Result<(), String> {
    let dice = Dice::new(stage.seed, 10 + client as u64);
    let (id, secret) = stage.share().await;
    for _ in 0..2 + dice.below(4) {
        rest(stage, &dice).await;
        let (label, batch) = prepare(stage, &dice, client, None);
        let operation = stage.history.invoke(client, Op::Sync(label));
        let host = hosts::any(&stage.hosts, &dice).await;
        let who = ann();
        match call(&host, patience(&dice), host.hub.rooms().sync(&who, id.as_str(), &secret, batch)).await {
            Answer::Got(synced) => {
                stage.world.tell(format_args!("client {client} sync {label} has {synced:?}"));
                stage.acknowledged(operation, label, synced.sync_count)?;
            }
            Answer::No(Refusal::NotFound { .. }) => return stage.gone(operation, client),
            Answer::No(refusal) if refusal.is_transient() => {}
            Answer::No(refusal) => return Err(format!("sync {label} of client {client}: {refusal}")),
            Answer::Lost => {}
        }
    }
    Ok(())
}

/// Reads, some times what is at most a poll old and some times what is not stale at all.
pub(super) async fn reader(stage: &Stage, client: usize) -> Result<(), String> {
    let dice = Dice::new(stage.seed, 10 + client as u64);
    let (id, _) = stage.share().await;
    for _ in 0..3 + dice.below(4) {
        rest(stage, &dice).await;
        let host = hosts::any(&stage.hosts, &dice).await;
        if dice.chance(500) {
            read(stage, client, &host, patience(&dice)).await?;
        } else {
            let due = stage.acknowledged_before(host.clock.before(POLL));
            let asked = async {
                let room = host.hub.rooms().view(id.as_str()).await?;
                host.hub.rooms().read(&room, Revision::EMPTY, 0).await
            };
            match call(&host, patience(&dice), asked).await {
                Answer::Got(chunk) => {
                    stage.order.seen(&stage.history, chunk.revision.0, &seen(&chunk.changes))?;
                    if chunk.sync_count < due || chunk.sync_count != chunk.revision.0 {
                        return Err(format!(
                            "read {} syncs, revision {}, where {due} were acknowledged before the last poll",
                            chunk.sync_count, chunk.revision
                        ));
                    }
                }
                Answer::No(Refusal::NotFound { .. }) => {
                    let operation = stage.history.invoke(client, Op::Read);
                    return stage.gone(operation, client);
                }
                Answer::No(refusal) if refusal.is_transient() => {}
                Answer::No(refusal) => return Err(format!("read: {refusal}")),
                Answer::Lost => {}
            }
        }
    }
    Ok(())
}

/// One read of all that was acknowledged before it; true if it was answered.
pub(super) async fn read(stage: &Stage, client: usize, host: &Incarnation, patience: Duration) -> Result<bool, String> {
    let (id, _) = stage.share().await;
    let operation = stage.history.invoke(client, Op::Read);
    let asked = async {
        let room = host.hub.rooms().view(id.as_str()).await?;
        room.catch_up(Duration::ZERO).await?;
        room.read(|state| (state.read(Revision::EMPTY, 0, usize::MAX), state.sync_count()))
    };
    match call(host, patience, asked).await {
        Answer::Got((chunk, sync_count)) => {
            stage.world.tell(format_args!("client {client} reads {sync_count} syncs"));
            stage.history.answered(operation, Ret::State(sync_count));
            stage.order.seen(&stage.history, sync_count, &seen(&chunk.changes))?;
            if chunk.revision.0 == sync_count {
                Ok(true)
            } else {
                Err(format!("{sync_count} syncs came to revision {}", chunk.revision))
            }
        }
        Answer::No(Refusal::NotFound { .. }) => stage.gone(operation, client).map(|()| true),
        Answer::No(refusal) if refusal.is_transient() => Ok(false),
        Answer::No(refusal) => Err(format!("read: {refusal}")),
        Answer::Lost => Ok(false),
    }
}

/// Deletes the share in the midst of it, until it is told that it is deleted; then shares the session anew.
pub(super) async fn deleter(stage: &Stage, client: usize) -> Result<(), String> {
    let dice = Dice::new(stage.seed, 10 + client as u64);
    let (id, secret) = stage.share().await;
    stage.pace(dice.millis(1_000, 15_000)).await;
    // A creator that comes after the deletion would share the session anew.
    stage.created.cancelled().await;
    let operation = stage.history.invoke(client, Op::Delete);
    loop {
        let host = hosts::any(&stage.hosts, &dice).await;
        let who = ann();
        match call(&host, patience(&dice), host.hub.rooms().delete(&who, id.as_str(), &secret)).await {
            Answer::Got(()) | Answer::No(Refusal::NotFound { .. }) => break,
            Answer::No(refusal) if refusal.is_transient() => pause(&dice).await,
            Answer::No(refusal) => return Err(format!("delete: {refusal}")),
            Answer::Lost => {}
        }
    }
    stage.world.tell(format_args!("client {client} has deleted {id}"));
    stage.history.answered(operation, Ret::Gone);
    tokio::time::sleep(dice.millis(0, 3_000)).await;
    loop {
        let host = hosts::any(&stage.hosts, &dice).await;
        let (who, session) = (ann(), session());
        let fresh = batch(&dice, 0, "anew", None);
        match call(&host, patience(&dice), host.hub.rooms().create(&who, &session, Some(fresh), Terms::default())).await
        {
            Answer::Got(created) if created.id == id => return Err(format!("the deleted share {id} came back")),
            Answer::Got(created) => {
                stage.world.tell(format_args!("client {client} shares anew: {}", created.id));
                let items = created.room.read(|state| seen(&state.read(Revision::EMPTY, 0, usize::MAX).changes));
                let items = items.map_err(|refusal| format!("the new share: {refusal}"))?;
                if items.values().any(|(_, text)| !text.contains("anew")) {
                    return Err(format!("a share created anew shows {items:?}"));
                }
                *stage.anew.borrow_mut() = Some(created.id);
                return Ok(());
            }
            Answer::No(refusal) if refusal.is_transient() => pause(&dice).await,
            Answer::No(refusal) => return Err(format!("create anew: {refusal}")),
            Answer::Lost => {}
        }
    }
}

async fn pause(dice: &Dice) {
    tokio::time::sleep(dice.millis(20, 800)).await;
}

/// Between two operations: mostly short, now and then past the lease or past what is freed.
async fn rest(stage: &Stage, dice: &Dice) {
    let time = match dice.below(20) {
        0 => dice.millis(2_000, 30_000),
        1..8 => dice.millis(300, 2_500),
        _ => dice.millis(0, 200),
    };
    stage.pace(time).await;
}
