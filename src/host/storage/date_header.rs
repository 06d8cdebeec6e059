//! What time it is in a bucket over HTTP: each answer says it in its `Date`, and here the store is told.

use futures::future::BoxFuture;
use http::header::DATE;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

use crate::share::time::Timestamp;
use crate::store::answered_at;

/// Connects as the bucket's client does by itself, and listens to the `Date` of each answer, that of a refusal too.
#[derive(Debug)]
pub(super) struct DateHeard;

#[derive(Debug)]
struct Listening(HttpClient);

impl HttpConnector for DateHeard {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Listening(ReqwestConnector::default().connect(options)?)))
    }
}

impl HttpService for Listening {
    fn call<'a, 'b>(&'a self, request: HttpRequest) -> BoxFuture<'b, Result<HttpResponse, HttpError>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let response = self.0.execute(request).await?;
            if let Some(date) = date_of(&response) {
                answered_at(date);
            }
            Ok(response)
        })
    }
}

/// The time in an answer's `Date`; `None` if it has none, or one that is no time.
fn date_of(response: &HttpResponse) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(response.headers().get(DATE)?.to_str().ok()?).ok()?;
    let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Timestamp)
}
