//! Base64 in the standard alphabet: written without padding, read with or without.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of each byte that is a digit; 64 for the others.
const DIGITS: [u8; 256] = {
    let mut digits = [64; 256];
    let mut at = 0;
    while at < 64 {
        digits[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    digits
};

/// Appends `bytes` as base64 without padding, which every version of the official package reads.
pub(super) fn write(out: &mut String, bytes: &[u8]) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0_u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for digit in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
}

/// The bytes of a base64 text, or `None` if it is not one: a byte outside the alphabet, a length that is impossible, or
/// padding that is too much. Bits after the last byte are ignored, as browsers do.
pub(super) fn read(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let text = &text[..text.len() - padding];
    if text.len() % 4 == 1 || (padding > 0 && !(text.len() + padding).is_multiple_of(4)) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.chunks(4) {
        let mut bits = 0_u32;
        for (at, byte) in chunk.iter().enumerate() {
            let digit = DIGITS[usize::from(*byte)];
            if digit == 64 {
                return None;
            }
            bits |= u32::from(digit) << (18 - 6 * at);
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_with_and_without_padding() {
        let all: Vec<u8> = (0..=255).collect();
        for length in 0..all.len() {
            let mut text = String::new();
            write(&mut text, &all[..length]);
            assert_eq!(read(text.as_bytes()).as_deref(), Some(&all[..length]), "{text}");
            text.extend(std::iter::repeat_n('=', (4 - text.len() % 4) % 4));
            assert_eq!(read(text.as_bytes()).as_deref(), Some(&all[..length]), "{text}");
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["A", "AAAAA", "@@@@", "AA=", "A===", "AA==AA==", "AA A", "_-_-", "====", "AAAA="] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read(b""), Some(Vec::new()));
    }
}
