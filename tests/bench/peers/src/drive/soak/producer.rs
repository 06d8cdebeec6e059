//! A producer of the soak: syncs once a second, remembers what was acknowledged, and now and then comes back as another client.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use capshare::Client;
use capshare::client::{Items, Share};
use capshare::share::id::ShareId;
use capshare::share::secret::Secret;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::viewers::mark;
use crate::viewers::pool::Pool;

/// Items of a share: each sync replaces one, so that a share does not grow.
const ITEMS: u64 = 20;
const EVERY: Duration = Duration::from_secs(1);
/// Syncs that are made at once, without a pause: a room remembers its last 256 changes for those who fall behind, and its memory
/// grows until it has them.
pub(super) const FILLING: u64 = 256;
const ITEM_BYTES: usize = 256;
/// Producers behind one address, as the proxy says that they are.
const OF_AN_ADDRESS: usize = 100;

/// What a producer knows of its share.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) id: ShareId,
    secret: Secret,
    /// Syncs that were acknowledged; they are numbered from 0 on.
    pub(super) acknowledged: u64,
}

/// Where a producer connects, and as who.
#[derive(Debug)]
pub(super) struct Producer {
    /// Of the hosts that it goes to in turn, each time that it comes back.
    pub(super) urls: Vec<String>,
    pub(super) number: usize,
    /// How many syncs it makes without a pause before it goes on with one a second.
    pub(super) filling: u64,
}

/// What all producers know of one another.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Producers that have made their first syncs.
    pub(super) filled: Cell<usize>,
    pub(super) stopping: Cell<bool>,
}

impl Producer {
    /// A client of the host of its visit with this number.
    fn client(&self, visit: usize) -> anyhow::Result<Client> {
        let address = self.number / OF_AN_ADDRESS + 1;
        let url = &self.urls[visit % self.urls.len()];
        let client = Client::builder(url.clone()).header("X-Forwarded-For", format!("10.1.0.{address}"));
        Ok(client.build_local()?)
    }

    /// Creates its share, and connects; on a `LocalSet`.
    ///
    /// # Errors
    ///
    /// The host refuses.
    pub(super) async fn create(&self) -> anyhow::Result<(Client, Share, Kept)> {
        let client = self.client(0)?;
        let share = client.create(&format!("soak{}", self.number).parse()?, None).await?;
        let kept = Kept { id: share.id().clone(), secret: share.secret().unwrap().clone(), acknowledged: 0 };
        Ok((client, share, kept))
    }

    /// Syncs until it is to stop; then it leaves.
    ///
    /// # Errors
    ///
    /// A sync was refused, or acknowledged with another number than its own.
    pub(super) async fn run(
        &self,
        (mut client, mut share, mut kept): (Client, Share, Kept),
        pool: &Pool,
        progress: &Progress,
    ) -> anyhow::Result<Kept> {
        // Not all in the same moment; and each stays for another time, from 60 to 119 syncs.
        let offset = EVERY.mul_f64((self.number % 100) as f64 / 100.0);
        let stays = 60 + self.number as u64 % 60;
        let mut ticks = interval_at(Instant::now() + offset, EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut leaves, mut visits) = (self.number as u64 % stays, 1);
        while !progress.stopping.get() {
            if kept.acknowledged == self.filling {
                progress.filled.update(|filled| filled + 1);
            }
            if kept.acknowledged >= self.filling {
                ticks.tick().await;
            }
            let number = kept.acknowledged;
            let mut items = Items::new();
            items.put("part", &item(number, pool.now()))?;
            let synced = share.sync(items).await.with_context(|| format!("producer {}", self.number))?;
            ensure!(synced.sync_count == number + 1, "sync {number} was counted as {}", synced.sync_count);
            kept.acknowledged += 1;
            if kept.acknowledged > leaves {
                leaves = kept.acknowledged + stays;
                client.close().await;
                client = self.client(visits)?;
                visits += 1;
                share = client.open(&kept.id, &kept.secret).await?;
            }
        }
        client.close().await;
        Ok(kept)
    }

    /// How many acknowledged syncs a host has not: each item must be as the last sync that wrote it left it.
    ///
    /// # Errors
    ///
    /// The host does not have the share, or counts more syncs than were made.
    pub(super) async fn missing(client: &Client, kept: &Kept) -> anyhow::Result<u64> {
        let state = client.snapshot(&kept.id).await?;
        if state.sync_count() > kept.acknowledged {
            bail!("{} syncs were acknowledged, and {} counted", kept.acknowledged, state.sync_count());
        }
        let mut numbers = vec![None; ITEMS as usize];
        for (_, payload) in state.iter() {
            let item: Value = serde_json::from_str(payload.as_str())?;
            let number = item["n"].as_u64().context("an item of somebody else")?;
            numbers[(number % ITEMS) as usize] = Some(number);
        }
        let last = kept.acknowledged.saturating_sub(ITEMS)..kept.acknowledged;
        let lost = last.filter(|number| numbers[(number % ITEMS) as usize] != Some(*number)).count() as u64;
        Ok(lost.max(kept.acknowledged - state.sync_count()))
    }
}

/// The item of the sync of this number, made at this time.
fn item(number: u64, at: Duration) -> String {
    let head = format!(r#"{{"id":"p{}","messageID":"m","n":{number},"text":"{}"#, number % ITEMS, mark::write(at));
    let rest = ITEM_BYTES.saturating_sub(head.len() + 2);
    format!("{head}{}\"}}", "x".repeat(rest))
}
