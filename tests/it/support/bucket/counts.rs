//! What was asked of a bucket.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many requests of each kind were made, and under which prefixes.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) puts: AtomicU64,
    pub(crate) gets: AtomicU64,
    pub(crate) lists: AtomicU64,
    pub(crate) deletes: AtomicU64,
    /// Bytes of all puts.
    pub(crate) put_bytes: AtomicU64,
    touched: Mutex<Vec<String>>,
}

impl Counts {
    pub(crate) fn reset(&self) {
        for count in [&self.puts, &self.gets, &self.lists, &self.deletes, &self.put_bytes] {
            count.store(0, Ordering::Relaxed);
        }
        self.touched.lock().unwrap().clear();
    }

    /// Puts, gets (heads too), lists, deletes.
    pub(crate) fn all(&self) -> [u64; 4] {
        [&self.puts, &self.gets, &self.lists, &self.deletes].map(|count| count.load(Ordering::Relaxed))
    }

    pub(crate) fn put_bytes(&self) -> u64 {
        self.put_bytes.load(Ordering::Relaxed)
    }

    /// The keys and prefixes asked for; of a listing, the prefix for each page.
    pub(crate) fn touched(&self) -> Vec<String> {
        self.touched.lock().unwrap().clone()
    }

    pub(super) fn count(&self, count: &AtomicU64, key: &str) {
        count.fetch_add(1, Ordering::Relaxed);
        self.touch(key);
    }

    pub(super) fn touch(&self, key: &str) {
        self.touched.lock().unwrap().push(key.to_owned());
    }
}
