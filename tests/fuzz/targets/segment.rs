//! A segment of a share's log, as it may lie in the bucket.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| capshare::__internal::store::fuzzing::segment(bytes));
