//! Two sessions of Cap'n Web that are joined to each other: what their embedders do, and when frames arrive. Each byte is a choice.
#![no_main]

#[path = "../../it/capnweb/ends.rs"]
mod ends;

libfuzzer_sys::fuzz_target!(|choices: &[u8]| ends::play(choices));
