//! A text that is to be a URL of a host, the URL of shares, or a token of one.
#![no_main]

use capshare::host::is_public_url;
use capshare::share::grant::GrantToken;

libfuzzer_sys::fuzz_target!(|text: &str| {
    capshare::client::fuzzing::url(text);
    if is_public_url(text) {
        assert!(is_public_url(&format!("{}/share/aaaaaaaaaaaaaaaaaaaaaaaaab", text.trim_end_matches('/'))));
    }
    if let Some(token) = GrantToken::parse(text) {
        assert_eq!(token.reveal(), text);
        let public = format!("capgr_{}_{}_[secret]", token.share(), token.grant());
        assert_eq!((token.to_string(), format!("{token:?}")), (public.clone(), public));
    }
});
