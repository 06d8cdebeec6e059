//! Texts in HTML that are no Markdown: escaped, and else as they are.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::viewer::render::format::visible;
use crate::viewer::render::terminal::Run;

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

/// Writes a text as it was typed: every character of it, lines as lines. What stands between backticks is told apart, with them, because its
/// direction is its own.
pub(super) fn typed(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        let (before, from) = rest.split_at(start);
        html.push_str(&escape(before));
        let ticks = from.bytes().take_while(|byte| *byte == b'`').count();
        let (code, after) = from.split_at(code_end(from, ticks).unwrap_or(ticks));
        if code.len() > ticks {
            let _ = write!(html, "<code>{}</code>", escape(&visible(code)));
        } else {
            html.push_str(code);
        }
        rest = after;
    }
    html.push_str(&escape(rest));
    html
}

/// Bytes up to the end of the second run of so many backticks, where the text begins with the first.
fn code_end(text: &str, ticks: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let near = &bytes[..bytes.len().min(TYPED_CODE_BYTES_MAX)];
    let mut at = ticks;
    loop {
        let next = at + memchr::memchr(b'`', near.get(at..)?)?;
        // Code of one or two backticks stands within a paragraph.
        if ticks < 3 && memchr::memmem::find(&near[at..next], b"\n\n").is_some() {
            return None;
        }
        let run = bytes[next..].iter().take_while(|byte| **byte == b'`').count();
        at = next + run;
        if run == ticks {
            return Some(at);
        }
    }
}

/// Bytes in which the end of typed code is looked for.
const TYPED_CODE_BYTES_MAX: usize = 8 << 10;

/// Writes runs of a terminal's output, at most so many bytes of their text, and says whether that is less than all.
pub(super) fn output(runs: &[Run], bytes_max: usize) -> (String, bool) {
    let (mut html, mut left) = (String::new(), bytes_max);
    for run in runs {
        let (text, was_cut) = cut(&run.text, left);
        left -= text.len();
        let (classes, text) = (run.style.classes(), visible(text));
        let text = escape(&text);
        let _ = if classes.is_empty() {
            write!(html, "{text}")
        } else {
            write!(html, "<span class=\"{classes}\">{text}</span>")
        };
        if was_cut {
            return (html, true);
        }
    }
    (html, false)
}

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
    fn what_was_typed_keeps_every_character() {
        let typed = typed("fix __init__.py\n# and `a<b>` \u{1b} not *.rs ``x`y`` ` end");
        let told = "fix __init__.py\n# and <code>`a&lt;b&gt;`</code>  not *.rs <code>``x`y``</code> ` end";
        assert_eq!(typed, told);
        assert_eq!(super::typed("```\n\na ` b\n```\n"), "<code>```\n\na ` b\n```</code>\n");
        assert_eq!(super::typed("`a\n\nb`"), "`a\n\nb`");
        let many = "`` ` ".repeat(100_000);
        assert!(super::typed(&many).len() >= many.len());
    }

    #[test]
    fn a_text_is_cut_at_a_character() {
        assert_eq!(cut("aé", 2), ("a", true));
        assert_eq!(cut("aé", 3), ("aé", false));
    }
}
