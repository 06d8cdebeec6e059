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
    /// The member of this name, which is written as JSON: it may have escapes.
    pub(super) fn of(name: &str) -> Self {
        match serde_json::from_str::<String>(name).as_deref() {
            Ok("info") => Self::Info,
            Ok("messages") => Self::Messages,
            Ok("subagents") => Self::Subagents,
            Ok("models") => Self::Models,
            Ok("session_diff") => Self::SessionDiff,
            Ok("other") => Self::Other,
            Ok(_) | Err(_) => Self::Unknown,
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
