//! What the program finds around itself, read once by `main`.

use std::collections::HashMap;
use std::path::PathBuf;

/// Variables and folders.
pub(crate) struct Environment {
    /// The environment variables whose names and values are UTF-8.
    pub(crate) variables: HashMap<String, String>,
    /// The folder for temporary files.
    pub(crate) temporary_folder: PathBuf,
    /// The user's home folder.
    pub(crate) home_folder: Option<PathBuf>,
    /// The folder in which the program was started.
    pub(crate) current_folder: Option<PathBuf>,
    /// Where data is kept for this user, by the XDG rules; `None` without a home.
    pub(crate) data_folder: Option<PathBuf>,
    /// Where state is kept for this user.
    pub(crate) state_folder: Option<PathBuf>,
}

impl Environment {
    /// The value of a variable; `None` if it is not set or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
