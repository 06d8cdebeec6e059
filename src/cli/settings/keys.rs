//! Shared keys, `ACCOUNT=KEY` or `ACCOUNT:SCOPE,...=KEY`: from flags and a file, from variables, or from the settings file.

use std::path::Path;

use capshare::host::access::{BadScopes, Scopes, SharedKeys};
use capshare::share::id::AccountId;
use capshare::share::secret::Secret;

use crate::cli::args;
use crate::cli::environment::Environment;
use crate::cli::exit::{Exit, Failure};
use crate::cli::settings::file::FileSettings;
use crate::cli::settings::{Setting, Source};

/// An account, its key, and the scopes that the key has.
pub(crate) type SharedKey = (AccountId, Secret, Scopes);

/// The keys from the strongest source that names any.
pub(crate) fn resolve(
    args: &args::Serve,
    environment: &Environment,
    file: &FileSettings,
) -> Result<Setting<Vec<SharedKey>>, Failure> {
    let written: Vec<&str> = file.keys.iter().flatten().map(|key| key.0.as_str()).collect();
    let in_variable: Vec<&str> =
        environment.get("CAPSHARE_KEYS").map(str::split_whitespace).into_iter().flatten().collect();
    let by_flag: Vec<&str> = args.keys.iter().map(String::as_str).collect();
    let sources = [
        (by_flag, Source::Flag("--key"), args.key_file.as_deref(), Source::Flag("--key-file")),
        (
            in_variable,
            Source::Variable("CAPSHARE_KEYS"),
            environment.get("CAPSHARE_KEY_FILE"),
            Source::Variable("CAPSHARE_KEY_FILE"),
        ),
        (written, Source::File("keys"), file.key_file.as_deref(), Source::File("key_file")),
    ];
    for (texts, from, key_file, from_key_file) in sources {
        let mut keys = texts.iter().map(|text| read(text, &from.to_string())).collect::<Result<Vec<_>, _>>()?;
        if let Some(path) = key_file {
            keys.extend(read_file(Path::new(path))?);
        }
        if !keys.is_empty() {
            let from = if texts.is_empty() { from_key_file } else { from };
            return Ok(Setting { value: keys, from });
        }
    }
    Ok(Setting::by_default(Vec::new()))
}

fn read_file(path: &Path) -> Result<Vec<SharedKey>, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::Usage, format!("the key file {shown} cannot be read: {error}")))?;
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim()));
    let keys = lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(n, line)| read(line, &format!("the key file {shown}, line {n}")))
        .collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        // Who names a key file wants a host that asks for keys.
        return Err(Failure::new(
            Exit::Usage,
            format!("the key file {shown} holds no key: write one ACCOUNT=KEY a line"),
        ));
    }
    Ok(keys)
}

/// Reads one key. No message repeats its text.
fn read(text: &str, from: &str) -> Result<SharedKey, Failure> {
    let wrong = |what: String| Failure::new(Exit::Usage, format!("{from}: {what}"));
    let (account, key) = text.split_once('=').ok_or_else(|| wrong("not a key: write ACCOUNT=KEY".to_owned()))?;
    let (account, scopes) = match account.split_once(':') {
        Some((account, scopes)) => (account, scopes.parse().map_err(|bad: BadScopes| wrong(bad.to_string()))?),
        None => (account, Scopes::SHARE),
    };
    let account: AccountId = account
        .trim()
        .parse()
        .map_err(|_| wrong("invalid account before the =: write 1 to 64 letters, digits or _ . @ -".to_owned()))?;
    let key = key.trim();
    let (least, most) = (SharedKeys::KEY_CHARS_MIN, SharedKeys::KEY_BYTES_MAX);
    if key.chars().count() < least || key.len() > most {
        return Err(wrong(format!(
            "the key of {account} must have {least} to {most} characters: `openssl rand -hex 24` makes one"
        )));
    }
    Ok((account, key.into(), scopes))
}
