//! nginx with its module nchan, of Debian: one worker, messages in shared memory, no authentication.

use std::process::Command;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::context::Context;
use crate::install;
use crate::running::{Running, free_address};
use crate::scene::System;
use crate::versions;

/// Where Debian's nginx insists on a folder, whatever its settings say.
const STATE: &str = "/var/lib/nginx";

/// An nginx.
#[derive(Debug)]
pub(crate) struct Nchan(pub(crate) &'static str);

impl System for Nchan {
    fn name(&self) -> &str {
        self.0
    }

    fn install(&self, context: &Context) -> anyhow::Result<()> {
        install::debian(context, "nchan", versions::NCHAN)?;
        std::fs::create_dir_all(STATE).with_context(|| format!("Debian's nginx needs the folder {STATE}"))
    }

    fn start(&self, context: &Context) -> anyhow::Result<Running> {
        let root = install::debian(context, "nchan", versions::NCHAN)?;
        let (folder, address) = (TempDir::new()?, free_address()?);
        let settings = folder.path().join("nginx.conf");
        let (module, at) = (root.join("usr/lib/nginx/modules/ngx_nchan_module.so"), folder.path().display());
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("  {kind}_temp_path {at}/{kind};\n"))
            .concat();
        // Viewers begin with what comes, as nothing was there before; events are kept for those who are slow.
        std::fs::write(
            &settings,
            format!(
                r"daemon off;
load_module {module};
worker_processes 1;
worker_rlimit_nofile 20000;
pid {at}/pid;
error_log stderr error;
events {{ worker_connections 19900; }}
http {{
  access_log off;
{paths}  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  nchan_max_reserved_memory 256M;
  nchan_message_timeout 1m;
  nchan_message_buffer_length 100;
  server {{
    listen {address} backlog=4096;
    location ~ ^/sub/(\w+)$ {{ nchan_subscriber; nchan_channel_id $1; nchan_subscriber_first_message newest; }}
    location ~ ^/pub/(\w+)$ {{ nchan_publisher; nchan_channel_id $1; }}
  }}
}}
",
                module = module.display(),
            ),
        )?;
        let mut command = Command::new(root.join("usr/sbin/nginx"));
        command.arg("-p").arg(folder.path()).arg("-c").arg(&settings);
        Ok(Running::start(context, self.0, &mut command, address)?.with_folder(folder))
    }
}
