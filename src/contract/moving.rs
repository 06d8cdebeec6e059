//! The URLs of hosts, as they are told to clients: in lists, and in the reason of a close.

use std::borrow::Cow;

use crate::share::host::HostUrl;
use crate::share::limits::hosts::{HOST_URL_BYTES_MAX, HOST_URLS_TOLD_MAX};

/// Reads the URLs of hosts. Those past the limits are passed over.
///
/// # Errors
/// The list is not one.
pub fn read_urls(from: capnp::text_list::Reader<'_>) -> Result<Vec<String>, capnp::Error> {
    let texts = from.iter().take(HOST_URLS_TOLD_MAX);
    let mut urls = texts.map(|text| Ok(text?.to_str()?.to_owned())).collect::<Result<Vec<_>, capnp::Error>>()?;
    urls.retain(|url| url.len() <= HOST_URL_BYTES_MAX);
    Ok(urls)
}

/// Writes the URLs of hosts, without those past the limit.
pub fn write_urls<'a>(urls: &[HostUrl], list: impl FnOnce(u32) -> capnp::text_list::Builder<'a>) {
    let urls = urls.iter().take(HOST_URLS_TOLD_MAX);
    let mut list = list(u32::try_from(urls.len()).unwrap_or(u32::MAX));
    for (at, url) in (0..).zip(urls) {
        list.set(at, url.as_str());
    }
}

/// URLs that the reason of a close names at most.
const URLS_IN_A_REASON_MAX: usize = 2;

/// Bytes that the reason of a close may have: a Close frame's 125 less its code.
const REASON_BYTES_MAX: usize = 123;

/// The reason for a close in the words that the client is told: those of the close itself, or where to go on, if the client was asked to
/// move to one of these hosts.
pub fn reason(usual: &'static str, move_to: Option<&[HostUrl]>) -> Cow<'static, str> {
    move_to.and_then(going_to).map_or(usual.into(), Cow::Owned)
}

/// A reason that names the first of these URLs, as many as fit. `None` if none does.
fn going_to(urls: &[HostUrl]) -> Option<String> {
    let mut reason = "go on at".to_owned();
    let begins = reason.len();
    for url in urls.iter().take(URLS_IN_A_REASON_MAX) {
        if reason.len() + 1 + url.as_str().len() <= REASON_BYTES_MAX {
            reason.push(' ');
            reason.push_str(url.as_str());
        }
    }
    (reason.len() > begins).then_some(reason)
}

/// The URLs in the reason with which a host closed a connection: its words that begin as a URL does.
pub fn urls_in(reason: &str) -> Vec<String> {
    let begins = ["https://", "http://", "wss://", "ws://"];
    let words = reason.split_whitespace().filter(|word| begins.iter().any(|begin| word.starts_with(begin)));
    words.take(HOST_URLS_TOLD_MAX).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_urls_in_a_reason_are_its_words_that_begin_as_urls_do() {
        let reason = "this host is going: https://b.example.org http://[::1]:7420";
        assert_eq!(urls_in(reason), ["https://b.example.org", "http://[::1]:7420"]);
        assert_eq!(urls_in("the host is restarting: come back"), [] as [&str; 0]);
        assert_eq!(urls_in(&"ws://a ".repeat(17)).len(), HOST_URLS_TOLD_MAX);
    }

    #[test]
    fn a_reason_names_as_many_urls_as_it_has_room_for() {
        let of = |urls: &[&str]| going_to(&urls.iter().map(|url| url.parse().unwrap()).collect::<Vec<_>>());
        let long = format!("https://{}", "a".repeat(106));
        assert_eq!(of(&["https://b", "https://c", "https://d"]).as_deref(), Some("go on at https://b https://c"));
        assert_eq!(of(&[]), None);
        let full = of(&[&long, "https://c"]).unwrap();
        assert_eq!((full.len(), urls_in(&full)), (REASON_BYTES_MAX, vec![long.clone()]));
        assert_eq!(of(&[&format!("{long}a")]), None);
    }
}
