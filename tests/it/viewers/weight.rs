//! What one viewer takes of a host's memory, counted and not measured: the futures and objects that there is one of for each.

use capshare::hub::registry::Entry;
use capshare::viewer::WAITING_BYTES;
use capshare::viewer::member::Member;
use capshare::viewer::transport::{Socket, socket_config};

/// A viewer that waits is an object and no task: of 6,000 bytes on a WebSocket and 2,000 on a stream of events, the viewer itself
/// may take 512, its entries 768, and the socket with what it reads into 1,536. That leaves some 700 for what tokio holds of a
/// socket, the maps in which it stands and what the allocator rounds up.
#[test]
fn a_viewer_that_waits_is_small() {
    let (member, entry) = (size_of::<Member>(), size_of::<Entry>());
    assert!(WAITING_BYTES <= 512, "{WAITING_BYTES} bytes");
    assert!(member + entry <= 768, "{member} and {entry} bytes");
    // Kept for each WebSocket, whether it sends something or not.
    let socket = size_of::<Socket>() + socket_config().read_buffer_size;
    assert!(socket <= 1_536, "{socket} bytes");
    assert_eq!(socket_config().write_buffer_size, 0);
}
