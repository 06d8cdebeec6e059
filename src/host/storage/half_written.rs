//! What hosts that were killed leave in a directory: files on their way to be objects, by the name of the object with `#` and
//! a number behind it. They are no objects to anybody, so that a deletion passes them over, and they hold what was shared.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::StoreLocation;
use crate::store::Tally;

/// How old such a file must be: no write takes an hour. Younger ones may be another host's, which would then name a file that a
/// third has begun under that name.
const ABANDONED_AFTER: Duration = Duration::from_secs(3_600);

/// Removes what hosts that were killed left half written an hour ago and earlier; `dry_run`: only counts it. Blocks while it
/// goes through the directory; other buckets have no such files. Whatever cannot be read or removed is left to the next time.
///
/// What time it is, in the directory and not here, says its folder of probes: [`open`](super::open), which is to be called
/// before, has just written to that.
#[must_use]
pub fn remove_half_written(location: &StoreLocation, dry_run: bool) -> Tally {
    let StoreLocation::Directory(store) = location else { return Tally::default() };
    let Ok(now) = store.join("probe").metadata().and_then(|meta| meta.modified()) else { return Tally::default() };
    let mut removed = Tally::default();
    // Nothing else in the directory is ours.
    let mut folders = ["index", "probe", "share", "token", "tomb"].map(|name| store.join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            let file = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(file),
                Ok(kind) if kind.is_file() => {
                    if let Some(bytes) = abandoned(&file, now)
                        && (dry_run || std::fs::remove_file(file).is_ok())
                    {
                        (removed.objects, removed.bytes) = (removed.objects + 1, removed.bytes + bytes);
                    }
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
    removed
}

/// How large a file is, if it is such a one, and old.
fn abandoned(file: &Path, now: SystemTime) -> Option<u64> {
    let (_, number) = file.file_name()?.to_str()?.rsplit_once('#')?;
    let is_staged = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let meta = file.metadata().ok().filter(|_| is_staged)?;
    let is_old = meta.modified().ok()? < now - ABANDONED_AFTER;
    is_old.then_some(meta.len())
}
