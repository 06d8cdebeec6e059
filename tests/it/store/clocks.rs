//! A writer whose clocks all stood still, over real buckets: what they say of the time is all that it has.

use std::sync::Arc;
use std::time::Duration;

use capshare::__internal::store::{Appended, Log, Occasion, Opened, Store, StoreSettings, WriterId};
use capshare::host::storage::{self, S3Options, StoreLocation};
use capshare::share::state::State;
use object_store::ObjectStore;

use super::{created, open_entry, share, sync};
use crate::support::clock::{HandClock, Still};
use crate::support::moto::Moto;

/// As short as a `Date`, which tells seconds, allows.
fn settings() -> StoreSettings {
    let mut settings = StoreSettings::default();
    (settings.lease, settings.request_time) = (Duration::from_secs(2), Duration::from_secs(2));
    settings.free_after = Duration::from_secs(5);
    settings
}

fn state(entries: &[capshare::share::entry::Entry]) -> State {
    let mut state = State::default();
    entries.iter().for_each(|entry| drop(state.apply(entry)));
    state
}

/// A log at a writer that is asleep: from its waking on it stands in front of numbers that were written, folded and freed.
async fn woken(objects: &Arc<dyn ObjectStore>, id: u128) -> Log {
    let clock = HandClock::new();
    let asleep = Store::new(Arc::clone(objects), settings(), WriterId(1), Arc::new(clock.clone()));
    let log = created(&asleep, &share(id), &[open_entry()]).await;
    clock.stop(Still::ALL);
    let other = Store::new(Arc::clone(objects), settings(), WriterId(2), Arc::new(HandClock::new()));
    let Opened::Open(mut ahead, _) = other.open_log(&share(id)).await.unwrap() else { panic!("it was created") };
    for label in ["two", "three", "four"] {
        assert_eq!(ahead.append(&[sync(label)]).await.unwrap(), Appended::Written);
    }
    let state = state(&[open_entry(), sync("two"), sync("three"), sync("four")]);
    let (_, frees) = ahead.fold(Occasion::Still, &state).unwrap().run().await.unwrap().unwrap();
    frees.run().await.unwrap();
    log
}

/// S84, where no clock of the machine can tell that it slept.
async fn a_writer_that_was_paused_is_told_so(location: &str, options: &S3Options) {
    let location: StoreLocation = location.parse().unwrap();
    let objects = storage::open(&location, options).await.unwrap();
    let (mut reading, mut writing) = tokio::join!(woken(&objects, 1), woken(&objects, 2));
    let news = reading.catch_up().await.unwrap();
    assert_eq!(news.into_state().sync_count(), 3, "{location}");
    // A write is told by its own answer, and then made again, after what others wrote.
    assert!(writing.append(&[sync("five")]).await.is_err(), "{location}: nothing was acknowledged");
    let Appended::Behind(news) = writing.append(&[sync("five")]).await.unwrap() else { panic!("{location}") };
    assert_eq!(news.into_state().sync_count(), 3, "{location}");
    assert_eq!(writing.append(&[sync("five")]).await.unwrap(), Appended::Written);
    let fresh = Store::new(Arc::clone(&objects), settings(), WriterId(3), Arc::new(HandClock::new()));
    let Opened::Open(_, news) = fresh.open_log(&share(2)).await.unwrap() else { panic!("it is there") };
    assert_eq!(news.into_state().sync_count(), 4, "{location}");
}

#[tokio::test]
async fn a_directory_tells_a_writer_that_it_was_paused() {
    let directory = tempfile::tempdir().unwrap();
    a_writer_that_was_paused_is_told_so(directory.path().to_str().unwrap(), &S3Options::default()).await;
}

#[tokio::test]
async fn an_s3_server_tells_a_writer_that_it_was_paused() {
    let moto = Moto::start();
    a_writer_that_was_paused_is_told_so("s3://shares/a/prefix", &moto.options()).await;
}
