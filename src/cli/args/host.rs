//! The arguments of every command that asks a host.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// Which hosts, and as whom.
#[derive(Args)]
pub(crate) struct Host {
    /// The host's URL. May be repeated for several hosts with the same shares: when one is away, the next is asked at once [env:
    /// CAPSHARE_TO, with spaces between URLs] [default: http://127.0.0.1:7420, or the host in the share's URL]
    #[arg(long, value_name = "URL")]
    pub(crate) to: Vec<String>,
    /// Whether only the hosts are asked that the user names, and none that these name.
    #[arg(skip)]
    pub(crate) only_these: bool,
    /// Your credential at the host. Other users of this machine can read an argument: prefer the file or the variable [env:
    /// CAPSHARE_TOKEN]
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    pub(crate) token: Option<String>,
    /// A file that holds your credential [env: CAPSHARE_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// How long a call may take, including the time to connect
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
}
