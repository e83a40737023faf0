//! A cell's manifest, written before its first step: what is run, on which machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Cell, CellId, PreprocessingName, ProcedureId, Split};

/// The machine and the program that ran a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of thaw.
    pub thaw: String,
    /// Commit that thaw was built from, with `+` when the tree had changes.
    pub commit: String,
    /// Version of Candle.
    pub candle: String,
    /// Operating system and architecture, such as `linux x86_64`.
    pub platform: String,
    /// The instruction sets that decide which kernels ran, such as `avx512f fma`.
    pub instruction_sets: String,
    /// `cpu`, or the accelerator.
    pub device: String,
    /// Algorithm of the convolutions.
    pub convolution: String,
    /// Threads of the whole process.
    pub threads: usize,
    /// Start of the run in seconds since 1970-01-01 UTC.
    pub started_unix_seconds: u64,
}

/// Origin of the activations at the freeze boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainingActivations {
    /// Computed once and read in every epoch.
    Stored,
    /// Computed for every batch.
    Computed,
}

/// `cell.json`: everything needed to know, and to repeat, what was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellManifest {
    /// Name of the experiment.
    pub experiment: String,
    /// Identifier of the cell.
    pub id: CellId,
    /// Identifier that the cell shares with the other seeds of its procedure.
    pub procedure_id: ProcedureId,
    /// The cell itself, with every setting resolved.
    pub cell: Cell,
    /// Number of images per split: train, validation, test.
    pub images: [u64; 3],
    /// Images that could not be read and were left out, as paths relative to the dataset's folder.
    pub skipped_images: Vec<String>,
    /// Files of the dataset that are no images, as paths relative to its folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over_files: Vec<String>,
    /// Origin of the activations: the numbers are the same for both, the times are not.
    pub training_activations: TrainingActivations,
    /// File name of the weights, for people; the hash in the cell decides.
    pub weights_file: String,
    /// Origin of the weights, where the file's metadata names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_origin: Option<String>,
    /// Preprocessing that the weights were trained on, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_preprocessing: Option<PreprocessingName>,
    /// Machine and program that ran the cell.
    pub environment: Environment,
}

impl CellManifest {
    /// Number of images of a split.
    pub fn images_of(&self, split: Split) -> u64 {
        let [train, validation, test] = self.images;
        match split {
            Split::Train => train,
            Split::Validation => validation,
            Split::Test => test,
        }
    }
}

/// Images that could not be read and were left out, in words; nothing where there are none. They are given as
/// paths of split, class and file.
pub fn skipped_in_words(images: &[String]) -> Option<String> {
    let first = images.first()?;
    if images.len() == 1 {
        return Some(format!("{first} could not be read and is left out"));
    }
    let mut by_class: BTreeMap<&str, usize> = BTreeMap::new();
    for class in images.iter().filter_map(|image| image.split('/').nth(1)) {
        *by_class.entry(class).or_default() += 1;
    }
    let by_class: Vec<String> =
        by_class.iter().map(|(class, count)| format!("{count} of {class}")).collect();
    Some(format!(
        "{} images could not be read and are left out, {}, the first {first}",
        images.len(),
        by_class.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_are_left_out_are_counted_by_class() {
        let said = |images: &[&str]| {
            skipped_in_words(&images.iter().map(|image| (*image).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(said(&[]), None);
        let one = "train/cats/a.jpg could not be read and is left out";
        assert_eq!(said(&["train/cats/a.jpg"]).as_deref(), Some(one));
        let several = "3 images could not be read and are left out, 1 of cats, 2 of dogs, the first train/cats/a.jpg";
        let images = ["train/cats/a.jpg", "train/dogs/b.jpg", "test/dogs/within/c.jpg"];
        assert_eq!(said(&images).as_deref(), Some(several));
    }
}
