//! What was saved as a token, restored. The handle keeps the token and shows it at each call, on whichever connection is up; what
//! the token gives is asked once, at [`Client::restore`].

use crate::client::access::{ReadAccess, WriteAccess};
use crate::client::driver::upload::Progress;
use crate::client::error::ClientError;
use crate::client::handles::client::Client;
use crate::client::handles::share::Share;
use crate::client::handles::view::View;
use crate::client::handles::writer::Writer;
#[cfg(doc)]
use crate::share::error::Refusal;
use crate::share::grant::{GrantToken, Right};

/// What a token gives.
#[derive(Debug, Clone)]
pub enum Restored {
    /// Everything.
    Share(Share),
    /// Writing.
    Writer(Writer),
    /// Reading.
    View(View),
}

impl Restored {
    /// What it may do.
    #[must_use]
    pub fn right(&self) -> Right {
        match self {
            Self::Share(_) => Right::Full,
            Self::Writer(_) => Right::Write,
            Self::View(_) => Right::Read,
        }
    }
}

impl Client {
    /// What was saved as this token: on any connection and of any account, for as long as the token is good. A handle that
    /// was restored is good on later connections too.
    ///
    /// # Errors
    /// As every call; [`Refusal::Unauthorized`] for a token that is wrong, revoked or expired, or that writes where this
    /// client's own credential may not; [`Refusal::NotFound`] if its share is gone.
    pub async fn restore(&self, token: &GrantToken) -> Result<Restored, ClientError> {
        Ok(match self.right_of(token).await? {
            Right::Full => Restored::Share(self.open(token.share(), token.secret()).await?),
            Right::Write => {
                Restored::Writer(self.writer(WriteAccess::Token(token.clone()), Progress::default()).await?)
            }
            Right::Read => Restored::View(View::new(self.clone(), ReadAccess::Token(token.clone()))),
        })
    }
}
