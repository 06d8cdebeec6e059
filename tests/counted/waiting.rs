//! What a viewer that waits holds of its host's memory, counted: what was asked of the allocator from its coming until it
//! waits and was not given back. The viewers come over TCP, from another thread, whose own allocations are not counted.
//!
//! What the allocator itself adds is not in it: some 16 bytes for each allocation.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;

use allocation_counter::{AllocationInfo, measure};
use capshare::__internal::access::SingleAccount;
use capshare::__internal::ambient::Ambient;
use capshare::Client;
use capshare::host::{Host, HostSettings};
use object_store::memory::InMemory;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

/// Viewers that were there before, for whom tables were made, and those that are counted.
const BEFORE: usize = 32;
const COUNTED: usize = 256;

/// Bytes of each, on whatever transport: counted 1,426 by events and 1,427 on a WebSocket. That is what the registry
/// knows of it (416), the viewer itself (448), what tokio knows of its socket (256), what a posted command finds it by (120),
/// its node among the parked viewers (88), its name (16), and its parts of tables.
const BYTES_MAX: usize = 1_440;
/// Allocations of each, besides those of tables: counted 6.
const ALLOCATIONS_MAX: usize = 6;

#[test]
fn a_viewer_by_events_that_waits_takes_little_memory() {
    takes_little(|share| format!("GET /events/{share} HTTP/1.1\r\nHost: host\r\n\r\n"));
}

#[test]
fn a_viewer_on_a_websocket_that_waits_takes_little_memory() {
    takes_little(|share| {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
        let key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";
        format!("GET /ws/{share} HTTP/1.1\r\nHost: host\r\n{upgrade}\r\n{key}\r\n\r\n")
    });
}

fn takes_little(request: impl Fn(&str) -> String) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (host, address, share) = runtime.block_on(host());
    let (tasks, request) = (runtime.metrics().num_alive_tasks(), request(&share));
    let come = |count| come(&runtime, tasks, count, address, &request);
    let _before = come(BEFORE);
    let mut viewers = Vec::new();
    let AllocationInfo { bytes_current, count_current, .. } = measure(|| viewers = come(COUNTED));
    let each = |count: i64| usize::try_from(count).unwrap() / COUNTED;
    let (bytes, allocations) = (each(bytes_current), each(count_current));
    assert!(
        bytes <= BYTES_MAX && allocations <= ALLOCATIONS_MAX,
        "{bytes} bytes in {allocations} allocations for each viewer that waits"
    );
    assert_eq!(host.hub().connections().registry().count(), BEFORE + COUNTED);
    assert_eq!(viewers.len(), COUNTED);
}

/// A host over memory, where it listens, and a share of it.
async fn host() -> (Host, SocketAddr, String) {
    let access = SingleAccount::new("local".parse().unwrap());
    let host =
        Host::new(Arc::new(InMemory::new()), Arc::new(access), Ambient::system(), HostSettings::default()).unwrap();
    let address = host.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let client = Client::builder(format!("ws://{address}")).build().unwrap();
    let share = client.create(&"ses_1".parse().unwrap(), None).await.unwrap();
    let id = share.id().to_string();
    client.close().await;
    (host, address, id)
}

/// Has so many viewers come to a host that has so many tasks without them, and waits until all of them wait: then none has a
/// task any more.
fn come(runtime: &Runtime, tasks: usize, count: usize, address: SocketAddr, request: &str) -> Vec<TcpStream> {
    let request = request.to_owned();
    let coming = thread::spawn(move || (0..count).map(|_| one(address, &request)).collect());
    runtime.block_on(async {
        while !coming.is_finished() {
            yield_now().await;
        }
        // One task looks after the parked viewers of the share.
        while runtime.metrics().num_alive_tasks() > tasks + 1 {
            yield_now().await;
        }
    });
    coming.join().unwrap()
}

/// A viewer that was told all there is.
fn one(address: SocketAddr, request: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let (mut said, mut buffer) = (Vec::new(), [0; 4_096]);
    while !said.windows(5).any(|word| word == b"ready") {
        let count = socket.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&buffer[..count]);
    }
    socket
}
