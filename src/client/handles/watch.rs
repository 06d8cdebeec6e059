//! Following a share: what its consumer holds. The other end is the driver's [`Watcher`].

use tokio::sync::mpsc;

use crate::client::access::ReadAccess;
use crate::client::driver::watcher::{Delivery, Watcher};
use crate::client::error::ClientError;
use crate::client::handles::client::Client;
use crate::share::id::ShareId;
use crate::share::view::{Revision, Step};

/// A share that is being followed. What [`Client::watch`] and [`View::watch`](crate::client::View::watch) give.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Nothing has asked for a step yet: the first [`Watch::next`] subscribes.
    Fresh {
        access: ReadAccess,
        since: Revision,
    },
    Following(mpsc::Receiver<Delivery>),
    Ended,
}

impl Client {
    /// Follows a share from a revision on; 0 means from the whole state.
    #[must_use]
    pub fn watch(&self, id: &ShareId, since: Revision) -> Watch {
        Watch::new(self.clone(), ReadAccess::Id(id.clone()), since)
    }

    pub(crate) async fn run_watch(&self, task: Watcher) -> Result<(), ClientError> {
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
    pub(crate) fn new(client: Client, access: ReadAccess, since: Revision) -> Self {
        Self { client, stage: Stage::Fresh { access, since } }
    }

    /// The next step, whole; taking it lets the host send the one after. After an error there is nothing more. May be
    /// dropped and called again without losing a step.
    ///
    /// # Errors
    /// Why the watch ended: [`NotFound`](crate::share::error::Refusal::NotFound) when the share was deleted, another
    /// refusal when it may no longer be read, [`ClientError::Closed`] when the client ended.
    pub async fn next(&mut self) -> Option<Result<Step, ClientError>> {
        if let Stage::Fresh { access, since } = &self.stage {
            // Bound: one step. Policy: the observer waits, and the host merges what comes meanwhile.
            let (steps, taken) = mpsc::channel(1);
            let watcher = Watcher { access: access.clone(), since: *since, steps };
            if let Err(error) = self.client.run_watch(watcher).await {
                self.stage = Stage::Ended;
                return Some(Err(error));
            }
            self.stage = Stage::Following(taken);
        }
        let Stage::Following(steps) = &mut self.stage else { return None };
        let delivery = steps.recv().await;
        match delivery {
            Some(Delivery { step: Ok(step), taken }) => {
                // The observer may have gone with its connection.
                let _gone = taken.send(());
                Some(Ok(step))
            }
            Some(Delivery { step: Err(error), .. }) => {
                self.stage = Stage::Ended;
                Some(Err(error))
            }
            None => {
                self.stage = Stage::Ended;
                Some(Err(self.client.ended()))
            }
        }
    }
}
