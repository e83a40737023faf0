//! Records as other programs read them.

mod csv;
mod json;
mod mlflow;
mod tensorboard;

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use tempfile::TempDir;
use thaw_spec::{TrainingLog, UnknownName, file_names};

use crate::ExchangeError;

/// Format of an export: a file of its own, and a place in [`Format::ALL`].
#[derive(Clone, Copy)]
pub struct Format {
    /// Name on a command line.
    pub name: &'static str,
    /// Name of the file or folder that is written where none is named.
    pub default_output: &'static str,
    /// Writes all of it or nothing.
    write: fn(&Export<'_>) -> io::Result<()>,
    /// How a person opens what lies at a path, in sentences.
    pub opened_with: fn(&Path) -> Vec<String>,
}

/// What is written where.
#[derive(Clone, Copy)]
struct Export<'a> {
    experiment: &'a str,
    runs: &'a [ExportedRun],
    output: &'a Path,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 4] = [csv::FORMAT, json::FORMAT, tensorboard::FORMAT, mlflow::FORMAT];
}

impl fmt::Debug for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        UnknownName::find("format", name, &Self::ALL, |format| format.name)
    }
}

/// A run with everything that an export tells of it.
#[derive(Clone, Debug)]
pub struct ExportedRun {
    /// Identifier that no other run has: the cell's id.
    pub id: String,
    /// Name for people: levels and seed.
    pub name: String,
    /// Factors and their levels.
    pub levels: Vec<(String, String)>,
    /// Seed of the run.
    pub seed: u64,
    /// All settings that define the run, by their path in the procedure.
    pub parameters: Vec<(String, String)>,
    /// Outcome of the audit: `completed` or `thawed`.
    pub status: String,
    /// Start in seconds since 1970-01-01 UTC.
    pub started_unix_seconds: u64,
    /// Metrics and durations by epoch.
    pub log: TrainingLog,
    /// Largest relative drift of a tensor of the base, by epoch.
    pub drift: Vec<f64>,
}

impl ExportedRun {
    /// When each epoch ended, in seconds since 1970-01-01 UTC; all at the start where durations are
    /// unknown.
    fn epoch_ends(&self) -> Vec<f64> {
        let mut end = self.started_unix_seconds as f64;
        (0..self.log.epochs())
            .map(|epoch| {
                end += self.log.seconds().get(epoch).copied().unwrap_or(0.0);
                end
            })
            .collect()
    }
}

/// The runs' names as those of folders: without spaces and separators, each another.
fn folder_names(runs: &[ExportedRun]) -> Vec<String> {
    let stand_in = |character: char| match character {
        ' ' => Some('_'),
        _ => (character.is_alphanumeric() || "=._-".contains(character)).then_some(character),
    };
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    file_names(&names, stand_in)
}

/// Writes runs of an experiment to a file, or to a folder that must not exist yet. Either all of it
/// is there in the end or nothing.
///
/// # Errors
/// When the output cannot be written, or the folder exists.
pub fn export(
    experiment: &str,
    runs: &[ExportedRun],
    format: Format,
    output: &Path,
) -> Result<(), ExchangeError> {
    let written = (format.write)(&Export { experiment, runs, output });
    written.map_err(ExchangeError::unwritable(output))
}

fn parent(output: &Path) -> io::Result<&Path> {
    let parent =
        output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)?;
    Ok(parent)
}

/// Fills a temporary folder and gives it its name at the end.
fn write_folder(output: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    if output.exists() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the folder exists; remove it"));
    }
    let folder = TempDir::new_in(parent(output)?)?;
    fill(folder.path())?;
    readable(folder.path(), 0o755)?;
    std::fs::rename(folder.path(), output)?;
    // Nothing is left under the temporary name.
    let _ = folder.keep();
    Ok(())
}

/// Makes an export readable for everybody, since temporary files are private to their owner.
fn readable(path: &Path, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    std::fs::set_permissions(
        path,
        <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(mode),
    )?;
    let _ = (path, mode);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use thaw_spec::Metric;

    use super::*;

    /// Two runs whose names differ only in characters that no file name has.
    fn hostile_runs() -> Vec<ExportedRun> {
        let run = |level: &str| {
            let levels = [
                ("../../outside", level),
                ("/absolute", "x"),
                ("..", "y"),
                ("", "z"),
                ("<b>\u{202e}", "u"),
                ("Größe [m²], क्षि", "v"),
            ];
            let words: Vec<String> =
                levels.iter().map(|(factor, level)| format!("{factor}={level}")).collect();
            ExportedRun {
                id: format!("id{}", level.len()),
                name: format!("{} {}", words.join(" "), "long".repeat(100)),
                levels: levels.map(|(factor, level)| (factor.to_owned(), level.to_owned())).into(),
                seed: 0,
                parameters: vec![("phases[0].dropout".to_owned(), "0.5".to_owned())],
                status: "completed".to_owned(),
                started_unix_seconds: 0,
                log: TrainingLog::new([(Metric::TrainLoss, vec![0.5])].into(), Vec::new())
                    .expect("a log"),
                drift: vec![0.0],
            }
        };
        vec![run("a/b"), run("a:::b")]
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
        }
        files
    }

    #[test]
    fn runs_of_any_names_have_each_a_folder_within_the_export() {
        let desk = TempDir::new().expect("a folder");
        for format in Format::ALL {
            let output = desk.path().join("a b#%41").join(format.name);
            export("tiny", &hostile_runs(), format, &output).expect("written");
        }
        let below = desk.path().join("a b#%41");
        let beside: Vec<_> = std::fs::read_dir(desk.path()).expect("a folder").collect();
        assert_eq!(beside.len(), 1, "nothing lies outside: {beside:?}");
        assert_eq!(files(&below.join("tensorboard")).len(), 2, "a file for each run");
        let parameters = files(&below.join("mlflow/1/id3/params"));
        assert_eq!(parameters.len(), 6 + 1 + 1, "{parameters:?}");
        assert!(below.join("mlflow/1/id3/params/phases.0.dropout").is_file(), "{parameters:?}");
        // What MLflow 3.17 opens; one other name, and it opens nothing of the store.
        for file in &parameters {
            let name = file.file_name().expect("a name").to_string_lossy();
            let is_read =
                |character: char| "_-. ²".contains(character) || character.is_alphanumeric();
            assert!(name.chars().all(is_read) && !name.contains('ि'), "{name}");
        }
        assert!(parameters.iter().any(|file| file.to_string_lossy().contains("/Größe _m²__ ")));
        let meta = std::fs::read_to_string(below.join("mlflow/1/meta.yaml")).expect("read");
        assert!(meta.contains("/a%20b%23%2541/mlflow/1\""), "{meta}");
        let meta = std::fs::read_to_string(below.join("mlflow/1/id3/meta.yaml")).expect("read");
        assert!(meta.contains(r"<b>\u202e=u"), "{meta}");
    }
}
