//! The plan: what has to be computed, shared artifacts first, each once.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{Augmentation, Cache, Cell, CellId, ContentHash, Split, Warp};

/// Which versions of each image an extraction holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Variants {
    /// The image as it is.
    Plain,
    /// Variants `0..count`; variant `e` is what the end-to-end procedure with this seed shows in epoch `e`.
    Augmented {
        /// From what the transformations are drawn.
        augmentation: Augmentation,
        /// How many.
        count: usize,
        /// The seed of the draws.
        seed: u64,
        /// How the transformations are applied.
        #[serde(skip_serializing_if = "Warp::is_default")]
        warp: Warp,
    },
}

impl Variants {
    /// Versions of each image.
    pub fn count(&self) -> usize {
        match self {
            Self::Plain => 1,
            Self::Augmented { count, .. } => *count,
        }
    }
}

/// Whether work that yields the same content is done once or as often as the procedure says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// A frozen base runs once over each version of an image that it is shown, cached procedure or not: what it yields is the same to the
    /// last bit, for every cell that shows it.
    ByContent,
    /// Procedures are executed as they are written: without a cache, every batch runs through the frozen part again.
    Literal,
}

/// Activations of one split at the freeze boundary, for whichever cells want them.
#[derive(Clone, Debug, PartialEq)]
pub struct Extraction {
    /// A cell with the wanted base, weights, preprocessing and boundary.
    pub cell: Cell,
    /// Of which images.
    pub split: Split,
    /// In which versions.
    pub variants: Variants,
}

impl Extraction {
    /// The artifact's name: a hash of everything that decides its content, and of nothing else.
    pub fn key(&self) -> ContentHash {
        let procedure = &self.cell.procedure;
        ContentHash::of_value(&(
            "activations",
            // Raised when the arithmetic of the base changes, so that kept activations are not mixed with new ones.
            3,
            &self.cell.inputs,
            (procedure.architecture, procedure.image_size, procedure.resize, procedure.preprocessing),
            (procedure.frozen_blocks(), procedure.convolution),
            self.split,
            self.variants,
        ))
    }

    /// What a cell trains on instead of pixels, if it does.
    pub fn for_training(cell: &Cell, sharing: Sharing) -> Option<Self> {
        let procedure = &cell.procedure;
        let count = match procedure.cache {
            Cache::None if sharing == Sharing::Literal || procedure.frozen_blocks() == 0 => return None,
            Cache::None => procedure.epochs,
            Cache::Features | Cache::Variants => procedure.variants,
        };
        let variants = match procedure.augmentation {
            Augmentation::None => Variants::Plain,
            augmentation @ Augmentation::Affine(_) => Variants::Augmented { augmentation, count, seed: cell.seed, warp: procedure.warp() },
        };
        Some(Self { cell: cell.clone(), split: Split::Train, variants })
    }

    /// What a cell is evaluated on instead of pixels: whatever is frozen needs to see these images only once.
    pub fn for_evaluation(cell: &Cell, split: Split) -> Option<Self> {
        (cell.procedure.frozen_blocks() > 0).then(|| Self { cell: cell.clone(), split, variants: Variants::Plain })
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Decode and resize a split as this cell wants it.
    Decode {
        /// A cell with the wanted size and filter.
        cell: Cell,
        /// Which images.
        split: Split,
    },
    /// Run a split through the frozen part of a base.
    Extract(Extraction),
    /// Train a cell.
    Fit(Cell),
}

/// Images per split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SplitCounts {
    /// Training images.
    pub train: u64,
    /// Validation images.
    pub validation: u64,
    /// Test images; may be zero.
    pub test: u64,
}

impl SplitCounts {
    /// The count of one split.
    pub fn of(&self, split: Split) -> u64 {
        match split {
            Split::Train => self.train,
            Split::Validation => self.validation,
            Split::Test => self.test,
        }
    }

    /// The splits that have images.
    pub fn present(&self) -> impl Iterator<Item = Split> + use<> {
        let counts = *self;
        Split::ALL.into_iter().filter(move |&split| counts.of(split) > 0)
    }
}

/// What a cost estimate rests on.
#[derive(Clone, Debug)]
pub struct CostFacts {
    /// Images per split.
    pub images: SplitCounts,
    /// What is computed once.
    pub sharing: Sharing,
    /// Multiplications and additions (counted as one) of each block for one image, forward.
    pub block_multiply_adds: Vec<u64>,
    /// Activations of one image behind each block, as floats; the first entry is the input.
    pub boundary_floats: Vec<u64>,
}

/// The work of a step, in units that a machine's rates turn into seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Images decoded and resized.
    pub decoded_images: u64,
    /// Multiply-adds of forward passes through frozen blocks, or for evaluation.
    pub forward_multiply_adds: u64,
    /// Multiply-adds of forward passes that are followed by a backward pass.
    pub trained_multiply_adds: u64,
    /// Multiply-adds of the head's first layer, forward, in training steps.
    pub head_multiply_adds: u64,
    /// Bytes of artifacts written.
    pub artifact_bytes: u64,
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            decoded_images: self.decoded_images + other.decoded_images,
            forward_multiply_adds: self.forward_multiply_adds + other.forward_multiply_adds,
            trained_multiply_adds: self.trained_multiply_adds + other.trained_multiply_adds,
            head_multiply_adds: self.head_multiply_adds + other.head_multiply_adds,
            artifact_bytes: self.artifact_bytes + other.artifact_bytes,
        }
    }
}

/// Steps in an order in which everything exists before it is used.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What to do.
    pub steps: Vec<Step>,
    /// Artifacts that several cells would have computed each for itself.
    pub shared: usize,
}

impl Plan {
    /// Plans the cells that are not finished. Cells that train on the same artifact follow each other.
    pub fn new(cells: &[Cell], finished: &BTreeSet<CellId>, images: SplitCounts, sharing: Sharing) -> Self {
        let mut open: Vec<&Cell> = cells.iter().filter(|cell| !finished.contains(&cell.id())).collect();
        let training_key = |cell: &Cell| Extraction::for_training(cell, sharing).map(|extraction| extraction.key());
        let keys: Vec<_> = open.iter().map(|cell| training_key(cell)).collect();
        open.sort_by_cached_key(|cell| {
            let key = training_key(cell);
            // Cells that work on pixels come last: they take longest and share least.
            (key.is_none(), keys.iter().position(|other| *other == key))
        });
        let mut plan = Self::default();
        let mut made = BTreeSet::new();
        for cell in open {
            for split in images.present() {
                let extraction = match split {
                    Split::Train => Extraction::for_training(cell, sharing),
                    Split::Validation | Split::Test => Extraction::for_evaluation(cell, split),
                };
                plan.decode(cell, split, &mut made);
                if let Some(extraction) = extraction {
                    if made.insert(extraction.key()) {
                        plan.steps.push(Step::Extract(extraction));
                    } else {
                        plan.shared += 1;
                    }
                }
            }
            plan.steps.push(Step::Fit(cell.clone()));
        }
        plan
    }

    fn decode(&mut self, cell: &Cell, split: Split, made: &mut BTreeSet<ContentHash>) {
        if made.insert(decoded_key(cell, split)) {
            self.steps.push(Step::Decode { cell: cell.clone(), split });
        }
    }

    /// The cells that the plan trains.
    pub fn fits(&self) -> impl Iterator<Item = &Cell> {
        self.steps.iter().filter_map(|step| match step {
            Step::Fit(cell) => Some(cell),
            Step::Decode { .. } | Step::Extract(_) => None,
        })
    }
}

/// The name of a decoded split: what decides its pixels.
fn decoded_key(cell: &Cell, split: Split) -> ContentHash {
    ContentHash::of_value(&("pixels", 1, &cell.inputs.dataset, cell.procedure.image_size, cell.procedure.resize, split))
}

impl Step {
    /// The name of the artifact this step makes, if it makes one.
    pub fn artifact(&self) -> Option<ContentHash> {
        match self {
            Self::Decode { cell, split } => Some(decoded_key(cell, *split)),
            Self::Extract(extraction) => Some(extraction.key()),
            Self::Fit(_) => None,
        }
    }

    /// The work of this step.
    pub fn cost(&self, facts: &CostFacts) -> Cost {
        let images = |split: Split| facts.images.of(split);
        match self {
            Self::Decode { cell, split } => {
                let side = cell.procedure.image_size as u64;
                Cost { decoded_images: images(*split), artifact_bytes: images(*split) * side * side * 3, ..Cost::default() }
            }
            Self::Extract(extraction) => {
                let frozen = extraction.cell.procedure.frozen_blocks();
                let passes = images(extraction.split) * extraction.variants.count() as u64;
                Cost {
                    forward_multiply_adds: passes * facts.block_multiply_adds[..frozen].iter().sum::<u64>(),
                    artifact_bytes: passes * facts.boundary_floats[frozen] * 4,
                    ..Cost::default()
                }
            }
            Self::Fit(cell) => {
                let procedure = &cell.procedure;
                let frozen = procedure.frozen_blocks();
                let (below, above) = facts.block_multiply_adds.split_at(frozen);
                let (below, above) = (below.iter().sum::<u64>(), above.iter().sum::<u64>());
                let epochs = procedure.epochs as u64;
                let shown = epochs * images(Split::Train);
                let evaluated = epochs * (images(Split::Validation) + images(Split::Test));
                let on_the_fly = if Extraction::for_training(cell, facts.sharing).is_none() { shown * below } else { 0 };
                let features = facts.boundary_floats[procedure.architecture.blocks()];
                Cost {
                    forward_multiply_adds: on_the_fly + evaluated * above,
                    trained_multiply_adds: shown * above,
                    head_multiply_adds: shown * features * procedure.hidden_units as u64,
                    ..Cost::default()
                }
            }
        }
    }
}
