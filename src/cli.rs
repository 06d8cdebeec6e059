//! The command line: one module a command, over the host or the linked client.
//!
//! [`run`] parses the arguments, sets up the log, runs one command to its end and turns what became of it into an exit
//! code. Commands say what they have to say through [`output`] and fail as an [`exit::Failure`], which knows its code and
//! what to do next. They read no environment by themselves: it comes in as an [`environment::Environment`].
//! Results go to stdout; progress, logs and errors to stderr. No secret and no token goes to either, except that of
//! a share where the user asks for it by name.

mod args;
pub(crate) mod environment;
mod exit;
mod log;
mod output;
mod serve;
mod settings;
mod stop;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use self::args::{Arguments, Command};
use self::environment::Environment;
use self::exit::{Exit, Failure};
use self::output::Output;

/// Runs the program.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>, environment: &Environment) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    // Asked for by hand, because a command line that cannot be parsed must be answered in the form it asks for.
    let json = arguments.iter().any(|argument| argument == "--json");
    let mut output = Output::new(json);
    let result = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => run_command(arguments, environment, &mut output),
        Err(error) if error.use_stderr() => Err(Failure::new(Exit::Usage, usage_text(&error, json))),
        // Help and version, asked for.
        Err(help) => output.text(&help.render().to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit().into()
        }
    }
}

fn run_command(arguments: Arguments, environment: &Environment, output: &mut Output) -> Result<(), Failure> {
    let Arguments { command, common } = arguments;
    let runtime = |many: bool| {
        let mut builder = if many {
            tokio::runtime::Builder::new_multi_thread()
        } else {
            // The client's connection has a thread of its own.
            tokio::runtime::Builder::new_current_thread()
        };
        builder.enable_all().build().map_err(|error| Failure::new(Exit::Failed, format!("no runtime: {error}")))
    };
    match command {
        Command::Serve(args) => {
            let settings = settings::serve::resolve(args, &common, environment)?;
            log::start(&settings.log.value, settings.log_format.value, common.json)?;
            runtime(true)?.block_on(serve::run(settings, output))
        }
    }
}

fn usage_text(error: &clap::Error, json: bool) -> String {
    let text = error.render().to_string();
    // The first line says what is wrong; the rest is layout for people.
    let text = if json { text.lines().next().unwrap_or_default() } else { text.trim_end() };
    text.strip_prefix("error: ").unwrap_or(text).to_owned()
}
