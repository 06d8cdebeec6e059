//! Base64 with the digits of URLs and without padding, as signed tokens are written.

/// Bytes as base64url.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let sixes = bits.as_bytes().chunks(6).map(|six| {
        let six = format!("{:0<6}", std::str::from_utf8(six).unwrap());
        char::from(digits[usize::from_str_radix(&six, 2).unwrap()])
    });
    sixes.collect()
}
