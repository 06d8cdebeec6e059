//! Errors of the store and its bucket: one type, sorted by what the reader can do about them.

use std::error::Error as _;
use std::io;

use object_store::path::Path;

use crate::share::error::StorageTrouble;

/// Why the store could not do what it was asked. `Display` says what to do, and names the object by its key, which has names
/// in it but never contents; the error of the bucket's client is the `source`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The bucket did not answer, or cannot do it now. Try again later. A write that failed so may land later: a log looks
    /// before it writes again.
    #[error("the bucket could not {request} {key}: try again later")]
    Unavailable {
        /// The request to the bucket.
        request: BucketRequest,
        /// The key of the object, or the prefix that was listed.
        key: String,
        /// The error of the bucket's client.
        source: Box<object_store::Error>,
    },

    /// There is no space left for the object, and nothing of it was written.
    #[error("there is no space left to {request} {key}: free some space or raise the quota")]
    Full {
        /// The request to the bucket.
        request: BucketRequest,
        /// The key of the object.
        key: String,
        /// The error of the bucket's client.
        source: Box<object_store::Error>,
    },

    /// The bucket is not there, or does not let this host do it. Trying again does not help.
    #[error(
        "the bucket refused to {request} {key}: check that the bucket exists, that the credentials are right, and what they may do"
    )]
    Denied {
        /// The request to the bucket.
        request: BucketRequest,
        /// The key of the object, or the prefix that was listed.
        key: String,
        /// The error of the bucket's client.
        source: Box<object_store::Error>,
    },

    /// The bucket wrote over an object that it was asked to create, so that several writers would lose acknowledged data.
    #[error(
        "the bucket ignores conditional writes (If-None-Match: *): use a store that honours them, such as S3, R2, GCS, \
         RustFS, Ceph RGW or a directory; or say --single-writer, if never more than one host writes to it at a \
         time"
    )]
    Unconditional,

    /// An object does not hold what the store writes. Nothing was changed. `schema/storage.md` tells what it should hold;
    /// restore it from a backup, or give the share up by removing its objects.
    #[error("the object {key} cannot be read: {reason}; restore it, or give the share up by removing its objects")]
    Corrupt {
        /// The key of the object.
        key: String,
        /// What is wrong with the object; has no contents in it.
        reason: String,
    },
}

/// A request of the store to its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BucketRequest {
    /// Write an object, if there is none under its key.
    Create,
    /// Write an object, over the one under its key if there is one.
    Overwrite,
    /// Read an object, or ask whether it is there.
    Read,
    /// List keys.
    List,
    /// Delete an object.
    Delete,
}

impl std::fmt::Display for BucketRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Overwrite => "overwrite",
            Self::Read => "read",
            Self::List => "list",
            Self::Delete => "delete",
        })
    }
}

impl StoreError {
    /// Whether the call may succeed later though nobody mends anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Full { .. } | Self::Denied { .. } | Self::Unconditional | Self::Corrupt { .. } => false,
        }
    }

    /// The kind of trouble that a caller of the host is told.
    #[must_use]
    pub fn trouble(&self) -> StorageTrouble {
        match self {
            Self::Unavailable { .. } | Self::Full { .. } | Self::Denied { .. } => StorageTrouble::Passing,
            Self::Unconditional => StorageTrouble::Unconditional,
            Self::Corrupt { .. } => StorageTrouble::Damaged,
        }
    }

    /// Sorts an error of the bucket's client by what can be done about it.
    pub(super) fn from_bucket(request: BucketRequest, key: &Path, error: object_store::Error) -> Self {
        let (key, kind, source) = (key.to_string(), Kind::of(&error), Box::new(error));
        match kind {
            Kind::Unavailable => Self::Unavailable { request, key, source },
            Kind::Full => Self::Full { request, key, source },
            Kind::Denied => Self::Denied { request, key, source },
        }
    }

    pub(super) fn unavailable(request: BucketRequest, key: &Path, reason: impl Into<String>) -> Self {
        let source = object_store::Error::Generic { store: "capshare", source: reason.into().into() };
        Self::Unavailable { request, key: key.to_string(), source: Box::new(source) }
    }

    pub(super) fn corrupt(key: &Path, reason: impl Into<String>) -> Self {
        Self::Corrupt { key: key.to_string(), reason: reason.into() }
    }
}

enum Kind {
    Unavailable,
    Full,
    Denied,
}

impl Kind {
    fn of(error: &object_store::Error) -> Self {
        use object_store::Error as E;
        match error {
            // A missing object is an answer, not an error, wherever one may be missing: this is a missing bucket.
            E::NotFound { .. }
            | E::PermissionDenied { .. }
            | E::Unauthenticated { .. }
            | E::NotSupported { .. }
            | E::NotImplemented { .. }
            | E::InvalidPath { .. }
            | E::UnknownConfigurationKey { .. } => Self::Denied,
            E::Generic { .. }
            | E::JoinError { .. }
            | E::AlreadyExists { .. }
            | E::Precondition { .. }
            | E::NotModified { .. } => match (s3_refusal(error), io_kind(error)) {
                (Some(_), _) => Self::Denied,
                (None, Some(kind)) => Self::of_io(kind),
                (None, None) => Self::Unavailable,
            },
            // The type is open for variants to come; later may be better.
            _ => Self::Unavailable,
        }
    }

    fn of_io(kind: io::ErrorKind) -> Self {
        if matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            Self::Full
        } else if matches!(
            kind,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotADirectory
        ) {
            Self::Denied
        } else {
            Self::Unavailable
        }
    }
}

/// S3's own code for a refusal, if its answer has one. The client passes a refused listing on as "generic", with the status in a
/// private type, so only the answer's text tells.
pub(crate) fn s3_refusal(error: &object_store::Error) -> Option<&'static str> {
    const CODES: [&str; 4] = ["NoSuchBucket", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"];
    let text = error.to_string();
    CODES.into_iter().find(|code| text.contains(&format!("<Code>{code}</Code>")))
}

/// The file system's error among the sources of this error, if there is one.
fn io_kind(error: &object_store::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        source = error.source();
    }
    None
}
