//! `capshare demo`: the main job on real input, with nothing to set up.
//!
//! A host of its own on loopback, a producer that plays a recorded OpenCode session into it at its recorded pace, and a
//! follower, each with its own connection. At the end what the follower holds is compared, item by item, with what the
//! recording says when it is folded without any of our code. Then it serves on, to be looked at.

mod recording;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use capshare::client::{Client, Progress, Replica, Share, WatchFrom};
use capshare::host::ambient::Ambient;
use capshare::host::storage::{S3Options, StoreLocation};
use capshare::host::{Host, HostSettings};
use capshare::share::revision::Revision;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::cli::demo::recording::Recording;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::{args, progress, serve, stop};

/// At the recorded pace, items are gathered for this long: what was one sync in the recording stays one.
const SYNC_WINDOW: Duration = Duration::from_millis(200);

/// How long after the last sync the follower may take to have all of it.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(30);

/// Runs the demo to its end, or until it is asked to stop.
pub(crate) async fn run(args: args::Demo, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let stop = stop::on_signal()?;
    let recording = Recording::read()?;
    let takes = recording.duration().div_f64(args.speed);
    let faster = if args.speed < 10.0 && takes > Duration::from_secs(10) {
        format!(" (with --speed 10: {:.0} s)", (recording.duration().as_secs_f64() / 10.0).ceil())
    } else {
        String::new()
    };
    output.result(
        format_args!(
            "This demo plays a recorded OpenCode session ({} syncs, {} items) into a host on this machine, follows it with a\n\
             second client, and compares what arrived with what was sent. It takes {:.0} s{faster}.",
            recording.syncs.len(),
            recording.items_sent(),
            takes.as_secs_f64().ceil()
        ),
        &json!({ "event": "begin", "seconds": takes.as_secs_f64(), "syncs": recording.syncs.len() }),
    )?;
    let (location, temporary) = place(args.store.as_deref(), environment)?;
    let host = serve::open(&location, &S3Options::default(), serve::this_machine()?, HostSettings::default()).await?;
    let (host, address) = serve::listen(host, ([127, 0, 0, 1], 0).into()).await?;
    let url = format!("http://{address}");
    let gone = if temporary.is_some() { " until the demo ends" } else { "" };
    let about = json!({ "event": "listening", "url": url, "store": location.to_string() });
    output.result(format_args!("host      {url}, keeps its shares in {location}{gone}"), &about)?;

    let played = tokio::select! {
        () = stop.cancelled() => Ok(()),
        played = play(&recording, &url, args.speed, output) => played,
    };
    if played.is_ok() && !args.exit && !stop.is_cancelled() {
        let to = format!("capshare ls --to {url}");
        output.result(
            format_args!("the host serves the share until Ctrl-C; try: {to}"),
            &json!({ "event": "serving", "url": url }),
        )?;
        stop.cancelled().await;
    }
    end(&host, temporary.as_deref()).await.and(played)
}

/// The store that the arguments name, or a temporary folder of this run, which is removed at its end.
fn place(store: Option<&str>, environment: &Environment) -> Result<(StoreLocation, Option<PathBuf>), Failure> {
    if let Some(store) = store {
        let location = store.parse().map_err(|error| Failure::of(Exit::Usage, &error))?;
        if matches!(location, StoreLocation::S3 { .. }) {
            let message = "the demo keeps its shares in a directory or in memory: for a bucket, use capshare serve";
            return Err(Failure::new(Exit::Usage, message));
        }
        return Ok((location, None));
    }
    let bits = Ambient::system().bits().map_err(|error| Failure::of(Exit::Failed, &error))?;
    let folder = environment.temporary_folder.join(format!("capshare-demo-{bits:032x}"));
    Ok((StoreLocation::Directory(folder.clone()), Some(folder)))
}

async fn end(host: &Host, temporary: Option<&Path>) -> Result<(), Failure> {
    let ended = serve::shut_down(host).await;
    if let Some(folder) = temporary {
        // It is the system's to clean up, if we cannot.
        let _left = tokio::fs::remove_dir_all(folder).await;
    }
    ended
}

/// Plays the recording into one client, follows it with another, and compares.
async fn play(recording: &Recording, url: &str, speed: f64, output: &mut Output) -> Result<(), Failure> {
    let failed = |error: capshare::client::ClientError| Failure::of(Exit::Failed, &error);
    let build =
        |window| Client::builder(url).sync_window(window).build().map_err(|error| Failure::of(Exit::Failed, &error));
    let producer = build(SYNC_WINDOW.div_f64(speed))?;
    let session = recording.session.parse().map_err(|error| Failure::of(Exit::Failed, &error))?;
    let share = producer.create(&session, None).await.map_err(failed)?;
    output.result(
        format_args!("share     {}\n          {} (open it in a browser)", share.id(), share.url()),
        &json!({ "event": "shared", "id": share.id().as_str(), "url": share.url() }),
    )?;

    let follower = build(SYNC_WINDOW)?;
    let (at, mut followed) = watch::channel(Arc::new(Replica::new()));
    let mut following = tokio::spawn(follow(follower.watch(share.id(), WatchFrom::WholeState), at));
    let bar = progress::steps(recording.syncs.len() as u64, *output);
    let started = Instant::now();
    let mut reached = share.progress();
    let queued = queue_all(recording, &share, started, speed, &bar);
    tokio::pin!(queued);
    loop {
        tokio::select! {
            biased;
            ended = &mut following => return Err(ended.unwrap_or_else(|error| Failure::of(Exit::Failed, &error))),
            Ok(()) = reached.changed() => {
                let now = *reached.borrow_and_update();
                bar.suspend(|| tell(*output, started, now, followed.borrow().revision()))?;
            }
            queued = &mut queued => break queued.map_err(failed)?,
        }
    }
    bar.finish_and_clear();
    let last = *share.progress().borrow();
    let caught_up = followed.wait_for(|replica| replica.revision() >= last.revision);
    let held = match tokio::time::timeout(CATCH_UP_WITHIN, caught_up).await {
        Ok(Ok(held)) => Arc::clone(&held),
        Ok(Err(_)) | Err(_) => {
            return Err(Failure::new(
                Exit::Failed,
                "the follower did not get all that was sent within 30 s: please report this",
            ));
        }
    };
    tell(*output, started, last, held.revision())?;
    following.abort();
    let items = recording.compare(&held).map_err(|what| Failure::new(Exit::Failed, what))?;
    let (sync_count, revision) = (last.sync_count, last.revision);
    output.result(
        format_args!("the follower holds what was sent: {items} items, all equal, at revision {revision}"),
        &json!({ "event": "same", "items": items, "sync_count": sync_count, "revision": revision.0 }),
    )
}

/// Queues each sync when its time has come, and waits until all of it is in the store.
async fn queue_all(
    recording: &Recording,
    share: &Share,
    started: Instant,
    speed: f64,
    bar: &indicatif::ProgressBar,
) -> Result<(), capshare::client::ClientError> {
    for sync in &recording.syncs {
        tokio::time::sleep_until(started + sync.at.div_f64(speed)).await;
        share.queue(sync.items.clone()).await?;
        bar.inc(1);
    }
    share.flush().await
}

/// Folds what the watch gives into a replica; returns only if following fails.
async fn follow(mut watch: capshare::client::Watch, at: watch::Sender<Arc<Replica>>) -> Failure {
    let mut replica = Replica::new();
    loop {
        match watch.next().await {
            Some(Ok(step)) => {
                if let Err(gap) = replica.apply(&step) {
                    return Failure::of(Exit::Failed, &gap);
                }
                at.send_replace(Arc::new(replica.clone()));
            }
            Some(Err(error)) => return Failure::of(Exit::Failed, &error),
            None => {
                return Failure::new(
                    Exit::Failed,
                    "the follower was ended before the session was over: please report this",
                );
            }
        }
    }
}

fn tell(mut output: Output, started: Instant, at: Progress, follower: Revision) -> Result<(), Failure> {
    let seconds = started.elapsed().as_secs_f64();
    let Progress { sync_count, revision, .. } = at;
    output.result(
        format_args!("{seconds:>6.1} s  syncCount {sync_count:>3}  revision {revision:>3}  follower at {follower:>3}"),
        &json!({
            "event": "progress",
            "seconds": seconds,
            "sync_count": sync_count,
            "revision": revision.0,
            "follower_revision": follower.0,
        }),
    )
}
