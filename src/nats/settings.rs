//! How NATS is reached, as data.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_nats::ConnectOptions;

use crate::share::host::HostUrl;
use crate::share::limits::nats::NATS_SERVERS_MAX;
use crate::share::secret::Secret;

/// How a host reaches the NATS servers by which the hosts of its deployment tell each other what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NatsSettings {
    /// The servers, 1 to 16, of one cluster. The host has a connection to one of them, and goes to another when it fails. If one of
    /// them is `tls://`, the host speaks to none without TLS, also to none that it was told of.
    pub servers: Vec<NatsServer>,
    /// What the host shows to the servers. Default: nothing.
    pub login: Option<NatsLogin>,
    /// A PEM file with the certificates of the authorities that are trusted to name servers. Default: those that the platform trusts.
    pub ca_file: Option<PathBuf>,
    /// PEM files with the certificate that the host shows, and with its private key. Default: it shows none.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// How often a silent server is asked whether it is there. One that has hung is left after three times this. Default 3 s.
    pub ping_every: Duration,
    /// Whether the host also goes to servers that a server of the cluster tells of. Behind a translation of addresses these may not
    /// be reached. Default true.
    pub told_servers: bool,
}

/// Where a NATS server is reached: `nats://`, or `tls://` for an encrypted connection only, a name or an address, and perhaps a port
/// (4222 if none is named). One `tls://` among the servers counts for all of them.
#[derive(Clone, PartialEq, Eq)]
pub struct NatsServer(Arc<str>);

/// What a host shows to NATS. `Debug` prints no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NatsLogin {
    /// A token.
    Token(Secret),
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// The seed of an nkey, which begins with `SU`.
    Nkey(Secret),
    /// The text of a credentials file of NATS (`.creds`): a signed user and the seed of its key.
    Credentials(Secret),
}

/// Settings of NATS that cannot be right. `Display` says what to do, and repeats no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadNats {
    /// A text is no URL of a server.
    #[error(
        "invalid URL of a NATS server: write nats:// or tls://, a name or an address, and perhaps a port, such as \
         nats://nats.example.org:4222; a user and a password, or a token, may stand before the name, with an @ behind it"
    )]
    Url,
    /// There is no server, or there are too many.
    #[error("{got} NATS servers were named: name 1 to {NATS_SERVERS_MAX} of one cluster")]
    Servers {
        /// How many were named.
        got: usize,
    },
    /// Two URLs have different users, passwords or tokens.
    #[error(
        "the URLs of the NATS servers have different users, passwords or tokens: write it into one of them, or into a file"
    )]
    TwoLogins,
    /// A text is no credential.
    #[error(
        "invalid NATS credential: write a credentials file as NATS' tools make it, the seed of an nkey (SU...), USER:PASSWORD, or a \
         token, and nothing else"
    )]
    Login,
    /// The pause between questions to a silent server is too short or too long.
    #[error("invalid time between questions to a silent NATS server: set 10 ms to 60 s")]
    Ping,
    /// A file cannot be read.
    #[error("the file {} cannot be read: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl NatsSettings {
    /// Settings for these servers, whose URLs are separated by commas or white space. One may have a user and a password, or a token,
    /// before an `@`: `nats://user:password@nats.example.org`; what is no letter or digit there is written as in any URL (`%40`).
    ///
    /// # Errors
    /// A URL is invalid, there are too many or none, or they have different credentials.
    pub fn at(urls: &str) -> Result<Self, BadNats> {
        let mut settings = Self {
            servers: Vec::new(),
            login: None,
            ca_file: None,
            client_certificate: None,
            ping_every: Duration::from_secs(3),
            told_servers: true,
        };
        let separates = |c: char| c == ',' || c.is_whitespace();
        for url in urls.split(separates).filter(|url| !url.is_empty()) {
            let (server, login) = read(url).ok_or(BadNats::Url)?;
            if login.is_some() && settings.login.is_some() && login != settings.login {
                return Err(BadNats::TwoLogins);
            }
            settings.login = settings.login.or(login);
            settings.servers.push(server);
        }
        settings.check()?;
        Ok(settings)
    }

    /// Whether a host can be made with these settings.
    ///
    /// # Errors
    /// One of them cannot be right, or a file cannot be read.
    pub(crate) fn check(&self) -> Result<(), BadNats> {
        let got = self.servers.len();
        if !(1..=NATS_SERVERS_MAX).contains(&got) {
            return Err(BadNats::Servers { got });
        }
        if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&self.ping_every) {
            return Err(BadNats::Ping);
        }
        add_login(ConnectOptions::new(), self.login.as_ref())?;
        let of_client = self.client_certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
        self.ca_file.iter().chain(of_client).try_for_each(|path| is_readable(path))
    }
}

fn is_readable(path: &Path) -> Result<(), BadNats> {
    let unreadable = |error: std::io::Error| BadNats::File { path: path.to_owned(), reason: error.to_string() };
    File::open(path).map(drop).map_err(unreadable)
}

impl NatsServer {
    /// The URL as text, without any credential.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is reached by an encrypted connection only: the URL begins with `tls`.
    pub(super) fn is_secure(&self) -> bool {
        self.0.starts_with("tls://")
    }
}

impl fmt::Display for NatsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NatsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NatsServer({})", self.0)
    }
}

/// Reads the text of a file with a credential: see [`BadNats::Login`].
impl FromStr for NatsLogin {
    type Err = BadNats;

    fn from_str(text: &str) -> Result<Self, BadNats> {
        let text = text.trim();
        let is_seed = text.len() == 58
            && text.starts_with("SU")
            && text.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b));
        if text.len() > Secret::BYTES_MAX {
            return Err(BadNats::Login);
        }
        let login = if text.contains("BEGIN NATS USER JWT") {
            // The client finds the seed only if a line follows on the one that ends it.
            Self::Credentials(format!("{text}\n").as_str().into())
        } else if is_seed {
            Self::Nkey(text.into())
        } else if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(BadNats::Login);
        } else if let Some((user, password)) = text.split_once(':') {
            Self::Password { user: user.to_owned(), password: password.into() }
        } else {
            Self::Token(text.into())
        };
        add_login(ConnectOptions::new(), Some(&login))?;
        Ok(login)
    }
}

/// Adds what the host shows to the options of a client.
pub(super) fn add_login(options: ConnectOptions, login: Option<&NatsLogin>) -> Result<ConnectOptions, BadNats> {
    Ok(match login {
        None => options,
        Some(NatsLogin::Token(token)) => options.token(token.reveal().to_owned()),
        Some(NatsLogin::Password { user, password }) => {
            options.user_and_password(user.clone(), password.reveal().to_owned())
        }
        Some(NatsLogin::Nkey(seed)) => options.nkey(seed.reveal().to_owned()),
        Some(NatsLogin::Credentials(text)) => options.credentials(text.reveal()).map_err(|_| BadNats::Login)?,
    })
}

/// Takes a URL apart.
fn read(url: &str) -> Option<(NatsServer, Option<NatsLogin>)> {
    let (scheme, rest) = url.split_once("://")?;
    let (login, authority) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
    // A name or an address, and perhaps a port.
    let plain: HostUrl = format!("http://{authority}").parse().ok()?;
    let authority = plain.as_str().strip_prefix("http://")?;
    let server = NatsServer(format!("{scheme}://{authority}").into());
    let login = match login.map(|login| login.split_once(':').ok_or(login)) {
        None => None,
        Some(Ok((user, password))) => {
            Some(NatsLogin::Password { user: decoded(user)?, password: (*decoded(password)?).into() })
        }
        Some(Err(token)) => Some(NatsLogin::Token((*decoded(token)?).into())),
    };
    ["nats", "tls"].contains(&scheme).then_some((server, login))
}

/// A part of a URL without its percent signs.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, more @ ..] = rest {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, more @ ..] = rest else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(u8::try_from(16 * digit(*high)? + digit(*low)?).ok()?);
        rest = more;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(user: &str, password: &str) -> NatsLogin {
        NatsLogin::Password { user: user.to_owned(), password: password.into() }
    }

    #[test]
    fn servers_and_credentials_are_read_from_urls() {
        let at = |urls: &str| NatsSettings::at(urls).map(|read| (format!("{:?}", read.servers), read.login));
        let servers = |text: &str| format!("[{text}]");
        for (urls, shown, login) in [
            ("nats://a", "NatsServer(nats://a)", None),
            ("tls://a:4222/", "NatsServer(tls://a:4222)", None),
            ("nats://a, nats://[::1]:1", "NatsServer(nats://a), NatsServer(nats://[::1]:1)", None),
            ("nats://ann:p%40ss%3a@a", "NatsServer(nats://a)", Some(password("ann", "p@ss:"))),
            (
                "nats://tok@a nats://b",
                "NatsServer(nats://a), NatsServer(nats://b)",
                Some(NatsLogin::Token("tok".into())),
            ),
            ("nats://u:p@a,nats://u:p@b", "NatsServer(nats://a), NatsServer(nats://b)", Some(password("u", "p"))),
        ] {
            assert_eq!(at(urls), Ok((servers(shown), login)), "{urls}");
        }
        for bad in
            ["a", "http://a", "nats://", "nats://a/b", "nats://u:p%4@a", "nats://u:p%zz@a", "nats://@a", "ws://a"]
        {
            assert_eq!(at(bad), Err(BadNats::Url), "{bad}");
        }
        assert_eq!(at("nats://u:p@a nats://u:q@b"), Err(BadNats::TwoLogins));
        let many = |number| vec!["nats://a"; number].join(",");
        assert_eq!(at(" "), Err(BadNats::Servers { got: 0 }));
        assert!(at(&many(NATS_SERVERS_MAX)).is_ok());
        let got = NATS_SERVERS_MAX + 1;
        assert_eq!(at(&many(got)), Err(BadNats::Servers { got }));
    }

    #[test]
    fn what_a_file_holds_is_recognised_and_never_printed() {
        let seed = format!("SU{}", "A".repeat(56));
        for (text, login) in [
            ("secret-1\n", NatsLogin::Token("secret-1".into())),
            ("ann:secret:2", password("ann", "secret:2")),
            (&seed, NatsLogin::Nkey(Secret::from(&*seed))),
        ] {
            let read: NatsLogin = text.parse().unwrap();
            assert_eq!(read, login);
            assert!(!format!("{read:?}").contains("secret-") && !format!("{read:?}").contains("SUA"), "{read:?}");
        }
        let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
        let file = format!(
            "-----BEGIN NATS USER JWT-----\neyJ.eyJ.x-_\n------END NATS USER JWT------\n\n\
             ************************* IMPORTANT *************************\nNKEYs are sensitive.\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------"
        );
        for after in ["", "\n", "\n\n*************************************************************\n"] {
            let read = format!("{file}{after}").parse::<NatsLogin>();
            assert!(matches!(&read, Ok(NatsLogin::Credentials(_))), "{after:?}: {read:?}");
            assert!(!format!("{read:?}").contains("SUACS"), "{read:?}");
        }
        let broken = "-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------\n";
        for bad in ["", "two words", broken, &"x".repeat(Secret::BYTES_MAX + 1)] {
            assert_eq!(bad.parse::<NatsLogin>(), Err(BadNats::Login));
        }
    }

    #[test]
    fn settings_that_cannot_be_right_are_refused() {
        let of = |change: fn(&mut NatsSettings)| {
            let mut settings = NatsSettings::at("nats://a").unwrap();
            change(&mut settings);
            settings.check().map_err(|error| error.to_string())
        };
        assert_eq!(of(|_| {}), Ok(()));
        assert_eq!(of(|settings| settings.ping_every = Duration::ZERO), Err(BadNats::Ping.to_string()));
        let unread = of(|settings| settings.ca_file = Some("/nowhere/ca.pem".into())).unwrap_err();
        assert!(unread.starts_with("the file /nowhere/ca.pem cannot be read: "), "{unread}");
        assert!(of(|settings| settings.client_certificate = Some(("/".into(), "/nowhere/key".into()))).is_err());
    }
}
