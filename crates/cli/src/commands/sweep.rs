//! `thaw sweep`: run the cells that have not run yet, then draw and summarise.

use std::process::ExitCode;

use crate::arguments::{LauncherName, SweepToPrecision};
use crate::error::{CliError, FAILED, SUCCESS};
use crate::sweeping::sweep;

pub(crate) fn run(options: &SweepToPrecision) -> Result<ExitCode, CliError> {
    if options.verify.is_some() && options.sweep.launcher == LauncherName::Slurm {
        let message = "--verify compares what has run, so it cannot be used with --launcher slurm, which does not wait; use `thaw verify` afterwards";
        return Err(CliError::Usage { message: message.to_owned() });
    }
    let equal = sweep(&options.sweep, Some(&options.precision), options.verify)?;
    Ok(ExitCode::from(if equal { SUCCESS } else { FAILED }))
}
