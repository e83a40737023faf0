//! What can be fetched and how: a catalogue of weights and datasets, resumable downloads that are
//! checked before use, and the book's split of the cats-and-dogs archive. Nothing here runs without
//! a person's command.

mod archive;
mod catalogue;
mod checksum;
mod download;
mod error;

pub use archive::{SplitReport, split_cats_and_dogs};
pub use catalogue::{CatalogueEntry, DownloadKind, catalogue};
pub use checksum::Checksum;
pub use download::{DownloadProgress, RetryPolicy, download, verify};
pub use error::FetchError;
