//! A bucket in this process that takes its time: as much of S3's API as object stores ask for, over a map in memory.
//!
//! It listens when it is first asked for its endpoint, on a thread of its own, until the process ends. Writes and reads are kept
//! back for as long as was set, and are counted. Conditions of writes (`If-None-Match: *`, `If-Match`) are honoured, which is
//! what systems that commit by them need. It knows one bucket, takes every signature, and keeps nothing.

mod object;
mod xml;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::serve::ListenerExt as _;
use bytes::Bytes;

/// The one bucket.
pub(crate) const BUCKET: &str = "bench";

/// What a bucket holds, by key.
pub(crate) type Objects = BTreeMap<String, Stored>;

/// An object, as it was put.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) bytes: Bytes,
    pub(crate) tag: u64,
}

/// What was asked since the last look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Objects and parts of objects put.
    pub(crate) puts: u64,
    /// Bytes of their bodies.
    pub(crate) put_bytes: u64,
    /// GET, HEAD and LIST.
    pub(crate) reads: u64,
}

/// A bucket and the door to it.
#[derive(Debug, Default)]
pub(crate) struct S3 {
    address: OnceLock<SocketAddr>,
    objects: Mutex<Objects>,
    /// Parts of objects that are not complete yet, by upload and number.
    parts: Mutex<BTreeMap<(u64, u64), Bytes>>,
    next_tag: AtomicU64,
    counts: Mutex<Counts>,
    write_delay_us: AtomicU64,
    read_delay_us: AtomicU64,
}

impl S3 {
    /// An empty bucket without delay, which nobody can reach yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Where it is, such as `127.0.0.1:40001`; listens from then on.
    ///
    /// # Errors
    ///
    /// It cannot listen.
    pub(crate) fn address(self: &Arc<Self>) -> anyhow::Result<SocketAddr> {
        if let Some(address) = self.address.get() {
            return Ok(*address);
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let bucket = self.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("s3".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let routes = axum::Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(bucket);
                let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
                    // It is only slower without.
                    let _set = stream.set_nodelay(true);
                });
                axum::serve(listener, routes).await
            })
        })?;
        Ok(*self.address.get_or_init(|| address))
    }

    /// How long each write, and each read, takes from now on.
    pub(crate) fn delay(&self, write: Duration, read: Duration) {
        self.write_delay_us.store(write.as_micros() as u64, Ordering::Relaxed);
        self.read_delay_us.store(read.as_micros() as u64, Ordering::Relaxed);
    }

    /// All that it holds.
    pub(crate) fn snapshot(&self) -> Objects {
        lock(&self.objects).clone()
    }

    /// Makes it hold just this, and forgets what was counted.
    pub(crate) fn restore(&self, objects: Objects) {
        *lock(&self.objects) = objects;
        lock(&self.parts).clear();
        self.take_counts();
    }

    /// What was asked since this was last called.
    pub(crate) fn take_counts(&self) -> Counts {
        std::mem::take(&mut lock(&self.counts))
    }

    fn tag(&self) -> u64 {
        // Never that of anything that was restored from another bucket, as long as none has 2^32 objects.
        self.next_tag.fetch_add(1, Ordering::Relaxed) + (1 << 32)
    }
}

/// The environment that AWS's clients read, for this endpoint.
pub(crate) fn environment(address: SocketAddr) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT_URL_S3", format!("http://{address}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "bench".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "bench-secret".to_owned()),
    ]
}

/// The requests of a bucket, told apart.
async fn answer(State(bucket): State<Arc<S3>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else { return object::plain(400, "half a body") };
    let is_write = matches!(parts.method.as_str(), "PUT" | "POST" | "DELETE");
    {
        let mut counts = lock(&bucket.counts);
        if parts.method == "PUT" {
            counts.puts += 1;
            counts.put_bytes += body.len() as u64;
        } else if !is_write {
            counts.reads += 1;
        }
    }
    let delay = if is_write { &bucket.write_delay_us } else { &bucket.read_delay_us };
    let delay = Duration::from_micros(delay.load(Ordering::Relaxed));
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    object::respond(&bucket, &parts, body)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
