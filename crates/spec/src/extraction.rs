//! Activations at the freeze boundary: which images run through which blocks, in which versions.

use serde::{Deserialize, Serialize};

use crate::{Augmentation, Cache, Cell, ContentHash, FrozenStatistics, Phase, Resampling, Split};

/// Versions of each image that an extraction holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Variants {
    /// The unchanged image.
    Plain,
    /// `count` variants; variant `v` is what the end-to-end procedure with this seed shows in epoch
    /// `first + v`.
    Augmented {
        /// Ranges from which the transformations are drawn.
        augmentation: Augmentation,
        /// Epoch that shows the first variant, counted from 0.
        #[serde(default, skip_serializing_if = "is_zero")]
        first: usize,
        /// Number of variants.
        count: usize,
        /// Seed of the transformations.
        seed: u64,
        /// Application of the transformations.
        #[serde(rename = "warp", default, skip_serializing_if = "Resampling::is_default")]
        resampling: Resampling,
    },
}

impl Variants {
    /// Number of versions of each image.
    pub fn count(&self) -> usize {
        match self {
            Self::Plain => 1,
            Self::Augmented { count, .. } => *count,
        }
    }
}

/// Variants were named before a procedure could have several phases, and keep their names.
fn is_zero(epoch: &usize) -> bool {
    *epoch == 0
}

/// Sharing of computations that yield the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// A frozen base runs once over each version of an image that it is shown, cached procedure or
    /// not: what it yields is the same to the last bit, for every cell that shows it.
    ByContent,
    /// Procedures are executed as they are written: without a cache, every batch runs through the
    /// frozen part again.
    Literal,
}

/// Activations of one split at the freeze boundary, for whichever cells want them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extraction {
    /// A cell with the wanted base, weights and preprocessing.
    pub cell: Cell,
    /// Number of leading blocks of the base that the images run through.
    pub blocks: usize,
    /// Split whose images run through the base.
    pub split: Split,
    /// Versions in which each image runs through the base.
    pub variants: Variants,
}

/// Raised when the arithmetic of training or of a base changes, so that what was kept of it is not mixed
/// with what is new.
pub const ARITHMETIC: u32 = 3;

/// Artifacts of more variants than these are not looked for in place of smaller ones.
const MOST_VARIANTS: usize = 1000;

impl Extraction {
    /// The artifact's name: a hash of everything that decides its content, and of nothing else.
    pub fn key(&self) -> ContentHash {
        let procedure = &self.cell.procedure;
        ContentHash::of_value(&(
            "activations",
            ARITHMETIC,
            &self.cell.inputs,
            (
                procedure.architecture,
                procedure.image_size,
                procedure.resize,
                procedure.preprocessing,
            ),
            (self.blocks, procedure.convolution),
            self.split,
            self.variants,
        ))
    }

    /// The artifacts that hold this one's content: its own, then those of more variants, of which
    /// it is the beginning.
    pub fn covering(&self) -> impl Iterator<Item = Self> + '_ {
        let (from, to) = match self.variants {
            Variants::Plain => (1, 1),
            // The same for every cell that shares the artifact, however long it trains.
            Variants::Augmented { count, .. } => (count, count.max(MOST_VARIANTS)),
        };
        (from..=to).map(|count| self.with_variants(count))
    }

    /// The name shared by all numbers of variants.
    pub(crate) fn family(&self) -> ContentHash {
        self.with_variants(0).key()
    }

    /// The same extraction with another number of variants; plain images have one.
    fn with_variants(&self, wanted: usize) -> Self {
        let mut other = self.clone();
        if let Variants::Augmented { count, .. } = &mut other.variants {
            *count = wanted;
        }
        other
    }

    /// The activations that a cell trains on in a phase; nothing when it trains on pixels.
    pub fn for_training(cell: &Cell, phase: &Phase<'_>, sharing: Sharing) -> Option<Self> {
        let procedure = phase.procedure;
        if procedure.frozen_statistics != FrozenStatistics::Kept {
            // An image's activations depend on its batch.
            return None;
        }
        let count = match procedure.cache {
            Cache::None if sharing == Sharing::Literal || phase.untouched_blocks == 0 => {
                return None;
            }
            Cache::None => procedure.epochs,
            Cache::Features | Cache::Variants => procedure.variants,
        };
        let variants = match procedure.augmentation {
            Augmentation::None => Variants::Plain,
            augmentation @ Augmentation::Affine(_) => Variants::Augmented {
                augmentation,
                first: phase.first_epoch,
                count,
                seed: cell.seed,
                resampling: procedure.resampling(),
            },
        };
        Some(Self {
            cell: cell.clone(),
            blocks: phase.untouched_blocks,
            split: Split::Train,
            variants,
        })
    }

    /// The activations that a cell is evaluated on in a phase, since whatever is frozen needs to
    /// see these images only once; nothing when it is evaluated on pixels, or not in this phase.
    pub fn for_evaluation(cell: &Cell, phase: &Phase<'_>, split: Split) -> Option<Self> {
        let blocks = phase.untouched_blocks;
        let is_evaluated = cell.procedure.evaluations_in(phase, split) > 0;
        (blocks > 0 && is_evaluated).then(|| Self {
            cell: cell.clone(),
            blocks,
            split,
            variants: Variants::Plain,
        })
    }

    /// The activations that a cell sees of a split in a phase; nothing when it sees pixels.
    pub fn of(cell: &Cell, phase: &Phase<'_>, split: Split, sharing: Sharing) -> Option<Self> {
        match split {
            Split::Train => Self::for_training(cell, phase, sharing),
            Split::Validation | Split::Test => Self::for_evaluation(cell, phase, split),
        }
    }

    /// Whether the cell's procedure itself keeps these activations, so that it cannot run without
    /// them.
    pub fn is_demanded(&self, phase: &Phase<'_>) -> bool {
        self.split != Split::Train || phase.procedure.cache != Cache::None
    }
}
