//! The command line: one module a command, over the host or the linked client.
//!
//! [`run`] parses the arguments, sets up the log, runs one command to its end and turns what became of it into an exit
//! code. Commands say what they have to say through [`output`] and fail as an [`exit::Failure`], which knows its code and
//! what to do next. They read no environment by themselves: it comes in as an [`environment::Environment`].
//! Results go to stdout; progress, logs and errors to stderr. No secret and no token goes to either.

mod admin;
mod agent;
mod amount;
mod args;
mod connect;
mod defaults;
mod demo;
pub(crate) mod environment;
mod exit;
mod export;
mod hosts;
mod link;
mod log;
mod losses;
mod origin;
mod output;
mod probe;
mod progress;
mod push;
mod reach;
mod secrets;
mod serve;
mod settings;
mod shares;
mod stop;
mod store;
mod time;
mod token;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use capshare::__internal::viewer::manifest::manifest;
use capshare::__internal::viewer::typescript;
use clap::Parser as _;

use self::args::{Arguments, Command, Common};
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
    match command {
        Command::Serve(args) => {
            let settings = settings::serve::resolve(*args, &common, environment)?;
            log::start(&log::of_host(&settings.log.value), settings.log_format.value, common.json)?;
            run_host(serve::run(settings, output))
        }
        Command::Store(args) => {
            let settings = settings::serve::resolve(args.command.place().into(), &common, environment)?;
            settings::log(&common, environment)?;
            run_host(store::run(args.command, settings, output))
        }
        Command::Token(args) => {
            let settings = settings::serve::resolve(args.command.serve(), &common, environment)?;
            settings::log(&common, environment)?;
            run_host(token::run(args.command, settings, output))
        }
        Command::Demo(args) => {
            settings::log(&common, environment)?;
            run_host(demo::run(args, environment, output))
        }
        Command::Push(args) => run_client(&common, environment, push::run(args, environment, output)),
        Command::Watch(args) => run_client(&common, environment, watch::run(args, environment, output)),
        Command::Export(args) => run_client(&common, environment, export::run(args, environment, output)),
        Command::Ls(args) => run_client(&common, environment, shares::list(args, environment, output)),
        Command::Rm(args) => run_client(&common, environment, shares::remove(args, environment, output)),
        Command::Expire(args) => run_client(&common, environment, shares::expire(args, environment, output)),
        Command::Link(args) => run_client(&common, environment, link::make(args, environment, output)),
        Command::Links(args) => run_client(&common, environment, link::list(args, environment, output)),
        Command::Unlink(args) => run_client(&common, environment, link::revoke(args, environment, output)),
        Command::Visibility(args) => run_client(&common, environment, shares::show_to(args, environment, output)),
        Command::Info(args) => run_client(&common, environment, shares::info(args, environment, output)),
        Command::Hosts(args) => run_client(&common, environment, hosts::run(args, environment, output)),
        Command::Admin(args) => run_client(&common, environment, admin::run(args.command, environment, output)),
        Command::Manifest(args) => {
            let manifest = manifest();
            if args.typescript { output.text(&typescript::types(&manifest)) } else { output.object(&manifest) }
        }
        Command::Probe(args) => run_client(&common, environment, probe::run(args, environment, output)),
    }
}

/// Runs a command of a host, on threads for all cores.
fn run_host(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    runtime(&mut tokio::runtime::Builder::new_multi_thread())?.block_on(command)
}

/// Runs a command of a client, on this thread: the client's connection has a thread of its own.
fn run_client(
    common: &Common,
    environment: &Environment,
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    settings::log(common, environment)?;
    runtime(&mut tokio::runtime::Builder::new_current_thread())?.block_on(command)
}

fn runtime(builder: &mut tokio::runtime::Builder) -> Result<tokio::runtime::Runtime, Failure> {
    builder
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("the program could not start its threads: {error}")))
}

fn usage_text(error: &clap::Error, json: bool) -> String {
    let text = error.render().to_string();
    // The first line says what is wrong; the rest is layout for people.
    let text = if json { text.lines().next().unwrap_or_default() } else { text.trim_end() };
    text.strip_prefix("error: ").unwrap_or(text).to_owned()
}
