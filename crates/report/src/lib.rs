//! Pictures of results, SVG for reading and PNG for showing, with a font that is compiled in and
//! colours that colour-blind readers tell apart; and the report, one HTML page that holds them all.
//!
//! In the order in which one meets them:
//!
//! - [`curves()`] and [`overview()`]: accuracy and loss by epoch, as a [`Figure`] of [`Panel`]s.
//! - [`waterfall()`], [`shares`] and [`forest`]: numbers with intervals, as a [`RowChart`].
//! - [`DriftMap`]: how far each tensor moved. [`Sheet`]: images side by side.
//! - [`percent`], [`points`], [`magnitude`]: numbers as people read them.
//! - [`Page`]: the report. It loads nothing from anywhere, and text from files is escaped.
//!
//! Accuracies come in as fractions of 1 and are shown in percent.
//!
//! ```
//! use thaw_analysis::{MeasuredRung, Sample};
//!
//! let sample = |accuracies: [f64; 3]| Sample::new(accuracies.to_vec()).expect("numbers");
//! let steps = [
//!     MeasuredRung {
//!         label: "cached features".to_owned(),
//!         estimate: Some(sample([0.90, 0.91, 0.90]).estimate()),
//!         differences: None,
//!         equal: false,
//!     },
//!     MeasuredRung {
//!         label: "matching pixels".to_owned(),
//!         estimate: Some(sample([0.96, 0.97, 0.97]).estimate()),
//!         differences: Some(sample([0.06, 0.06, 0.07])),
//!         equal: false,
//!     },
//! ];
//! let chart = thaw_report::waterfall(&steps).expect("two rungs were measured");
//! let svg = chart.svg()?;
//! assert!(svg.starts_with("<svg"));
//! assert!(svg.contains("matching pixels") && svg.contains("+6.33"));
//! # Ok::<(), thaw_report::ReportError>(())
//! ```

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
mod table;
mod tables;
mod variants;
mod waterfall;

pub use curves::{Overlay, curves};
pub use error::ReportError;
pub use figure::{Figure, LegendEntry, Line, Panel, ShadedArea, Stroke};
pub use heat::{DriftMap, decades};
pub use number::{changed, magnitude, measured, percent, points, resampled_change};
pub use overview::overview;
pub use page::{ContactSheet, Division, Page};
pub use rows::{ChartRow, Mark, RowChart};
pub use sheet::{Sheet, SheetRow};
pub use table::{Entry, Table};
pub use tables::{
    interactions_table, ladder_table, orders, procedures_table, shares_table, single_changes_table,
    unit,
};
pub use variants::variants;
pub use waterfall::{forest, shares, waterfall};
