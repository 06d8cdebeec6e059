//! Colours of a picture.

use tiny_skia::{Color, Paint};

pub(super) fn color([red, green, blue]: [u8; 3]) -> Color {
    Color::from_rgba8(red, green, blue, 255)
}

/// Paint of a colour: red, green and blue.
pub(super) fn paint(ink: [u8; 3]) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(color(ink));
    paint.anti_alias = true;
    paint
}
