//! Where the images of an experiment come from.

use serde::{Deserialize, Serialize};

/// Images that a split of synthetic pictures may have.
const MOST_IMAGES: u64 = 100_000_000;

/// Source of an experiment's images: the `[dataset]` table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case", deny_unknown_fields)]
pub enum DatasetSource {
    /// A folder `train|validation|test / class / image`, whose path the user gives.
    Folder {},
    /// Pictures drawn from a seed.
    Synthetic(SyntheticDataset),
}

/// Subject of synthetic pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyntheticTask {
    /// Cats and dogs, two classes: the target task.
    #[default]
    CatsAndDogs,
    /// Other animals and things, twenty classes: the task that a base is pretrained on.
    Menagerie,
}

/// Pictures drawn from a seed. Sizes default to those of *Deep Learning with Python*, section 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyntheticDataset {
    /// Subject of the pictures.
    #[serde(default)]
    pub task: SyntheticTask,
    /// Seed of all pictures. It is not one of the experiment's seeds: those vary the training, not
    /// the images.
    #[serde(default)]
    pub seed: u64,
    /// Side of the square pictures, in pixels.
    #[serde(default = "size")]
    pub size: usize,
    /// Number of training images.
    #[serde(default = "train")]
    pub train: u64,
    /// Number of validation images.
    #[serde(default = "held_out")]
    pub validation: u64,
    /// Number of test images; may be 0.
    #[serde(default = "held_out")]
    pub test: u64,
}

fn size() -> usize {
    32
}

fn train() -> u64 {
    2000
}

fn held_out() -> u64 {
    1000
}

impl DatasetSource {
    /// Refuses numbers that no dataset can have.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self::Synthetic(dataset) = self else { return Ok(()) };
        let classes = match dataset.task {
            SyntheticTask::CatsAndDogs => 2,
            SyntheticTask::Menagerie => 20,
        };
        if !(16..=1024).contains(&dataset.size) {
            return Err(format!("size = {} is not in 16 to 1024 pixels", dataset.size));
        }
        for (name, count) in
            [("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test)]
        {
            if count > MOST_IMAGES {
                return Err(format!("{name} = {count} is more than {MOST_IMAGES} images"));
            }
        }
        for (name, count) in
            [("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test)]
        {
            // There need be no test images.
            if count < classes && (name, count) != ("test", 0) {
                return Err(format!(
                    "{name} = {count} does not give each of the {classes} classes an image"
                ));
            }
        }
        Ok(())
    }
}
