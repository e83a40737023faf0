//! Where shared artifacts lie in the cache folder.

use std::path::{Path, PathBuf};

use thaw_spec::{CellId, Extraction, Step};

/// The file of a step's artifact.
pub(crate) fn artifact_path(cache: &Path, step: &Step) -> Option<PathBuf> {
    let kind = match step {
        Step::Decode { .. } => "pixels",
        Step::Extract(_) => "activations",
        Step::Fit(_) => return None,
    };
    Some(cache.join(kind).join(format!("{}.safetensors", step.artifact()?.short())))
}

/// The file of activations that were made before, or of more variants that begin with them.
pub(crate) fn kept_activations(cache: &Path, extraction: &Extraction) -> Option<PathBuf> {
    extraction
        .covering()
        .filter_map(|artifact| artifact_path(cache, &Step::Extract(artifact)))
        .find(|path| path.exists())
}

/// Whether a step's artifact was made before.
pub(crate) fn is_kept(cache: &Path, step: &Step) -> bool {
    match step {
        Step::Decode { .. } => artifact_path(cache, step).is_some_and(|path| path.exists()),
        Step::Extract(extraction) => kept_activations(cache, extraction).is_some(),
        Step::Fit(_) => false,
    }
}

/// The file of a cell's checkpoint.
pub(crate) fn checkpoint_path(cache: &Path, cell: &CellId) -> PathBuf {
    cache.join("checkpoints").join(format!("{cell}.safetensors"))
}
