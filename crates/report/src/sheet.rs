//! A contact sheet: rows of small images with a word before each.

use plotters::coord::Shift;
use plotters::element::BitMapElement;
use plotters::prelude::*;

use crate::ReportError;
use crate::bitmap::{render_jpeg, render_png};
use crate::font::FONT;

/// A row of images of the sheet's size.
#[derive(Clone, Debug)]
pub struct SheetRow {
    /// Text left of the row.
    pub label: String,
    /// Pixels of each image: `size` × `size` times red, green, blue.
    pub images: Vec<Vec<u8>>,
}

/// A contact sheet.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Title above the sheet.
    pub title: String,
    /// Side of the images, in pixels.
    pub size: usize,
    /// Rows from top to bottom.
    pub rows: Vec<SheetRow>,
}

const TITLE_HEIGHT: usize = 36;
const LABEL_WIDTH: usize = 96;
const GAP: usize = 3;
/// Images smaller than this are shown larger, each pixel as a square.
const COMFORTABLE: usize = 72;

impl Sheet {
    /// The sheet as a PNG file.
    ///
    /// # Errors
    /// When plotters refuses.
    pub fn png(&self) -> Result<Vec<u8>, ReportError> {
        render_png(self.extent(), &self.title, |root| self.draw(root))
    }

    /// The sheet as a JPEG file, which is a fifth as large and not to the bit.
    ///
    /// # Errors
    /// When plotters or the encoder refuses.
    pub fn jpeg(&self) -> Result<Vec<u8>, ReportError> {
        render_jpeg(self.extent(), &self.title, |root| self.draw(root))
    }

    /// How many times larger than they are images are shown.
    fn zoom(&self) -> usize {
        COMFORTABLE.div_ceil(self.size.max(1)).max(1)
    }

    /// Width and height in pixels.
    fn extent(&self) -> (u32, u32) {
        let columns = self.rows.iter().map(|row| row.images.len()).max().unwrap_or(0);
        let side = self.size * self.zoom();
        let extent = |count: usize, before: usize| (before + count * (side + GAP) + GAP) as u32;
        (extent(columns, LABEL_WIDTH), extent(self.rows.len(), TITLE_HEIGHT))
    }

    fn draw(&self, root: &DrawingArea<BitMapBackend<'_>, Shift>) -> Result<(), String> {
        let zoom = self.zoom();
        let side = self.size * zoom;
        let words = |error: DrawingAreaErrorKind<_>| error.to_string();
        root.fill(&WHITE).map_err(words)?;
        let title = (FONT, 15).into_font().style(FontStyle::Bold).color(&BLACK);
        root.draw(&Text::new(self.title.as_str(), (GAP as i32 + 4, 10), title)).map_err(words)?;
        for (row, line) in self.rows.iter().enumerate() {
            let top = (TITLE_HEIGHT + row * (side + GAP)) as i32;
            let label = (FONT, 12).into_font().color(&BLACK);
            let place = (GAP as i32 + 4, top + side as i32 / 2 - 6);
            root.draw(&Text::new(line.label.as_str(), place, label)).map_err(words)?;
            for (column, image) in line.images.iter().enumerate() {
                let left = (LABEL_WIDTH + column * (side + GAP)) as i32;
                let element = BitMapElement::with_owned_buffer(
                    (left, top),
                    (side as u32, side as u32),
                    enlarge(image, self.size, zoom),
                );
                let element = element.ok_or("an image is not of the sheet's size")?;
                root.draw(&element).map_err(words)?;
            }
        }
        Ok(())
    }
}

/// Repeats each pixel `zoom` times along both axes.
fn enlarge(image: &[u8], size: usize, zoom: usize) -> Vec<u8> {
    let line =
        |row: &[u8]| row.chunks_exact(3).flat_map(|pixel| pixel.repeat(zoom)).collect::<Vec<u8>>();
    image.chunks_exact(size * 3).flat_map(|row| line(row).repeat(zoom)).collect()
}
