//! A chart of rows with a common axis: a point or a bar with its interval in each. The waterfall
//! and the forest plot are such charts.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::ReportError;
use crate::figure::render_svg;
use crate::font::FONT;
use crate::palette::GRID;

/// Mark of a row in the chart.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// A bar between two values of the axis.
    Bar(f64, f64),
    /// A point at a value of the axis.
    Point(f64),
    /// No mark, since nothing has been measured.
    Nothing,
}

/// A row of a chart.
#[derive(Clone, Debug)]
pub struct ChartRow {
    /// Text left of the row.
    pub label: String,
    /// Mark in the chart.
    pub mark: Mark,
    /// Lower and upper end of the confidence interval over seeds, on the axis.
    pub interval: Option<(f64, f64)>,
    /// The same over seeds and images.
    pub wide: Option<(f64, f64)>,
    /// Colour of the mark.
    pub color: RGBColor,
    /// Text right of the row.
    pub text: String,
}

/// A chart of rows.
#[derive(Clone, Debug)]
pub struct RowChart {
    /// Title above the chart.
    pub title: String,
    /// Label of the axis.
    pub axis: String,
    /// Lowest and highest visible value of the axis.
    pub range: (f64, f64),
    /// Rows from top to bottom.
    pub rows: Vec<ChartRow>,
}

const TOP: i32 = 42;
const ROW: i32 = 30;
const BOTTOM: i32 = 52;
/// Least room for the texts right of the rows.
const TEXT_WIDTH: i32 = 210;
const CHART_WIDTH: i32 = 470;
/// Mean width of a letter of the labels, in pixels.
const LETTER: f64 = 6.9;

impl RowChart {
    /// The chart as an SVG document.
    ///
    /// # Errors
    /// When plotters refuses.
    pub fn svg(&self) -> Result<String, ReportError> {
        render_svg(self.size(), &self.title, |root| self.draw(root))
    }

    fn label_width(&self) -> i32 {
        self.longest(|row| &row.label)
    }

    fn text_width(&self) -> i32 {
        self.longest(|row| &row.text).max(TEXT_WIDTH)
    }

    /// Room for the longest of some texts.
    fn longest(&self, text: impl Fn(&ChartRow) -> &str) -> i32 {
        let longest = self.rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0);
        (longest as f64 * LETTER) as i32 + 24
    }

    fn size(&self) -> (u32, u32) {
        let height = TOP + ROW * self.rows.len() as i32 + BOTTOM;
        ((self.label_width() + CHART_WIDTH + self.text_width()) as u32, height as u32)
    }

    fn draw<B: DrawingBackend>(
        &self,
        root: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        root.fill(&WHITE)?;
        let left = self.label_width();
        let (low, high) = self.range;
        let x = |value: f64| {
            left + ((value - low) / (high - low) * f64::from(CHART_WIDTH)).round() as i32
        };
        let bottom = TOP + ROW * self.rows.len() as i32;
        let text = |size: i32| (FONT, size).into_font().color(&BLACK);
        root.draw(&Text::new(
            self.title.as_str(),
            (14, 12),
            (FONT, 16).into_font().style(FontStyle::Bold).color(&BLACK),
        ))?;
        for tick in ticks(low, high) {
            root.draw(&PathElement::new(
                vec![(x(tick), TOP), (x(tick), bottom)],
                GRID.stroke_width(1),
            ))?;
            let name = if high - low < 0.1 {
                format!("{:.1}", tick * 100.0)
            } else {
                format!("{:.0}", tick * 100.0)
            };
            root.draw(&Text::new(name, (x(tick) - 8, bottom + 8), text(12)))?;
        }
        root.draw(&Text::new(self.axis.as_str(), (left, bottom + 28), text(13)))?;
        for (row, top) in self.rows.iter().zip((TOP..).step_by(ROW as usize)) {
            let middle = top + ROW / 2;
            root.draw(&Text::new(row.label.as_str(), (12, middle - 7), text(13)))?;
            match row.mark {
                Mark::Bar(from, to) => {
                    let (from, to) = (x(from.min(to)), x(from.max(to)).max(x(from.min(to)) + 2));
                    root.draw(&Rectangle::new(
                        [(from, top + 6), (to, top + ROW - 6)],
                        row.color.filled(),
                    ))?;
                }
                Mark::Point(value) => {
                    root.draw(&Circle::new((x(value), middle), 5, row.color.filled()))?
                }
                Mark::Nothing => {}
            }
            for (interval, width, cap) in [(row.wide, 1, 3), (row.interval, 3, 5)] {
                let Some((from, to)) = interval else { continue };
                let (from, to) = (x(from.max(low)), x(to.min(high)));
                for (line, width) in [
                    (vec![(from, middle), (to, middle)], width),
                    (vec![(from, middle - cap), (from, middle + cap)], 1),
                    (vec![(to, middle - cap), (to, middle + cap)], 1),
                ] {
                    root.draw(&PathElement::new(line, BLACK.stroke_width(width)))?;
                }
            }
            root.draw(&Text::new(
                row.text.as_str(),
                (left + CHART_WIDTH + 12, middle - 7),
                text(13),
            ))?;
        }
        root.present()
    }
}

/// Round numbers across a range, at most a dozen.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];
    let step = steps.into_iter().find(|step| (high - low) / step <= 12.0).unwrap_or(high - low);
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|number| number as f64 * step).collect()
}

/// A range that shows all of some values with a margin, within [0, 1].
pub(crate) fn padded_range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return (0.0, 1.0);
    }
    let margin = ((high - low) * 0.06).max(0.005);
    ((low - margin).max(0.0), (high + margin).min(1.0))
}
