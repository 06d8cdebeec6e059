//! What a terminal would obey, and what stands in its place: such characters of shares and of hosts never reach one.
//!
//! Text for people gets U+FFFD in the place of each, so that it is seen that something stood there. JSON gets an escape, so
//! that whoever parses it has the same value.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What stands for an obeyed character in text for people.
const REPLACEMENT: &str = "\u{fffd}";

/// Whether a terminal takes this character for a command (C0, DEL and C1), or shows what stands around it in another order
/// (the marks, embeddings, overrides and isolates of the bidirectional algorithm).
pub(crate) fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Lines for people: their line breaks and tabs stay.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    replaced(text, |c| is_obeyed(c) && !matches!(c, '\n' | '\t'), |to, _| to.push_str(REPLACEMENT))
}

/// A word of somebody else within a line of ours: it cannot begin another line.
pub(crate) fn word(text: &str) -> Cow<'_, str> {
    replaced(text, is_obeyed, |to, _| to.push_str(REPLACEMENT))
}

/// JSON, of the same value. Of C0 it has nothing but white space around its tokens, of which line breaks and tabs stay.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    replaced(
        text,
        |c| is_obeyed(c) && !matches!(c, '\n' | '\t'),
        |to, c| {
            if c == '\r' {
                to.push(' ');
            } else {
                // All of them are of one UTF-16 unit. Writing to memory cannot fail.
                let _never = write!(to, "\\u{:04x}", u32::from(c));
            }
        },
    )
}

fn replaced(text: &str, is_bad: impl Fn(char) -> bool, put: impl Fn(&mut String, char)) -> Cow<'_, str> {
    let Some(first) = text.find(&is_bad) else { return Cow::Borrowed(text) };
    let (good, rest) = text.split_at(first);
    let mut clean = String::with_capacity(text.len() + 16);
    clean.push_str(good);
    for c in rest.chars() {
        if is_bad(c) { put(&mut clean, c) } else { clean.push(c) }
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every character that a terminal obeys, and their neighbours, which it does not.
    #[test]
    fn what_a_terminal_obeys_is_replaced_and_nothing_else_is() {
        let obeyed: Vec<char> = ('\0'..='\u{ffff}').filter(|c| is_obeyed(*c)).collect();
        assert_eq!(obeyed.len(), 32 + 1 + 32 + 3 + 5 + 4);
        for c in &obeyed {
            let text = format!("a{c}b");
            assert_eq!(word(&text), "a\u{fffd}b", "{c:?}");
            let stays = matches!(c, '\n' | '\t');
            assert_eq!(lines(&text), if stays { text.as_str() } else { "a\u{fffd}b" }, "{c:?}");
        }
        let harmless = "plain, \u{a0}é \u{5d0}\u{639} \u{200d}\u{2065}\u{206a}\u{1f469}\u{200d}\u{1f4bb}";
        for clean in [word(harmless), lines(harmless), json(harmless)] {
            assert!(matches!(clean, Cow::Borrowed(same) if same == harmless), "{clean:?}");
        }
    }

    /// JSON stays JSON, of the same value, and says none of these characters as itself.
    #[test]
    fn json_keeps_its_value() {
        let value: String = ('\0'..='\u{2070}').collect();
        let text = format!("[\r\n\t{},\r1]", serde_json::to_string(&value).unwrap());
        let clean = json(&text);
        assert!(!clean.contains(|c| is_obeyed(c) && !matches!(c, '\n' | '\t')), "{clean:?}");
        let read: (String, u8) = serde_json::from_str(&clean).unwrap();
        assert_eq!(read, (value, 1));
    }
}
