//! Texts in HTML: escaped, or as Markdown that was sanitised.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

/// Escapes plain text for the content of an element, or of an attribute in double quotes.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    let special = |byte: u8| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'' | 0..=8 | 11..=31 | 127);
    if !text.bytes().any(special) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            // A terminal's colours and bells are nothing in HTML.
            c if c.is_ascii_control() => {}
            c => escaped.push(c),
        }
    }
    escaped.into()
}

/// Makes HTML of Markdown, in which nothing runs and nothing is loaded.
///
/// HTML in it is shown as the text that it is. Images are links, because a page may load none from elsewhere. What comes out
/// of that is sanitised once more: only elements and links that Markdown makes are left, to http, https and mailto.
pub(super) fn markdown(text: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut depth = 0;
    let events = Parser::new_ext(text, options).filter_map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Some(Event::Text(html)),
        Event::TaskListMarker(done) => Some(Event::Text(CowStr::Borrowed(if done { "☑ " } else { "☐ " }))),
        Event::Start(tag) => {
            depth += 1;
            let tag = if let Tag::Image { link_type, dest_url, title, id } = tag {
                Tag::Link { link_type, dest_url, title, id }
            } else {
                tag
            };
            (depth <= DEPTH_MAX).then_some(Event::Start(tag))
        }
        Event::End(end) => {
            depth -= 1;
            (depth < DEPTH_MAX).then_some(Event::End(if end == TagEnd::Image { TagEnd::Link } else { end }))
        }
        event @ (Event::Text(_)
        | Event::Code(_)
        | Event::InlineMath(_)
        | Event::DisplayMath(_)
        | Event::FootnoteReference(_)
        | Event::SoftBreak
        | Event::HardBreak
        | Event::Rule) => Some(event),
    });
    let mut html = String::with_capacity(text.len() + text.len() / 4);
    pulldown_cmark::html::push_html(&mut html, events);
    SANITISER.clean(&html).to_string()
}

/// Elements within one another; deeper ones are left out, and their text is kept. Who parses HTML goes through all that are
/// open at each that ends, so that 32,000 quotations within one another would take a second; and nobody reads the tenth.
const DEPTH_MAX: usize = 32;

static SANITISER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    let tags = [
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "strong",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ];
    builder
        .tags(HashSet::from(tags))
        .tag_attributes([("a", HashSet::from(["href", "title"])), ("ol", HashSet::from(["start"]))].into())
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        // A path in an agent's text is a file of its own, not one of this host.
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("nofollow noopener noreferrer ugc"));
    builder
});

/// The beginning of a text that is too long, cut at a character, and whether it was.
pub(super) fn cut(text: &str, bytes_max: usize) -> (&str, bool) {
    if text.len() <= bytes_max {
        return (text, false);
    }
    let end = (0..=bytes_max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    (&text[..end], true)
}

/// The attribute `id` for an id that a link may point at; other ids are left out, so that no producer names an element of the page.
pub(super) fn anchor(id: Option<&str>, prefix: &str) -> String {
    let is_one = |id: &&str| {
        id.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        })
    };
    id.filter(is_one).map(|id| format!(" id=\"{id}\"")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_rendered() {
        let html = markdown(
            "# T\n\n- [x] a **b** `c<d>`\n\n[l](https://e.org/x)\n\n|a|\n|-|\n|1|\n\n```rust\nlet x = 1 < 2;\n```",
        );
        for part in ["<h1>T</h1>", "☑ a <strong>b</strong> <code>c&lt;d&gt;</code>", "<td>1</td>", "let x = 1 &lt; 2;"]
        {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(html.contains(r#"<a href="https://e.org/x" rel="nofollow noopener noreferrer ugc">l</a>"#), "{html}");
    }

    /// S73: hostile content is escaped, in Markdown. (The page's other places: tests/it/documents.)
    #[test]
    fn nothing_in_markdown_runs_or_is_loaded() {
        for hostile in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html,<script>alert(1)</script>)",
            "[x](vbscript:x)",
            "![x](https://evil.example/p.png)",
            "<svg onload=alert(1)>",
            "<a href=\"javascript:alert(1)\">x</a>",
            "[x](//evil.example)",
            "[x](/share/other)",
            "<iframe src=x></iframe><style>*{display:none}</style>",
            "</article></main><form action=/x><input></form>",
            "[x]: javascript:alert(1)\n\n[x]",
            "<https://e.org/\" onclick=alert(1)>",
            "```\"><script>alert(1)</script>\nx\n```",
        ] {
            let html = markdown(hostile);
            for tag in html.split('<').skip(1).map(|tag| tag.split('>').next().unwrap_or_default()) {
                let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
                assert!(["a", "p", "pre", "code"].contains(&name), "{hostile}: {html}");
                let attributes = tag.split(' ').skip(1).filter(|part| part.contains('='));
                for attribute in attributes {
                    let expected = attribute.starts_with("rel=") || attribute.starts_with("href=\"https://e");
                    assert!(expected, "{hostile}: {html}");
                }
            }
        }
    }

    /// Without the bound on depth this takes minutes.
    #[test]
    fn deep_nesting_costs_nothing_and_keeps_the_text() {
        for mark in [">", "- ", "[", "*a ", "`", "![", "<b>", "|\n|-", "1. ", "[x](", "~~a ", "_a*"] {
            let html = markdown(&format!("{}\nthe end", mark.repeat((32 << 10) / mark.len())));
            assert!(html.contains("the end"), "{mark}");
            let (mut depth, mut deepest) = (0_usize, 0);
            for tag in html.split('<').skip(1).filter(|tag| !tag.starts_with("br") && !tag.starts_with("hr")) {
                depth = if tag.starts_with('/') { depth - 1 } else { depth + 1 };
                deepest = deepest.max(depth);
            }
            assert!(deepest <= DEPTH_MAX + 1, "{mark}: {deepest}");
        }
    }

    #[test]
    fn a_text_is_cut_at_a_character() {
        assert_eq!(cut("aé", 2), ("a", true));
        assert_eq!(cut("aé", 3), ("aé", false));
    }
}
