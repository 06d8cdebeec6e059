//! The kinds of findings of a check: what each means, and what to do about it.

/// Something that is wrong in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The kind of finding.
    pub problem: Problem,
    /// The key of the object, or the prefix of the objects.
    pub key: String,
    /// Details of this finding, without contents; `None` if there are none.
    pub detail: Option<String>,
    /// Whether this check mended it.
    pub mended: bool,
}

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// An object does not hold what the store writes.
    Unreadable,
    /// A segment is empty, and its share was not deleted.
    EmptySegment,
    /// A segment is missing that no run covers.
    MissingSegment,
    /// The last segments of a log are missing.
    LostTail,
    /// A segment does not follow the one before it.
    BrokenChain,
    /// A run does not hold what its segments come to.
    WrongRun,
    /// A segment has a number that was freed, and no chain of segments leads to it.
    StraySegment,
    /// A log does not begin with the opening of a share.
    NotOpened,
    /// The log says that the share was deleted, and there is no tombstone.
    DeletionBegun,
    /// A share has its tombstone, and content of it is left.
    ContentAfterDeletion,
    /// Empty objects of a deleted share are left.
    StubsLeft,
    /// No claim names the share, and no other share has claimed its session.
    ShareWithoutClaim,
    /// Another share has claimed the share's session.
    SessionTaken,
    /// A claim names a share that has no log.
    ClaimWithoutLog,
    /// A claim names a share whose log is missing.
    LostLog,
    /// A claim names a share that was deleted.
    ClaimOnDeleted,
    /// A companion's claim is released, passed or missing.
    OrphanCompanion,
    /// A key is none of the store's.
    UnknownKey,
}

impl Problem {
    /// The kind's name for programs, such as `missing-segment`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.texts().0
    }

    /// What such a finding means, in a sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.texts().1
    }

    /// What a repair does about it, or what a person has to decide.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        self.texts().2
    }

    /// Whether a repair mends such a finding.
    #[must_use]
    pub fn is_mendable(self) -> bool {
        match self {
            Self::DeletionBegun
            | Self::ContentAfterDeletion
            | Self::ShareWithoutClaim
            | Self::ClaimOnDeleted
            | Self::OrphanCompanion => true,
            Self::Unreadable
            | Self::EmptySegment
            | Self::MissingSegment
            | Self::LostTail
            | Self::BrokenChain
            | Self::WrongRun
            | Self::StraySegment
            | Self::NotOpened
            | Self::StubsLeft
            | Self::SessionTaken
            | Self::ClaimWithoutLog
            | Self::LostLog
            | Self::UnknownKey => false,
        }
    }

    fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Unreadable => (
                "unreadable",
                "it does not hold what the store writes: a share that needs it cannot be opened, and a token with this record is not accepted",
                "restore it from a backup, upgrade if its format is newer, or give the share or the token up",
            ),
            Self::EmptySegment => (
                "empty-segment",
                "it is empty, and neither the log nor a tombstone says that the share was deleted: a share that needs it cannot be \
                 opened",
                "restore it from a backup, or give the share up",
            ),
            Self::MissingSegment => (
                "missing-segment",
                "it is missing, though later segments are there, and no run covers it: the share cannot be opened",
                "restore it from a backup, or give the share up",
            ),
            Self::LostTail => (
                "lost-tail",
                "it is missing, and so is everything after it: the index knows of it, and the share opens without it",
                "restore it from a backup before anybody writes to the share, or leave it",
            ),
            Self::BrokenChain => (
                "broken-chain",
                "it does not follow the segment before it: one of the two was overwritten or restored",
                "restore it from a backup, or give the share up",
            ),
            Self::WrongRun => (
                "wrong-run",
                "it does not hold what the segments that it covers come to",
                "if its segments are there, remove the run, and the share is right again; decide yourself",
            ),
            Self::StraySegment => (
                "stray-segment",
                "it was written under a number that had been freed, as by a host that had slept: nobody reads it, and what it \
                 holds may have been acknowledged",
                "if the share lacks what it holds, sync that again; gc frees it",
            ),
            Self::NotOpened => (
                "not-opened",
                "the log does not begin with the opening of a share, so nobody can read the share or write to it",
                "remove the share's objects, if nobody misses the share",
            ),
            Self::DeletionBegun => (
                "deletion-begun",
                "the log says that the share was deleted, and the deletion was not finished: content of the share is still there",
                "--repair finishes the deletion",
            ),
            Self::ContentAfterDeletion => (
                "content-after-deletion",
                "the share was deleted, and content of it is left beside its tombstone",
                "--repair erases it",
            ),
            Self::StubsLeft => {
                ("stubs-left", "empty objects of a deleted share are left; they do no harm", "gc frees them")
            }
            Self::ShareWithoutClaim => (
                "share-without-claim",
                "the claim on its session is missing, empty or damaged: the share can be read by its link and is not listed, and sharing \
                 the session again would make a second share",
                "--repair claims the session for it again",
            ),
            Self::SessionTaken => (
                "session-taken",
                "another share has claimed its session: this share can be read by its link, and is not listed",
                "delete one of the two with its secret, or leave both; decide yourself",
            ),
            Self::ClaimWithoutLog => (
                "claim-without-log",
                "the share that it names has no log: its host stopped before it wrote one",
                "nothing to do: sharing the session again creates the share",
            ),
            Self::LostLog => (
                "lost-log",
                "the share that it names was written, and all its objects are missing",
                "restore them from a backup; sharing the session again creates the share anew",
            ),
            Self::ClaimOnDeleted => (
                "claim-on-deleted",
                "the share that it names was deleted, and is still listed",
                "--repair releases the claim",
            ),
            Self::OrphanCompanion => {
                ("orphan-companion", "its claim does not count any more; it may hold a title", "--repair deletes it")
            }
            Self::UnknownKey => (
                "unknown-key",
                "the store does not know this key: something else wrote it, or a newer version",
                "move it elsewhere, if you know what it is; decide yourself",
            ),
        }
    }
}
