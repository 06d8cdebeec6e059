//! What a viewer sends up: a frame, and the defaults of its URL. A line of defaults, then the frame.
#![no_main]

use capshare::__internal::viewer::frame;
use capshare::__internal::viewer::uplink::{Uplink, read_defaults};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or_default();
    let (defaults, text) = bytes.split_at(line);
    let defaults = std::str::from_utf8(defaults).ok().and_then(|text| read_defaults(text).ok()).unwrap_or_default();
    if let Err((id, refusal)) = Uplink::read(text, &defaults) {
        let answer = frame::refused(&id, &refusal);
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("an answer is JSON");
        assert_eq!((&answer["id"], &answer["ok"]), (&id, &false.into()));
    }
});
