//! The page's files over HTTP.

use capshare::__internal::viewer::page::{self, Entry};

use crate::support::door::Served;

#[tokio::test]
async fn files_of_the_page_are_served_with_their_tags_and_kept_as_long_as_they_may_be() {
    let served = Served::open().await;
    let Entry { style, script } = page::entry();
    for (path, kind, caching) in [
        (script, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        (style, "text/css; charset=utf-8", "public, max-age=31536000, immutable"),
        ("/client.js", "text/javascript; charset=utf-8", "public, no-cache"),
        ("/favicon.svg", "image/svg+xml; charset=utf-8", "public, no-cache"),
        ("/client.d.ts", "application/typescript; charset=utf-8", "public, no-cache"),
    ] {
        let asset = page::asset(&path[1..]).unwrap();
        let answer = served.request(&format!("GET {path} HTTP/1.1")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
        for header in [
            format!("content-type: {kind}"),
            format!("cache-control: {caching}"),
            format!("etag: {}", asset.etag),
            "access-control-allow-origin: *".to_owned(),
            "x-content-type-options: nosniff".to_owned(),
        ] {
            assert!(head.lines().any(|line| line == header), "{path}: {header} is not in\n{head}");
        }
        assert_eq!(body.as_bytes(), asset.bytes, "{path}");

        let again = served.request(&format!("GET {path} HTTP/1.1\r\nIf-None-Match: \"other\", {}", asset.etag)).await;
        assert!(again.starts_with("HTTP/1.1 304 ") && again.ends_with("\r\n\r\n"), "{path}: {again}");
        let packed = format!("content-length: {}", asset.gzip().len());
        let head = served.request(&format!("HEAD {path} HTTP/1.1\r\nAccept-Encoding: br, gzip;q=0.8")).await;
        assert!(head.contains("content-encoding: gzip\r\n") && head.contains(&packed), "{path}: {head}");
        let plain = served.request(&format!("HEAD {path} HTTP/1.1\r\nAccept-Encoding: gzip;q=0")).await;
        assert!(!plain.contains("content-encoding"), "{path}: {plain}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_no_route() {
    let served = Served::open().await;
    for path in ["/assets/app.js", "/assets/", "/assets/..%2fclient.js", "/client.ts", "/assets/%00"] {
        let answer = served.request(&format!("GET {path} HTTP/1.1")).await;
        assert!(
            answer.starts_with("HTTP/1.1 404 ") && answer.contains(r#""code":"RouteMismatch""#),
            "{path}: {answer}"
        );
    }
    let posted = served.request("POST /client.js HTTP/1.1\r\nContent-Length: 0").await;
    assert!(posted.starts_with("HTTP/1.1 404 "), "{posted}");
}
