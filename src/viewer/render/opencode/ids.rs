//! Ids as OpenCode wants them: a prefix, twelve hexadecimal digits of a time, and fourteen characters that tell one from another.
//!
//! They are made of the ids that the share has and of the messages' times, so whoever exports a share again, with more messages, gets the
//! same ids for the earlier ones. OpenCode orders messages, and the parts of a message, by their ids: each is greater than the one before.

use sha2::{Digest as _, Sha256};

/// The bits of an id that hold a time: milliseconds, and which one of a millisecond's ids it is.
const STAMP: u64 = (1 << 48) - 1;

/// Ids that one millisecond has room for.
const PER_MS: u64 = 1 << 12;

/// The characters of the last part of an id.
const CHARACTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The id of a session: always the same for one session, whatever is known of it. An id of OpenCode's own stays.
pub(super) fn session(id: &str) -> String {
    if id.starts_with("ses_") {
        return id.to_owned();
    }
    let digest = digest(&["session", id]);
    let stamp = digest.iter().take(6).fold(0, |stamp, byte| stamp << 8 | u64::from(*byte));
    format!("ses_{stamp:012x}{}", characters(&digest[8..]))
}

/// Numbers the messages of a session.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// The session's own id, which tells its messages from those of a fork, which have the same ids.
    session: String,
    latest: u64,
}

/// The ids of a message and of its parts.
pub(super) struct Numbered {
    pub(super) message: String,
    stamp: u64,
    seed: String,
}

impl Numbers {
    pub(super) fn of(session: &str) -> Self {
        Self { session: session.to_owned(), latest: 0 }
    }

    /// The ids of the next message. `created`: in milliseconds since 1970.
    pub(super) fn next(&mut self, id: &str, created: u64) -> Numbered {
        let stamp = created.wrapping_mul(PER_MS).wrapping_add(1) & STAMP;
        // An earlier time than that of the message before it counts for nothing, and so does the beginning of a new count.
        let stamp = stamp.max(self.latest.saturating_add(1)).min(STAMP);
        self.latest = stamp;
        let seed = format!("{}/{id}", self.session);
        let message = format!("msg_{stamp:012x}{}", characters(&digest(&["message", &seed])));
        Numbered { message, stamp, seed }
    }
}

impl Numbered {
    /// The id of the part at this place in the message.
    pub(super) fn part(&self, place: usize, id: &str) -> String {
        let stamp = self.stamp.saturating_add(place as u64).min(STAMP);
        format!("prt_{stamp:012x}{}", characters(&digest(&["part", &self.seed, id])))
    }
}

fn digest(of: &[&str]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for text in of {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.finalize().to_vec()
}

/// Fourteen characters that stand for a digest.
fn characters(digest: &[u8]) -> String {
    digest.iter().take(14).map(|byte| char::from(CHARACTERS[usize::from(*byte) % CHARACTERS.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_whatever_the_times_are_and_stay_when_more_come() {
        let times = [1_796_000_000_000, 1_796_000_000_000, 5, 0, u64::MAX, 1_796_000_000_001];
        let ids = |count: usize| {
            let mut numbers = Numbers::of("s");
            let mut ids = Vec::new();
            for (n, time) in times.iter().take(count).enumerate() {
                let numbered = numbers.next(&n.to_string(), *time);
                ids.push(numbered.message.clone());
                let parts = [numbered.part(0, "z"), numbered.part(1, "a"), numbered.part(2, "b")];
                assert!(parts.is_sorted() && parts.iter().all(|part| part.len() == 30 && part.starts_with("prt_")));
            }
            ids
        };
        let all = ids(times.len());
        assert!(all.is_sorted() && all.iter().all(|id| id.len() == 30 && id.starts_with("msg_")), "{all:?}");
        assert_eq!(ids(3), all[..3]);
        // A fork has its messages' ids.
        assert_ne!(Numbers::of("other").next("0", times[0]).message, all[0]);
    }

    #[test]
    fn a_session_has_one_id_and_keeps_one_of_opencodes() {
        assert_eq!(session("ses_1"), "ses_1");
        let made = session("0d1c6f3e-5a4b-4a83-b3a1-0c9d8e7f6a5b");
        assert!(made.starts_with("ses_") && made.len() == 30, "{made}");
        assert_eq!(made, session("0d1c6f3e-5a4b-4a83-b3a1-0c9d8e7f6a5b"));
        assert_ne!(made, session("0d1c6f3e-5a4b-4a83-b3a1-0c9d8e7f6a5c"));
    }
}
