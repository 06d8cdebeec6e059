//! Settings: where each comes from, and which of several wins.
//!
//! A setting said by a flag wins over one by a variable, that over one in the file, that over the default; nothing is merged
//! across these. Each value remembers its [`Source`], so that errors and `serve --check` can name it.

pub(crate) mod deployment;
pub(crate) mod file;
pub(crate) mod granted;
pub(crate) mod keys;
pub(crate) mod nats;
pub(crate) mod serve;
pub(crate) mod signed;

use std::fmt;

use clap::ValueEnum as _;

use crate::cli::args::Common;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::log::{self, LogFormat};

/// A value and where it came from.
#[derive(Clone)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) from: Source,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// This flag.
    Flag(&'static str),
    /// This variable.
    Variable(&'static str),
    /// This member of the file.
    File(&'static str),
    /// Nobody said.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::File(name) => write!(f, "{name} in the file"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl<T> Setting<T> {
    pub(crate) fn by_default(value: T) -> Self {
        Self { value, from: Source::Default }
    }

    /// Reads the value, and names its source if it cannot be right. `shape` says what is right.
    pub(crate) fn read<U>(self, shape: &str, read: impl FnOnce(&T) -> Option<U>) -> Result<Setting<U>, Failure>
    where
        T: fmt::Display,
    {
        match read(&self.value) {
            Some(value) => Ok(Setting { value, from: self.from }),
            None => Err(Failure::new(
                Exit::Usage,
                format!("{}: invalid value {:?}: write {shape}", self.from, self.value.to_string()),
            )),
        }
    }
}

/// The strongest source that says something: a flag, the first of the variables that is set, the file.
pub(crate) fn strongest(
    (flag, said): (&'static str, Option<String>),
    variables: &[&'static str],
    environment: &Environment,
    (member, written): (&'static str, Option<String>),
) -> Option<Setting<String>> {
    let by_flag = said.map(|value| Setting { value, from: Source::Flag(flag) });
    let by_variable = || {
        let set = |name: &&'static str| environment.get(name).map(|value| (value.to_owned(), Source::Variable(name)));
        variables.iter().find_map(set).map(|(value, from)| Setting { value, from })
    };
    by_flag.or_else(by_variable).or_else(|| written.map(|value| Setting { value, from: Source::File(member) }))
}

/// Starts the log of a command without a settings file. Failures are told by the command itself, so by default it is quiet.
pub(crate) fn log(common: &Common, environment: &Environment) -> Result<(), Failure> {
    let nothing = ("", None);
    let filter = strongest(("--log", common.log.clone()), &["CAPSHARE_LOG"], environment, nothing)
        .map_or_else(|| "error".to_owned(), |filter| filter.value);
    let format = log_format(common, environment, None)?;
    log::start(&filter, format.value, common.json)
}

/// How the log looks.
fn log_format(
    common: &Common,
    environment: &Environment,
    written: Option<String>,
) -> Result<Setting<LogFormat>, Failure> {
    let said = common.log_format.and_then(|format| Some(format.to_possible_value()?.get_name().to_owned()));
    strongest(("--log-format", said), &["CAPSHARE_LOG_FORMAT"], environment, ("log_format", written))
        .unwrap_or_else(|| Setting::by_default("text".to_owned()))
        .read("text or json", |text| LogFormat::from_str(text, false).ok())
}
