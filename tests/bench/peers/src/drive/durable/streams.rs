//! Appends to s2-lite: a stream for a share, a record for a part, over its HTTP API in JSON.

use std::cell::RefCell;
use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::drive::caller::Caller;
use crate::drive::http::Http;

const BASIN: &str = "capshare-bench";
/// Connections that are kept: one for each lane there may be.
const LANES_MAX: usize = 400;

/// Some streams, and a connection for each lane that was ever used.
pub(crate) struct Streams {
    address: SocketAddr,
    names: Vec<String>,
    idle: RefCell<Vec<Http>>,
}

impl Streams {
    /// Makes sure that its basin is there; streams come with their first record.
    ///
    /// # Errors
    ///
    /// There is no connection, or no basin.
    pub(crate) async fn connect(address: SocketAddr, connection: usize, streams: usize) -> anyhow::Result<Self> {
        let mut http = Http::connect(address).await?;
        let basin = json!({ "basin": BASIN, "config": { "create_stream_on_append": true } });
        let headers = "content-type: application/json\r\n";
        let (status, said) = http.request("POST", "/v1/basins", headers, &basin.to_string()).await?;
        ensure!(matches!(status, 200 | 201 | 409), "no basin: {status}: {said}");
        let names: Vec<_> = (0..streams).map(|n| format!("share-{streams}-{connection}-{n}")).collect();
        let streams = Self { address, names, idle: RefCell::new(vec![http]) };
        for lane in 0..streams.names.len() {
            streams.sync(lane, "first".to_owned()).await?;
        }
        Ok(streams)
    }
}

impl Caller for Streams {
    async fn sync(&self, lane: usize, part: String) -> anyhow::Result<u64> {
        let taken = self.idle.borrow_mut().pop();
        let mut http = match taken {
            Some(http) => http,
            None => Http::connect(self.address).await?,
        };
        let path = format!("/v1/streams/{}/records", self.names[lane % self.names.len()]);
        let headers = format!("content-type: application/json\r\ns2-basin: {BASIN}\r\n");
        let body = json!({ "records": [{ "body": part }] }).to_string();
        let (status, said) = http.request("POST", &path, &headers, &body).await?;
        ensure!(status == 200, "the append was answered {status}: {said}");
        let tail: Value = serde_json::from_str(&said)?;
        let mut idle = self.idle.borrow_mut();
        if idle.len() < LANES_MAX {
            idle.push(http);
        }
        tail["end"]["seq_num"].as_u64().context("an acknowledgement without a number")
    }

    async fn callback(&self) -> anyhow::Result<()> {
        anyhow::bail!("a stream calls nobody back")
    }
}
