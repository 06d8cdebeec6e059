//! Following a share: what its consumer holds. The other end is the driver's [`Watcher`].

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_util::sync::ReusableBoxFuture;

use crate::client::access::ReadAccess;
use crate::client::driver::handle::Client;
use crate::client::driver::watcher::{Delivery, Watcher};
use crate::client::error::ClientError;
use crate::client::options::WatchFrom;
use crate::share::id::ShareId;
use crate::share::view::Step;

/// A share that is being followed: a [`Stream`] of whole steps, over as many connections as it takes, without a gap and without a
/// repeat. [`Client::watch`] and [`View::watch`](crate::client::View::watch) give one.
///
/// It asks the host for the first step when it is first polled. Taking a step lets the host send the next: a slow consumer gets
/// later and larger steps. Dropping the watch ends it at the host.
///
/// It ends with an error, after which there is nothing more: [`NotFound`](crate::share::error::Refusal::NotFound) when the share
/// was deleted, another refusal when this client may no longer read it, [`ClientError::Closed`] when the client ended.
///
/// [`next`](Self::next) and [`try_next`](Self::try_next) are methods of its own, so that a loop needs no trait in scope:
///
/// ```no_run
/// # use capshare::client::{Client, Replica, WatchFrom};
/// # async fn scene(client: Client, id: capshare::share::id::ShareId) -> Result<(), Box<dyn std::error::Error>> {
/// let (mut watch, mut replica) = (client.watch(&id, WatchFrom::WholeState), Replica::new());
/// while let Some(step) = watch.try_next().await? {
///     replica.apply(&step)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Watch {
    client: Client,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Nothing has asked for a step yet: the first poll begins the watch.
    Fresh {
        access: ReadAccess,
        from: WatchFrom,
    },
    /// The driver is told of the watch.
    Beginning {
        begun: ReusableBoxFuture<'static, Result<(), ClientError>>,
        steps: mpsc::Receiver<Delivery>,
    },
    Following(mpsc::Receiver<Delivery>),
    Ended,
}

impl Client {
    /// Follows a share, from its whole state or from a revision on. Nothing is asked of the host before the first step is.
    #[must_use]
    pub fn watch(&self, id: &ShareId, from: WatchFrom) -> Watch {
        Watch::new(self.clone(), ReadAccess::Id(id.clone()), from)
    }

    async fn run_watch(self, task: Watcher) -> Result<(), ClientError> {
        self.run(|link| {
            Box::pin(async move {
                link.tasks.spawn_local(task.run(link.clone()));
                Ok(())
            })
        })
        .await
    }
}

impl Watch {
    pub(crate) fn new(client: Client, access: ReadAccess, from: WatchFrom) -> Self {
        Self { client, stage: Stage::Fresh { access, from } }
    }

    /// The next step, whole; `None` after an error. May be dropped and called again without losing a step.
    ///
    /// # Errors
    /// Why the watch ended.
    pub async fn next(&mut self) -> Option<Result<Step, ClientError>> {
        StreamExt::next(self).await
    }

    /// The next step, with the error outside, for loops that end with it: `while let Some(step) = watch.try_next().await?`.
    ///
    /// # Errors
    /// Why the watch ended.
    pub async fn try_next(&mut self) -> Result<Option<Step>, ClientError> {
        self.next().await.transpose()
    }
}

impl Stream for Watch {
    type Item = Result<Step, ClientError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let last_word = loop {
            match &mut this.stage {
                Stage::Fresh { access, from } => {
                    // Bound: one step. Policy: the observer waits, and the host merges what comes meanwhile.
                    let (sender, steps) = mpsc::channel(1);
                    let watcher = Watcher { access: access.clone(), since: from.revision(), steps: sender };
                    let begun = ReusableBoxFuture::new(this.client.clone().run_watch(watcher));
                    this.stage = Stage::Beginning { begun, steps };
                }
                Stage::Beginning { begun, .. } => match ready!(begun.poll(cx)) {
                    Ok(()) => {
                        if let Stage::Beginning { steps, .. } = std::mem::replace(&mut this.stage, Stage::Ended) {
                            this.stage = Stage::Following(steps);
                        }
                    }
                    Err(error) => break error,
                },
                Stage::Following(steps) => match ready!(steps.poll_recv(cx)) {
                    Some(Delivery { step: Ok(step), taken }) => {
                        // The observer may have gone with its connection.
                        let _gone = taken.send(());
                        return Poll::Ready(Some(Ok(step)));
                    }
                    Some(Delivery { step: Err(error), .. }) => break error,
                    None => break this.client.ended(),
                },
                Stage::Ended => return Poll::Ready(None),
            }
        };
        this.stage = Stage::Ended;
        Poll::Ready(Some(Err(last_word)))
    }
}
