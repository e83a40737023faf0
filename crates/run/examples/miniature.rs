//! Runs an experiment from Rust: the one that thaw brings with it, which draws its own images.
//!
//! `cargo build --release --workspace --examples`, then `target/release/examples/miniature [FOLDER]`: writes into `FOLDER`, or else
//! into `target/miniature`, and goes on with what is there.

use std::error::Error;
use std::path::PathBuf;

use thaw_analysis::ResultsFolder;
use thaw_data::Synthetic;
use thaw_model::Weights;
use thaw_run::{Cache, Limits, RealExecutor, RunInputs, Silent, execute};
use thaw_spec::{DatasetSource, Experiment};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::args().nth(1).unwrap_or("target/miniature".to_owned()));
    let text = std::fs::read_to_string("experiments/miniature.toml")?;
    let experiment = Experiment::parse("experiments/miniature.toml", &text)?;
    let DatasetSource::Synthetic(drawn) = experiment.dataset else {
        return Err("the miniature draws its images".into());
    };
    let weights = Weights::shipped(experiment.architecture).ok_or("thaw brings its weights")??;
    let dataset = Box::new(Synthetic::new(drawn));
    let inputs =
        RunInputs::new(&experiment, dataset, weights, Cache::in_folder(&root.join("cache")))?;
    let folder = ResultsFolder::new(root.join("results"));
    folder.prepare()?;
    let facts = inputs.cost_facts()?;
    let plan = inputs.plan(&facts, &inputs.finished(&folder)?.left_out())?;
    let limits = Limits::of_this_machine();
    let executor = RealExecutor::new(&inputs, limits.threads);
    let failures = execute(&plan, &facts, &executor, &folder, &limits, &Silent)?;
    match failures.first() {
        Some(failure) => Err(format!("seed {}: {}", failure.cell.seed, failure.error).into()),
        None => Ok(()),
    }
}
