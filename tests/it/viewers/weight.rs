//! What one viewer takes of a host's memory, counted and not measured: the futures and objects that there is one of for each.

use std::sync::Arc;

use async_tungstenite::WebSocketStream;
use capshare::hub::Hub;
use capshare::hub::registry::{Entry, Pending};
use capshare::viewer::ViewerSettings;
use capshare::viewer::member::{Member, Members};
use capshare::viewer::sse::Stream;
use capshare::viewer::ws::{Asked, serve, socket_config};
use tokio::net::TcpStream;
use tokio_util::compat::Compat;

/// What `serve` is called with, as references that a task can hold.
type Served = (&'static Arc<Hub>, &'static Arc<Members>, Pending, Asked, WebSocketStream<Compat<TcpStream>>);

/// The bytes of what a function gives, without a call of it.
fn given<A, T>(_function: impl FnOnce(A) -> T) -> usize {
    size_of::<T>()
}

/// Ten thousand viewers that wait on WebSockets are to fit into 100 MB. Of the 10,000 bytes of each, the future may take 4,608,
/// what it reads into 1,024 and its entries 768, which leaves 3,600 for the task around it, timers and what the allocator rounds
/// up. A stream of server-sent events takes 384 itself; the rest is HTTP's.
#[test]
fn a_viewer_that_waits_is_small() {
    let socket = given(|(hub, members, pending, asked, socket): Served| {
        serve(hub, members, pending, asked, socket, ViewerSettings::default())
    });
    let stream = size_of::<Stream>();
    let (member, entry) = (size_of::<Member>(), size_of::<Entry>());
    assert!(socket <= 4_608, "{socket} bytes");
    assert!(stream <= 384, "{stream} bytes");
    assert!(member + entry <= 768, "{member} and {entry} bytes");
    // Kept for each, whether it sends something or not.
    assert!(socket_config().read_buffer_size <= 1_024);
    assert_eq!(socket_config().write_buffer_size, 0);
}
