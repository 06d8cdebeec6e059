//! `capshare watch`: a share's steps as they come, in the frames of the viewer channel, one a line.
//!
//! It follows over RPC, where the client resumes by revision after each connection that is lost; a step that begins anew
//! says why, as there. It has no stream that a command could be sent to, so its `ready` names no channel.

use capshare::__internal::rooms::event::Resync;
use capshare::__internal::viewer::frame;
use capshare::client::WatchFrom;
use capshare::share::error::Refusal;
use capshare::share::revision::Revision;

use crate::cli::args;
use crate::cli::connect::Target;
use crate::cli::environment::Environment;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::reach::view;
use crate::cli::stop;

/// Follows a share until it ends, or until it is asked to stop.
pub(crate) async fn run(args: args::Watch, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let stop = stop::on_signal()?;
    let (target, id, token) = Target::of_share(&args.share, &args.host, environment)?;
    let telling = tokio::spawn(target.tell_of_losses(*output));
    // A watch waits for a host for ever; there must be one to begin with.
    let reached = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        reached = target.client.hello() => reached,
    };
    reached.map_err(|error| target.failure(&error))?;
    let view = view(&target, &id, token).await?;
    let mut watch = view.watch(WatchFrom::After(args.since));
    let (mut is_ready, mut stands_at) = (false, args.since);
    let end = loop {
        let step = tokio::select! {
            () = stop.cancelled() => break Ok(()),
            step = watch.next() => step,
        };
        match step {
            None => break Ok(()),
            Some(Err(error)) => {
                if let Some(refusal @ Refusal::NotFound { .. }) = error.refusal() {
                    frame_line(&frame::ended(refusal), output)?;
                }
                break Err(target.failure(&error));
            }
            Some(Ok(step)) => {
                let resync =
                    Some(Resync::of(stands_at, step.revision)).filter(|_| step.reset && stands_at > Revision::EMPTY);
                stands_at = step.revision;
                frame_line(&String::from_utf8_lossy(&frame::step(&step, resync, &[])), output)?;
                if !is_ready {
                    is_ready = true;
                    frame_line(&frame::ready(step.revision, None), output)?;
                }
            }
        }
    };
    drop((watch, view));
    telling.abort();
    target.client.close().await;
    end
}

fn frame_line(frame: &str, output: &mut Output) -> Result<(), Failure> {
    output.json_text(&format!("{frame}\n"))
}
