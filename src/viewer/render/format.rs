//! Figures, names and paths as people read them. The web page writes them in the same way (`viewer/page/app/model/format.ts`).

use std::borrow::Cow;

/// Writes a duration of so many milliseconds: `340 ms`, `4.2 s`, `42 s`, `3 min 12 s`, `2 h 5 min`. `None` for what no session can
/// have taken: less than nothing, more than 300 years, or no number.
pub(super) fn duration(ms: f64) -> Option<String> {
    if !(0.0..1e13).contains(&ms) {
        return None;
    }
    let whole = |n: f64| n.round() as u64;
    let seconds = whole(ms / 1_000.0);
    Some(match () {
        () if whole(ms) < 1_000 => format!("{} ms", whole(ms)),
        () if ms < 9_950.0 => format!("{:.1} s", (ms / 100.0).round() / 10.0),
        () if seconds < 60 => format!("{seconds} s"),
        () if seconds < 3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        () => {
            let minutes = whole(ms / 60_000.0);
            format!("{} h {} min", minutes / 60, minutes % 60)
        }
    })
}

/// Writes a count: 950, 2.7k, 27k, 1.2M.
pub(super) fn count(n: u64) -> String {
    let short = |n: f64, unit: &str| {
        let tenths = (n * 10.0).round() / 10.0;
        if n < 10.0 { format!("{tenths}{unit}") } else { format!("{}{unit}", n.round()) }
    };
    match n {
        0..1_000 => n.to_string(),
        1_000..999_500 => short(n as f64 / 1e3, "k"),
        _ => short(n as f64 / 1e6, "M"),
    }
}

/// Writes a sum of US dollars with two decimals, as `$0.41`; a sum of less than a cent with its first figure, as `$0.004`.
pub(super) fn money(dollars: f64) -> String {
    if dollars <= 0.0 || dollars >= 0.01 {
        return format!("${dollars:.2}");
    }
    let figures = (-dollars.log10().floor()).clamp(3.0, 12.0) as usize;
    format!("${dollars:.figures$}")
}

/// Takes the session's folder off a path that lies below it. Folders of Windows are compared without regard to case, and with either
/// separator.
pub(super) fn local<'a>(path: &'a str, folder: &str) -> &'a str {
    let folder = folder.trim_end_matches(['/', '\\']);
    let is_windows = folder.contains('\\') || folder.as_bytes().get(1) == Some(&b':');
    let Some((head, rest)) = path.split_at_checked(folder.len()) else { return path };
    let alike = |one: u8, other: u8| {
        let plain = |byte: u8| if byte == b'\\' { b'/' } else { byte.to_ascii_lowercase() };
        one == other || (is_windows && plain(one) == plain(other))
    };
    let is_below = !folder.is_empty() && head.bytes().zip(folder.bytes()).all(|(one, other)| alike(one, other));
    let rest = rest.strip_prefix('/').or_else(|| rest.strip_prefix('\\').filter(|_| is_windows));
    rest.filter(|rest| is_below && !rest.is_empty()).unwrap_or(path)
}

/// Number of bytes of the file that a `data:` URL holds; `None` if the URL is of another kind.
pub(super) fn held_bytes(url: &str) -> Option<usize> {
    let (head, data) =
        url.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:")).and_then(|_| url[5..].split_once(','))?;
    if head.to_ascii_lowercase().ends_with(";base64") {
        let digits = data.bytes().filter(|byte| !matches!(byte, b'=' | b' ' | b'\n' | b'\r')).count();
        return Some(digits * 3 / 4);
    }
    Some(data.len() - 2 * data.bytes().filter(|byte| *byte == b'%').count().min(data.len() / 3))
}

/// Puts a visible sign for each character that would change the direction of the text behind it, or control a terminal. For code and
/// output, in which each character counts.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let is_hidden = |c: char| {
        matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            || (c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
    };
    if !text.contains(is_hidden) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            // Pictures of the controls, in their order.
            '\0'..='\u{1f}' if is_hidden(c) => shown.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or(c)),
            '\u{7f}' => shown.push('\u{2421}'),
            _ if is_hidden(c) => shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(c))),
            _ => shown.push(c),
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_counts_are_rounded_before_they_are_taken_apart() {
        for (ms, said) in [
            (0.0, "0 ms"),
            (999.4, "999 ms"),
            (999.6, "1.0 s"),
            (4_240.0, "4.2 s"),
            (9_960.0, "10 s"),
            (59_400.0, "59 s"),
            (59_700.0, "1 min 0 s"),
            (239_700.0, "4 min 0 s"),
            (3_599_900.0, "1 h 0 min"),
            (7_199_000.0, "2 h 0 min"),
            (7_500_000.0, "2 h 5 min"),
        ] {
            assert_eq!(duration(ms).as_deref(), Some(said), "{ms}");
        }
        assert_eq!((duration(-1.0), duration(f64::NAN), duration(1e14)), (None, None, None));
        for (n, said) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1k"),
            (2_740, "2.7k"),
            (27_400, "27k"),
            (999_500, "1M"),
            (1_250_000, "1.3M"),
        ] {
            assert_eq!(count(n), said, "{n}");
        }
        for (dollars, said) in [(0.4127, "$0.41"), (12.0, "$12.00"), (0.004_2, "$0.004"), (0.000_06, "$0.00006")] {
            assert_eq!(money(dollars), said, "{dollars}");
        }
    }

    #[test]
    fn paths_lose_the_sessions_folder_on_either_system() {
        for (path, folder, local_path) in [
            ("/home/dev/app/src/a.rs", "/home/dev/app", "src/a.rs"),
            ("/home/dev/app/src/a.rs", "/home/dev/app/", "src/a.rs"),
            ("/home/dev/apple", "/home/dev/app", "/home/dev/apple"),
            ("/home/Dev/app/a", "/home/dev/app", "/home/Dev/app/a"),
            ("C:\\Users\\dev\\app\\src\\a.ts", "C:\\Users\\dev\\app", "src\\a.ts"),
            ("c:/Users/dev/app/src/a.ts", "C:\\Users\\dev\\app\\", "src/a.ts"),
            ("/home/dev/app", "/home/dev/app", "/home/dev/app"),
            ("é", "a", "é"),
            ("a", "", "a"),
        ] {
            assert_eq!(local(path, folder), local_path, "{path} {folder}");
        }
    }

    #[test]
    fn a_file_in_a_url_has_the_bytes_that_it_decodes_to() {
        for (url, bytes) in [
            ("data:text/plain;base64,aGVsbG8gbm90ZXM=", Some(11)),
            ("data:image/png;charset=utf-8;base64,AAAA", Some(3)),
            ("DATA:;base64,AA==", Some(1)),
            ("data:,a%20b", Some(3)),
            ("data:nothing", None),
            ("https://example.org/x,y", None),
        ] {
            assert_eq!(held_bytes(url), bytes, "{url}");
        }
    }

    #[test]
    fn what_is_hidden_in_code_is_shown() {
        assert_eq!(visible("a\t\n\u{202e}b\u{1b}[1m\u{9b}"), "a\t\n⟨U+202E⟩b␛[1m⟨U+009B⟩");
        assert!(matches!(visible("plain"), Cow::Borrowed(_)));
    }
}
