//! What an RPC peer sends: the size of the pieces in which it arrives, then messages, read as what the contract carries.
#![no_main]

use capshare::__internal::contract::{admin, convert, error, grants, push};
use capshare::share::limits::Limits;
use capshare::__internal::share_capnp as schema;

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    let limits = Limits::default();
    for message in capshare::__internal::wire::fuzzing::incoming(bytes, piece.into()) {
        if let Ok(call) = message.get_root::<schema::share_writer::sync_params::Reader<'_>>()
            && let (Ok(data), Ok(stamp)) = (call.get_data(), call.get_stamp())
        {
            let _read = convert::read_batch(data, stamp, &limits);
        }
        // Each reader takes the message for what it reads: a peer may send anything anywhere.
        macro_rules! read {
            ($($read:path: $name:ident;)*) => {
                $(let _read = message.get_root::<schema::$name::Reader<'_>>().map($read);)*
            };
        }
        read! {
            convert::read_step: event;
            convert::read_chunk: read_result;
            convert::read_synced: sync_result;
            convert::read_opened: open_result;
            convert::read_listing: share_listing;
            push::read_action: push_action;
            push::read_answer: push_answer;
            grants::read_grants: grants_result;
            grants::read_saved: save_result;
            admin::read_which: close_which;
            admin::read_filter: broadcast_filter;
            admin::read_share_filter: share_filter;
            admin::read_connections: connections_result;
            admin::read_stats: stats_result;
            error::read_refusal: refusal;
        }
    }
});
