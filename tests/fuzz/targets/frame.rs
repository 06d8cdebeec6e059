//! What viewers are told of values that follow one another, whatever is in them: the frame is JSON, its patch makes the new value of
//! the one before, and the event that is sent to a browser carries the frame's payload. Values are parted by a byte 0.
#![no_main]

use capshare::__internal::contract::sync_data::read_item;
use capshare::share::change::Batch;
use capshare::share::entry::Entry;
use capshare::share::limits::Limits;
use capshare::share::secret::SecretHash;
use capshare::share::state::{Outcome, State};
use capshare::share::time::Timestamp;
use capshare::share::view::Step;
use capshare::__internal::viewer::frame;
use serde_json::Value;

#[path = "../../it/support/patch.rs"]
mod patch;

/// The longest value is longer than what is told whole, see `viewer::patch`.
const FILLER: usize = 300;

libfuzzer_sys::fuzz_target!(|values: &str| {
    let mut state = State::default();
    let (account, session) = ("ann".parse().expect("a name"), "ses".parse().expect("a name"));
    let at = Timestamp(0);
    state.apply(&Entry::Open { at, account, session, secret: SecretHash([0; 32]), expires_at: None });
    let mut held: Option<(Value, u64)> = None;
    for value in values.split('\0') {
        // Small values travel whole.
        let value = format!(r#"{{"filler":"{}","value":{value}}}"#, "x".repeat(FILLER));
        let mut changes = Vec::new();
        if read_item("note", &value, &Limits::default(), &mut changes).is_err() {
            return;
        }
        let (base, text) = (state.revision(), changes[0].value.clone().expect("it is put"));
        let batch = Batch { stamp: None, changes };
        let Outcome::Synced { changed, replaced, revision, sync_count } = state.apply(&Entry::Sync { at, batch }) else {
            panic!("there is room");
        };
        if changed.is_empty() {
            continue;
        }
        let step = Step::new(base, revision, sync_count, changed);
        let told = frame::step(&step, None, &replaced);
        // What is JSON but no value here: numbers that are too large, halves of surrogate pairs.
        let Ok(new) = serde_json::from_str::<Value>(text.as_str()) else { return };
        let told_value: Value = serde_json::from_slice(&told).expect("a frame is JSON");
        let change = &told_value["payload"]["changes"][0];
        let value = patch::changed(held.as_ref().map(|(value, revision)| (value, *revision)), change);
        assert_eq!(value, new, "{told_value}");
        assert_eq!(sent(&frame::server_sent(&told, None)), told_value["payload"]);
        held = Some((new, change["revision"].as_u64().expect("a number")));
    }
});

/// The payload of a server-sent event, read as a browser does it.
fn sent(event: &[u8]) -> Value {
    let text = std::str::from_utf8(event).expect("an event is UTF-8");
    let lines = text.strip_suffix("\n\n").expect("an event ends").split(['\n', '\r']);
    let data = lines.filter_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(&data.collect::<Vec<_>>().join("\n")).expect("the payload is JSON")
}
