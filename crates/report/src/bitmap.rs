//! Drawings as PNG files.

use plotters::coord::Shift;
use plotters::prelude::*;
use tempfile::TempDir;

use crate::ReportError;
use crate::font::register_fonts;

/// Draws a picture of a size and gives its bytes as a PNG file; `name` is for messages.
pub(crate) fn render_png(
    size: (u32, u32),
    name: &str,
    draw: impl FnOnce(&DrawingArea<BitMapBackend<'_>, Shift>) -> Result<(), String>,
) -> Result<Vec<u8>, ReportError> {
    register_fonts();
    let drawing = |reason: String| ReportError::Drawing { name: name.to_owned(), reason };
    let io = |source| ReportError::Io { name: name.to_owned(), source };
    // plotters encodes bitmaps into a file alone.
    let desk = TempDir::new().map_err(io)?;
    let drawn = desk.path().join("drawn.png");
    {
        let root = BitMapBackend::new(&drawn, size).into_drawing_area();
        draw(&root).map_err(drawing)?;
        root.present().map_err(|error| drawing(error.to_string()))?;
    }
    std::fs::read(&drawn).map_err(io)
}
