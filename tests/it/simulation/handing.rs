//! The way by which the hosts of a world hand batches to each other. As its carrier is, it is slow, loses what was handed over, or the answer,
//! and lies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use capshare::__internal::hub::Hub;
use capshare::__internal::rooms::{HandOver, Rooms};
use capshare::share::id::{HostId, ShareId};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::bucket::Link;
use super::carrier::Manners;
use super::dice::Dice;

/// What is known of a host.
type End = (Arc<Link>, Weak<Rooms>);

/// Where the hosts of a world hand batches to each other.
#[derive(Debug)]
pub(super) struct Handing {
    manners: Manners,
    dice: Dice,
    hosts: Mutex<BTreeMap<HostId, End>>,
}

impl Handing {
    pub(super) fn new(seed: u64, manners: Manners) -> Self {
        Self { manners, dice: Dice::new(seed, 6), hosts: Mutex::default() }
    }
}

/// One host's end of it.
#[derive(Debug)]
struct SimHandOver(Arc<Link>);

impl HandOver for SimHandOver {
    fn hand_over(&self, host: &HostId, share: &ShareId, parcel: Bytes) -> BoxFuture<'static, Option<u64>> {
        let (own, handing) = (Arc::clone(&self.0), &self.0.world.handing);
        let to = handing.hosts.lock().unwrap().get(host).cloned();
        let Manners { lost, slow_ms_max, late, late_ms_max, lies, .. } = handing.manners;
        let dice = &handing.dice;
        let (lost, answer_lost, lies) = (dice.chance(lost / 2), dice.chance(lost / 2), dice.chance(lies / 2));
        let takes = [0; 2].map(|_| dice.millis(1, if dice.chance(late) { late_ms_max } else { slow_ms_max }));
        let (host, share) = (host.clone(), share.clone());
        async move {
            let (link, rooms) = to?;
            tokio::time::sleep(takes[0]).await;
            if lies {
                own.world.tell(format_args!("{} is told that {} has appended", own.name, link.name));
                return Some(3);
            }
            if lost || own.dead.is_cancelled() {
                return std::future::pending().await;
            }
            // The other host goes on, whatever becomes of who asked.
            let appending = tokio::spawn(async move {
                link.until(&link.frozen_until).await;
                let rooms = rooms.upgrade().filter(|_| !link.dead.is_cancelled())?;
                link.world.tell(format_args!("{} is handed batches of {share}", link.name));
                let appended = rooms.append_handed(&share, &parcel).await;
                link.world.tell(format_args!("{host} has appended them: {appended:?}"));
                appended
            });
            let appended = appending.await.ok()?;
            tokio::time::sleep(takes[1]).await;
            if answer_lost {
                return std::future::pending().await;
            }
            own.until(&own.frozen_until).await;
            appended
        }
        .boxed()
    }
}

/// Gives a host that starts its end of it, if its world has one: where it has a carrier.
pub(super) fn join(link: &Arc<Link>, hub: &Arc<Hub>) {
    let handing = &link.world.handing;
    if handing.manners.is_there() {
        let end = (Arc::clone(link), Arc::downgrade(hub.rooms()));
        handing.hosts.lock().unwrap().insert(hub.hosts().id().clone(), end);
        hub.rooms().hand_over_by(Box::new(SimHandOver(Arc::clone(link))));
    }
}
