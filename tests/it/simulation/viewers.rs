//! Viewers: each follows the share, folds what it is told, and goes to another host with its revision when its own dies, or
//! because it likes to. What it holds must at each revision be the state of that revision.

use std::time::Duration;

use capshare::share::error::Refusal;
use capshare::share::revision::Revision;
use capshare::share::view::Step;
use tokio::sync::watch;

use super::Stage;
use super::clients::{Answer, call};
use super::dice::Dice;
use super::history::Op;
use super::hosts;
use super::order::{Seen, fold};

/// A viewer, until it stands at the revision that `goal` says, or met the deletion.
pub(super) async fn viewer(stage: &Stage, client: usize, mut goal: watch::Receiver<Option<u64>>) -> Result<(), String> {
    let dice = Dice::new(stage.seed, 10 + client as u64);
    let (id, _) = stage.share().await;
    let merging = dice.chance(300);
    let (mut held, mut at) = (Seen::new(), 0);
    loop {
        let host = hosts::any(&stage.hosts, &dice).await;
        let following = async {
            let room = host.hub.rooms().view(id.as_str()).await?;
            host.hub.rooms().follow(&room, Revision(at)).await
        };
        let mut feed = match call(&host, Duration::from_secs(20), following).await {
            Answer::Got(feed) => {
                if merging {
                    feed.merging()
                } else {
                    feed
                }
            }
            Answer::No(Refusal::NotFound { .. }) => return gone(stage, client),
            Answer::No(refusal) if refusal.is_transient() => {
                tokio::time::sleep(dice.millis(20, 500)).await;
                continue;
            }
            Answer::No(refusal) => return Err(format!("follow: {refusal}")),
            Answer::Lost => continue,
        };
        stage.world.tell(format_args!("viewer {client} follows {} from {at}", host.link.name));
        let stays = dice.millis(500, 20_000);
        let moves = tokio::time::sleep(stays);
        tokio::pin!(moves);
        let mut pieces = Vec::new();
        loop {
            if pieces.is_empty() && *goal.borrow_and_update() == Some(at) {
                return Ok(());
            }
            let event = tokio::select! {
                biased;
                () = host.link.dead.cancelled() => break,
                () = &mut moves => break,
                Ok(()) = goal.changed() => continue,
                event = feed.next() => event,
            };
            let step = match event {
                Ok(event) => event.step().clone(),
                Err(Refusal::NotFound { .. }) => return gone(stage, client),
                Err(refusal) => return Err(format!("viewer {client}: {refusal}")),
            };
            let more = step.more;
            pieces.push(step);
            if !more {
                at = take(stage, client, &mut held, at, &std::mem::take(&mut pieces))?;
            }
            if dice.chance(100) {
                tokio::time::sleep(dice.millis(10, 2_000)).await;
            }
        }
    }
}

/// Folds a whole step.
fn take(stage: &Stage, client: usize, held: &mut Seen, at: u64, pieces: &[Step]) -> Result<u64, String> {
    let hole = |what: &str| Err(format!("viewer {client} stands at {at} and is told {what}: {pieces:?}"));
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return Ok(at) };
    let to = last.revision.0;
    stage.world.tell(format_args!("viewer {client} goes from {at} to {to}, reset {}", first.reset));
    if first.reset {
        held.clear();
    } else if first.base.0 != at {
        return hole("what came after another revision");
    }
    if to < at {
        return hole("an older state");
    }
    pieces.iter().for_each(|step| fold(held, &step.changes));
    if last.sync_count < to {
        return hole("too low a sync count");
    }
    stage.order.seen(&stage.history, to, held).map_err(|error| format!("viewer {client}: {error}"))?;
    Ok(to)
}

fn gone(stage: &Stage, client: usize) -> Result<(), String> {
    let operation = stage.history.invoke(client, Op::Read);
    stage.gone(operation, client)
}
