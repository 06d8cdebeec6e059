//! The secrets of shares that `push` created, kept for `rm` and for the next `push` of the same session.
//!
//! One file a share, readable by this user only, in the user's state folder: `secrets/<store>/<id>.json`, for several hosts may have one
//! store, and a share is the same at all of them. Of a host that does not tell its store's id the file is `secrets/<host>/<id>.json`, as
//! versions up to 0.1.0 wrote all of them; such a file goes to the store's folder when it is found.
//!
//! A host may say that it has any store. So a secret is shown only to hosts that the user named himself, and to those at which it was
//! used before: never to a host that only somebody's URL of a share names.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use capshare::share::id::{ShareId, StoreId};
use capshare::share::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::origin::origin;

/// Hosts of an earlier use that are kept beside those of the last one.
const HOSTS_KEPT_MAX: usize = 64;

/// The folder of kept secrets.
pub(crate) struct Secrets {
    folder: PathBuf,
}

/// Which store's secrets, and who is going to be shown them.
pub(crate) struct Place {
    /// The store's id; `None` if the host does not tell it.
    pub(crate) store: Option<StoreId>,
    /// The origins of the hosts.
    pub(crate) hosts: Vec<String>,
    /// Whether the user named the hosts himself.
    pub(crate) is_of_user: bool,
}

impl Place {
    /// The name of the store's folder; `None` if the store is not known.
    fn of_store(&self) -> Option<&str> {
        self.store.as_ref().map(StoreId::as_str)
    }

    /// Whether a kept secret may be shown to the hosts.
    fn may_be_shown(&self, kept: &Kept) -> bool {
        self.is_of_user || self.hosts.iter().all(|host| *host == kept.host || kept.hosts.contains(host))
    }
}

/// The content of a file: one share and its secret.
#[derive(Serialize, Deserialize, Clone)]
struct Kept {
    /// The origins of the hosts at which the secret was used, and the one in the share's URL.
    #[serde(default)]
    hosts: Vec<String>,
    /// The host of a file that is kept by its host, as all were up to version 0.1.0.
    #[serde(default, skip_serializing_if = "String::is_empty")]
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

    /// Makes sure that a secret can be kept, before there is one to lose.
    pub(crate) fn prepare(&self, place: &Place) -> Result<(), Failure> {
        let folders = self.folders(place);
        let written = if place.store.is_some() { &folders[..1] } else { &folders };
        written.iter().try_for_each(|folder| make_folder(folder).map_err(|error| cannot(folder, &error)))
    }

    /// Keeps a share's secret, with the hosts at which it was used and the one that its URL names.
    pub(crate) fn keep(&self, place: &Place, share: &Share<'_>) -> Result<(), Failure> {
        let hosts = place.hosts.iter().cloned().chain(origin(share.url)).collect();
        let kept = Kept {
            hosts,
            host: String::new(),
            id: share.id.to_string(),
            session: share.session.to_owned(),
            account: share.account.to_owned(),
            url: share.url.to_owned(),
            secret: share.secret.reveal().to_owned(),
        };
        self.write(place, share.id, kept)
    }

    /// The kept secret of a share, if it may be shown to the hosts.
    pub(crate) fn find(&self, place: &Place, id: &ShareId) -> Result<Option<Secret>, Failure> {
        for folder in self.folders(place) {
            let path = file(&folder, id);
            let text = match std::fs::read(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(cannot(&path, &error)),
            };
            // The parser's own words may repeat the text.
            let kept: Kept = serde_json::from_slice(&text).map_err(|_| {
                Failure::new(
                    Exit::Failed,
                    format!("the kept secret in {} is damaged: give the secret by --secret", path.display()),
                )
            })?;
            if !place.may_be_shown(&kept) {
                continue;
            }
            self.move_over(place, &folder, id, &kept)?;
            return Ok(Some(kept.secret.as_str().into()));
        }
        Ok(None)
    }

    /// The share that was kept last for a session of an account, with its secret, if that may be shown to the hosts. Files that cannot
    /// be read are skipped.
    pub(crate) fn of_session(&self, place: &Place, account: &str, session: &str) -> Option<(ShareId, Secret)> {
        let kept =
            self.folders(place).into_iter().filter_map(|folder| Some((std::fs::read_dir(&folder).ok()?, folder)));
        let kept = kept.flat_map(|(files, folder)| {
            files.flatten().filter_map(move |file| {
                let at = file.metadata().ok()?.modified().ok()?;
                let kept: Kept = serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok()?;
                Some((at, folder.clone(), kept))
            })
        });
        let is_it = |(_, _, kept): &(_, PathBuf, Kept)| {
            kept.session == session && kept.account == account && place.may_be_shown(kept)
        };
        let (_, folder, kept) = kept.filter(is_it).max_by_key(|(at, ..)| *at)?;
        let id = kept.id.parse().ok()?;
        // What cannot be moved stays where it is found.
        let _stays = self.move_over(place, &folder, &id, &kept);
        Some((id, kept.secret.as_str().into()))
    }

    /// Forgets a share's secret, if it was kept.
    pub(crate) fn forget(&self, place: &Place, id: &ShareId) {
        for folder in self.folders(place) {
            // Left behind, it opens nothing: the share is deleted.
            let _gone = std::fs::remove_file(file(&folder, id));
        }
    }

    /// Moves what was kept by the host to the folder of the store, if that is known.
    fn move_over(&self, place: &Place, folder: &Path, id: &ShareId, kept: &Kept) -> Result<(), Failure> {
        if place.store.is_none() || self.is_of_store(place, folder) {
            return Ok(());
        }
        let used_at = [kept.host.clone()].into_iter().chain(origin(&kept.url)).filter(|host| !host.is_empty());
        let hosts: Vec<_> = kept.hosts.iter().cloned().chain(used_at).collect();
        self.write(place, id, Kept { hosts: hosts.clone(), host: String::new(), ..kept.clone() })?;
        for host in &hosts {
            let _gone = std::fs::remove_file(file(&self.folder.join(file_name(host)), id));
        }
        Ok(())
    }

    /// Writes a file: one under the store, or if that is not known one under each host.
    fn write(&self, place: &Place, id: &ShareId, mut kept: Kept) -> Result<(), Failure> {
        let before = place.of_store().and_then(|store| std::fs::read(file(&self.folder.join(store), id)).ok());
        let before: Option<Kept> = before.and_then(|text| serde_json::from_slice(&text).ok());
        kept.hosts.extend(before.into_iter().flat_map(|before| before.hosts).take(HOSTS_KEPT_MAX));
        kept.hosts.sort();
        kept.hosts.dedup();
        let files: Vec<(PathBuf, Kept)> = match place.of_store() {
            Some(store) => vec![(self.folder.join(store), kept)],
            None => {
                let of_host = |host: &String| {
                    let kept = Kept { host: host.clone(), ..kept.clone() };
                    (self.folder.join(file_name(host)), kept)
                };
                kept.hosts.iter().map(of_host).collect()
            }
        };
        for (folder, kept) in files {
            let path = file(&folder, id);
            make_folder(&folder).map_err(|error| cannot(&folder, &error))?;
            let text = serde_json::to_vec(&kept).map_err(|error| Failure::of(Exit::Failed, &error))?;
            write(&path, &text).map_err(|error| cannot(&path, &error))?;
        }
        Ok(())
    }

    fn is_of_store(&self, place: &Place, folder: &Path) -> bool {
        place.of_store().is_some_and(|store| folder == self.folder.join(store))
    }

    /// The folders in which a secret may lie: that of the store first, then those of the hosts.
    fn folders(&self, place: &Place) -> Vec<PathBuf> {
        let of_store = place.of_store().map(str::to_owned);
        of_store
            .into_iter()
            .chain(place.hosts.iter().map(|host| file_name(host)))
            .map(|name| self.folder.join(name))
            .collect()
    }
}

fn file(folder: &Path, id: &ShareId) -> PathBuf {
    folder.join(format!("{id}.json"))
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
    use super::*;

    /// What is kept by the host, as all files of version 0.1.0 are, is for that host alone, though the client reached another beside it.
    #[test]
    fn a_secret_is_for_the_hosts_at_which_it_was_used() {
        let [a, b] = ["https://a.example", "https://b.example"].map(str::to_owned);
        let text = |hosts: &[&str], host: &str| serde_json::json!({ "hosts": hosts, "host": host, "id": "", "session": "", "url": "", "secret": "" });
        let old: Kept = serde_json::from_value(text(&[], &a)).unwrap();
        let new: Kept = serde_json::from_value(text(&[&a], "")).unwrap();
        let place = |hosts: &[&String], is_of_user| {
            let hosts = hosts.iter().map(|host| (*host).clone()).collect();
            Place { store: None, hosts, is_of_user }
        };
        for kept in [old, new] {
            assert!(place(&[&a], false).may_be_shown(&kept));
            assert!(!place(&[&b], false).may_be_shown(&kept));
            assert!(!place(&[&a, &b], false).may_be_shown(&kept));
            assert!(place(&[&b], true).may_be_shown(&kept));
        }
    }

    #[test]
    fn hosts_do_not_share_a_folder_and_cannot_leave_theirs() {
        assert_eq!(file_name("http://127.0.0.1:7420"), "http_3a_2f_2f127.0.0.1_3a7420");
        assert_ne!(file_name("a_3a"), file_name("a:"));
        assert!(!file_name("../x").contains('/'));
    }
}
