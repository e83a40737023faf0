//! What can be fetched and how: a catalogue of weights and datasets, resumable downloads that are
//! checked before use, and the book's split of the cats-and-dogs archive. Nothing here runs without
//! a person's command.
//!
//! In the order in which one meets them:
//!
//! - [`catalogue()`]: each [`CatalogueEntry`] has an address, a [`Checksum`] and the terms of use.
//! - [`download()`]: one file over HTTP. It goes on where it broke off, as [`RetryPolicy`] says, and
//!   gets its name only when its checksum is right.
//! - [`verify`]: the same check for a file that somebody put there. [`hub_checksum`] asks for a
//!   checksum that only the server can tell.
//! - [`split_cats_and_dogs`]: the book's split, from the archive. [`holds_split`] tells whether a folder
//!   has it.
//!
//! Sizes are in bytes.
//!
//! ```
//! use thaw_fetch::{Checksum, FetchError, catalogue, verify};
//!
//! let weights = catalogue().iter().find(|entry| entry.name == "vgg16-keras").expect("an entry");
//! assert_eq!(weights.preprocessing.as_deref(), Some("caffe"));
//!
//! // A file with other content is refused.
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join(&weights.file);
//! std::fs::write(&path, "abc")?;
//! assert!(matches!(verify(&path, &weights.checksum), Err(FetchError::WrongFile { .. })));
//!
//! let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
//! verify(&path, &Checksum::Sha256(sha256.to_owned()))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod archive;
mod catalogue;
mod checksum;
mod download;
mod error;

pub use archive::{SplitReport, holds_split, split_cats_and_dogs};
pub use catalogue::{CatalogueEntry, DownloadKind, catalogue};
pub use checksum::Checksum;
pub use download::{DownloadProgress, RetryPolicy, download, hub_checksum, verify};
pub use error::FetchError;
