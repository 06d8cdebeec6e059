//! What each request does to the map, and what it is answered.

use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};
use bytes::Bytes;

use crate::s3::{Objects, S3, Stored, lock, xml};

/// All objects are as old as this; nobody here asks by time.
pub(crate) const MODIFIED: &str = "Sat, 01 Nov 2025 00:00:00 GMT";

/// Answers a request whose body has come.
pub(crate) fn respond(bucket: &Arc<S3>, parts: &Parts, body: Bytes) -> Response<Body> {
    let query = query(parts.uri.query().unwrap_or_default());
    let has = |name: &str| query.iter().any(|(key, _)| key == name);
    let number =
        |name: &str| query.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.parse::<u64>().ok());
    let path = decoded(parts.uri.path().trim_start_matches('/'));
    let key = path.split_once('/').map_or("", |(_, key)| key);
    match parts.method.as_str() {
        "GET" | "HEAD" if key.is_empty() => xml::list(&lock(&bucket.objects), &query),
        "GET" | "HEAD" => get(&lock(&bucket.objects), key, &parts.headers, parts.method == "HEAD"),
        "PUT" if has("partNumber") => {
            let (upload, part) = (number("uploadId").unwrap_or(0), number("partNumber").unwrap_or(0));
            lock(&bucket.parts).insert((upload, part), body);
            tagged(200, upload)
        }
        "PUT" => put(bucket, key, &parts.headers, body),
        "POST" if has("delete") => {
            let mut objects = lock(&bucket.objects);
            let keys = xml::keys(&body);
            keys.iter().for_each(|key| drop(objects.remove(key)));
            xml::deleted(&keys)
        }
        "POST" if has("uploads") => xml::upload(key, bucket.tag()),
        "POST" => {
            let upload = number("uploadId").unwrap_or(0);
            let mut parts_here = lock(&bucket.parts);
            let whole: Vec<u8> =
                parts_here.range((upload, 0)..=(upload, u64::MAX)).flat_map(|(_, part)| part.to_vec()).collect();
            parts_here.retain(|(of, _), _| *of != upload);
            drop(parts_here);
            let answer = put(bucket, key, &parts.headers, whole.into());
            if answer.status() == 200 { xml::completed(key, upload) } else { answer }
        }
        "DELETE" => {
            lock(&bucket.objects).remove(key);
            plain(204, "")
        }
        _ => plain(405, "this bucket knows no such request"),
    }
}

/// An answer with a text.
pub(crate) fn plain(status: u16, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = axum::http::StatusCode::from_u16(status).unwrap_or_default();
    response
}

fn put(bucket: &S3, key: &str, headers: &HeaderMap, bytes: Bytes) -> Response<Body> {
    let tag = bucket.tag();
    let mut objects = lock(&bucket.objects);
    let there = objects.get(key);
    let wanted = headers.get("if-match").and_then(|value| value.to_str().ok());
    let refused = (headers.contains_key("if-none-match") && there.is_some())
        || wanted.is_some_and(|wanted| there.is_none_or(|stored| wanted != quoted(stored.tag)));
    if refused {
        return xml::error(412, "PreconditionFailed");
    }
    objects.insert(key.to_owned(), Stored { bytes, tag });
    tagged(200, tag)
}

fn get(objects: &Objects, key: &str, headers: &HeaderMap, head: bool) -> Response<Body> {
    let Some(stored) = objects.get(key) else { return xml::error(404, "NoSuchKey") };
    let size = stored.bytes.len();
    let range = headers.get("range").and_then(|value| value.to_str().ok()).and_then(|range| range_of(range, size));
    let (status, part) = range.map_or((200, 0..size), |range| (206, range));
    let mut response = tagged(status, stored.tag);
    let (from, to) = (part.start, part.end);
    *response.body_mut() = if head { Body::empty() } else { Body::from(stored.bytes.slice(part)) };
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: String| value.parse().map(|value| headers.insert(name, value));
    let _set = set("last-modified", MODIFIED.to_owned());
    let _set = set("content-length", (to - from).to_string());
    if status == 206 {
        let _set = set("content-range", format!("bytes {from}-{}/{size}", to.saturating_sub(1)));
    }
    response
}

fn tagged(status: u16, tag: u64) -> Response<Body> {
    let mut response = plain(status, "");
    let _set = quoted(tag).parse().map(|value| response.headers_mut().insert("etag", value));
    response
}

pub(crate) fn quoted(tag: u64) -> String {
    format!("\"{tag:016x}\"")
}

/// `bytes=FROM-TO`, `bytes=FROM-` or `bytes=-LAST` of so many bytes; `None` when it asks for nothing that is there.
fn range_of(range: &str, size: usize) -> Option<std::ops::Range<usize>> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (from.parse::<usize>(), to.parse::<usize>()) {
        (Ok(from), Ok(to)) => from..to.saturating_add(1).min(size),
        (Ok(from), Err(_)) => from..size,
        (Err(_), Ok(last)) => size.saturating_sub(last)..size,
        (Err(_), Err(_)) => return None,
    };
    (range.start < range.end).then_some(range)
}

fn query(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}

/// Percent-encoding undone.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| byte == b'%') {
            Some(meant) => {
                bytes.push(meant);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{decoded, range_of};

    #[test]
    fn ranges_end_with_the_object() {
        assert_eq!(range_of("bytes=0-3", 10), Some(0..4));
        assert_eq!(range_of("bytes=4-", 10), Some(4..10));
        assert_eq!(range_of("bytes=-3", 10), Some(7..10));
        assert_eq!(range_of("bytes=8-99", 10), Some(8..10));
        assert_eq!(range_of("bytes=10-12", 10), None);
    }

    #[test]
    fn names_are_decoded() {
        assert_eq!(decoded("a%2Fb%3d+c%"), "a/b=+c%");
    }
}
