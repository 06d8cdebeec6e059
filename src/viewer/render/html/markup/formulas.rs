//! Formulas in Markdown: kept from being taken for Markdown, so that each stands there as it was written.

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag};

/// Bytes of a formula; what is longer is none.
const FORMULA_BYTES_MAX: usize = 4 << 10;

/// The text with every sign of its formulas escaped, so that Markdown leaves them as they are. Code has no formulas.
pub(super) fn kept(text: &str, options: Options) -> Cow<'_, str> {
    if memchr::memchr2(b'\\', b'$', text.as_bytes()).is_none() {
        return text.into();
    }
    let codes: Vec<Range<usize>> = Parser::new_ext(text, options)
        .into_offset_iter()
        .filter(|(event, _)| matches!(event, Event::Code(_) | Event::Start(Tag::CodeBlock(_))))
        .map(|(_, range)| range)
        .collect();
    let mut kept = String::with_capacity(text.len() + text.len() / 8);
    let (mut at, mut codes) = (0, codes.into_iter().peekable());
    while let Some(found) = memchr::memchr2(b'\\', b'$', &text.as_bytes()[at..]) {
        let start = at + found;
        while codes.next_if(|code| code.end <= start).is_some() {}
        let code = codes.peek();
        let end = match code {
            Some(code) if code.start <= start => code.end,
            Some(_) | None => {
                let room = code.map_or(text.len(), |code| code.start);
                let end = formula(&text[start..room]).map(|length| start + length);
                if let Some(end) = end {
                    kept.push_str(&text[at..start]);
                    escape(&text[start..end], &mut kept);
                    at = end;
                    continue;
                }
                // A sign that is escaped begins nothing.
                start
                    + if text[start..].starts_with('\\') && text[start + 1..].starts_with(['\\', '$']) { 2 } else { 1 }
            }
        };
        kept.push_str(&text[at..end]);
        at = end;
    }
    kept.push_str(&text[at..]);
    kept.into()
}

/// Bytes of the formula with which the text begins, if it begins with one.
fn formula(text: &str) -> Option<usize> {
    let (open, close) = [("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"), ("$", "$")]
        .into_iter()
        .find(|(open, _)| text.starts_with(open))?;
    let mut end = text.len().min(FORMULA_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let inner = &text[open.len()..end];
    let inner = &inner[..inner.find(close)?];
    let after = &text[open.len() + inner.len() + close.len()..];
    let is_one = match open {
        // Sums of money are no formulas.
        "$" => {
            !inner.is_empty()
                && !inner.contains('\n')
                && !inner.starts_with(char::is_whitespace)
                && !inner.ends_with(char::is_whitespace)
                && !after.starts_with(|c: char| c.is_ascii_digit())
        }
        _ => !inner.trim().is_empty() && !inner.contains("\n\n"),
    };
    is_one.then_some(open.len() + inner.len() + close.len())
}

fn escape(formula: &str, to: &mut String) {
    for c in formula.chars() {
        if c.is_ascii_punctuation() {
            to.push('\\');
        }
        to.push(c);
    }
}
