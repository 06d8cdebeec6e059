//! What the program finds around itself, read once by `main`.

use std::collections::HashMap;
use std::path::PathBuf;

/// Variables and folders.
pub(crate) struct Environment {
    /// The variables that are text.
    pub(crate) variables: HashMap<String, String>,
    /// Where files go that nobody keeps.
    pub(crate) temporary_folder: PathBuf,
    /// The user's home.
    pub(crate) home_folder: Option<PathBuf>,
    /// Where the program runs.
    pub(crate) current_folder: Option<PathBuf>,
    /// Where data is kept for this user, by the XDG rules; `None` without a home.
    pub(crate) data_folder: Option<PathBuf>,
    /// Where state is kept for this user.
    pub(crate) state_folder: Option<PathBuf>,
}

impl Environment {
    /// A variable. One that is empty counts as not set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
