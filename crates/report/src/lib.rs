//! Pictures of results: SVG for reading, PNG for showing, with a font that is compiled in and colours that colour-blind readers tell apart.

mod curves;
mod error;
mod figure;
mod font;
mod overview;
mod palette;
mod sheet;

pub use curves::{Overlay, curves};
pub use error::ReportError;
pub use figure::{Figure, LegendEntry, Line, Panel, Stroke};
pub use overview::overview;
pub use sheet::{Sheet, SheetRow};
