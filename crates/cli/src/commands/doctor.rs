//! `thaw doctor`: looks for damage in results and caches, and sets aside what is damaged.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use thaw_analysis::ResultsFolder;
use thaw_run::Cache;
use thaw_store::below;

use crate::arguments::LOCAL_CACHE;
use crate::error::{CliError, DATA, SUCCESS};
use crate::places::refuse_file;
use crate::selection::{CellSelection, ResultsArgument, require_results};
use crate::terminal::say;

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The experiment file [default: every experiment in the folder of results]
    experiment: Option<PathBuf>,
    #[command(flatten)]
    results: ResultsArgument,
    /// Folder of decoded images, activations and checkpoints [default: .thaw-cache]
    #[arg(long, env = "THAW_CACHE", value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Move what is damaged to folders `set-aside` beside it, so that the next sweep makes it again
    #[arg(long)]
    set_aside: bool,
}

pub(crate) fn run(options: &Doctor) -> Result<ExitCode, CliError> {
    let mut examined = Vec::new();
    for place in experiments(options)? {
        examined.extend(examine_results(&place, options.set_aside)?);
    }
    examined.extend(examine_cache(options)?);
    if examined.is_empty() {
        say("nothing to examine: there are no results and no cache here");
    }
    if examined.iter().all(|damaged| *damaged == 0) {
        return Ok(ExitCode::from(SUCCESS));
    }
    if options.set_aside {
        say("the next sweep makes again what was set aside");
        return Ok(ExitCode::from(SUCCESS));
    }
    say("with --set-aside, what is damaged is moved away, and the next sweep makes it again");
    Ok(ExitCode::from(DATA))
}

/// The places of the experiments' results.
fn experiments(options: &Doctor) -> Result<Vec<PathBuf>, CliError> {
    let mut places = Vec::new();
    for results in options.results.read() {
        if options.results.is_named() {
            require_results(&results)?;
        }
        match &options.experiment {
            Some(path) => {
                let experiment = CellSelection::plain(Some(path.clone())).load()?;
                places.push(below(&results, &experiment.name));
            }
            None => {
                let names = thaw_store::open(&results).and_then(|store| store.list(""))?;
                places.extend(names.iter().map(|name| below(&results, name)));
            }
        }
    }
    Ok(places)
}

/// Looks at the results of an experiment; returns how many cells are damaged, where there are cells.
fn examine_results(place: &Path, set_aside: bool) -> Result<Option<usize>, CliError> {
    let folder = ResultsFolder::open(place)?;
    if !folder.has_cells()? {
        return Ok(None);
    }
    let examination = folder.examine()?;
    say(&format!(
        "{}: {} complete cells are sound, {} are not complete, {} damaged",
        folder.root().display(),
        examination.complete,
        examination.partial,
        examination.damaged.len()
    ));
    for damage in &examination.damaged {
        say(&format!("  {}", damage.reason));
        if set_aside {
            let place = folder.set_aside(&damage.cell)?;
            say(&format!("  set aside: {}", place.display()));
        }
    }
    for name in &examination.passed_over {
        let place = folder.place(&format!("cells/{name}"));
        say(&format!("  {}: a file among the cells, which nothing reads", place.display()));
        if set_aside {
            say(&format!("  set aside: {}", folder.set_aside(name)?.display()));
        }
    }
    left_behind(&folder.orphans()?);
    Ok(Some(examination.damaged.len()))
}

/// Looks at the files of the cache; returns how many are damaged, where there is a cache.
fn examine_cache(options: &Doctor) -> Result<Option<usize>, CliError> {
    let place = options.cache.clone().unwrap_or_else(|| PathBuf::from(LOCAL_CACHE));
    let Some(folder) = thaw_store::folder(&place)? else {
        say(&format!(
            "{}: a cache in an object store is not examined; name the folder of this machine's copies by --cache",
            place.display()
        ));
        return Ok(None);
    };
    refuse_file(&place, "a folder of a cache", "name the folder by --cache")?;
    if !folder.is_dir() {
        if options.cache.is_some() {
            say(&format!("{}: there is no such folder, so no cache is examined", place.display()));
        }
        return Ok(None);
    }
    let cache = Cache::in_folder(&folder);
    let (sound, damaged) = cache.examine()?;
    say(&format!(
        "{}: {sound} artifacts and checkpoints are sound, {} damaged",
        place.display(),
        damaged.len()
    ));
    for (file, reason) in &damaged {
        say(&format!("  {}: {reason}", file.display()));
        if options.set_aside
            && let Some(place) = cache.set_aside(file)?
        {
            say(&format!("  set aside: {}", place.display()));
        }
    }
    for file in cache.begun_files()? {
        let (place, what) = (file.display(), "an extraction that has not ended");
        say(&format!("  {place}: {what}; the sweep that wants it goes on from there"));
    }
    left_behind(&cache.orphans()?);
    Ok(Some(damaged.len()))
}

/// Says which files killed workers left behind; these are no damage.
fn left_behind(orphans: &[PathBuf]) {
    for orphan in orphans {
        let place = orphan.display();
        say(&format!("  {place}: a killed worker left it behind; the next sweep removes it"));
    }
}
