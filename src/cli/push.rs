//! `capshare push`: a file becomes a share, and with `--follow` goes on being one as it grows.
//!
//! Everything goes through the share's queue, so a connection that comes and goes loses nothing. The secret is kept before
//! anything is printed, so that a user who has the share's id can delete it. Credentials with a known form are masked before they
//! leave this machine, unless `--no-redact` is given. At the end the program says how many it masked, by kind, and how many records
//! of a transcript are not shown, and why. The share of a transcript, or of a session in OpenCode's database, that was pushed before is
//! made what the files say now: what they do not say any more is removed. An export, and lines of items, remove only what they say.

mod beside;
mod database;
mod digest;
mod document;
mod export;
mod find;
mod input;
mod items_file;
mod lines;
mod newest;
mod open;
mod sniff;
mod source;
mod thread;
mod transcript_file;
mod vibe;

use std::path::Path;
use std::time::Duration;

use capshare::client::redact::{Masked, Redactor};
use capshare::client::{ClientError, CreateOptions, Items, Share};
use capshare::share::error::Refusal;
use capshare::share::id::{SessionId, ShareId};
use capshare::share::secret::Secret;
use capshare::transcripts::{Piece, Report};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cli::args;
use crate::cli::connect::Target;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{Output, clean};
use crate::cli::push::source::Source;
use crate::cli::{progress, secrets, stop};

/// From the last item that was queued until it is asked whether the host took it. Asking ends the share's sync window, which is
/// a second, so it comes well after that.
const ASK_AFTER: Duration = Duration::from_secs(3);

/// Lines that are read to find out which session they are of.
const LINES_UNTIL_SESSION: u64 = 1_000;

/// Shares a file.
pub(crate) async fn run(args: args::Push, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let stop = stop::on_signal()?;
    let mut session = args.session.as_deref().map(|session| session_id(session, "--session")).transpose()?;
    let redactor = Redactor::new();
    let target = if args.no_redact {
        Target::of(&args.host, environment)?
    } else {
        Target::masking(&args.host, environment, redactor.clone())?
    };
    let secrets = secrets::Secrets::of(environment)?;
    let chosen = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        chosen = newest::chosen(&args, environment, output) => chosen?,
    };
    let newest::Chosen { path, agent, session: latest } = chosen;
    session = session
        .map_or_else(|| latest.map(|latest| session_id(&latest, "the newest")).transpose(), |one| Ok(Some(one)))?;
    let wish =
        open::Wish { agent, session: session.as_ref(), follow: args.follow, include_context: args.include_context };
    let mut source = open::open(&path, &wish).await?;
    let Some((session, first)) = begin(source.as_mut(), session, &path, &stop, *output).await? else { return Ok(()) };

    let telling = tokio::spawn(target.tell_of_losses(*output));
    let (hello, place) = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        reached = target.place() => reached?,
    };
    secrets.prepare(&place)?;
    let kept = secrets.of_session(&place, &hello.account, session.as_str());
    let shared = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        shared = share(&target, kept, &session, &args) => shared,
    };
    let share = shared.map_err(|error| target.failure(&error))?;
    let (id, url) = (share.id(), share.url());
    // One that was created or opened has one.
    if let Some(secret) = share.secret() {
        let kept = secrets::Share { id, session: session.as_str(), account: &hello.account, url, secret };
        secrets.keep(&place, &kept)?;
    }
    let existed = if share.existed() { ", which was shared before" } else { "" };
    output.result(
        format_args!("share {id} of session {session}{existed}\n{}", clean::word(url)),
        &json!({
            "event": "shared",
            "id": id.as_str(),
            "session": session.as_str(),
            "url": url,
            "existed": share.existed(),
            "agent": source.agent(),
            "file": path,
        }),
    )?;
    if share.existed() && source.is_whole() {
        let view = share.narrow_to_read(None);
        let held = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            held = view.snapshot() => held.map_err(|error| target.failure(&error))?,
        };
        source.held(held.iter().map(|(key, _)| key.clone()).collect());
    }
    let pushed = push(source.as_mut(), first, &share, &target, &stop, &args, *output).await;
    let items = match pushed {
        Ok(items) => items,
        Err(failure) => {
            // What stands before the line that cannot be sent is sent.
            let _already_failing = flush(&share, &stop, *output).await;
            tell_of_masked(&redactor.masked(), output);
            tell_of_transcript(source.as_ref(), output);
            return Err(failure);
        }
    };
    flush(&share, &stop, *output).await.map_err(|error| target.failure(&error))?;
    telling.abort();
    let (reached, masked) = (*share.progress().borrow(), redactor.masked());
    tell_of_masked(&masked, output);
    tell_of_transcript(source.as_ref(), output);
    let report = source.report();
    output.result(
        format_args!("synced {items} items: syncCount {}, revision {}", reached.sync_count, reached.revision),
        &json!({
            "event": "synced",
            "id": share.id().as_str(),
            "items": items,
            "sync_count": reached.sync_count,
            "revision": reached.revision.0,
            "masked": masked.by_rule,
            "other": report.map(|report| &report.other),
            "context": report.map(|report| &report.context),
            "unknown": report.map(|report| &report.unknown),
            "left_out": report.map(left_out),
            "made_smaller": report.map(|report| report.made_smaller),
        }),
    )?;
    drop(share);
    target.client.close().await;
    if stop.is_cancelled() && !args.follow {
        return Err(Failure::new(
            Exit::Failed,
            "stopped before the end of the file: push the file again to share the rest",
        ));
    }
    source.missing().map_or(Ok(()), Err)
}

/// The share of the session: the one that this user pushed it to before, if its secret is kept and still opens it, else what
/// the host gives. Without a credential a host gives a new share each time.
async fn share(
    target: &Target,
    kept: Option<(ShareId, Secret)>,
    session: &SessionId,
    args: &args::Push,
) -> Result<Share, ClientError> {
    if let Some((id, secret)) = kept {
        match target.client.open(&id, &secret).await {
            Ok(share) => {
                if let Some(ttl) = args.expires {
                    share.set_expiry(Some(ttl)).await?;
                }
                if let Some(visibility) = args.visibility {
                    share.set_visibility(visibility).await?;
                }
                return Ok(share);
            }
            // It was deleted since, or the host has another store now.
            Err(ClientError::Refused(Refusal::NotFound { .. } | Refusal::InvalidSecret { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    let options = CreateOptions::new().ttl(args.expires).visible_to(args.visibility);
    target.client.create_with(session, None, options).await
}

/// Says what was masked, by kind: on stderr, as results may be read by a program.
fn tell_of_masked(masked: &Masked, output: &mut Output) {
    let (count, secrets) = match masked.total() {
        0 => return,
        1 => (1, "secret was"),
        count => (count, "secrets were"),
    };
    output.note(&format!("{count} {secrets} masked before sending ({masked}); --no-redact sends everything as it is"));
}

/// Says what of a transcript is not shown.
fn tell_of_transcript(source: &dyn Source, output: &mut Output) {
    if let Some(report) = source.report().filter(|report| !report.is_empty()) {
        output.note(&report.to_string());
    }
}

/// How many records are not in the share, by reason, as an object.
fn left_out(report: &Report) -> serde_json::Map<String, serde_json::Value> {
    report.left_out.iter().map(|(why, count)| (why.to_string(), json!(count))).collect()
}

/// Reads until the session is known. `None`: asked to stop before that.
async fn begin(
    source: &mut dyn Source,
    mut session: Option<SessionId>,
    path: &Path,
    stop: &CancellationToken,
    mut output: Output,
) -> Result<Option<(SessionId, Vec<Items>)>, Failure> {
    let mut first = Vec::new();
    loop {
        if let Some(session) = session {
            return Ok(Some((session, first)));
        }
        let piece = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            piece = source::next(source, &mut output) => piece?,
        };
        let Some(Piece { changes, session: said }) = piece.filter(|_| source.progress().lines <= LINES_UNTIL_SESSION)
        else {
            let shown = path.display();
            return Err(Failure::new(
                Exit::Usage,
                format!("{shown} does not say which session it is: name the session by --session ID"),
            ));
        };
        first.push(Items::from(changes));
        session = said.map(|said| session_id(&said, "the file's session")).transpose()?;
    }
}

/// Queues everything there is, and with `--follow` what comes until it is asked to stop. Gives how many items.
async fn push(
    source: &mut dyn Source,
    first: Vec<Items>,
    share: &Share,
    target: &Target,
    stop: &CancellationToken,
    args: &args::Push,
    mut output: Output,
) -> Result<usize, Failure> {
    let bar = progress::bytes(source.progress().total, output);
    let mut count = 0;
    let mut reached = share.progress();
    for items in first {
        count += queue(share, items, target).await?;
    }
    let ask = || async {
        tokio::time::sleep(ASK_AFTER).await;
        share.flush().await
    };
    let mut asked = Box::pin(ask());
    let mut is_answered = false;
    loop {
        let piece = tokio::select! {
            biased;
            () = stop.cancelled() => {
                // What stands in the file by now belongs to it.
                if args.follow {
                    while let Some(piece) = source.next_at_hand(&mut output).await? {
                        count += queue(share, piece.changes.into(), target).await?;
                    }
                    if let Some(piece) = source.end() {
                        count += queue(share, piece.changes.into(), target).await?;
                    }
                }
                break;
            }
            // The file may not change any more; that the host takes no more of it is said all the same.
            failure = target.ended() => return Err(failure),
            taken = &mut asked, if !is_answered => {
                taken.map_err(|error| target.failure(&error))?;
                is_answered = true;
                continue;
            }
            piece = source::next(source, &mut output) => piece?,
            _ = reached.changed() => {
                let now = *reached.borrow_and_update();
                bar.set_message(format!("syncCount {}, revision {}", now.sync_count, now.revision));
                continue;
            }
        };
        let Some(piece) = piece else { break };
        let progress = source.progress();
        bar.set_length(progress.total);
        bar.set_position(progress.read);
        count += queue(share, piece.changes.into(), target).await?;
        asked.set(ask());
        is_answered = false;
    }
    bar.finish_and_clear();
    Ok(count)
}

/// Queues items, and gives how many.
async fn queue(share: &Share, items: Items, target: &Target) -> Result<usize, Failure> {
    let count = items.len();
    share.queue(items).await.map_err(|error| target.failure(&error))?;
    Ok(count)
}

/// Waits until everything queued is in the store, also after a first request to stop.
async fn flush(share: &Share, stop: &CancellationToken, mut output: Output) -> Result<(), ClientError> {
    let flushed = share.flush();
    tokio::pin!(flushed);
    tokio::select! {
        biased;
        flushed = &mut flushed => return flushed,
        () = stop.cancelled() => {}
    }
    // Most flushes are over before a word about them could be read.
    match tokio::time::timeout(Duration::from_millis(500), &mut flushed).await {
        Ok(flushed) => flushed,
        Err(_) => {
            output.note("stopping: what is queued is still being sent; a second signal ends the program without it");
            flushed.await
        }
    }
}

fn session_id(text: &str, from: &str) -> Result<SessionId, Failure> {
    text.parse().map_err(|error| Failure::new(Exit::Usage, format!("{from} {text:?}: {error}")))
}
