//! Formulas in Markdown: kept from being taken for Markdown, so that each stands there as it was written. The web page knows
//! formulas by the same rules (`viewer/page/app/text/markup.ts`).

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag};

/// Bytes of the longest formula. A longer text between two signs of a formula is text like any.
const FORMULA_BYTES_MAX: usize = 4 << 10;

/// The text with every sign of its formulas escaped, so that Markdown leaves them as they are. No formula begins in code, HTML or an
/// address in angle brackets, in which Markdown would show the escapes, and none has a part of these in it.
pub(super) fn kept(text: &str, options: Options) -> Cow<'_, str> {
    if memchr::memchr2(b'\\', b'$', text.as_bytes()).is_none() {
        return text.into();
    }
    let codes: Vec<Range<usize>> = Parser::new_ext(text, options)
        .into_offset_iter()
        .filter(|(event, _)| is_verbatim(event))
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

/// Whether Markdown shows the text as it is, with the escapes that are put into it.
fn is_verbatim(event: &Event<'_>) -> bool {
    match event {
        Event::Code(_) | Event::Html(_) | Event::InlineHtml(_) | Event::Start(Tag::CodeBlock(_)) => true,
        Event::Start(Tag::Link { link_type, .. }) => matches!(link_type, LinkType::Autolink | LinkType::Email),
        Event::Start(_)
        | Event::End(_)
        | Event::Text(_)
        | Event::InlineMath(_)
        | Event::DisplayMath(_)
        | Event::FootnoteReference(_)
        | Event::SoftBreak
        | Event::HardBreak
        | Event::Rule
        | Event::TaskListMarker(_) => false,
    }
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
    let inner = &inner[..memchr::memmem::find(inner.as_bytes(), close.as_bytes())?];
    // A backtick belongs to code that somebody began.
    if inner.contains('`') {
        return None;
    }
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
