//! Drawings and pictures as PNG and JPEG files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::ExtendedColorType::Rgb8;
use image::codecs::jpeg::JpegEncoder;
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
    let io = |source| ReportError::Io { name: name.to_owned(), source };
    // plotters encodes bitmaps into a file alone.
    let desk = TempDir::new().map_err(io)?;
    let drawn = desk.path().join("drawn.png");
    render(BitMapBackend::new(&drawn, size), name, draw)?;
    std::fs::read(&drawn).map_err(io)
}

/// The same as a JPEG file.
pub(crate) fn render_jpeg(
    size: (u32, u32),
    name: &str,
    draw: impl FnOnce(&DrawingArea<BitMapBackend<'_>, Shift>) -> Result<(), String>,
) -> Result<Vec<u8>, ReportError> {
    let mut pixels = vec![0; 3 * size.0 as usize * size.1 as usize];
    render(BitMapBackend::with_buffer(&mut pixels, size), name, draw)?;
    jpeg(&pixels, size)
}

/// Draws until the file or the buffer of the backend is full.
fn render(
    backend: BitMapBackend<'_>,
    name: &str,
    draw: impl FnOnce(&DrawingArea<BitMapBackend<'_>, Shift>) -> Result<(), String>,
) -> Result<(), ReportError> {
    register_fonts();
    let root = backend.into_drawing_area();
    let drawn = draw(&root).and_then(|()| root.present().map_err(|error| error.to_string()));
    drawn.map_err(|reason| ReportError::Drawing { name: name.to_owned(), reason })
}

/// A picture as a JPEG file. `pixels` holds red, green and blue of each pixel, row after row.
///
/// # Errors
/// When the encoder refuses the size.
pub fn jpeg(pixels: &[u8], (width, height): (u32, u32)) -> Result<Vec<u8>, ReportError> {
    const QUALITY: u8 = 80;
    let mut file = Vec::new();
    let encoded =
        JpegEncoder::new_with_quality(&mut file, QUALITY).encode(pixels, width, height, Rgb8);
    encoded.map_err(|error| ReportError::Drawing {
        name: format!("a picture of {width}×{height} pixels"),
        reason: error.to_string(),
    })?;
    Ok(file)
}

/// A JPEG file as an address that holds it.
pub fn data_url(jpeg: &[u8]) -> String {
    format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg))
}
