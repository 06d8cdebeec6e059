//! A run, as it may lie in the bucket: the lines that it packs.
#![no_main]

libfuzzer_sys::fuzz_target!(|lines: &[u8]| capshare::__internal::store::fuzzing::run(lines));
