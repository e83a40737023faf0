//! What an experiment runs on: the images, the weights and the cells they make.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::Device;
use thaw_analysis::{CellState, ResultsFolder};
use thaw_data::{Dataset, OnUnreadable};
use thaw_model::{Base, Weights};
use thaw_spec::{
    Architecture, BaseCosts, Cell, CellId, CostFacts, Experiment, Extraction, Inputs, Plan,
    PreprocessingName, Sharing,
};

use crate::{Cache, Fault, RunError};

/// Images and weights, hashed, and the cells of an experiment on them.
pub struct RunInputs {
    /// Name of the experiment.
    pub experiment: String,
    /// The preprocessing that the weights were trained on: what the experiment says, else what their
    /// file tells.
    pub trained_with: Option<PreprocessingName>,
    /// The images.
    pub dataset: Box<dyn Dataset>,
    /// The weights of the base.
    pub weights: Weights,
    /// The cells of the experiment on these images and weights.
    pub cells: Vec<Cell>,
    /// Decoded images, activations and checkpoints.
    pub cache: Cache,
    /// What is done about images that cannot be read.
    pub unreadable: OnUnreadable,
    /// Which artifacts cells share.
    pub sharing: Sharing,
    /// Where everything is computed.
    pub device: Device,
    /// A fault that is injected into the execution, to see that the guard guards.
    pub fault: Option<Fault>,
}

/// How far the cells of an experiment are.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    /// Those that are complete.
    pub cells: BTreeSet<CellId>,
    /// Those whose records are damaged, and how. They are left as they are.
    pub damaged: BTreeMap<CellId, String>,
}

impl Finished {
    /// The cells that a plan leaves out: no more is to come of them, or nobody has looked after them.
    #[must_use]
    pub fn left_out(&self) -> BTreeSet<CellId> {
        self.cells.iter().chain(self.damaged.keys()).cloned().collect()
    }
}

impl RunInputs {
    /// The cells of an experiment on images and weights, computed on the CPU with artifacts shared by
    /// content; images that cannot be read are refused.
    ///
    /// # Errors
    /// When the images cannot be read, or are too small for the base.
    pub fn new(
        experiment: &Experiment,
        dataset: Box<dyn Dataset>,
        weights: Weights,
        cache: Cache,
    ) -> Result<Self, RunError> {
        let inputs = Inputs {
            dataset: dataset.content_hash()?,
            weights: weights.hash.clone(),
            classes: dataset.classes().to_vec(),
        };
        let cells = experiment.cells(&inputs);
        for (_, procedure) in experiment.procedures() {
            thaw_model::shapes(procedure.architecture, procedure.image_size)?;
        }
        Ok(Self {
            experiment: experiment.name.clone(),
            trained_with: experiment.trained_with.or(weights.preprocessing),
            dataset,
            weights,
            cells,
            cache,
            unreadable: OnUnreadable::Refuse,
            sharing: Sharing::ByContent,
            device: Device::Cpu,
            fault: None,
        })
    }

    /// Computes on another device. What it computes is kept apart: other arithmetic, other last bits.
    pub fn compute_on(&mut self, device: Device) {
        if !device.is_cpu() {
            self.cache.of_gpu();
        }
        self.device = device;
    }

    /// The frozen base that the images of an extraction run through.
    pub(crate) fn base(&self, extraction: &Extraction) -> Result<Base, RunError> {
        let procedure = &extraction.cell.procedure;
        Ok(Base::new(
            procedure.architecture,
            procedure.convolution,
            &self.weights,
            extraction.blocks,
            &self.device,
        )?)
    }

    /// The cells that have run already, and those whose records are damaged.
    ///
    /// # Errors
    /// When the store of the records cannot be reached.
    pub fn finished(&self, folder: &ResultsFolder) -> Result<Finished, RunError> {
        let mut finished = Finished::default();
        for cell in &self.cells {
            match folder.state(cell) {
                Ok(CellState::Complete) => drop(finished.cells.insert(cell.id())),
                Ok(_) => {}
                Err(error) if error.is_damage() => {
                    finished.damaged.insert(cell.id(), error.to_string());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(finished)
    }

    /// Removes what dead workers left behind in the cache, checkpoints of cells that are complete, and the
    /// artifacts that the other cells need and that are damaged, so that they are made again; tells which
    /// they were.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn tidy(&self, facts: &CostFacts, finished: &Finished) -> Result<Vec<String>, RunError> {
        // Those of damaged cells stay: who mends the records goes on from there.
        self.cache.remove_orphans(&finished.cells)?;
        let plan = Plan::new(&self.cells, &finished.left_out(), facts, |_| false);
        self.cache.remove_damaged(&plan.steps)
    }

    /// The steps that the cells need which are not `finished`.
    ///
    /// # Errors
    /// When a cache in an object store cannot be asked.
    pub fn plan(&self, facts: &CostFacts, finished: &BTreeSet<CellId>) -> Result<Plan, RunError> {
        Ok(Plan::new(&self.cells, finished, facts, self.cache.kept()?))
    }

    /// What a person should know of the images and the weights, and a sentence for each preprocessing in the matrix
    /// that the weights were not trained on.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let of_images =
            self.dataset.remarks().into_iter().map(|remark| format!("warning: {remark}"));
        let of_weights = self.weights.part.iter().map(|part| {
            format!(
                "warning: the base is `{part}` of the model in {}; its other tensors are passed over",
                self.weights.path.display()
            )
        });
        of_images.chain(of_weights).chain(self.preprocessing_warnings()).collect()
    }

    fn preprocessing_warnings(&self) -> Vec<String> {
        let Some(expected) = self.trained_with else { return Vec::new() };
        let used: BTreeSet<&str> = self
            .cells
            .iter()
            .map(|cell| cell.procedure.preprocessing.name)
            .filter(|name| *name != expected)
            .map(PreprocessingName::name)
            .collect();
        let weights = self.weights.path.display();
        let warning = |name| {
            format!(
                "warning: cells with preprocessing `{name}` use {weights}, which was trained with `{}`",
                expected.name()
            )
        };
        used.into_iter().map(warning).collect()
    }

    /// What cost estimates of the experiment's cells rest on.
    ///
    /// # Errors
    /// When the base is not known for images of their size.
    pub fn cost_facts(&self) -> Result<CostFacts, RunError> {
        self.cost_facts_of(&self.cells)
    }

    /// The same for other cells with this base.
    ///
    /// # Errors
    /// When the base is not known for images of their size.
    pub fn cost_facts_of<'a>(
        &self,
        cells: impl IntoIterator<Item = &'a Cell>,
    ) -> Result<CostFacts, RunError> {
        let architecture = self.cells.first().ok_or(RunError::NoCell)?.procedure.architecture;
        let sizes: BTreeSet<usize> =
            cells.into_iter().map(|cell| cell.procedure.image_size).collect();
        let bases = sizes.into_iter().map(|size| Ok((size, base_costs(architecture, size)?)));
        Ok(CostFacts {
            images: self.dataset.counts(),
            sharing: self.sharing,
            room_bytes: room_bytes(&self.cache.folder(), self.cache.begun_bytes()?),
            bases: bases.collect::<Result<_, RunError>>()?,
        })
    }
}

/// What a base costs on images of one size.
fn base_costs(architecture: Architecture, size: usize) -> Result<BaseCosts, RunError> {
    let shapes = thaw_model::shapes(architecture, size)?;
    let floats = shapes.iter().map(|block| block.floats() as u64);
    Ok(BaseCosts {
        block_multiply_adds: shapes.iter().map(|block| block.multiply_adds).collect(),
        boundary_floats: std::iter::once((size * size * 3) as u64).chain(floats).collect(),
        feature_channels: shapes.last().map_or(3, |block| block.channels as u64),
    })
}

/// Half of what is free where the cache lies, so that a disk is never filled with what can be
/// computed. What was begun before has its room already.
fn room_bytes(cache: &Path, begun: u64) -> Option<u64> {
    let absolute = std::path::absolute(cache).ok()?;
    let existing = absolute.ancestors().find(|folder| folder.exists())?;
    fs4::available_space(existing).ok().map(|bytes| (bytes + begun) / 2)
}

/// Refuses the name of a device that no machine has for this program, whether or not this one has it.
///
/// # Errors
/// When it is no such name, or the program was built without what it needs.
pub fn check_device(name: &str) -> Result<(), RunError> {
    let is_gpu = name.strip_prefix("cuda:").is_some_and(|number| number.parse::<usize>().is_ok());
    if is_gpu && candle_core::utils::cuda_is_available() {
        return Ok(());
    }
    open_device(name).map(drop)
}

/// The device of a name: `cpu`, or `cuda:N` where thaw was built for it and finds it.
///
/// # Errors
/// When there is no such device.
pub fn open_device(name: &str) -> Result<Device, RunError> {
    let refused = |reason: String| Err(RunError::Device { name: name.to_owned(), reason });
    let Some(number) = name.strip_prefix("cuda:") else {
        return if name == "cpu" {
            Ok(Device::Cpu)
        } else {
            refused("write cpu, or cuda:0 for the first GPU".to_owned())
        };
    };
    let Ok(number) = number.parse::<usize>() else {
        return refused("what follows `cuda:` is not a number".to_owned());
    };
    if !candle_core::utils::cuda_is_available() {
        return refused("this thaw was built without CUDA; build it with `cargo build --release --features cuda`".to_owned());
    }
    Device::new_cuda(number).or_else(|error| refused(format!("the GPU cannot be used: {error}")))
}
