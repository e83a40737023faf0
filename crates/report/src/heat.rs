//! How far each tensor has drifted by each epoch, as a map: the darker, the further.

use plotters::coord::Shift;
use plotters::prelude::*;
use thaw_analysis::DriftCurve;

use crate::ReportError;
use crate::figure::render_svg;
use crate::font::FONT;
use crate::number::magnitude;

/// Drift of the tensors of one procedure's base.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftMap {
    /// Label of the procedure.
    pub procedure: String,
    /// Drift of each tensor by epoch, in the order of the layers.
    pub rows: Vec<DriftCurve>,
}

const TOP: i32 = 62;
const LEFT: i32 = 270;
const ROW: i32 = 15;
const WIDTH: i32 = 660;
const RIGHT: i32 = 90;
const BOTTOM: i32 = 76;

/// The powers of ten between which all maps can be shaded, so that they can be compared.
pub fn decades<'a>(maps: impl Iterator<Item = &'a DriftMap> + Clone) -> (i32, i32) {
    let values = || {
        maps.clone()
            .flat_map(|map| &map.rows)
            .flat_map(|row| &row.by_epoch)
            .copied()
            .filter(|value| *value > 0.0 && value.is_finite())
    };
    let lowest = values().fold(f64::INFINITY, f64::min).log10().floor();
    let highest = values().fold(0.0, f64::max).log10().ceil();
    if lowest.is_finite() && highest.is_finite() {
        (lowest as i32, (highest as i32).max(lowest as i32 + 1))
    } else {
        (-4, 0)
    }
}

impl DriftMap {
    /// The map as an SVG document, shaded between two powers of ten.
    ///
    /// # Errors
    /// When plotters refuses.
    pub fn svg(&self, decades: (i32, i32)) -> Result<String, ReportError> {
        let size =
            ((LEFT + WIDTH + RIGHT) as u32, (TOP + ROW * self.rows.len() as i32 + BOTTOM) as u32);
        render_svg(size, &self.procedure, |root| self.draw(root, decades))
    }

    fn draw<B: DrawingBackend>(
        &self,
        root: &DrawingArea<B, Shift>,
        (lowest, highest): (i32, i32),
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        root.fill(&WHITE)?;
        let text = |size: i32| (FONT, size).into_font().color(&BLACK);
        let title = (FONT, 15).into_font().style(FontStyle::Bold).color(&BLACK);
        root.draw(&Text::new("Relative drift of the base by tensor and epoch", (14, 10), title))?;
        root.draw(&Text::new(self.procedure.as_str(), (14, 34), text(12)))?;
        let shade = |value: f64| match value {
            0.0 => WHITE,
            value => ramp((value.log10() - f64::from(lowest)) / f64::from(highest - lowest)),
        };
        let epochs =
            self.rows.iter().map(|row| row.by_epoch.len()).max().unwrap_or(1).max(1) as i32;
        for (row, top) in self.rows.iter().zip((TOP..).step_by(ROW as usize)) {
            root.draw(&Text::new(row.tensor.as_str(), (14, top + 1), text(11)))?;
            for (epoch, value) in (0..).zip(&row.by_epoch) {
                let corners = [
                    (LEFT + WIDTH * epoch / epochs, top),
                    (LEFT + WIDTH * (epoch + 1) / epochs, top + ROW - 1),
                ];
                root.draw(&Rectangle::new(corners, shade(*value).filled()))?;
            }
            let last = row.by_epoch.last().map_or_else(String::new, |value| magnitude(*value));
            root.draw(&Text::new(last, (LEFT + WIDTH + 8, top + 1), text(11)))?;
        }
        let bottom = TOP + ROW * self.rows.len() as i32;
        let step = 5 * (1 + epochs / 100);
        for epoch in (1..=epochs).filter(|epoch| *epoch == 1 || epoch % step == 0) {
            let name = epoch.to_string();
            // Below the middle of its column; a digit is about 7 pixels wide.
            let middle = LEFT + WIDTH * (2 * epoch - 1) / (2 * epochs);
            let left = middle - 7 * name.len() as i32 / 2;
            root.draw(&Text::new(name, (left, bottom + 4), text(11)))?;
        }
        root.draw(&Text::new("epoch", (LEFT + WIDTH + 20, bottom + 4), text(11)))?;
        for (place, decade) in (0..).zip(lowest..=highest) {
            let left = LEFT + place * 90;
            let corners = [(left, bottom + 34), (left + 24, bottom + 50)];
            root.draw(&Rectangle::new(
                corners,
                ramp(f64::from(decade - lowest) / f64::from(highest - lowest)).filled(),
            ))?;
            root.draw(&Rectangle::new(corners, BLACK.stroke_width(1)))?;
            root.draw(&Text::new(
                10f64.powi(decade).to_string(),
                (left + 30, bottom + 36),
                text(11),
            ))?;
        }
        root.present()
    }
}

/// A shade from nearly white (0) to dark blue (1), told apart by lightness alone.
fn ramp(share: f64) -> RGBColor {
    let share = share.clamp(0.0, 1.0);
    let mix = |from: f64, to: f64| (from + (to - from) * share).round() as u8;
    RGBColor(mix(235.0, 8.0), mix(243.0, 32.0), mix(251.0, 92.0))
}
