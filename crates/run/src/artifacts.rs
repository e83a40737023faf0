//! Where shared artifacts lie in the cache folder.

use std::path::{Path, PathBuf};

use thaw_spec::{Cell, CellId, ContentHash, Extraction, Split, Step, decoded_key};

/// The file of a split, decoded as a cell wants it.
pub fn pixels_path(cache: &Path, cell: &Cell, split: Split) -> PathBuf {
    file(cache, "pixels", &decoded_key(cell, split))
}

/// The file of activations.
pub fn activations_path(cache: &Path, extraction: &Extraction) -> PathBuf {
    file(cache, "activations", &extraction.key())
}

fn file(cache: &Path, kind: &str, key: &ContentHash) -> PathBuf {
    cache.join(kind).join(format!("{}.safetensors", key.short()))
}

/// The file of activations that were made before, or of more variants that begin with them.
pub(crate) fn kept_activations(cache: &Path, extraction: &Extraction) -> Option<PathBuf> {
    extraction
        .covering()
        .map(|covering| activations_path(cache, &covering))
        .find(|path| path.exists())
}

/// Whether a step's artifact was made before.
pub fn is_kept(cache: &Path, step: &Step) -> bool {
    match step {
        Step::Decode { cell, split } => pixels_path(cache, cell, *split).exists(),
        Step::Extract(extraction) => kept_activations(cache, extraction).is_some(),
        Step::Fit(_) => false,
    }
}

/// The file of a cell's checkpoint.
pub(crate) fn checkpoint_path(cache: &Path, cell: &CellId) -> PathBuf {
    cache.join("checkpoints").join(format!("{cell}.safetensors"))
}
