//! An item as a producer sends it, `{"type": ..., "data": ...}`: what is read is written and read again.
#![no_main]

use capshare::__internal::contract::sync_data::{read_sync_data, write_sync_data};
use capshare::share::item::ItemKey;
use capshare::share::limits::Limits;

libfuzzer_sys::fuzz_target!(|json: &str| {
    let limits = Limits::default();
    let mut changes = Vec::new();
    if read_sync_data(json, &limits, &mut changes).is_err() {
        return;
    }
    for change in &changes {
        assert_eq!(change.key.as_str().parse::<ItemKey>().as_ref(), Ok(&change.key));
        let written = write_sync_data(change);
        let mut again = Vec::new();
        read_sync_data(&written, &limits, &mut again).expect("it was written here");
        assert_eq!(again, std::slice::from_ref(change), "{written}");
    }
});
