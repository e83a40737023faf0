//! `thaw sweep`: run the cells that have not run yet, then draw and summarise.

use std::process::ExitCode;

use crate::arguments::SweepToPrecision;
use crate::error::{CliError, SUCCESS};
use crate::sweeping::sweep;

pub(crate) fn run(options: &SweepToPrecision) -> Result<ExitCode, CliError> {
    sweep(&options.sweep, Some(&options.precision))?;
    Ok(ExitCode::from(SUCCESS))
}
