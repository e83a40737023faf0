//! A figure: panels of lines in a grid, with the legend below them where it covers nothing.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::ReportError;
use crate::bitmap::render_png;
use crate::escape::shown;
use crate::font::{FONT, register_fonts};
use crate::palette::GRID;

/// Stroke of a line, by which it can be told apart without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// An unbroken line.
    Solid,
    /// A line of long dashes.
    Dashed,
    /// A line of short dashes.
    Dotted,
}

impl Stroke {
    /// Pixels that are drawn and left out in turn; nothing for an unbroken line.
    fn pattern(self) -> Option<(u32, u32)> {
        match self {
            Self::Solid => None,
            Self::Dashed => Some((7, 5)),
            Self::Dotted => Some((2, 3)),
        }
    }
}

/// A line of a panel.
#[derive(Clone, Debug)]
pub struct Line {
    /// Points in ascending order of x.
    pub points: Vec<(f64, f64)>,
    /// Colour of the line.
    pub color: RGBColor,
    /// Opacity from 0 (invisible) to 1 (opaque).
    pub opacity: f64,
    /// Width in pixels.
    pub width: u32,
    /// Stroke of the line.
    pub stroke: Stroke,
}

/// A shaded area behind the lines.
#[derive(Clone, Debug)]
pub struct ShadedArea {
    /// Corners of the area.
    pub outline: Vec<(f64, f64)>,
    /// Colour of which the area has a light shade.
    pub color: RGBColor,
}

/// One diagram of a figure.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Title above the diagram.
    pub title: String,
    /// Label of the y axis.
    pub y_label: String,
    /// Lowest and highest visible value of y.
    pub y_range: (f64, f64),
    /// Lines in the order in which they are drawn.
    pub lines: Vec<Line>,
    /// Areas behind the lines.
    pub shaded_areas: Vec<ShadedArea>,
    /// Values of x at which an upright line is drawn behind everything else.
    pub marks: Vec<f64>,
}

/// An entry of the legend.
#[derive(Clone, Debug)]
pub struct LegendEntry {
    /// Text of the entry.
    pub label: String,
    /// Colour of the lines that the entry explains.
    pub color: RGBColor,
    /// Stroke of the lines that the entry explains.
    pub stroke: Stroke,
}

/// A figure with the number of the epoch on every x axis.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Title above the figure.
    pub title: String,
    /// Panels, row after row.
    pub panels: Vec<Panel>,
    /// Number of panels in a row.
    pub columns: usize,
    /// Width and height of a panel, in pixels.
    pub panel_size: (u32, u32),
    /// Entries of the legend below the panels.
    pub legend: Vec<LegendEntry>,
}

const TITLE_HEIGHT: u32 = 40;
const LEGEND_LINE: u32 = 26;
/// Least width of a column of the legend, in pixels, and width of a letter in it.
const LEGEND_COLUMN: u32 = 300;
const LEGEND_LETTER: u32 = 8;

impl Figure {
    /// The figure as a PNG file.
    ///
    /// # Errors
    /// When plotters refuses.
    pub fn png(&self) -> Result<Vec<u8>, ReportError> {
        render_png(self.size(), &self.title, |root| {
            self.draw(root).map_err(|error| error.to_string())
        })
    }

    /// The figure as an SVG document.
    ///
    /// # Errors
    /// When plotters refuses.
    pub fn svg(&self) -> Result<String, ReportError> {
        render_svg(self.size(), &self.title, |root| self.draw(root))
    }

    fn rows(&self) -> usize {
        self.panels.len().div_ceil(self.columns)
    }

    /// Width of a column of the legend, in which the longest entry has room.
    fn legend_column(&self) -> u32 {
        let letters =
            self.legend.iter().map(|entry| entry.label.chars().count()).max().unwrap_or(0);
        LEGEND_COLUMN.max(letters as u32 * LEGEND_LETTER + 120)
    }

    fn legend_columns(&self) -> u32 {
        (self.panel_size.0 * self.columns as u32 / self.legend_column()).max(1)
    }

    fn size(&self) -> (u32, u32) {
        let legend = (self.legend.len() as u32).div_ceil(self.legend_columns()) * LEGEND_LINE + 12;
        (
            self.panel_size.0 * self.columns as u32,
            TITLE_HEIGHT + self.panel_size.1 * self.rows() as u32 + legend,
        )
    }

    fn draw<B: DrawingBackend>(
        &self,
        root: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        root.fill(&WHITE)?;
        let (head, below) = root.split_vertically(TITLE_HEIGHT);
        let style = (FONT, 17).into_font().style(FontStyle::Bold).color(&BLACK);
        head.draw(&Text::new(self.title.as_str(), (14, 12), style))?;
        let (body, foot) = below.split_vertically(self.panel_size.1 * self.rows() as u32);
        for (panel, area) in self.panels.iter().zip(body.split_evenly((self.rows(), self.columns)))
        {
            panel.draw(&area)?;
        }
        for (index, entry) in (0u32..).zip(&self.legend) {
            let (column, row) = (index % self.legend_columns(), index / self.legend_columns());
            let (x, y) =
                ((column * self.legend_column() + 60) as i32, (row * LEGEND_LINE + 14) as i32);
            for (from, to) in dashes(entry.stroke, 34) {
                foot.draw(&PathElement::new(
                    vec![(x + from, y), (x + to, y)],
                    entry.color.stroke_width(3),
                ))?;
            }
            foot.draw(&Text::new(
                entry.label.as_str(),
                (x + 42, y - 7),
                (FONT, 14).into_font().color(&BLACK),
            ))?;
        }
        root.present()
    }
}

/// Draws an SVG document in memory. `title` is only used in messages.
pub(crate) fn render_svg<F>(size: (u32, u32), title: &str, draw: F) -> Result<String, ReportError>
where
    F: for<'a> FnOnce(
        &DrawingArea<SVGBackend<'a>, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<std::io::Error>>,
{
    register_fonts();
    let mut svg = String::new();
    let outcome = draw(&SVGBackend::with_string(&mut svg, size).into_drawing_area());
    outcome
        .map_err(|error| ReportError::Drawing { name: title.into(), reason: error.to_string() })?;
    Ok(shown(svg))
}

/// The strokes of a line of some length.
fn dashes(stroke: Stroke, length: i32) -> Vec<(i32, i32)> {
    let Some((drawn, left_out)) = stroke.pattern() else { return vec![(0, length)] };
    (0..length)
        .step_by((drawn + left_out) as usize)
        .map(|start| (start, (start + drawn as i32).min(length)))
        .collect()
}

impl Panel {
    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let last =
            self.lines.iter().flat_map(|line| &line.points).map(|(x, _)| *x).fold(2.0, f64::max);
        let mut chart = ChartBuilder::on(area)
            .caption(self.title.as_str(), (FONT, 14).into_font().color(&BLACK))
            .margin(8)
            .x_label_area_size(40)
            .y_label_area_size(58)
            .build_cartesian_2d(1.0..last, self.y_range.0..self.y_range.1)?;
        let whole = |x: &f64| format!("{x:.0}");
        chart
            .configure_mesh()
            .x_desc("epoch")
            .y_desc(self.y_label.as_str())
            .x_labels(last.min(8.0) as usize)
            .x_label_formatter(&whole)
            .y_label_formatter(&|y| format!("{y:.2}"))
            .axis_desc_style((FONT, 13))
            .label_style((FONT, 12))
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .draw()?;
        for mark in &self.marks {
            let upright = [(*mark, self.y_range.0), (*mark, self.y_range.1)];
            chart.draw_series(DashedLineSeries::new(
                upright,
                4,
                4,
                BLACK.mix(0.5).stroke_width(1),
            ))?;
        }
        for area in &self.shaded_areas {
            chart.draw_series(std::iter::once(Polygon::new(
                area.outline.clone(),
                area.color.mix(0.15),
            )))?;
        }
        for line in &self.lines {
            let style = line.color.mix(line.opacity).stroke_width(line.width);
            // A line through one point cannot be seen.
            if let [point] = line.points[..] {
                let dot = Circle::new(point, line.width + 1, style.filled());
                chart.draw_series(std::iter::once(dot))?;
            }
            match line.stroke.pattern() {
                None => chart.draw_series(LineSeries::new(line.points.iter().copied(), style))?,
                Some((drawn, left_out)) => chart.draw_series(DashedLineSeries::new(
                    line.points.iter().copied(),
                    drawn,
                    left_out,
                    style,
                ))?,
            };
        }
        Ok(())
    }
}
