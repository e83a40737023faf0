//! `thaw`: runs matrices of transfer-learning experiments and says which procedure gives which
//! accuracy.

mod arguments;
mod commands;
mod drawing;
mod error;
mod fields;
mod files;
mod inputs;
mod matrix;
mod places;
mod precision;
mod progress;
mod screen;
mod selection;
mod sheets;
mod signals;
mod summary;
mod sweeping;
mod terminal;
mod thumbnails;
mod words;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};
use commands::{
    attribute, audit, check, diagnose, diff, doctor, export, fetch, init, manual, plan, pretrain,
    preview, report, status, sweep, verify, watch, worker,
};

fn main() -> ExitCode {
    thaw_model::keep_freed_memory();
    signals::outlive_file_size_limits();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return error::usage(error),
    };
    terminal::set_log_format(arguments.log_format);
    error::set_can_skip_images(arguments.command.can_skip_images());
    let done = match arguments.command {
        Command::Init(options) => init::run(&options),
        Command::Plan(options) => plan::run(&options),
        Command::Sweep(options) => sweep::run(&options),
        Command::Worker(options) => worker::run(&options),
        Command::Status(options) => status::run(&options),
        Command::Watch(options) => watch::run(&options),
        Command::Report(options) => report::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Preview(options) => preview::run(&options),
        Command::Attribute(options) => attribute::run(&options),
        Command::Diagnose(options) => diagnose::run(&options),
        Command::Export(options) => export::run(&options),
        Command::Diff(options) => diff::run(&options),
        Command::Verify(options) => verify::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Audit(options) => audit::run(&options),
        Command::Fetch(options) => fetch::run(&options),
        Command::Pretrain(options) => pretrain::run(&options),
        Command::Completions(options) => Ok(manual::completions(&options)),
        Command::Man(options) => manual::man(&options),
    };
    let done = done.and_then(|code| terminal::finish_output().map(|()| code));
    done.unwrap_or_else(|error| error.report())
}
