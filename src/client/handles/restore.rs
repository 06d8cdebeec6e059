//! Restoring a share from a token. The handle keeps the token and shows it at each call, on the connection that is up; which rights
//! the token gives is asked once, at [`Client::restore`].

use crate::client::access::{ReadAccess, WriteAccess};
use crate::client::driver::handle::Client;
use crate::client::driver::upload::Progress;
use crate::client::error::ClientError;
use crate::client::handles::share::Share;
use crate::client::handles::view::View;
use crate::client::handles::writer::Writer;
#[cfg(doc)]
use crate::share::error::Refusal;
use crate::share::grant::{GrantToken, Right};

/// A share that was restored from a token, with the rights that the token gives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Restored {
    /// The token gives every right on the share.
    Share(Share),
    /// The token gives the right to write, and no other.
    Writer(Writer),
    /// The token gives the right to read, and no other.
    View(View),
}

impl Restored {
    /// The right that the token gives.
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
    /// Restores what was saved as this token, for as long as the token is good; this client may be of any account. The handle is
    /// good on later connections too.
    ///
    /// # Errors
    /// [`ClientError`], as for every call; [`Refusal::Unauthorized`] for a token that is wrong, revoked or expired, or that
    /// writes where this client's own credential may not; [`Refusal::NotFound`] if its share is gone.
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
