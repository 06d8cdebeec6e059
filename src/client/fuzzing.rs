//! The entrance for the fuzz target `url` of `tests/fuzz`. Only with `--cfg fuzzing`, which it is built with.

use super::websocket::Url;

/// A host's URL: what is read names a host, and its own text is read as equal.
///
/// # Panics
/// That is not so.
pub fn url(text: &str) {
    let Ok(url) = Url::parse(text) else { return };
    let written = url.to_uri(false);
    assert_eq!(Url::parse(&written).as_ref(), Ok(&url), "{written}");
    Url::parse(&url.to_uri(true)).expect("a query more does no harm");
}
