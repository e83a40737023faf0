//! Pictures of results, SVG for reading and PNG for showing, with a font that is compiled in and
//! colours that colour-blind readers tell apart; and the report, one HTML page that holds them all.

mod curves;
mod error;
mod figure;
mod font;
mod heat;
mod number;
mod overview;
mod page;
mod palette;
mod rows;
mod sheet;
mod variants;
mod waterfall;

pub use curves::{Overlay, curves};
pub use error::ReportError;
pub use figure::{Figure, LegendEntry, Line, Panel, ShadedArea, Stroke};
pub use heat::{DriftMap, decades};
pub use number::{changed, magnitude, measured, percent, points, resampled_change};
pub use overview::overview;
pub use page::{ContactSheet, Division, Page, orders};
pub use rows::{ChartRow, Mark, RowChart};
pub use sheet::{Sheet, SheetRow};
pub use variants::variants;
pub use waterfall::{forest, shares, waterfall};
