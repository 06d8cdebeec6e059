//! The forms in which a share is told as a document.

use axum::http::{HeaderMap, header};

use crate::share::host::HostUrl;

/// A form in which a share is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::http) enum Form {
    /// The web page.
    Html,
    /// The shape of an OpenCode export.
    Json,
    /// Markdown.
    Markdown,
    /// A picture for previews of links.
    Picture,
}

impl Form {
    /// Its media type.
    pub(in crate::http) fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Picture => "image/png",
        }
    }

    /// What a document of this form may do in a browser: its `Content-Security-Policy`. The page may also connect to the other hosts, at
    /// these URLs, which have nothing in them that ends a directive.
    pub(in crate::http) fn policy(self, others: &[HostUrl]) -> String {
        match self {
            Self::Html => {
                // Browsers take the scheme of a WebSocket for another one's.
                let others = others.iter().map(|url| format!(" {url} {}", url.as_str().replacen("http", "ws", 1)));
                let others: String = others.collect();
                format!(
                    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'{others}; \
                     img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
                )
            }
            Self::Json | Self::Markdown | Self::Picture => {
                "default-src 'none'; frame-ancestors 'none'; sandbox".to_owned()
            }
        }
    }

    /// The form that fits a request for the share itself: HTML, unless something else is asked for and HTML is not.
    pub(in crate::http) fn asked_for(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
        let types =
            values.flat_map(|value| value.split(',')).map(|kind| kind.split(';').next().unwrap_or_default().trim());
        let mut form = Self::Html;
        for kind in types {
            match kind {
                "text/html" | "application/xhtml+xml" => return Self::Html,
                "text/markdown" if form == Self::Html => form = Self::Markdown,
                "application/json" if form == Self::Html => form = Self::Json,
                _ => {}
            }
        }
        form
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asked(accept: &'static str) -> Form {
        Form::asked_for(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]))
    }

    #[test]
    fn a_browser_gets_a_page_and_an_agent_what_it_asks_for() {
        assert_eq!(asked("text/html,application/xhtml+xml,*/*;q=0.8"), Form::Html);
        assert_eq!(asked("*/*"), Form::Html);
        assert_eq!(asked("text/markdown, text/plain;q=0.9, */*;q=0.1"), Form::Markdown);
        assert_eq!(asked("application/json"), Form::Json);
        assert_eq!(asked("application/json, text/html"), Form::Html);
        assert_eq!(Form::asked_for(&HeaderMap::new()), Form::Html);
    }
}
