//! Pictures of results, SVG for reading and PNG for showing, with a font that is compiled in and
//! colours that colour-blind readers tell apart; and the report, one HTML page that holds them all.
//!
//! In the order in which one meets them:
//!
//! - [`curves()`] and [`overview()`]: accuracy and loss by epoch, as a [`Figure`] of [`Panel`]s.
//! - [`waterfall()`], [`shares`] and [`forest`]: numbers with intervals, as a [`RowChart`].
//! - [`DriftMap`]: how far each tensor moved. [`Sheet`]: images side by side.
//! - [`percent`], [`points`], [`magnitude`]: numbers as people read them.
//! - [`index_page`]: one page over the reports of several experiments.
//! - [`Page`]: the report. It loads nothing from anywhere, and text from files is escaped.
//! - [`markdown_text`]: such text in Markdown.
//!
//! Accuracies come in as fractions of 1 and are shown in percent.
//!
//! ```
//! use thaw_analysis::{Measurements, Results, ResultsFolder, evaluate_ladder};
//! use thaw_spec::{Experiment, Metric, Statistic};
//!
//! // The committed results of the miniature.
//! let text = std::fs::read_to_string("../../experiments/miniature.toml")?;
//! let experiment = Experiment::parse("miniature.toml", &text)?;
//! let folder = ResultsFolder::new("../../results/miniature".into());
//! let results = Results::read(&folder, &experiment)?;
//! let accuracy = Measurements::new(&results, Metric::ValidationAccuracy, Statistic::Final);
//! let steps = evaluate_ladder(&experiment.ladder, &accuracy);
//! let chart = thaw_report::waterfall(&steps, Statistic::Final).expect("it has run");
//! let svg = chart.svg()?;
//! assert!(svg.starts_with("<svg"));
//! assert!(svg.contains("the base accidentally unfrozen"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bitmap;
mod curves;
mod drift;
mod error;
mod escape;
mod figure;
mod font;
mod heat;
mod index;
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

pub use bitmap::{data_url, jpeg};
pub use curves::{Overlay, SeedLines, curves};
pub use error::ReportError;
pub use escape::markdown_text;
pub use figure::{Figure, LegendEntry, Line, Panel, ShadedArea, Stroke};
pub use heat::{DriftMap, decades};
pub use index::{IndexEntry, IndexedProcedure, index_page};
pub use number::{changed, magnitude, measured, percent, points, statistic_in_words, with_images};
pub use overview::overview;
pub use page::{ContactSheet, Division, Page, PageImages, Undivided};
pub use rows::{ChartRow, Mark, RowChart};
pub use sheet::{Sheet, SheetRow};
pub use table::{Entry, Table};
pub use tables::{
    equal_levels_in_words, interactions_table, judged_over, ladder_table, orders, procedures_table,
    shares_judged_over, shares_table, single_changes_table, unit,
};
pub use variants::variants;
pub use waterfall::{forest, shares, waterfall};
