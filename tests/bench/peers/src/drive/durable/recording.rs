//! The recorded session, played into a host: what is written for each byte that is new.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use capshare::Client;
use capshare::client::Items;
use capshare::__internal::contract::sync_data::read_sync_data;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::context::Context;
use crate::figure::Figure;
use crate::running::Running;
use crate::s3::S3;

/// Its line in the table.
pub(crate) const LINE: &str = "recorded session, sync by sync";

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    body: Body<'a>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    data: Vec<&'a RawValue>,
}

/// Plays it.
///
/// # Errors
///
/// The recording is not there, or a sync fails.
pub(crate) fn play(context: &Context, running: &Running, bucket: &Arc<S3>) -> anyhow::Result<Vec<Figure>> {
    let recording = std::fs::read_to_string(context.root.join("tests/data/opencode-recording.jsonl"))?;
    let (mut batches, mut changes) = (Vec::new(), Vec::new());
    for line in recording.lines() {
        let request: Request<'_> = serde_json::from_str(line)?;
        let mut items = Items::new();
        for item in &request.body.data {
            items.sync_data(item.get())?;
            read_sync_data(item.get(), &Default::default(), &mut changes)
                .map_err(|error| anyhow::anyhow!("the recording: {error:?}"))?;
        }
        if !request.body.data.is_empty() {
            batches.push(items);
        }
    }
    // A value that is there already is sent, but nothing new.
    let (mut values, mut new_bytes) = (HashMap::new(), 0);
    for change in &changes {
        if values.insert(&change.key, change.value.as_ref()) != Some(change.value.as_ref()) {
            new_bytes += change.key.as_str().len() + change.value.as_ref().map_or(0, |value| value.as_str().len());
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let counts = runtime.block_on(async {
        bucket.delay(Duration::ZERO, Duration::ZERO);
        bucket.take_counts();
        let client = Client::builder(format!("ws://{}", running.address)).build()?;
        let share = client.create(&"ses_recorded".parse()?, None).await?;
        for items in batches {
            share.sync(items).await?;
        }
        client.close().await;
        Ok::<_, anyhow::Error>(bucket.take_counts())
    })?;
    Ok(vec![Figure::lower(LINE, &running.name, "bytes/new byte", counts.put_bytes as f64 / new_bytes as f64)])
}
