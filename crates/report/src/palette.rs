//! The colours of Okabe & Ito (2008), "Color Universal Design": told apart with any kind of colour
//! vision.

use plotters::style::RGBColor;

/// Black, for what was not measured here.
pub(crate) const BLACK: RGBColor = RGBColor(0, 0, 0);
/// For validation.
pub(crate) const BLUE: RGBColor = RGBColor(0, 114, 178);
/// For training.
pub(crate) const ORANGE: RGBColor = RGBColor(230, 159, 0);
/// For test.
pub(crate) const GREEN: RGBColor = RGBColor(0, 158, 115);

/// Colours for the levels of a factor, in order.
pub(crate) const LEVELS: [RGBColor; 7] = [
    BLUE,
    RGBColor(213, 94, 0),
    GREEN,
    RGBColor(204, 121, 167),
    ORANGE,
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
];

/// For lines that only help to read.
pub(crate) const GRID: RGBColor = RGBColor(225, 225, 225);
/// For what adds.
pub(crate) const UP: RGBColor = RGBColor(213, 94, 0);
/// For what takes.
pub(crate) const DOWN: RGBColor = RGBColor(86, 180, 233);
/// For what stands by itself.
pub(crate) const NEUTRAL: RGBColor = RGBColor(60, 60, 60);
