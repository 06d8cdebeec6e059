//! The members of an export.

/// A member of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Info,
    Messages,
    Subagents,
    Models,
    SessionDiff,
    Other,
    /// A member that no export has.
    Unknown,
}

impl Member {
    /// The member of this name, which is written with its quotes.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "\"info\"" => Self::Info,
            "\"messages\"" => Self::Messages,
            "\"subagents\"" => Self::Subagents,
            "\"models\"" => Self::Models,
            "\"session_diff\"" => Self::SessionDiff,
            "\"other\"" => Self::Other,
            _ => Self::Unknown,
        }
    }

    /// Whether its value is a list, which is read element by element.
    pub(super) fn is_list(self) -> bool {
        match self {
            Self::Messages | Self::Subagents | Self::Models | Self::Other => true,
            Self::Info | Self::SessionDiff | Self::Unknown => false,
        }
    }
}
