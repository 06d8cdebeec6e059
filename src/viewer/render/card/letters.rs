//! Text on a picture: lines that fit, and their letters as shapes.

use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::raw::ReadError;
use skrifa::{FontRef, GlyphId, MetadataProvider as _};
use tiny_skia::{FillRule, PathBuilder, Pixmap, Transform};

use crate::viewer::render::card::paint::paint;

/// Number of letters up to which a word at the end is left out rather than cut.
const WORD_LETTERS: usize = 12;

/// A font that lives as long as the program.
#[derive(Clone)]
pub(super) struct Font(FontRef<'static>);

impl std::fmt::Debug for Font {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Font")
    }
}

/// Letters that fit on a line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    letters: Vec<Letter>,
    size: f32,
}

#[derive(Debug, Clone, Copy)]
struct Letter {
    glyph: GlyphId,
    advance: f32,
    is_space: bool,
}

impl Line {
    /// Width of the line, in pixels.
    pub(super) fn width(&self) -> f32 {
        self.letters.iter().map(|letter| letter.advance).sum()
    }
}

impl Font {
    pub(super) fn new(bytes: &'static [u8]) -> Result<Self, ReadError> {
        Ok(Self(FontRef::new(bytes)?))
    }

    /// The text in at most so many lines, broken between words, or within one that is wider than a line. What does not fit
    /// ends in an ellipsis.
    pub(super) fn lines(&self, text: &str, size: f32, width: f32, lines_max: usize) -> Vec<Line> {
        // No line has more letters than this, whatever they are.
        let mut letters: Vec<_> = text.chars().take(1_000).filter_map(|c| self.letter(c, size)).collect();
        let mut lines = Vec::new();
        while !letters.is_empty() && lines.len() < lines_max {
            let mut end = fitting(&letters, width);
            if end < letters.len() {
                if lines.len() + 1 == lines_max {
                    let ellipsis = self.letter('…', size);
                    let room = width - ellipsis.map_or(0.0, |letter| letter.advance);
                    letters.truncate(fitting(&letters, room));
                    // Between words, if one ends near.
                    let near = letters.len().saturating_sub(WORD_LETTERS);
                    let space = letters[near..].iter().rposition(|letter| letter.is_space);
                    letters.truncate(space.map_or(letters.len(), |space| near + space));
                    letters.extend(ellipsis);
                    end = letters.len();
                } else if let Some(space) = letters[..=end].iter().rposition(|letter| letter.is_space) {
                    end = space;
                }
            }
            let rest = letters.split_off(end.max(1).min(letters.len()));
            lines.push(Line { letters, size });
            letters = rest.into_iter().skip_while(|letter| letter.is_space).collect();
        }
        lines
    }

    /// Draws a line, whose letters stand on `baseline`.
    pub(super) fn draw(&self, picture: &mut Pixmap, line: &Line, mut x: f32, baseline: f32, ink: [u8; 3]) {
        let paint = paint(ink);
        let outlines = self.0.outline_glyphs();
        for letter in &line.letters {
            let path = outlines.get(letter.glyph).and_then(|outline| {
                let mut pen = Pen(PathBuilder::new());
                let settings = DrawSettings::unhinted(Size::new(line.size), LocationRef::default());
                outline.draw(settings, &mut pen).ok()?;
                pen.0.finish()
            });
            if let Some(path) = path {
                let place = Transform::from_translate(x, baseline);
                picture.fill_path(&path, &paint, FillRule::Winding, place, None);
            }
            x += letter.advance;
        }
    }

    /// What of a text can be drawn, with an ellipsis for words that cannot. `None` if that is less than half of it: then it would
    /// say something else. What is no letter, such as an emoji, is left out.
    pub(super) fn drawable(&self, text: &str) -> Option<String> {
        let (mut kept, mut drawn, mut missing) = (String::with_capacity(text.len()), 0, 0);
        for c in text.chars().take(1_000) {
            if c.is_whitespace() || is_invisible(c) || self.glyph(c).is_some() {
                drawn += usize::from(c.is_alphanumeric());
                kept.push(c);
            } else if c.is_alphanumeric() {
                missing += 1;
                if !kept.ends_with('…') {
                    kept.push('…');
                }
            }
        }
        let kept = kept.split_whitespace().collect::<Vec<_>>().join(" ");
        (missing <= drawn && (!kept.is_empty() || text.trim().is_empty())).then_some(kept)
    }

    fn glyph(&self, c: char) -> Option<GlyphId> {
        self.0.charmap().map(c).filter(|glyph| *glyph != GlyphId::NOTDEF)
    }

    /// `None` for what the font has no shape for.
    fn letter(&self, c: char, size: f32) -> Option<Letter> {
        if is_invisible(c) {
            return None;
        }
        let c = if c.is_whitespace() { ' ' } else { c };
        let glyph = self.glyph(c)?;
        let metrics = self.0.glyph_metrics(Size::new(size), LocationRef::default());
        Some(Letter { glyph, advance: metrics.advance_width(glyph)?, is_space: c == ' ' })
    }
}

/// Number of letters that fit into a width.
fn fitting(letters: &[Letter], width: f32) -> usize {
    let mut taken = 0.0;
    letters
        .iter()
        .position(|letter| {
            taken += letter.advance;
            taken > width
        })
        .unwrap_or(letters.len())
}

/// Joiners, marks that change the letter before, and what steers a terminal or the direction of text.
fn is_invisible(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c, '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0000}'..='\u{e01ef}')
}

/// Takes an outline, whose y grows upwards, to a path, whose y grows downwards.
struct Pen(PathBuilder);

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, -y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, -y);
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        self.0.quad_to(cx, -cy, x, -y);
    }

    fn curve_to(&mut self, c0x: f32, c0y: f32, c1x: f32, c1y: f32, x: f32, y: f32) {
        self.0.cubic_to(c0x, -c0y, c1x, -c1y, x, -y);
    }

    fn close(&mut self) {
        self.0.close();
    }
}
