//! `thaw`: runs matrices of transfer-learning experiments and says which procedure gives which
//! accuracy.

mod arguments;
mod artifacts;
mod attribute;
mod audit;
mod check;
mod diagnose;
mod diff;
mod error;
mod executor;
mod export;
mod fault;
mod fetch;
mod fields;
mod files;
mod init;
mod manual;
mod plan;
mod precision;
mod pretrain;
mod preview;
mod progress;
mod provenance;
mod rates;
mod report;
#[cfg(test)]
mod scripted;
mod selection;
mod summary;
mod sweep;
mod sweep_inputs;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    thaw_model::keep_freed_memory();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return error::usage(&error),
    };
    terminal::set_log_format(arguments.log_format);
    let done = match arguments.command {
        Command::Init(options) => init::run(&options),
        Command::Plan(options) => plan::run(&options),
        Command::Sweep(options) => sweep::run(&options.sweep, Some(&options.precision)),
        Command::Report(options) => report::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Preview(options) => preview::run(&options),
        Command::Attribute(options) => attribute::run(&options),
        Command::Diagnose(options) => diagnose::run(&options),
        Command::Export(options) => export::run(&options),
        Command::Diff(options) => diff::run(&options),
        Command::Audit(options) => audit::run(&options),
        Command::Fetch(options) => fetch::run(&options),
        Command::Pretrain(options) => pretrain::run(&options),
        Command::Completions(options) => Ok(manual::completions(&options)),
        Command::Man(options) => manual::man(&options),
    };
    done.unwrap_or_else(|error| error.report())
}
