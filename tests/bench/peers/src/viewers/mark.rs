//! A mark is a time in a text: `@`, microseconds in 20 digits, `@`. It needs no escape in any format that events travel in.

use std::time::Duration;

/// Bytes of a mark.
pub(crate) const BYTES: usize = 22;

/// Writes a time.
pub(crate) fn write(at: Duration) -> String {
    format!("@{:020}@", at.as_micros())
}

/// An item of a share with a mark, of just so many bytes: what is sent to every system, whatever it makes of it.
pub(crate) fn item(at: Duration, bytes: usize) -> String {
    let (head, tail) = (r#"{"id":"p","messageID":"m","text":""#, r#""}"#);
    let rest = bytes.saturating_sub(head.len() + BYTES + tail.len());
    format!("{head}{}{}{tail}", write(at), "x".repeat(rest))
}

/// Hands over each mark of a text, and says from where on the text may hold the beginning of one that is not complete.
pub(crate) fn read(text: &[u8], mut heard: impl FnMut(Duration)) -> usize {
    let mut done = 0;
    while let Some(at) = memchr::memchr(b'@', &text[done..]).map(|at| at + done) {
        let Some(mark) = text.get(at..at + BYTES) else { return at };
        let digits = &mark[1..BYTES - 1];
        if mark[BYTES - 1] == b'@' && digits.iter().all(u8::is_ascii_digit) {
            let number = digits
                .iter()
                .fold(0_u64, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
            heard(Duration::from_micros(number));
            done = at + BYTES;
        } else {
            done = at + 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{item, read, write};

    #[test]
    fn an_item_has_its_size_and_its_mark_is_found_once() {
        let at = Duration::from_micros(1_234_567);
        let item = item(at, 256);
        assert_eq!(item.len(), 256);
        let mut heard = Vec::new();
        assert_eq!(read(item.as_bytes(), |at| heard.push(at)), 256);
        assert_eq!(heard, [at]);
    }

    #[test]
    fn what_is_cut_is_kept_and_what_is_no_mark_is_passed() {
        let mut text = b"a@b @0@ ".to_vec();
        text.extend(&write(Duration::from_micros(5)).as_bytes()[..21]);
        let mut heard = 0;
        assert_eq!(read(&text, |_| heard += 1), 8);
        assert_eq!(heard, 0);
    }
}
