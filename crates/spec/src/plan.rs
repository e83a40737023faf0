//! The plan: what has to be computed, shared artifacts first, each once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Add, Range};

use serde::{Deserialize, Serialize};

use crate::{Cell, CellId, ContentHash, Extraction, Phase, Procedure, Sharing, Split, StepKind};

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Decoding and resizing a split as a cell wants it.
    Decode {
        /// A cell with the wanted size and filter.
        cell: Cell,
        /// Split that is decoded.
        split: Split,
    },
    /// Running a split through the frozen part of a base.
    Extract(Extraction),
    /// Training a cell.
    Fit(Cell),
}

/// Number of images in each split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SplitCounts {
    /// Number of training images.
    pub train: u64,
    /// Number of validation images.
    pub validation: u64,
    /// Number of test images; may be zero.
    pub test: u64,
}

impl SplitCounts {
    /// Number of images of one split.
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

/// Quantities that a cost estimate rests on.
#[derive(Clone, Debug)]
pub struct CostFacts {
    /// Number of images in each split.
    pub images: SplitCounts,
    /// Sharing of computations.
    pub sharing: Sharing,
    /// Bytes that artifacts may take which no procedure demands; unlimited where there is no
    /// number.
    pub room_bytes: Option<u64>,
    /// The base on images of each side, in pixels, that a cell has.
    pub bases: BTreeMap<usize, BaseCosts>,
}

/// A base on one image of some size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseCosts {
    /// Multiply-adds of each block, forward.
    pub block_multiply_adds: Vec<u64>,
    /// Floats of the activations behind each block; the first entry is the input.
    pub boundary_floats: Vec<u64>,
    /// Channels of the activations behind the last block.
    pub feature_channels: u64,
}

impl CostFacts {
    /// The base on the images of a procedure.
    fn base_of(&self, procedure: &Procedure) -> &BaseCosts {
        self.bases.get(&procedure.image_size).expect("there are facts of each size of images")
    }
}

/// Work of a step, in units that a machine's rates turn into seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Number of images decoded and resized.
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

impl Add for Cost {
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

/// Steps in an order in which every artifact exists before it is used.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Steps in the order of execution.
    pub steps: Vec<Step>,
    /// Number of artifacts that several cells would have computed each for itself.
    pub shared: usize,
    /// Keys of activations for which there is no room: they are computed for every batch instead.
    pub without_room: BTreeSet<ContentHash>,
}

impl Plan {
    /// Plans the cells that are not finished. Cells that train on the same artifact follow each
    /// other. `exists` says whether an artifact is there already.
    pub fn new(
        cells: &[Cell],
        finished: &BTreeSet<CellId>,
        facts: &CostFacts,
        exists: impl Fn(&Step) -> bool,
    ) -> Self {
        let mut open: Vec<&Cell> =
            cells.iter().filter(|cell| !finished.contains(&cell.id())).collect();
        // The activations that decide a cell's place: those of its first phase.
        let first = |cell: &Cell| {
            Extraction::for_training(cell, &cell.procedure.phases()[0], facts.sharing)
        };
        let family = |cell: &Cell| first(cell).map(|extraction| extraction.family());
        let families: Vec<_> = open.iter().map(|cell| family(cell)).collect();
        open.sort_by_cached_key(|cell| {
            let family = family(cell);
            let variants = first(cell).map_or(0, |extraction| extraction.variants.count());
            // Cells that work on pixels come last: they take longest and share least. Of variants
            // the most come first, for they serve the others.
            (
                family.is_none(),
                families.iter().position(|other| *other == family),
                Reverse(variants),
            )
        });
        let mut plan = Self::default();
        let (mut made, mut extracted) = (BTreeSet::new(), BTreeMap::new());
        let mut room = facts.room_bytes.unwrap_or(u64::MAX);
        for cell in open {
            for split in facts.images.present() {
                plan.decode(cell, split, &mut made);
                for phase in cell.procedure.phases() {
                    let Some(extraction) = Extraction::of(cell, &phase, split, facts.sharing)
                    else {
                        continue;
                    };
                    let step = Step::Extract(extraction.clone());
                    let variants = extraction.variants.count();
                    if extracted.get(&extraction.family()).is_some_and(|most| *most >= variants) {
                        plan.shared += 1;
                        continue;
                    }
                    let bytes = step.cost(facts).artifact_bytes;
                    // What exists already takes nothing of what is free.
                    if !exists(&step) {
                        if !extraction.is_demanded(&phase) && bytes > room {
                            plan.without_room.insert(extraction.key());
                            continue;
                        }
                        room = room.saturating_sub(bytes);
                    }
                    plan.without_room.remove(&extraction.key());
                    extracted.insert(extraction.family(), variants);
                    plan.steps.push(step);
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

    /// The work of one of the plan's steps.
    pub fn cost(&self, step: &Step, facts: &CostFacts) -> Cost {
        let Step::Fit(cell) = step else { return step.cost(facts) };
        cell.procedure
            .phases()
            .iter()
            .map(|phase| self.cost_of_phase(cell, phase, facts))
            .fold(Cost::default(), Cost::add)
    }

    fn cost_of_phase(&self, cell: &Cell, phase: &Phase<'_>, facts: &CostFacts) -> Cost {
        let procedure = phase.procedure;
        let base = facts.base_of(procedure);
        let work = |blocks: Range<usize>| base.block_multiply_adds[blocks].iter().sum::<u64>();
        let (untouched, frozen, all) =
            (phase.untouched_blocks, procedure.frozen_blocks(), procedure.architecture.blocks());
        let epochs = procedure.epochs as u64;
        let shown = epochs * facts.images.of(Split::Train);
        let evaluated: u64 = [Split::Validation, Split::Test]
            .map(|split| {
                cell.procedure.evaluations_in(phase, split) as u64 * facts.images.of(split)
            })
            .iter()
            .sum();
        let stored = Extraction::for_training(cell, phase, facts.sharing)
            .filter(|wanted| !self.without_room.contains(&wanted.key()));
        let on_the_fly = if stored.is_some() { work(untouched..frozen) } else { work(0..frozen) };
        let through_the_base =
            if procedure.keeps_features_of_batches() { shown / epochs } else { shown };
        Cost {
            forward_multiply_adds: through_the_base * on_the_fly + evaluated * work(untouched..all),
            trained_multiply_adds: shown * work(frozen..all),
            head_multiply_adds: shown
                * procedure.head_multiply_adds(base.boundary_floats[all], base.feature_channels),
            ..Cost::default()
        }
    }

    /// The steps that each step needs the artifacts of, by their numbers.
    #[must_use]
    pub fn needs(&self, sharing: Sharing) -> Vec<Vec<usize>> {
        let (mut decoded, mut extracted) = (BTreeMap::new(), BTreeMap::new());
        let mut needs = Vec::new();
        for (number, step) in self.steps.iter().enumerate() {
            let needed: BTreeSet<usize> = match step {
                Step::Decode { cell, split } => {
                    decoded.insert(decoded_key(cell, *split), number);
                    BTreeSet::new()
                }
                Step::Extract(extraction) => {
                    extracted.insert(extraction.family(), number);
                    let pixels = decoded_key(&extraction.cell, extraction.split);
                    decoded.get(&pixels).copied().into_iter().collect()
                }
                Step::Fit(cell) => {
                    let pixels = Split::ALL.into_iter().map(|split| decoded_key(cell, split));
                    let pixels = pixels.filter_map(|key| decoded.get(&key).copied());
                    let phases = cell.procedure.phases();
                    let activations = phases
                        .iter()
                        .flat_map(|phase| Split::ALL.map(|split| (phase, split)))
                        .filter_map(|(phase, split)| Extraction::of(cell, phase, split, sharing))
                        .filter_map(|wanted| extracted.get(&wanted.family()).copied());
                    pixels.chain(activations).collect()
                }
            };
            needs.push(needed.into_iter().collect());
        }
        needs
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
pub fn decoded_key(cell: &Cell, split: Split) -> ContentHash {
    ContentHash::of_value(&(
        "pixels",
        1,
        &cell.inputs.dataset,
        cell.procedure.image_size,
        cell.procedure.resize,
        split,
    ))
}

/// In words, as `extract train behind block 5 (rescale)`.
impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode { cell, split } => {
                write!(formatter, "decode {split} at {0}×{0}", cell.procedure.image_size)
            }
            Self::Extract(extraction) => {
                let preprocessing = format!("{:?}", extraction.cell.procedure.preprocessing.name);
                let (split, blocks) = (extraction.split, extraction.blocks);
                write!(
                    formatter,
                    "extract {split} behind block {blocks} ({}",
                    preprocessing.to_lowercase()
                )?;
                match extraction.variants.count() {
                    1 => formatter.write_str(")"),
                    count => {
                        let seed = extraction.cell.seed;
                        write!(formatter, ", {count} variants with seed {seed})")
                    }
                }
            }
            Self::Fit(cell) => write!(formatter, "train {} seed {}", cell.label(), cell.seed),
        }
    }
}

impl Step {
    /// The step's name: what it makes, and the hash of everything that decides it.
    #[must_use]
    pub fn id(&self) -> String {
        let kind = self.kind().name();
        match self {
            Self::Decode { cell, split } => format!("{kind}-{}", decoded_key(cell, *split).short()),
            Self::Extract(extraction) => format!("{kind}-{}", extraction.key().short()),
            Self::Fit(cell) => format!("{kind}-{}", cell.id()),
        }
    }

    /// What kind of step it is.
    #[must_use]
    pub fn kind(&self) -> StepKind {
        match self {
            Self::Decode { .. } => StepKind::Decode,
            Self::Extract(_) => StepKind::Extract,
            Self::Fit(_) => StepKind::Fit,
        }
    }

    /// A cell that wants the step.
    #[must_use]
    pub fn cell(&self) -> &Cell {
        match self {
            Self::Decode { cell, .. } | Self::Fit(cell) => cell,
            Self::Extract(extraction) => &extraction.cell,
        }
    }

    /// The name of the artifact this step makes, if it makes one.
    pub fn artifact(&self) -> Option<ContentHash> {
        match self {
            Self::Decode { cell, split } => Some(decoded_key(cell, *split)),
            Self::Extract(extraction) => Some(extraction.key()),
            Self::Fit(_) => None,
        }
    }

    /// The work of this step, but for a fit's, which depends on its [`Plan`].
    fn cost(&self, facts: &CostFacts) -> Cost {
        let images = |split: Split| facts.images.of(split);
        match self {
            Self::Decode { cell, split } => {
                let side = cell.procedure.image_size as u64;
                Cost {
                    decoded_images: images(*split),
                    artifact_bytes: images(*split) * side * side * 3,
                    ..Cost::default()
                }
            }
            Self::Extract(extraction) => {
                let passes = images(extraction.split) * extraction.variants.count() as u64;
                let base = facts.base_of(&extraction.cell.procedure);
                Cost {
                    forward_multiply_adds: passes
                        * base.block_multiply_adds[..extraction.blocks].iter().sum::<u64>(),
                    artifact_bytes: passes * base.boundary_floats[extraction.blocks] * 4,
                    ..Cost::default()
                }
            }
            Self::Fit(_) => Cost::default(),
        }
    }
}
