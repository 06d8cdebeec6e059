//! The secrets of shares that `push` created, kept for `rm` and for the next `push` of the same session.
//!
//! One file a share: `secrets/<host>/<id>.json` in the user's state folder, readable by this user only. A secret is
//! looked up under the host that it is going to be sent to, so that no other host is ever shown it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use capshare::share::id::ShareId;
use capshare::share::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::cli::connect::origin;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};

/// The folder of kept secrets.
pub(crate) struct Secrets {
    folder: PathBuf,
}

/// The content of a file: one share and its secret.
#[derive(Serialize, Deserialize)]
struct Kept {
    host: String,
    id: String,
    session: String,
    /// The account that owns the share, as the host named it. Files of version 0.1.0 do not have it.
    #[serde(default)]
    account: String,
    url: String,
    secret: String,
}

/// A share whose secret is kept.
pub(crate) struct Share<'a> {
    pub(crate) id: &'a ShareId,
    pub(crate) session: &'a str,
    pub(crate) account: &'a str,
    pub(crate) url: &'a str,
    pub(crate) secret: &'a Secret,
}

impl Secrets {
    /// The kept secrets of the user who runs the program. Nothing is read or written yet.
    pub(crate) fn of(environment: &Environment) -> Result<Self, Failure> {
        let folder = environment.state_folder.as_ref().map(|folder| Self { folder: folder.join("secrets") });
        folder.ok_or_else(|| {
            Failure::new(Exit::Usage, "this user has no home folder to keep secrets in: set XDG_STATE_HOME")
        })
    }

    /// Makes sure that a secret of this host can be kept, before there is one to lose.
    pub(crate) fn prepare(&self, host: &str) -> Result<(), Failure> {
        let folder = self.folder.join(file_name(host));
        make_folder(&folder).map_err(|error| cannot(&folder, &error))
    }

    /// Keeps a share's secret, under the host it was created at and the one that its URL names.
    pub(crate) fn keep(&self, host: &str, share: &Share<'_>) -> Result<(), Failure> {
        let public = origin(share.url).filter(|public| public != host);
        for host in [Some(host.to_owned()), public].into_iter().flatten() {
            let path = self.path(&host, share.id);
            let kept = Kept {
                host: host.clone(),
                id: share.id.to_string(),
                session: share.session.to_owned(),
                account: share.account.to_owned(),
                url: share.url.to_owned(),
                secret: share.secret.reveal().to_owned(),
            };
            self.prepare(&host)?;
            let text = serde_json::to_vec(&kept).map_err(|error| Failure::of(Exit::Failed, &error))?;
            write(&path, &text).map_err(|error| cannot(&path, &error))?;
        }
        Ok(())
    }

    /// The kept secret of a share of this host.
    pub(crate) fn find(&self, host: &str, id: &ShareId) -> Result<Option<Secret>, Failure> {
        let path = self.path(host, id);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot(&path, &error)),
        };
        // The parser's own words may repeat the text.
        let kept: Kept = serde_json::from_slice(&text).map_err(|_| {
            Failure::new(
                Exit::Failed,
                format!("the kept secret in {} is damaged: give the secret by --secret", path.display()),
            )
        })?;
        Ok(Some(kept.secret.as_str().into()))
    }

    /// The share of this host that was kept last for a session of an account, with its secret. Files that cannot be read are
    /// skipped.
    pub(crate) fn of_session(&self, host: &str, account: &str, session: &str) -> Option<(ShareId, Secret)> {
        let files = std::fs::read_dir(self.folder.join(file_name(host))).ok()?;
        let kept = files.flatten().filter_map(|file| {
            let at = file.metadata().ok()?.modified().ok()?;
            let kept: Kept = serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok()?;
            (kept.session == session && kept.account == account).then_some((at, kept))
        });
        let (_, kept) = kept.max_by_key(|(at, _)| *at)?;
        Some((kept.id.parse().ok()?, kept.secret.as_str().into()))
    }

    /// Forgets a share's secret, if it was kept.
    pub(crate) fn forget(&self, host: &str, id: &ShareId) {
        // Left behind, it opens nothing: the share is deleted.
        let _gone = std::fs::remove_file(self.path(host, id));
    }

    fn path(&self, host: &str, id: &ShareId) -> PathBuf {
        self.folder.join(file_name(host)).join(format!("{id}.json"))
    }
}

/// A host as the name of a folder: every byte that is not a letter, digit, dot or hyphen becomes an underscore and its code.
fn file_name(host: &str) -> String {
    let mut name = String::with_capacity(host.len());
    for byte in host.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("_{byte:02x}"));
        }
    }
    name
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    let advice = "the secrets of shares are kept there, so make it usable, or name another folder by XDG_STATE_HOME";
    Failure::new(Exit::Failed, format!("{}: {error}: {advice}", path.display()))
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes a file whole or not at all, never readable by other users.
fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn hosts_do_not_share_a_folder_and_cannot_leave_theirs() {
        assert_eq!(file_name("http://127.0.0.1:7420"), "http_3a_2f_2f127.0.0.1_3a7420");
        assert_ne!(file_name("a_3a"), file_name("a:"));
        assert!(!file_name("../x").contains('/'));
    }
}
