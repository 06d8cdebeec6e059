//! The texts that S3 answers with and is asked by, of XML no more than they hold.

use std::ops::Bound;

use axum::body::Body;
use axum::http::Response;

use crate::s3::object::{plain, quoted};
use crate::s3::{BUCKET, Objects};

/// Keys in one page of a listing, as S3 has it.
const PAGE: usize = 1_000;

/// `ListObjectsV2`, with `prefix`, `delimiter`, `start-after` and `continuation-token`, which here is the last key.
pub(crate) fn list(objects: &Objects, query: &[(String, String)]) -> Response<Body> {
    let of = |name: &str| query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let (prefix, delimiter) = (of("prefix"), of("delimiter"));
    let after = of("start-after").max(of("continuation-token"));
    let page = of("max-keys").parse().unwrap_or(PAGE).min(PAGE);
    let mut body = String::new();
    let (mut count, mut last, mut more, mut group) = (0, String::new(), false, String::new());
    let begin = if after > prefix { after } else { prefix };
    let there = objects.range::<str, _>((Bound::Included(begin), Bound::Unbounded));
    for (key, stored) in there.take_while(|(key, _)| key.starts_with(prefix)) {
        let grouped = !group.is_empty() && key.starts_with(&group);
        if key.as_str() <= after && !after.is_empty() || grouped {
            continue;
        }
        if count == page {
            more = true;
            break;
        }
        count += 1;
        let common = (!delimiter.is_empty()).then(|| key[prefix.len()..].find(delimiter)).flatten();
        if let Some(at) = common {
            group = key[..prefix.len() + at + delimiter.len()].to_owned();
            body += &format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escaped(&group));
            // All that it stands for come before whatever follows them.
            last = format!("{group}\u{10ffff}");
            continue;
        }
        body += &format!(
            "<Contents><Key>{}</Key><LastModified>2025-11-01T00:00:00.000Z</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
            escaped(key),
            escaped(&quoted(stored.tag)),
            stored.bytes.len()
        );
        last.clone_from(key);
    }
    let next =
        if more { format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(&last)) } else { String::new() };
    document(
        200,
        &format!(
            "<ListBucketResult><Name>{BUCKET}</Name><Prefix>{}</Prefix><KeyCount>{count}</KeyCount>\
             <MaxKeys>{page}</MaxKeys><IsTruncated>{more}</IsTruncated>{next}{body}</ListBucketResult>",
            escaped(prefix)
        ),
    )
}

/// The keys of a `DeleteObjects`.
pub(crate) fn keys(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let keys = text.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0));
    keys.map(|key| key.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
        .collect()
}

/// Its answer.
pub(crate) fn deleted(keys: &[String]) -> Response<Body> {
    let each: String = keys.iter().map(|key| format!("<Deleted><Key>{}</Key></Deleted>", escaped(key))).collect();
    document(200, &format!("<DeleteResult>{each}</DeleteResult>"))
}

/// An upload in parts begins.
pub(crate) fn upload(key: &str, upload: u64) -> Response<Body> {
    let key = escaped(key);
    document(
        200,
        &format!(
            "<InitiateMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{key}</Key><UploadId>{upload}</UploadId>\
             </InitiateMultipartUploadResult>"
        ),
    )
}

/// It is whole.
pub(crate) fn completed(key: &str, upload: u64) -> Response<Body> {
    let (key, tag) = (escaped(key), escaped(&quoted(upload)));
    document(
        200,
        &format!(
            "<CompleteMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{key}</Key><ETag>{tag}</ETag>\
             </CompleteMultipartUploadResult>"
        ),
    )
}

/// A refusal by its code.
pub(crate) fn error(status: u16, code: &str) -> Response<Body> {
    document(status, &format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"))
}

fn document(status: u16, root: &str) -> Response<Body> {
    plain(status, &format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{root}"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
