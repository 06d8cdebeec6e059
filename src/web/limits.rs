//! The limits of a session, from those of the host.

use crate::capnweb;
use crate::share::limits::{self, web};

/// What a session takes from its client on a host with these limits.
pub(super) fn of(limits: &limits::Limits) -> capnweb::Limits {
    capnweb::Limits {
        frame_bytes: limits.message_bytes_max,
        depth: web::WEB_NESTING_MAX,
        // In `sync([{type, data}])` each `data` is a slice of its frame.
        tree_levels: 3,
        values: web::WEB_VALUES_MAX,
        bigint_digits: web::WEB_BIGINT_DIGITS_MAX,
        calls: limits.calls_in_flight_max,
        results: web::WEB_RESULTS_MAX.max(limits.calls_in_flight_max),
        kept_for: web::WEB_RESULT_KEPT_FOR,
        exports: web::WEB_EXPORTS_MAX,
        imports: web::WEB_IMPORTS_MAX,
        promises: web::WEB_PROMISES_MAX,
        calls_out: web::WEB_CALLS_OUT_MAX,
        held_bytes: web::WEB_HELD_BYTES_MAX,
        work: web::WEB_WORK_MAX,
        queue_bytes: web::WEB_QUEUED_BYTES_MAX,
        names: &crate::web::refused::LIMITS,
    }
}

/// What a session takes from a client of which nobody knows yet who it is, on a host that needs to know.
pub(super) fn of_strangers(limits: &limits::Limits) -> capnweb::Limits {
    let known = of(limits);
    capnweb::Limits {
        frame_bytes: known.frame_bytes.min(web::WEB_STRANGER_FRAME_BYTES_MAX),
        held_bytes: known.held_bytes.min(web::WEB_STRANGER_HELD_BYTES_MAX),
        ..known
    }
}
