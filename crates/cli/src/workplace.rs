//! What a sweep works on: the images, the weights and the cells they make.

use std::path::PathBuf;

use thaw_data::{Folder, Unreadable};
use thaw_model::Weights;
use thaw_spec::{Cell, CostFacts, DatasetSource, Experiment, Inputs, Sharing};

use crate::arguments::Sweep;
use crate::error::CliError;

/// Everything a person pointed at, read and hashed.
pub(crate) struct Workplace {
    pub(crate) experiment: Experiment,
    pub(crate) folder: Folder,
    pub(crate) weights: Weights,
    pub(crate) cells: Vec<Cell>,
    pub(crate) cache: PathBuf,
    pub(crate) unreadable: Unreadable,
    pub(crate) sharing: Sharing,
}

impl Workplace {
    pub(crate) fn open(options: &Sweep) -> Result<Self, CliError> {
        let experiment = options.study.load()?;
        let missing = |what: &str, flag: &str, variable: &str| CliError::Usage {
            message: format!("{} needs {what}: give {flag}, or set {variable}", options.study.experiment.display()),
        };
        let folder = match experiment.dataset.source {
            DatasetSource::Folder => {
                let path = options.data.as_ref().ok_or_else(|| missing("a folder of images", "--data FOLDER", "THAW_DATA"))?;
                Folder::scan(path)?
            }
        };
        let path = options.weights.as_ref().ok_or_else(|| missing("the weights of its base", "--weights FILE", "THAW_WEIGHTS"))?;
        let weights = Weights::read(path, experiment.architecture)?;
        let inputs = Inputs { dataset: folder.content_hash()?, weights: weights.hash.clone(), classes: folder.classes.clone() };
        let cells = experiment.cells(&inputs);
        for (_, procedure) in experiment.procedures() {
            thaw_model::shapes(procedure.architecture, procedure.image_size)?;
        }
        let unreadable = if options.skip_unreadable_images { Unreadable::Skip } else { Unreadable::Refuse };
        let sharing = if options.no_sharing { Sharing::Literal } else { Sharing::ByContent };
        Ok(Self { experiment, folder, weights, cells, cache: options.cache.clone(), unreadable, sharing })
    }

    /// What cost estimates rest on.
    pub(crate) fn cost_facts(&self) -> Result<CostFacts, CliError> {
        let size = self.cells.first().map_or(32, |cell| cell.procedure.image_size);
        let shapes = thaw_model::shapes(self.experiment.architecture, size)?;
        let floats = shapes.iter().map(|block| block.floats() as u64);
        Ok(CostFacts {
            images: self.folder.counts(),
            sharing: self.sharing,
            block_multiply_adds: shapes.iter().map(|block| block.multiply_adds).collect(),
            boundary_floats: std::iter::once((size * size * 3) as u64).chain(floats).collect(),
        })
    }
}
