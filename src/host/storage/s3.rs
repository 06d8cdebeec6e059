//! An S3-compatible bucket: opened, found to be there, and asked how it deletes and whether it keeps what is deleted.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use object_store::aws::{AmazonS3Builder, AwsAuthorizer, AwsCredential};
use object_store::client::{HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, Error, ObjectStore, ObjectStoreExt as _, RetryConfig};
use rustls::crypto::{CryptoProvider, ring};

use super::date_header::DateHeard;
use super::{OpenStoreError, S3Options, Versions};
use crate::store::s3_refusal;

/// How long one request may take. The client's own 30 s are longer than a log's lease.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// How long the client goes on retrying, and how often. Its own 3 minutes would hold up every sync of a share.
const RETRY_TIME: Duration = Duration::from_secs(10);
const RETRIES: usize = 3;

/// Bytes that an answer about versioning may have: a right one has some hundred.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// An object that is never there, to try a deletion with.
const NOTHING: &str = "probe/nothing";

pub(super) async fn open(
    bucket: &str,
    prefix: &Path,
    options: &S3Options,
) -> Result<Arc<dyn ObjectStore>, OpenStoreError> {
    let Place { region, credential } = place(bucket, options)?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_access_key_id(credential.key_id)
        .with_secret_access_key(credential.secret_key)
        .with_client_options(client_options(options))
        .with_http_connector(DateHeard)
        .with_retry(retries(RETRIES));
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(token) = credential.token {
        builder = builder.with_token(token);
    }
    let settings = |source| OpenStoreError::Settings { bucket: bucket.to_owned(), source: Box::new(source) };
    let build = |builder: AmazonS3Builder| Ok(PrefixStore::new(builder.build().map_err(settings)?, prefix.clone()));
    let objects = build(builder.clone())?;
    // A prefix that is empty: the answer is short, and an error if the bucket is not there or not for us.
    if let Err(error) = objects.list(Some(&Path::from("probe"))).next().await.transpose() {
        return Err(why(bucket.to_owned(), error));
    }
    // Several servers have no deletion of many at once, and say so with a status that the client would ask again for.
    let at_once = build(builder.clone().with_retry(retries(0)))?.delete(&Path::from(NOTHING)).await;
    if at_once.is_err() {
        let one_by_one = build(builder.with_disable_bulk_delete(true))?;
        if is_done(one_by_one.delete(&Path::from(NOTHING)).await) {
            tracing::info!(bucket, "the server does not delete many objects at once: they are deleted one by one");
            return Ok(Arc::new(one_by_one));
        }
    }
    Ok(Arc::new(objects))
}

/// What is deleted is not there, whether or not it was.
fn is_done(deleted: Result<(), Error>) -> bool {
    matches!(deleted, Ok(()) | Err(Error::NotFound { .. }))
}

/// GetBucketVersioning, which the crate has no call for.
pub(super) async fn versions(bucket: &str, options: &S3Options) -> Versions {
    let asked = tokio::time::timeout(REQUEST_TIME, ask_for_versioning(bucket, options)).await;
    let answer = asked.unwrap_or_else(|_| Err("it did not answer in time".to_owned()));
    match answer {
        // `<Status>` is absent in a bucket that never had versions.
        Ok(text) if text.contains("<Status>Enabled</Status>") => Versions::Kept,
        Ok(text) if text.contains("<Status>Suspended</Status>") => Versions::Suspended,
        Ok(_) => Versions::None,
        Err(reason) => Versions::Unknown { reason },
    }
}

async fn ask_for_versioning(bucket: &str, options: &S3Options) -> Result<String, String> {
    let Place { region, credential } = place(bucket, options).map_err(|error| error.to_string())?;
    let endpoint = match &options.endpoint {
        Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
        None => format!("https://s3.{region}.amazonaws.com"),
    };
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.uri_mut() =
        format!("{endpoint}/{bucket}?versioning=").parse().map_err(|_| "its URL is invalid".to_owned())?;
    let failed = |error: Error| error.to_string();
    AwsAuthorizer::new(&credential, "s3", region).try_authorize(&mut request, None).map_err(failed)?;
    let client = ReqwestConnector::default().connect(&client_options(options)).map_err(failed)?;
    let answer = client.execute(request).await.map_err(|error| error.to_string())?;
    let (head, body) = answer.into_parts();
    if !head.status.is_success() {
        return Err(format!("it answered {}", head.status));
    }
    let mut pieces = body.bytes_stream();
    let mut text = Vec::new();
    while let Some(piece) = pieces.next().await {
        text.extend_from_slice(&piece.map_err(|error| error.to_string())?);
        if text.len() > ANSWER_BYTES_MAX {
            return Err(format!("its answer has more than {ANSWER_BYTES_MAX} bytes"));
        }
    }
    String::from_utf8(text).map_err(|_| "its answer is no text".to_owned())
}

/// Where a bucket is, and by which credential.
struct Place<'a> {
    region: &'a str,
    credential: AwsCredential,
}

fn place<'a>(bucket: &str, options: &'a S3Options) -> Result<Place<'a>, OpenStoreError> {
    let missing = |missing| OpenStoreError::Missing { bucket: bucket.to_owned(), missing };
    let (Some(id), Some(secret)) = (&options.access_key_id, &options.secret_access_key) else {
        return Err(missing("credentials: give an access key id and its secret"));
    };
    let region = match (&options.region, &options.endpoint) {
        (Some(region), _) => region.as_str(),
        (None, Some(_)) => "us-east-1",
        (None, None) => return Err(missing("a region, or the endpoint of a service that is not AWS")),
    };
    if !options.allow_http && options.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://")) {
        return Err(missing("an https:// endpoint, or leave to use plain HTTP on a network that nobody listens to"));
    }
    // The HTTP client wants a TLS provider from the process, also when it will speak plain HTTP. One that is set
    // already, or at this moment by another thread, is as good.
    if CryptoProvider::get_default().is_none() {
        drop(ring::default_provider().install_default());
    }
    let (key_id, secret_key, token) = (id.clone(), secret.clone(), options.session_token.clone());
    Ok(Place { region, credential: AwsCredential { key_id, secret_key, token } })
}

fn client_options(options: &S3Options) -> ClientOptions {
    ClientOptions::new().with_timeout(REQUEST_TIME).with_allow_http(options.allow_http)
}

fn retries(max_retries: usize) -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries, retry_timeout: RETRY_TIME }
}

fn why(bucket: String, error: Error) -> OpenStoreError {
    let code = s3_refusal(&error);
    let not_found = matches!(error, Error::NotFound { .. }) || code == Some("NoSuchBucket");
    let refused = matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) || code.is_some();
    let source = Box::new(error);
    match (not_found, refused) {
        (true, _) => OpenStoreError::NoBucket { bucket, source },
        (_, true) => OpenStoreError::Refused { bucket, source },
        (false, false) => OpenStoreError::Unreachable { bucket, source },
    }
}
