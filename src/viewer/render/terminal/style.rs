//! How characters are drawn: what `ESC [ ... m` says, in sixteen colours.

use super::{Style, escapes};

impl Style {
    /// Takes the numbers of `ESC [ ... m`.
    pub(super) fn set(&mut self, numbers: &str) {
        let mut numbers =
            numbers.split([';', ':']).map(|text| if text.is_empty() { Some(0) } else { escapes::number(text) });
        while let Some(number) = numbers.next() {
            let Some(number) = number else { continue };
            match number {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.faint = true,
                3 => self.italic = true,
                4 => self.underlined = true,
                7 => self.inverse = true,
                22 => (self.bold, self.faint) = (false, false),
                23 => self.italic = false,
                24 => self.underlined = false,
                27 => self.inverse = false,
                30..=37 => self.ink = Some(number as u8 - 30),
                38 => self.ink = far(&mut numbers).or(self.ink),
                39 => self.ink = None,
                40..=47 => self.ground = Some(number as u8 - 40),
                48 => self.ground = far(&mut numbers).or(self.ground),
                49 => self.ground = None,
                90..=97 => self.ink = Some(number as u8 - 82),
                100..=107 => self.ground = Some(number as u8 - 92),
                _ => {}
            }
        }
    }

    /// The names by which style sheets know it, with spaces between them; empty if it is the text's own.
    pub(in crate::viewer::render) fn classes(self) -> String {
        let colour = |prefix: &str, colour: Option<u8>| colour.map(|colour| format!("{prefix}{colour}"));
        let flag = |is_so: bool, name: &str| is_so.then(|| name.to_owned());
        let all = [
            colour("t-", self.ink),
            colour("t-on-", self.ground),
            flag(self.bold, "t-bold"),
            flag(self.faint, "t-faint"),
            flag(self.italic, "t-italic"),
            flag(self.underlined, "t-under"),
            flag(self.inverse, "t-inverse"),
        ];
        all.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// A colour of 256, or one by red, green and blue: the nearest of the sixteen.
fn far(numbers: &mut impl Iterator<Item = Option<u32>>) -> Option<u8> {
    let mut next = || numbers.next().flatten();
    match next()? {
        5 => match next()? {
            number @ 0..=15 => Some(number as u8),
            number @ 16..=231 => {
                let level = |step: u32| if step == 0 { 0 } else { 55 + 40 * step };
                let cube = number - 16;
                Some(nearest([level(cube / 36), level(cube / 6 % 6), level(cube % 6)]))
            }
            number @ 232..=255 => {
                let level = 8 + 10 * (number - 232);
                Some(nearest([level; 3]))
            }
            _ => None,
        },
        2 => Some(nearest([next()?, next()?, next()?])),
        _ => None,
    }
}

/// The sixteen colours, as terminals commonly draw them.
const COLOURS: [[u32; 3]; 16] = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
    [127, 127, 127],
    [255, 0, 0],
    [0, 255, 0],
    [255, 255, 0],
    [92, 92, 255],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
];

fn nearest(colour: [u32; 3]) -> u8 {
    let distance = |other: [u32; 3]| {
        colour.iter().zip(other).map(|(one, other)| one.min(&255).abs_diff(other).pow(2)).sum::<u32>()
    };
    (0..16).min_by_key(|n| distance(COLOURS[usize::from(*n)])).unwrap_or_default()
}
