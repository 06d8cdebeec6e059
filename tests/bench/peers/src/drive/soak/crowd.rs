//! The viewers of the soak: some of them leave and others come all the time, and some never read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use capshare::share::id::ShareId;
use tokio::time::interval;

use crate::drive::fanout::address;
use crate::drive::followed::Followed;
use crate::running::Running;
use crate::viewers::connection::Wanted;
use crate::viewers::pool::Pool;
use crate::viewers::script::Script;

/// How many there are, and how many of them are replaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) living: usize,
    pub(super) dead: usize,
    /// Of the living, each second.
    pub(super) replaced: usize,
}

/// Viewers of all shares.
#[derive(Debug)]
pub(super) struct Crowd {
    pool: Arc<Pool>,
    to: std::net::SocketAddr,
    /// Of each share by both doors, in turn.
    scripts: VecDeque<Arc<Script>>,
    came: usize,
}

impl Crowd {
    /// Nobody yet.
    pub(super) fn new(pool: &Arc<Pool>, running: &Running, shares: &[ShareId]) -> Self {
        let doors = [Followed::Capshare, Followed::CapshareEvents];
        let scripts =
            doors.iter().flat_map(|door| shares.iter().map(|share| Arc::new(door.script(share.as_str())))).collect();
        Self { pool: Arc::clone(pool), to: running.address, scripts, came: 0 }
    }

    /// So many come.
    pub(super) fn come(&mut self, count: usize, dead: bool) {
        let mut wanted = Vec::with_capacity(count);
        for _ in 0..count {
            self.scripts.rotate_left(1);
            wanted.push(Wanted { to: self.to, from: address(self.came), script: Arc::clone(&self.scripts[0]), dead });
            self.came += 1;
        }
        self.pool.open(wanted);
    }

    /// Has some leave and as many come, as long as it is polled.
    pub(super) async fn churn(&mut self, size: Size) {
        let mut ticks = interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            self.pool.close(size.replaced, false);
            self.come(size.replaced, false);
            // The dead are cut off by and by; as nobody reads what would tell so, they are replaced every minute.
            let dead = size.dead.div_ceil(60);
            self.pool.close(dead, true);
            self.come(dead, true);
        }
    }

    /// How many came so far.
    pub(super) fn came(&self) -> usize {
        self.came
    }
}
