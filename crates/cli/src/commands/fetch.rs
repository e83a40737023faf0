//! `thaw fetch`: weights and datasets from the catalogue.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use thaw_fetch::{
    CatalogueEntry, Checksum, DownloadKind, FetchError, RetryPolicy, catalogue, download,
    holds_split, hub_checksum, split_cats_and_dogs, verify,
};
use thaw_spec::shell_word;

use crate::error::{CliError, SUCCESS};
use crate::terminal::{say, say_lines, say_on_stderr};

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// What to fetch [default: show what there is]
    name: Option<String>,
    /// The file to write, or for a dataset the folder [default: below weights/ or data/]
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Fetch it from this mirror; the checksum stays the catalogue's
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Give up a connection that is silent for so long, and go on with another
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    stall_seconds: u64,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(options: &Fetch) -> Result<ExitCode, CliError> {
    let Some(name) = &options.name else {
        say_lines(list());
        return Ok(ExitCode::from(SUCCESS));
    };
    let entry = catalogue().iter().find(|entry| entry.name == *name).ok_or_else(|| {
        let names: Vec<String> =
            catalogue().iter().map(|entry| format!("`{}`", entry.name)).collect();
        CliError::Usage {
            message: format!("fetch: the catalogue has no `{name}`, only {}", names.join(", ")),
        }
    })?;
    match entry.kind {
        DownloadKind::Weights => fetch_weights(entry, options)?,
        DownloadKind::CatsAndDogs => fetch_photographs(entry, options)?,
    }
    Ok(ExitCode::from(SUCCESS))
}

fn fetch_weights(entry: &CatalogueEntry, options: &Fetch) -> Result<(), CliError> {
    let target =
        options.output.clone().unwrap_or_else(|| PathBuf::from("weights").join(&entry.file));
    fetch(entry, options, &target)?;
    say(&target.display().to_string());
    say(&format!("licence: {}", entry.licence));
    say(&format!("use it by --weights {}", shell_word(&target.to_string_lossy())));
    if let Some(preprocessing) = &entry.preprocessing {
        say(&format!("it was trained with preprocessing = \"{preprocessing}\""));
    }
    Ok(())
}

fn fetch_photographs(entry: &CatalogueEntry, options: &Fetch) -> Result<(), CliError> {
    let folder =
        options.output.clone().unwrap_or_else(|| PathBuf::from("data/cats_and_dogs_small"));
    let use_it = format!("use it by --data {}", shell_word(&folder.to_string_lossy()));
    // What is in the way is told before hundreds of megabytes have come.
    if folder.symlink_metadata().is_ok() {
        check_photographs(&folder)?;
        say_on_stderr(&format!("{} is there already", folder.display()));
        say(&folder.display().to_string());
        say(&format!("licence: {}", entry.licence));
        say(&use_it);
        return Ok(());
    }
    let archive = folder.with_file_name(&entry.file);
    fetch(entry, options, &archive)?;
    let report = split_cats_and_dogs(&archive, &folder)?;
    say(&format!(
        "{}: {} photographs, passed over: {}",
        folder.display(),
        report.images,
        report.passed_over.join(", ")
    ));
    say(&format!("licence: {}", entry.licence));
    say(&format!("{use_it}; the archive can be removed"));
    Ok(())
}

/// Refuses what stands in the place of the photographs and is something else.
fn check_photographs(folder: &Path) -> Result<(), CliError> {
    if holds_split(folder) {
        return Ok(());
    }
    let message = format!(
        "{}: is there already and does not hold the photographs of cats and dogs in train, validation and test; remove it, or choose another folder by --output",
        folder.display()
    );
    Err(CliError::Exists { message })
}

/// Downloads a file, unless it is there.
fn fetch(entry: &CatalogueEntry, options: &Fetch, target: &Path) -> Result<(), CliError> {
    let url = options.url.as_deref().unwrap_or(&entry.url);
    let retry = RetryPolicy {
        stall: std::time::Duration::from_secs(options.stall_seconds),
        ..RetryPolicy::default()
    };
    if target.exists() {
        return check(entry, url, target, retry);
    }
    let bar = if options.quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::with_draw_target(entry.size, ProgressDrawTarget::stderr())
    };
    let style = ProgressStyle::with_template(
        "{msg} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left {wide_bar}",
    );
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(entry.name.clone());
    let result = download(url, target, &entry.checksum, retry, &|received, total| {
        if let Some(total) = total {
            bar.set_length(total);
        }
        bar.set_position(received);
    });
    bar.finish_and_clear();
    result.map_err(|error| match error {
        FetchError::Unreachable { .. }
        | FetchError::Refused { .. }
        | FetchError::NoChecksum { .. }
        | FetchError::Interrupted { .. } => {
            CliError::Network { source: error, remedy: by_hand(entry, target) }
        }
        other => CliError::Fetch(other),
    })
}

/// Says that a file is there already, unless it is another. A checksum that only the server can tell is
/// asked for; where it cannot be had, the file may be the right one all the same.
fn check(
    entry: &CatalogueEntry,
    url: &str,
    target: &Path,
    retry: RetryPolicy,
) -> Result<(), CliError> {
    let refused = |error: FetchError| not_the_file(error, entry.kind);
    let place = target.display();
    verify(target, &entry.checksum).map_err(refused)?;
    if entry.checksum == Checksum::Hub {
        match hub_checksum(url, retry) {
            Ok(checksum) => verify(target, &checksum).map_err(refused)?,
            Err(error) => {
                say_on_stderr(&format!("{place} is there already, and was not checked: {error}"));
                return Ok(());
            }
        }
    }
    say_on_stderr(&format!("{place} is there already"));
    Ok(())
}

/// The error of a target that is not the file; the flags are this program's.
fn not_the_file(error: FetchError, kind: DownloadKind) -> CliError {
    let remedy = match kind {
        DownloadKind::Weights => "name the file to write by --output",
        DownloadKind::CatsAndDogs => "remove it, or choose another folder by --output",
    };
    match error {
        FetchError::NotAFile { .. } => CliError::Exists { message: format!("{error}; {remedy}") },
        other => CliError::Fetch(other),
    }
}

/// What a person without a network can do.
fn by_hand(entry: &CatalogueEntry, target: &Path) -> String {
    // A mirror of the hub names no checksums.
    let or = if entry.checksum == Checksum::Hub { "" } else { "; or give a mirror by --url" };
    format!(
        "elsewhere, fetch {} ({}), put it at {} and run the same command again{or}",
        entry.url,
        entry.checksum,
        target.display()
    )
}

fn list() -> Vec<String> {
    let mut lines = vec!["What can be fetched (thaw fetch NAME):".to_owned()];
    for entry in catalogue() {
        let size = entry.size.map_or_else(String::new, |bytes| format!(", {} MiB", bytes >> 20));
        lines.extend([
            String::new(),
            entry.name.clone(),
            format!("    {}", entry.title),
            format!("    {}", entry.url),
            format!("    {}{size}; {}", entry.checksum, entry.licence),
        ]);
    }
    lines.push(String::new());
    lines
}
