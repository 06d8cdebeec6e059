//! The picture of a share that other sites show beside a link to it: 1200 by 630 pixels, as Open Graph asks.
//!
//! Drawn from an [`About`] with the two fonts beside this file (Inter, under the SIL Open Font License, `card/OFL.txt`: its
//! Latin, Greek and Cyrillic letters). A title of which they have less than half the letters is left out, and of others an ellipsis
//! stands for what they do not have: nobody reads boxes. It costs some milliseconds of a thread and 3 MB while it is drawn: callers draw a few at once.

mod letters;
mod paint;

use skrifa::raw::ReadError;
use tiny_skia::{FillRule, PathBuilder, Pixmap, Rect, Transform};

use self::letters::{Font, Line};
use self::paint::{color, paint};
use crate::viewer::render::about::About;

const WIDTH: u32 = 1_200;
const HEIGHT: u32 = 630;
/// The title of a share whose own cannot be drawn.
const UNTITLED: &str = "A shared session";
/// Pixels between the picture's edge and what is on it.
const MARGIN: f32 = 72.0;
/// Pixels that a line may be wide.
const LINE_WIDTH: f32 = WIDTH as f32 - 2.0 * MARGIN;

// The dark colours of the web page.
const GROUND: [u8; 3] = [0x13, 0x13, 0x11];
const PANEL: [u8; 3] = [0x1e, 0x1e, 0x1a];
const INK: [u8; 3] = [0xec, 0xe9, 0xe1];
const SOFT: [u8; 3] = [0xbc, 0xb7, 0xab];
const FAINT: [u8; 3] = [0x98, 0x92, 0x84];
const ACCENT: [u8; 3] = [0xff, 0x9d, 0x68];
/// The accent, seen through to the ground.
const ACCENT_SOFT: [u8; 3] = [0x95, 0x5f, 0x41];

/// Draws cards.
#[derive(Debug)]
pub struct Card {
    regular: Font,
    bold: Font,
}

/// A card could not be drawn: a font could not be read, or there was no memory for the picture.
#[derive(Debug, thiserror::Error)]
#[error("the card could not be drawn: {0}")]
pub struct NotDrawn(&'static str);

impl From<ReadError> for NotDrawn {
    fn from(_: ReadError) -> Self {
        Self("a font cannot be read")
    }
}

impl Card {
    /// Reads the fonts.
    ///
    /// # Errors
    /// A font cannot be read, which a test rules out.
    pub fn new() -> Result<Self, NotDrawn> {
        let regular = Font::new(include_bytes!("card/inter-400.ttf"))?;
        let bold = Font::new(include_bytes!("card/inter-600.ttf"))?;
        Ok(Self { regular, bold })
    }

    /// Draws the picture of a share, as PNG.
    ///
    /// # Errors
    /// There is no memory for the picture.
    pub fn draw(&self, about: &About) -> Result<Vec<u8>, NotDrawn> {
        let mut picture = Pixmap::new(WIDTH, HEIGHT).ok_or(NotDrawn("no memory for the picture"))?;
        picture.fill(color(GROUND));
        self.brand(&mut picture);
        let title = self.bold.drawable(&about.title).unwrap_or_else(|| UNTITLED.to_owned());
        let (size, title) = self.title(&title);
        let mut baseline = 214.0 + size * 0.36;
        for line in &title {
            self.bold.draw(&mut picture, line, MARGIN, baseline, INK);
            baseline += size * 1.18;
        }
        if let Some(first) = about.first.as_ref().and_then(|first| self.regular.drawable(first)) {
            let room = if title.len() > 2 { 1 } else { 2 };
            baseline += 10.0;
            for line in self.regular.lines(&format!("“{first}”"), 31.0, LINE_WIDTH, room) {
                self.regular.draw(&mut picture, &line, MARGIN, baseline, SOFT);
                baseline += 44.0;
            }
        }
        self.facts(&mut picture, &about.facts());
        picture.encode_png().map_err(|_| NotDrawn("the picture cannot be packed"))
    }

    /// Draws the mark and the name, at the top.
    fn brand(&self, picture: &mut Pixmap) {
        let (x, y) = (MARGIN, 66.0);
        bar(picture, Rect::from_xywh(x, y + 20.0, 19.0, 28.0), ACCENT_SOFT);
        bar(picture, Rect::from_xywh(x + 26.0, y, 19.0, 48.0), ACCENT);
        for line in self.bold.lines("capshare", 38.0, LINE_WIDTH, 1) {
            self.bold.draw(picture, &line, x + 66.0, y + 38.0, INK);
        }
        for line in self.regular.lines("shared agent session", 26.0, LINE_WIDTH, 1) {
            self.regular.draw(picture, &line, WIDTH as f32 - MARGIN - line.width(), y + 36.0, FAINT);
        }
    }

    /// Draws the title, in the largest size in which it fits.
    fn title(&self, title: &str) -> (f32, Vec<Line>) {
        for size in [76.0, 64.0] {
            let lines = self.bold.lines(title, size, LINE_WIDTH, 3);
            if lines.len() <= 2 {
                return (size, lines);
            }
        }
        (54.0, self.bold.lines(title, 54.0, LINE_WIDTH, 3))
    }

    /// Draws as many of the facts as fit, in a band at the bottom.
    fn facts(&self, picture: &mut Pixmap, facts: &[String]) {
        let top = HEIGHT as f32 - 112.0;
        fill(picture, Rect::from_xywh(0.0, top, WIDTH as f32, 112.0), PANEL);
        fill(picture, Rect::from_xywh(0.0, top, WIDTH as f32, 4.0), ACCENT);
        let (mut x, dot) = (MARGIN, self.regular.lines("·", 28.0, LINE_WIDTH, 1));
        for fact in facts {
            let Some(fact) = self.regular.drawable(fact) else { continue };
            let Some(line) = self.regular.lines(&fact, 28.0, LINE_WIDTH, 1).pop() else { continue };
            if x + line.width() > MARGIN + LINE_WIDTH {
                break;
            }
            if x > MARGIN {
                dot.iter().for_each(|dot| self.regular.draw(picture, dot, x - 21.0, top + 68.0, FAINT));
            }
            self.regular.draw(picture, &line, x, top + 68.0, SOFT);
            x += line.width() + 36.0;
        }
    }
}

fn fill(picture: &mut Pixmap, rect: Option<Rect>, ink: [u8; 3]) {
    if let Some(rect) = rect {
        picture.fill_rect(rect, &paint(ink), Transform::identity(), None);
    }
}

/// Draws a bar with round corners.
fn bar(picture: &mut Pixmap, rect: Option<Rect>, ink: [u8; 3]) {
    let Some(rect) = rect else { return };
    let (radius, mut path) = (7.0, PathBuilder::new());
    let (left, top, right, bottom) = (rect.left(), rect.top(), rect.right(), rect.bottom());
    path.move_to(left + radius, top);
    path.line_to(right - radius, top);
    path.quad_to(right, top, right, top + radius);
    path.line_to(right, bottom - radius);
    path.quad_to(right, bottom, right - radius, bottom);
    path.line_to(left + radius, bottom);
    path.quad_to(left, bottom, left, bottom - radius);
    path.line_to(left, top + radius);
    path.quad_to(left, top, left + radius, top);
    path.close();
    if let Some(path) = path.finish() {
        picture.fill_path(&path, &paint(ink), FillRule::Winding, Transform::identity(), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(title: &str) -> About {
        About { title: title.to_owned(), first: Some(title.to_owned()), messages: 3, ..About::default() }
    }

    #[test]
    fn a_card_is_a_picture_of_its_size_whatever_the_title_is() {
        let card = Card::new().unwrap();
        let long = "word ".repeat(60);
        let endless = "x".repeat(5_000);
        for title in
            ["A title", "", "漢字かな交じり文 🎉🎉", "👩‍👩‍👧‍👦 e\u{301}\u{fe0f}", &long, &endless, "\u{202e}\0\u{7f}"]
        {
            let png = card.draw(&about(title)).unwrap();
            let picture = Pixmap::decode_png(&png).unwrap();
            assert_eq!((picture.width(), picture.height()), (1_200, 630), "{title}");
        }
    }

    /// S114: no title is boxes, in whatever script it is.
    #[test]
    fn what_the_fonts_have_no_letter_for_is_left_out_and_another_title_another_picture() {
        let card = Card::new().unwrap();
        let png = |title| card.draw(&About { first: None, ..about(title) }).unwrap();
        assert_ne!(png("a"), png("b"));
        for other in
            ["修复登录页面的错误", "ログイン", "로그인", "مراجعة الكود", "שלום", "สวัสดี", "नमस्ते", "🎉", "修复登录 ab"]
        {
            assert_eq!(png(other), png(UNTITLED), "{other}");
        }
        assert_eq!(png("Mend the 登录 page 🎉"), png("Mend the … page"));
        assert_eq!(png("Привет, κόσμε"), png("Привет, κόσμε"));
        assert_ne!(png("Привет, κόσμε"), png(UNTITLED));
        let asked = card.draw(&About { first: Some("登录".to_owned()), ..about("a") }).unwrap();
        assert_eq!(asked, png("a"), "what was asked is left out too");
    }
}
