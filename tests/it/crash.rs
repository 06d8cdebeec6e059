//! Hosts that are killed: the real program by `kill -9`, over a directory and over an S3 server.
//!
//! `kills` kills a host at random moments while producers sync without pause, and looks afterwards at what they were told; `moves`
//! kills one of several hosts, while producers and followers go from each to the others, without news between the hosts and with a
//! carrier of news that is killed as well;
//! `answers` loses one answer for certain and has the batch sent again, to the same host and to another. What no kill of a
//! process shows is a machine that loses power, because the kernel still has what the process wrote: that is what fsync is
//! for, and `power` looks that it is done.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use capshare::Client;
use capshare::client::Backoff;
use capshare::host::storage::{self, S3Options};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};

use crate::cli::program::{Home, Running};
use crate::support::moto::Moto;

mod answers;
mod carrier;
mod kills;
mod moves;
mod power;
mod way;

/// A store that outlives the hosts over it.
struct Place {
    home: Home,
    location: String,
    options: S3Options,
    _moto: Option<Moto>,
}

impl Place {
    fn directory() -> Self {
        let home = Home::new();
        let location = home.path("shares").to_str().unwrap().to_owned();
        Self { home, location, options: S3Options::default(), _moto: None }
    }

    /// A bucket of moto's. It is in moto's memory: what is killed is the host.
    fn s3() -> Self {
        let moto = Moto::start();
        let options = moto.options();
        let variable = |option: &Option<String>| option.clone().unwrap();
        let home = Home::new()
            .set("AWS_ACCESS_KEY_ID", &variable(&options.access_key_id))
            .set("AWS_SECRET_ACCESS_KEY", &variable(&options.secret_access_key))
            .set("AWS_ENDPOINT_URL", &variable(&options.endpoint));
        Self { home, location: "s3://shares/killed".to_owned(), options, _moto: Some(moto) }
    }

    /// The folder, if it is one.
    fn folder(&self) -> Option<PathBuf> {
        self._moto.is_none().then(|| PathBuf::from(&self.location))
    }

    /// The bucket, as any host sees it.
    async fn objects(&self) -> Arc<dyn ObjectStore> {
        storage::open(&self.location.parse().unwrap(), &self.options).await.unwrap()
    }

    /// Every key and every byte.
    async fn dump(&self) -> Vec<(String, Bytes)> {
        let objects = self.objects().await;
        let listed: Vec<_> = objects.list(None).try_collect().await.unwrap();
        let objects = &objects;
        let read = |meta: ObjectMeta| async move {
            (meta.location.to_string(), objects.get(&meta.location).await.unwrap().bytes().await.unwrap())
        };
        stream::iter(listed).map(read).buffered(8).collect().await
    }

    /// Starts a host on this port (0: any) with these further arguments, and does not wait for it.
    fn start(&self, port: u16, more: &[String]) -> Running {
        let listen = format!("127.0.0.1:{port}");
        let mut arguments = vec!["serve", "--json", "--listen", &listen, "--store", &self.location];
        arguments.extend(more.iter().map(String::as_str));
        self.home.start(&arguments)
    }

    /// Starts a host and waits until it listens; gives its URL.
    fn serve(&self, port: u16) -> (Running, String) {
        self.serve_with(port, &[])
    }

    /// Starts a host with these further arguments and waits until it listens; gives its URL.
    fn serve_with(&self, port: u16, more: &[String]) -> (Running, String) {
        let mut program = self.start(port, more);
        let line = program.listens();
        (program, line["url"].as_str().unwrap().to_owned())
    }
}

/// Sends SIGKILL, and waits until the process is gone.
fn kill(host: Running) {
    host.signal("-KILL");
    host.wait();
}

/// A client that is quick to dial again, and as patient with a call as a scene is.
fn client(url: &str) -> Client {
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(100));
    Client::builder(url).backoff(backoff).call_timeout(Duration::from_secs(120)).build().unwrap()
}
