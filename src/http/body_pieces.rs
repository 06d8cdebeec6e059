//! What the pieces of a large answer have in common: how large they are, and what is asked before each.

use std::io;
use std::sync::Arc;

use crate::hub::Hub;
use crate::rooms::visibility::Viewing;

/// Bytes above which an answer needs a place, and of each piece in which it then goes out: as many as a socket takes at once.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// Asks whether the share is still there, and its reader may still see it.
pub(super) fn check(pass: Option<&(Arc<Hub>, Viewing)>) -> io::Result<()> {
    match pass {
        Some((hub, Viewing { room, pass })) if hub.rooms().check(room, pass).is_err() => {
            Err(io::ErrorKind::PermissionDenied.into())
        }
        Some(_) | None => Ok(()),
    }
}
