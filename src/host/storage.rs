//! Where shares are kept: a bucket by its location, opened and found to be usable.
//!
//! A host's builder, and the program's commands about a store, call [`open`] once and hand what it gives to a
//! [`Store`](crate::store::Store). An error here ends the start, so each says what to do. The environment is not read here: options
//! come in as arguments.
//!
//! A bucket that opens can be reached, and a directory can be written. Whether the bucket honours conditional writes is
//! asked by [`Store::probe_conditional_writes`](crate::store::Store::probe_conditional_writes).

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};

#[cfg(feature = "s3")]
mod date_header;
mod directory;
mod half_written;
#[cfg(feature = "s3")]
mod s3;

pub use crate::store::{BucketRequest, StoreError, Tally};

pub use half_written::remove_half_written;

use directory::Directory;

/// Where a bucket is. Parsed from text:
///
/// | text | bucket |
/// |---|---|
/// | `memory:` | this process's memory, gone with it |
/// | `s3://<bucket>`, `s3://<bucket>/<prefix>` | an S3-compatible bucket, or the part of it under a prefix |
/// | `file:<path>`, `file://<path>`, or just a path | a directory |
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreLocation {
    /// In memory.
    Memory,
    /// In a directory.
    Directory(PathBuf),
    /// In a bucket.
    S3 {
        /// Its name.
        bucket: String,
        /// What all keys begin with; may be empty.
        prefix: Path,
    },
}

/// How to reach an S3-compatible bucket. `Debug` does not print the secrets.
#[derive(Clone, Default)]
pub struct S3Options {
    /// Where the service is, such as `https://s3.example.com`; `None`: at AWS, by region.
    pub endpoint: Option<String>,
    /// The region; `None` is refused at AWS, and `us-east-1`, which others ignore, at an endpoint.
    pub region: Option<String>,
    /// The access key's id.
    pub access_key_id: Option<String>,
    /// The access key's secret.
    pub secret_access_key: Option<String>,
    /// The token of temporary credentials.
    pub session_token: Option<String>,
    /// Whether an endpoint may be `http://`, over which everybody on the way can read the shares. Default false.
    pub allow_http: bool,
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |secret: &Option<String>| secret.as_ref().map(|_| "[secret]");
        f.debug_struct("S3Options")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &hidden(&self.secret_access_key))
            .field("session_token", &hidden(&self.session_token))
            .field("allow_http", &self.allow_http)
            .finish()
    }
}

/// Why a bucket could not be opened. `Display` says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// The text is no location.
    #[error("{text:?} is no place for a store: use memory:, a directory, or s3://bucket/prefix")]
    BadLocation {
        /// The text.
        text: String,
    },
    /// This program was built without S3.
    #[error("this program was built without S3: build it with the feature \"s3\", or use a directory")]
    FeatureMissing,
    /// The directory is not there and cannot be made, or cannot be written.
    #[error(
        "the directory {} cannot be used: make it, make it writable for this user, or choose another",
        path.display()
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A setting is missing.
    #[error("the bucket {bucket} needs {missing}")]
    Missing {
        /// The bucket.
        bucket: String,
        /// What, and where it is needed.
        missing: &'static str,
    },
    /// The settings contradict themselves, as the bucket's client found.
    #[error("the settings for the bucket {bucket} do not fit together")]
    Settings {
        /// The bucket.
        bucket: String,
        /// What is wrong.
        source: Box<object_store::Error>,
    },
    /// The service has no such bucket.
    #[error("there is no bucket {bucket}: create it, or check its name, the endpoint and the region")]
    NoBucket {
        /// The bucket.
        bucket: String,
        /// What the service said.
        source: Box<object_store::Error>,
    },
    /// The service does not let us in.
    #[error(
        "the bucket {bucket} refused the credentials: check the access key, its secret, and that it may list, read, write and delete"
    )]
    Refused {
        /// The bucket.
        bucket: String,
        /// What the service said.
        source: Box<object_store::Error>,
    },
    /// The service does not answer as one should.
    #[error("the bucket {bucket} cannot be reached: check the endpoint and the network")]
    Unreachable {
        /// The bucket.
        bucket: String,
        /// What went wrong.
        source: Box<object_store::Error>,
    },
}

impl FromStr for StoreLocation {
    type Err = OpenStoreError;

    fn from_str(text: &str) -> Result<Self, OpenStoreError> {
        let bad = || OpenStoreError::BadLocation { text: text.to_owned() };
        if text == "memory:" {
            return Ok(Self::Memory);
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let prefix = Path::parse(prefix).map_err(|_| bad())?;
            return if bucket.is_empty() { Err(bad()) } else { Ok(Self::S3 { bucket: bucket.to_owned(), prefix }) };
        }
        let path = match text.strip_prefix("file:") {
            Some(path) => path.strip_prefix("//").unwrap_or(path),
            None if text.contains("://") => return Err(bad()),
            None => text,
        };
        if path.is_empty() { Err(bad()) } else { Ok(Self::Directory(path.into())) }
    }
}

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, prefix } if prefix.is_root() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl StoreLocation {
    /// Whether it lists keys in order, for
    /// [`StoreSettings::sorted_listings`](crate::store::StoreSettings::sorted_listings). A directory does not, nor does
    /// S3 Express, whose buckets are known by their names.
    #[must_use]
    pub fn lists_sorted(&self) -> bool {
        match self {
            Self::Memory => true,
            Self::Directory(_) => false,
            Self::S3 { bucket, .. } => !bucket.ends_with("--x-s3"),
        }
    }
}

/// Opens a bucket and asks it something, to be sure that it is there. The store is told what time it is there
/// ([`answered_at`](crate::store::answered_at)): in S3 and its kin by each answer's `Date`, in a directory by the times of what
/// is written. A server that cannot delete many objects at once is asked to delete one by one. A directory is made if it is not there,
/// and is written with fsync; [`HostBuilder::build`](crate::host::HostBuilder::build) then calls [`remove_half_written`], beside its
/// work, and so should a caller that opens a directory itself.
///
/// # Errors
/// It cannot be used; the error says what to do.
pub async fn open(location: &StoreLocation, s3: &S3Options) -> Result<Arc<dyn ObjectStore>, OpenStoreError> {
    match location {
        StoreLocation::Memory => Ok(Arc::new(InMemory::new())),
        StoreLocation::Directory(path) => open_directory(path).await,
        StoreLocation::S3 { bucket, prefix } => open_s3(bucket, prefix, s3).await,
    }
}

/// Whether a bucket keeps older versions of what is deleted and written over. A deleted share's text can then still be read by
/// everybody who may read versions, until a lifecycle rule of the bucket ends them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Versions {
    /// It keeps none.
    None,
    /// It keeps all.
    Kept,
    /// It keeps those from before this was suspended.
    Suspended,
    /// It did not say. Several servers do not know the question, and its credential may not be allowed to ask.
    Unknown {
        /// What came instead.
        reason: String,
    },
}

impl Versions {
    /// Its name for programs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Kept => "kept",
            Self::Suspended => "suspended",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// What an operator has to know about it, and do; `None`: nothing.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::None | Self::Unknown { .. } => None,
            Self::Kept => Some(
                "the bucket has versioning: the texts of deleted shares stay as older versions; set a lifecycle rule that ends \
                 noncurrent versions (schema/storage.md has one)",
            ),
            Self::Suspended => Some(
                "the bucket had versioning: older versions may hold the texts of deleted shares; set a lifecycle rule that ends \
                 noncurrent versions (schema/storage.md has one)",
            ),
        }
    }
}

/// Asks a bucket whether it keeps versions: one request to an S3-compatible one, none to others, which keep none.
pub async fn versions(location: &StoreLocation, s3: &S3Options) -> Versions {
    match location {
        StoreLocation::Memory | StoreLocation::Directory(_) => Versions::None,
        StoreLocation::S3 { bucket, .. } => s3_versions(bucket, s3).await,
    }
}

async fn open_directory(path: &std::path::Path) -> Result<Arc<dyn ObjectStore>, OpenStoreError> {
    let unusable = |source| OpenStoreError::Directory { path: path.to_owned(), source };
    std::fs::create_dir_all(path).map_err(|error| unusable(error.into()))?;
    let directory = LocalFileSystem::new_with_prefix(path).map_err(|error| unusable(error.into()))?.with_fsync(true);
    let directory = Directory::new(directory, path);
    let test = Path::from("probe/writable");
    directory.put(&test, PutPayload::default()).await.map_err(|error| unusable(error.into()))?;
    match directory.delete(&test).await {
        // Another host that starts at this moment was quicker.
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(Arc::new(directory)),
        Err(error) => Err(unusable(error.into())),
    }
}

#[cfg(not(feature = "s3"))]
async fn open_s3(_: &str, _: &Path, _: &S3Options) -> Result<Arc<dyn ObjectStore>, OpenStoreError> {
    Err(OpenStoreError::FeatureMissing)
}

#[cfg(not(feature = "s3"))]
async fn s3_versions(_: &str, _: &S3Options) -> Versions {
    Versions::Unknown { reason: OpenStoreError::FeatureMissing.to_string() }
}

#[cfg(feature = "s3")]
use s3::{open as open_s3, versions as s3_versions};
