//! Host and client in one process, as a service that links capshare tests itself.

use std::sync::Arc;

use capshare::__internal::ambient::Clock;
use capshare::share::time::Timestamp;
use capshare::testing::{BEGINNING, Scene, run};
use object_store::local::LocalFileSystem;

use crate::support::items::{held, part};

/// A clock that stands where it was set.
#[derive(Debug)]
struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// S78: a linking service runs host and client in one process over a duplex pipe, with no port, its own store and clock.
#[test]
fn a_service_runs_host_and_client_with_a_store_and_a_clock_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
    run(async {
        let sockets = open_sockets();
        let scene = Scene::builder().store(store).clock(Stopped(Timestamp(42))).build();
        let share = scene.client().create(&"ses_1".parse().unwrap(), Some(part("p", "x"))).await.unwrap();
        assert_eq!(share.info().await.unwrap().created_at, Timestamp(42));
        assert!(folder.path().join("share").join(share.id().as_str()).is_dir());
        assert_eq!(open_sockets(), sockets, "no port and no connection");
    });
}

#[test]
fn scenes_of_one_seed_take_the_same_steps() {
    let history = || {
        run(async {
            let scene = Scene::builder().seed(7).build();
            let share = scene.client().create(&"ses_1".parse().unwrap(), None).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
            share.sync(part("p", "x")).await.unwrap();
            let info = share.info().await.unwrap();
            (share.id().clone(), share.secret().unwrap().reveal().to_owned(), info.created_at, info.updated_at)
        })
    };
    let (id, secret, created_at, updated_at) = history();
    assert_eq!((created_at, updated_at), (BEGINNING, Timestamp(BEGINNING.0 + 3_600_000)));
    assert_eq!(history(), (id, secret, created_at, updated_at));
}

/// The host's side of a connection lives where the client's driver does, and there may be many of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_with_threads_of_their_own_share_one_host() {
    let scene = Scene::builder().build();
    let clients: Vec<_> = (0..4).map(|_| scene.client_builder().build().unwrap()).collect();
    let share = clients[0].create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let syncs = clients.iter().enumerate().map(|(n, client)| {
        let (client, share) = (client.clone(), &share);
        async move {
            let mine = client.open(share.id(), share.secret().unwrap()).await.unwrap();
            for text in 0..25 {
                mine.sync(part(&n.to_string(), &text.to_string())).await.unwrap();
            }
        }
    });
    futures::future::join_all(syncs).await;
    assert_eq!(share.info().await.unwrap().sync_count, 100);
    assert_eq!(held(&clients[1].snapshot(share.id()).await.unwrap()).len(), 4);
}

fn open_sockets() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    descriptors
        .filter(|fd| std::fs::read_link(fd.as_ref().unwrap().path()).is_ok_and(|to| to.starts_with("socket:")))
        .count()
}
