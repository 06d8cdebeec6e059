//! `capshare watch`: a share's steps as they come, in the frames of the viewer channel, one a line.

use capshare::share::error::Refusal;
use capshare::viewer::frame;

use crate::cli::args;
use crate::cli::connect::Target;
use crate::cli::environment::Environment;
use crate::cli::exit::Failure;
use crate::cli::link;
use crate::cli::output::Output;
use crate::cli::stop;

/// Follows a share until it ends, or until it is asked to stop.
pub(crate) async fn run(args: args::Watch, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let stop = stop::on_signal()?;
    let (target, id, token) = Target::of_share(&args.share, &args.host, environment)?;
    // A watch waits for a host for ever; there must be one to begin with.
    let reached = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        reached = target.client.hello() => reached,
    };
    reached.map_err(|error| target.failure(&error))?;
    let view = link::view(&target, &id, token).await?;
    let telling = tokio::spawn(target.tell_of_losses(*output));
    let mut watch = view.watch(args.since);
    let mut is_ready = false;
    let end = loop {
        let step = tokio::select! {
            () = stop.cancelled() => break Ok(()),
            step = watch.next() => step,
        };
        match step {
            None => break Ok(()),
            Some(Err(error)) => {
                if let Some(refusal @ Refusal::NotFound { .. }) = error.refusal() {
                    output.text(&format!("{}\n", frame::ended(refusal)))?;
                }
                break Err(target.failure(&error));
            }
            Some(Ok(step)) => {
                output.text(&format!("{}\n", String::from_utf8_lossy(&frame::step(&step))))?;
                if !is_ready {
                    is_ready = true;
                    output.text(&format!("{}\n", frame::ready(step.revision)))?;
                }
            }
        }
    };
    drop((watch, view));
    telling.abort();
    target.client.close().await;
    end
}
