//! What the head of every request must be, whatever it asks for: within its bound, and for one host that it names.

use hyper::Request;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::Version;
use hyper::http::uri::Authority;

use crate::share::error::Refusal;
use crate::share::limits::Limit;

/// Bytes of a request's head: its line and its headers, each with what HTTP/1.1 puts around it. 64 KiB, as much as the largest
/// that proxies let through.
pub const HEAD_BYTES_MAX: usize = 64 << 10;

/// Checks a request's head. The host that it names stands in `Host` after this, and nowhere else: a URL with an authority goes
/// before that header (RFC 9112 section 3.2.2), and HTTP/2 has its own form.
///
/// # Errors
/// The head is too long (431), or names no host or more than one (400).
pub(super) fn check<B>(request: &mut Request<B>) -> Result<(), Refusal> {
    let length = length(request);
    if length > HEAD_BYTES_MAX {
        return Err(Refusal::limit(Limit::HeadBytesMax, HEAD_BYTES_MAX, length));
    }
    if let Some(authority) = named(request)?
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

/// Bytes of a request's head, as HTTP/1.1 writes it.
fn length<B>(request: &Request<B>) -> usize {
    let line =
        request.method().as_str().len() + request.uri().path_and_query().map_or(0, |path| path.as_str().len()) + 12;
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    line + headers.sum::<usize>() + 2
}

/// The host that a request names; `None` if it is of HTTP/1.0 and names no host.
fn named<B>(request: &Request<B>) -> Result<Option<Authority>, Refusal> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, further) = (hosts.next(), hosts.next());
    if further.is_some() {
        return Err(Refusal::invalid(0, "the request has more than one Host header: send exactly one"));
    }
    let host = match host {
        Some(host) => authority(host).ok_or_else(|| {
            Refusal::invalid(0, "invalid Host header: write a host and perhaps a port, such as share.example.org:7420")
        })?,
        None => None,
    };
    match (request.uri().authority(), host) {
        (Some(named), Some(host)) if request.version() >= Version::HTTP_2 && *named != host => {
            Err(Refusal::invalid(0, "the Host header differs from :authority: send only one of the two"))
        }
        (Some(named), _) if named.as_str().contains('@') => Err(Refusal::invalid(
            0,
            "the request's URL has a user name in it: leave it out, and send credentials as Authorization: Bearer TOKEN",
        )),
        (Some(named), _) => Ok(Some(named.clone())),
        (None, Some(host)) => Ok(Some(host)),
        (None, None) if request.version() == Version::HTTP_11 && request.headers().get(header::HOST).is_none() => {
            Err(Refusal::invalid(0, "the request has no Host header: HTTP/1.1 needs one"))
        }
        (None, None) => Ok(None),
    }
}

/// The host that a `Host` header names; `None` if the header is invalid, `Some(None)` if it is empty, as it may be.
#[expect(clippy::option_option, reason = "no header that is right, and one that names nothing")]
fn authority(host: &HeaderValue) -> Option<Option<Authority>> {
    let text = host.to_str().ok()?;
    if text.is_empty() {
        return Some(None);
    }
    text.parse::<Authority>().ok().filter(|authority| !text.contains('@') && !authority.host().is_empty()).map(Some)
}

/// The name by which a request that was [checked](check) calls this host.
pub(super) fn called(headers: &HeaderMap) -> Option<Authority> {
    headers.get(header::HOST).and_then(authority).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::reply;

    fn checked(version: Version, url: &str, hosts: &[&str]) -> Result<String, u16> {
        let mut request = Request::get(url).version(version).body(()).unwrap();
        for host in hosts {
            request.headers_mut().append(header::HOST, host.parse().unwrap());
        }
        check(&mut request).map_err(|refusal| reply::refused(&refusal).status().as_u16())?;
        Ok(called(request.headers()).map_or_else(String::new, |authority| authority.to_string()))
    }

    #[test]
    fn a_request_names_one_host() {
        let (http1, http2) = (Version::HTTP_11, Version::HTTP_2);
        for (version, url, hosts, called) in [
            (http1, "/", &["a:1"][..], Ok("a:1")),
            (http1, "/", &["[::1]:7420"], Ok("[::1]:7420")),
            (http1, "/", &[""], Ok("")),
            (http1, "/", &[], Err(400)),
            (http1, "/", &["a", "a"], Err(400)),
            (http1, "/", &["a", "b"], Err(400)),
            (http1, "/", &["a b"], Err(400)),
            (http1, "/", &["u@a"], Err(400)),
            (http1, "/", &["a/b"], Err(400)),
            (http1, "http://b:2/", &["a:1"], Ok("b:2")),
            (http1, "http://u@b/", &["a:1"], Err(400)),
            (Version::HTTP_10, "/", &[], Ok("")),
            (http2, "http://a:1/", &[], Ok("a:1")),
            (http2, "http://a:1/", &["a:1"], Ok("a:1")),
            (http2, "http://a:1/", &["b:1"], Err(400)),
            (http2, "/", &["a:1"], Ok("a:1")),
        ] {
            assert_eq!(checked(version, url, hosts), called.map(str::to_owned), "{version:?} {url} {hosts:?}");
        }
    }

    #[test]
    fn a_head_has_at_most_its_bound() {
        let sized = |bytes: usize| {
            let mut request = Request::get("/").header(header::HOST, "a").body(()).unwrap();
            let rest = bytes - length(&request) - "x".len() - 4;
            request.headers_mut().insert("x", "y".repeat(rest).parse().unwrap());
            assert_eq!(length(&request), bytes);
            check(&mut request).map_err(|refusal| reply::refused(&refusal).status().as_u16())
        };
        assert_eq!(sized(HEAD_BYTES_MAX), Ok(()));
        assert_eq!(sized(HEAD_BYTES_MAX + 1), Err(431));
    }
}
