//! Where shared artifacts lie in the cache folder.

use std::path::{Path, PathBuf};

use thaw_spec::{CellId, Step};

/// The file of a step's artifact.
pub(crate) fn artifact_path(cache: &Path, step: &Step) -> Option<PathBuf> {
    let kind = match step {
        Step::Decode { .. } => "pixels",
        Step::Extract(_) => "activations",
        Step::Fit(_) => return None,
    };
    Some(cache.join(kind).join(format!("{}.safetensors", step.artifact()?.short())))
}

/// The file of a cell's checkpoint.
pub(crate) fn checkpoint_path(cache: &Path, cell: &CellId) -> PathBuf {
    cache.join("checkpoints").join(format!("{cell}.safetensors"))
}
