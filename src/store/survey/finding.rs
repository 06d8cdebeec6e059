//! What a check may find, what it means, and what can be done about it.

/// Something in a bucket that should not be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub problem: Problem,
    /// The object, or what the keys of the objects begin with.
    pub key: String,
    /// More about this one, if there is more; holds no contents.
    pub detail: Option<String>,
    /// It was mended by this check.
    pub mended: bool,
}

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// An object does not hold what the store writes.
    Unreadable,
    /// A segment holds nothing, and its share was not deleted.
    EmptySegment,
    /// A segment is gone that no run covers.
    MissingSegment,
    /// The last segments of a log are gone.
    LostTail,
    /// A segment names another predecessor than the one before it.
    BrokenChain,
    /// A run is not what its segments come to.
    WrongRun,
    /// A segment lies in a place that was freed, and no chain leads to it.
    StraySegment,
    /// A log does not begin with the opening of a share.
    NotOpened,
    /// A deletion is in the log, and there is no tombstone.
    DeletionBegun,
    /// A share has its tombstone, and content is left.
    ContentAfterDeletion,
    /// A deleted share's empty objects are left.
    StubsLeft,
    /// A share that no session's claim names, and whose session nobody has claimed.
    ShareWithoutClaim,
    /// A share whose session another share has claimed.
    SessionTaken,
    /// A claim names a share that has no log.
    ClaimWithoutLog,
    /// A claim names a share whose log is gone.
    LostLog,
    /// A claim names a share that was deleted.
    ClaimOnDeleted,
    /// A companion whose claim is released, passed or gone.
    OrphanCompanion,
    /// A key that is none of the store's.
    UnknownKey,
}

impl Problem {
    /// Its name for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.texts().0
    }

    /// What it means.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.texts().1
    }

    /// What repairing does, or what a person has to decide.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        self.texts().2
    }

    /// Whether a repair mends it.
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
                "it does not hold what the store writes; a share that needs it cannot be opened, a token of it is not taken",
                "restore it from a backup, upgrade if its format is newer, or give the share or the token up",
            ),
            Self::EmptySegment => (
                "empty-segment",
                "it holds nothing, and neither the log nor a tombstone says that the share was deleted; a share that needs it \
                 cannot be opened",
                "restore it from a backup, or give the share up",
            ),
            Self::MissingSegment => (
                "missing-segment",
                "it is gone, later ones are there, and no run covers it; the share cannot be opened",
                "restore it from a backup, or give the share up",
            ),
            Self::LostTail => (
                "lost-tail",
                "it is gone, and so is all that came after it; the index knows of it, and the share opens without it",
                "restore it from a backup before anybody writes to the share, or leave it",
            ),
            Self::BrokenChain => (
                "broken-chain",
                "it does not follow the segment before it: one of the two was written over or restored",
                "restore it from a backup, or give the share up",
            ),
            Self::WrongRun => (
                "wrong-run",
                "it is not what the segments that it covers come to",
                "while its segments are there, removing the run makes the share right again; decide yourself",
            ),
            Self::StraySegment => (
                "stray-segment",
                "it was written where a segment had been freed, as by a host that had slept: nobody reads it, and what it \
                 holds may have been acknowledged",
                "sync again what it holds if the share lacks that; gc frees it",
            ),
            Self::NotOpened => (
                "not-opened",
                "the log does not begin with the opening of a share, so nobody can find or change it",
                "remove the share's objects, if nobody misses it",
            ),
            Self::DeletionBegun => (
                "deletion-begun",
                "the share's deletion is in its log and was not finished: its content is still there",
                "repair finishes the deletion",
            ),
            Self::ContentAfterDeletion => (
                "content-after-deletion",
                "the share was deleted, and content of it is left beside its tombstone",
                "repair erases it",
            ),
            Self::StubsLeft => (
                "stubs-left",
                "empty objects of a deleted share are left; they hold nothing and harm nobody",
                "gc frees them",
            ),
            Self::ShareWithoutClaim => (
                "share-without-claim",
                "its session's claim is gone, empty or damaged: the share can be read by its link, is not listed, and sharing the \
                 session again would make a second share",
                "repair claims the session for it again",
            ),
            Self::SessionTaken => (
                "session-taken",
                "another share has claimed its session: this one can be read by its link, and is not listed",
                "delete one of the two with its secret, or leave both; decide yourself",
            ),
            Self::ClaimWithoutLog => (
                "claim-without-log",
                "the share that it names was never begun: its host stopped in between",
                "nothing needs mending: the next creation of this session begins it",
            ),
            Self::LostLog => (
                "lost-log",
                "the share that it names was written, and all objects of it are gone",
                "restore them from a backup; the next creation of this session begins the share anew",
            ),
            Self::ClaimOnDeleted => (
                "claim-on-deleted",
                "the share that it names was deleted, and is still listed",
                "repair releases the claim",
            ),
            Self::OrphanCompanion => {
                ("orphan-companion", "it says what is no share's any more, and may hold a title", "repair deletes it")
            }
            Self::UnknownKey => (
                "unknown-key",
                "the store knows no such key: it is somebody else's, or a newer version's",
                "move it elsewhere, if you know what it is; decide yourself",
            ),
        }
    }
}
