//! Runs an experiment: plan → steps → cells → records. The library behind `thaw sweep`.
//!
//! [`RunInputs`] are what is computed on: images, weights and the cells that they make. A
//! [`Plan`](thaw_spec::Plan) lists the steps; [`execute`] takes them one after the other, with cells
//! side by side, and tells an [`Observer`] what happens. An [`Executor`] does the work of a step:
//! [`RealExecutor`] on images and weights, [`scripted::ScriptedExecutor`] in no time, for tests of
//! what stands around it.
//!
//! A [`Launcher`] decides who works: [`Threads`] of this process, as [`execute`] does, or [`Processes`],
//! each of which reads one step from a [`PlanFile`], as do the jobs that [`Slurm`] submits.
//!
//! # Example
//! The experiment that thaw brings with it, with one epoch of one cell (`examples/miniature.rs` runs
//! all of it):
//! ```no_run
//! use thaw_analysis::ResultsFolder;
//! use thaw_data::Synthetic;
//! use thaw_model::Weights;
//! use thaw_run::{Cache, Limits, RealExecutor, RunInputs, Silent, execute};
//! use thaw_spec::{DatasetSource, Experiment};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = std::fs::read_to_string("experiments/miniature.toml")?;
//! let experiment = Experiment::parse("miniature.toml", &text)?;
//! let DatasetSource::Synthetic(drawn) = experiment.dataset else { return Ok(()) };
//! let weights = Weights::shipped(experiment.architecture).ok_or("no shipped weights")??;
//! let cache = Cache::in_folder("cache".as_ref());
//! let inputs = RunInputs::new(&experiment, Box::new(Synthetic::new(drawn)), weights, cache)?;
//! let folder = ResultsFolder::new("runs/miniature".into());
//! let facts = inputs.cost_facts()?;
//! let plan = inputs.plan(&facts, &inputs.finished(&folder)?.left_out())?;
//! let limits = Limits::of_this_machine();
//! let executor = RealExecutor::new(&inputs, limits.threads);
//! let failures = execute(&plan, &facts, &executor, &folder, &limits, &Silent)?;
//! assert!(failures.is_empty());
//! # Ok(())
//! # }
//! ```

mod artifacts;
mod error;
mod executor;
mod fault;
mod forecast;
mod inputs;
mod launch;
mod observer;
mod plan_file;
mod provenance;
mod rates;
mod schedule;
pub mod scripted;
mod steps;
mod trial;

pub use artifacts::Cache;
pub use error::RunError;
pub use executor::{Advance, Artifact, Executor, RealExecutor};
pub use fault::Fault;
pub use forecast::Forecast;
pub use inputs::{Finished, RunInputs, check_device, open_device};
pub use launch::{
    CellFailure, Launcher, Limits, Messages, Processes, SLURM_CPUS, Slurm, Threads, Work, execute,
    refuse_a_second_time, refuse_what_cannot_fit,
};
pub use observer::{Ending, Event, Observer, Silent};
pub use plan_file::{ImageSource, Places, PlanFile, PlannedStep};
pub use provenance::{VERSION, environment};
pub use rates::{Rates, Share};
pub use steps::StepEnd;
pub use thaw_train::Stop;
