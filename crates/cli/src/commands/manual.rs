//! `thaw completions` and `thaw man`: the command line, for shells and for `man`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::CommandFactory as _;

use crate::arguments::Arguments;
use crate::error::{CliError, SUCCESS};
use crate::files::write_whole;
use crate::terminal::print;

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page for each command into this folder
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// Prints the completions of a shell.
pub(crate) fn completions(options: &Completions) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), "thaw", &mut text);
    print(&text);
    ExitCode::from(SUCCESS)
}

/// Prints the manual page, or writes one for every command into a folder.
pub(crate) fn man(options: &Man) -> Result<ExitCode, CliError> {
    let mut command = Arguments::command();
    command.build();
    match &options.output {
        None => print(&page(&command)?),
        Some(folder) => {
            write_page(folder, &command)?;
            for subcommand in command.get_subcommands().filter(|command| !command.is_hide_set()) {
                write_page(folder, subcommand)?;
            }
        }
    }
    Ok(ExitCode::from(SUCCESS))
}

fn write_page(folder: &Path, command: &clap::Command) -> Result<(), CliError> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    write_whole(&folder.join(format!("{name}.1")), &page(command)?)
}

fn page(command: &clap::Command) -> Result<Vec<u8>, CliError> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut text)
        .map_err(|source| CliError::Unwritable { path: "the manual page".into(), source })?;
    Ok(text)
}
