//! What one viewer takes of a host's memory, counted and not measured: the futures and objects that there is one of for each.

use capshare::__internal::connections::entry::Entry;
use capshare::__internal::viewer::life::PARKED_BYTES;
use capshare::__internal::viewer::member::Member;

/// A viewer that waits is an object and no task, with nothing of its transport but the socket. Of some 1,500 bytes of each, on
/// whatever transport, the viewer itself may take 448 and its entries 504; the rest is what tokio holds of a socket, the maps in
/// which it stands, and what the allocator rounds up. `tests/counted` counts all that it asks of the allocator.
#[test]
fn a_viewer_that_waits_is_small() {
    let (member, entry) = (size_of::<Member>(), size_of::<Entry>());
    const { assert!(PARKED_BYTES <= 448) }
    assert!(member + entry <= 504, "{member} and {entry} bytes");
}
