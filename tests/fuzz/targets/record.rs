//! A claim, its companion, a tombstone or a token's record, as it may lie in the bucket.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| capshare::__internal::store::fuzzing::record(bytes));
