//! Output taken apart: text, and what controls a terminal.

/// Bytes of the longest control sequence. Of a longer one this much is left out, and the rest is text.
const SEQUENCE_BYTES_MAX: usize = 256;
/// Bytes of a text for the terminal itself, such as a link or a window's title, which stands on one line.
const STRING_BYTES_MAX: usize = 8 << 10;

/// A piece of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control<'a> {
    /// Characters that are shown.
    Text(&'a str),
    LineBreak,
    /// To the line's beginning. `before_break`: it belongs to a line break that follows.
    Return {
        before_break: bool,
    },
    /// One character back.
    Back,
    /// `ESC [`, numbers, and a last letter that says what to do; or `ESC` and a letter, without numbers, as its capital (`7`, `8`, `M`).
    Sequence {
        numbers: &'a str,
        last: u8,
        is_short: bool,
    },
}

/// A number in a sequence, which is made of digits and nothing else; one that is too large for its type is the largest.
pub(super) fn number(text: &str) -> Option<u32> {
    let is_one = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_one.then(|| text.parse().unwrap_or(u32::MAX))
}

/// Pieces of output, one after the other. What controls nothing that is drawn is left out.
pub(super) struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Pieces<'a> {
    pub(super) fn of(output: &'a str) -> Self {
        Self { rest: output }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    /// What follows `ESC`, which is taken already.
    fn escape(&mut self) -> Option<Control<'a>> {
        match self.rest.as_bytes().first()? {
            b'[' => {
                self.take(1);
                self.sequence()
            }
            b']' | b'P' | b'X' | b'^' | b'_' => {
                self.take(1);
                self.string();
                None
            }
            // A set of letters is chosen: one more follows.
            0x20..=0x2f => {
                let count = self.rest.bytes().take(4).take_while(|byte| (0x20..=0x2f).contains(byte)).count();
                self.take(count);
                if self.rest.bytes().next().is_some_and(|byte| (0x30..=0x7e).contains(&byte)) {
                    self.take(1);
                }
                None
            }
            last @ 0x30..=0x7e => {
                let last = *last;
                self.take(1);
                Some(Control::Sequence { numbers: "", last, is_short: true })
            }
            _ => None,
        }
    }

    /// What follows `ESC [`.
    fn sequence(&mut self) -> Option<Control<'a>> {
        let parameters =
            self.rest.bytes().take(SEQUENCE_BYTES_MAX).take_while(|byte| (0x20..=0x3f).contains(byte)).count();
        let last = self.rest.as_bytes().get(parameters).copied().filter(|byte| (0x40..=0x7e).contains(byte));
        let numbers = self.take(parameters);
        let last = last?;
        self.take(1);
        Some(Control::Sequence { numbers, last, is_short: false })
    }

    /// A text for the terminal itself, up to its end; nothing is taken if that does not come.
    fn string(&mut self) {
        let bytes = self.rest.as_bytes();
        for (at, byte) in bytes.iter().enumerate().take(STRING_BYTES_MAX) {
            let length = match (byte, bytes.get(at + 1)) {
                (0x07, _) => 1,
                (0x1b, Some(b'\\')) | (0xc2, Some(0x9c)) => 2,
                // Another control: each that begins one would be looked for anew through all that follows.
                (0x1b | b'\n', _) | (0xc2, Some(0x80..=0x9f)) => return,
                _ => continue,
            };
            self.take(at + length);
            return;
        }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Control<'a>;

    fn next(&mut self) -> Option<Control<'a>> {
        loop {
            let text = self.rest.find(|c: char| c.is_control() && c != '\t').unwrap_or(self.rest.len());
            if text > 0 {
                return Some(Control::Text(self.take(text)));
            }
            let control = self.rest.chars().next()?;
            self.take(control.len_utf8());
            let piece = match control {
                '\n' | '\x0b' | '\x0c' | '\u{85}' => Some(Control::LineBreak),
                '\r' => {
                    let more = self.rest.bytes().take_while(|byte| *byte == b'\r').count();
                    self.take(more);
                    Some(Control::Return { before_break: self.rest.starts_with('\n') })
                }
                '\x08' => Some(Control::Back),
                '\x1b' => self.escape(),
                '\u{9b}' => self.sequence(),
                '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => {
                    self.string();
                    None
                }
                _ => None,
            };
            if piece.is_some() {
                return piece;
            }
        }
    }
}
