//! The command line as types. Settings are optional texts here: [`settings`](super::settings) fills in what is not said.

use clap::{Args, Parser, Subcommand};

use crate::cli::exit;
use crate::cli::log::LogFormat;

/// Share a live agent session.
#[derive(Parser)]
#[command(name = "capshare", version, after_help = exit::HELP, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What every command takes.
#[derive(Args)]
pub(crate) struct Common {
    /// Results and errors as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What is logged to stderr, such as debug or capshare=debug [env: CAPSHARE_LOG] [default: info for a host, else error]
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How it is logged [env: CAPSHARE_LOG_FORMAT] [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a host
    #[command(after_help = exit::HELP)]
    Serve(Serve),
}

/// A flag wins over its variable, that over the file, that over the default.
#[derive(Args)]
pub(crate) struct Serve {
    /// The address to listen on [env: CAPSHARE_LISTEN] [default: 127.0.0.1:7420]
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) listen: Option<String>,
    /// Where shares are kept: a directory, memory:, or s3://BUCKET/PREFIX [env: CAPSHARE_STORE] [default: a directory in
    /// the user's data folder]
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
    /// A TOML file with the same settings [env: CAPSHARE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<String>,
    /// What the URLs of shares begin with [env: CAPSHARE_PUBLIC_URL] [default: the address]
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// A key for an account; may be repeated. Other users of this machine can read it here: a file or the variable is
    /// better [env: CAPSHARE_KEYS, separated by spaces]
    #[arg(long = "key", value_name = "ACCOUNT=KEY")]
    pub(crate) keys: Vec<String>,
    /// A file with one ACCOUNT=KEY a line [env: CAPSHARE_KEY_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<String>,
    /// An origin whose web pages may connect; may be repeated [env: CAPSHARE_ORIGINS, separated by spaces]
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
    /// Without keys, listen beyond this machine all the same: everybody who reaches the port is then one account and may
    /// create, list and change its shares [env: CAPSHARE_OPEN=true]
    #[arg(long)]
    pub(crate) open: bool,
    /// Threads for RPC connections [env: CAPSHARE_WORKERS] [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<String>,
    /// The endpoint of an S3 service that is not AWS [env: CAPSHARE_ENDPOINT, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// The bucket's region [env: CAPSHARE_REGION, AWS_REGION, AWS_DEFAULT_REGION]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Check the settings and print them, without secrets and with where each came from; touch neither store nor port
    #[arg(long)]
    pub(crate) check: bool,
}
