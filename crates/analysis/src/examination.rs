//! Looking through a folder of results: what is sound, what is damaged, what dead workers left behind.

use std::path::PathBuf;

use thaw_spec::Split;

use crate::store::{CELLS, key};
use crate::{AnalysisError, CellState, ResultsFolder};

/// The place of what is damaged.
const SET_ASIDE: &str = "set-aside";

/// A cell whose records cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The name of its folder.
    pub cell: String,
    /// The file, what is wrong with it, and what to do, in a sentence.
    pub reason: String,
}

/// What was found in a folder of results.
#[derive(Clone, Debug, Default)]
pub struct Examination {
    /// Number of cells that are complete, all files of which can be read.
    pub complete: usize,
    /// Number of cells that were begun.
    pub partial: usize,
    /// Cells with a file that cannot be read, or is missing.
    pub damaged: Vec<Damage>,
    /// Names of files that lie among the folders of cells, where nothing reads them.
    pub passed_over: Vec<String>,
}

impl ResultsFolder {
    /// Everything that the folder holds, looked at: each file of each cell is read.
    ///
    /// # Errors
    /// When the folder cannot be listed, or its store cannot be reached.
    pub fn examine(&self) -> Result<Examination, AnalysisError> {
        let mut examination = Examination::default();
        for name in self.store.list(CELLS)? {
            match sound(&name, self.examine_cell(&name))? {
                Ok(Some(CellState::Complete)) => examination.complete += 1,
                Ok(Some(_)) => examination.partial += 1,
                Ok(None) if self.store.has(&format!("{CELLS}/{name}"))? => {
                    examination.passed_over.push(name);
                }
                Ok(None) => {}
                Err(damage) => examination.damaged.push(damage),
            }
        }
        Ok(examination)
    }

    /// Reads all files of a cell; nothing of one that was not begun.
    fn examine_cell(&self, name: &str) -> Result<Option<CellState>, AnalysisError> {
        let Some(manifest) = self.manifest_of(name)? else { return Ok(None) };
        let id = &manifest.id;
        self.failure(id)?;
        let Some(outcome) = self.outcome(id)? else {
            // What is recorded of a cell that goes on is written again with its next epoch.
            return Ok(Some(CellState::Partial));
        };
        for file in outcome.records.keys() {
            let key = key(id, file);
            let bytes = self.store.get(&key)?.ok_or_else(|| self.missing(&key))?;
            self.is_as_recorded(id, file, &bytes, &outcome)?;
        }
        let rows = self.read_epochs(id, &outcome)?;
        let epochs = rows.iter().filter(|row| row.split == Split::Train).count();
        if epochs != outcome.epochs {
            return Err(self.other_number(id, epochs, &outcome));
        }
        self.read_predictions(id)?;
        self.read_drift(id)?;
        self.state(&manifest.cell).map(Some)
    }

    /// Moves the files of a cell, or a file among the cells, to `set-aside/`, where nothing reads them;
    /// returns their place.
    ///
    /// # Errors
    /// When one cannot be read or written.
    pub fn set_aside(&self, name: &str) -> Result<PathBuf, AnalysisError> {
        let taken = self.store.list(SET_ASIDE)?;
        let number = (1..).find(|number| !taken.contains(&numbered(name, *number)));
        let place = format!("{SET_ASIDE}/{}", numbered(name, number.unwrap_or(1)));
        let there = format!("{CELLS}/{name}");
        if self.store.has(&there)? {
            self.move_file(&there, &place)?;
        }
        for file in self.store.list(&there)? {
            self.move_file(&format!("{there}/{file}"), &format!("{place}/{file}"))?;
        }
        Ok(self.store.place(&place))
    }

    fn move_file(&self, from: &str, to: &str) -> Result<(), AnalysisError> {
        if let Some(bytes) = self.store.get(from)? {
            self.store.put(to, &bytes)?;
            self.store.remove(from)?;
        }
        Ok(())
    }

    /// Removes what dead workers left behind: files that they had begun, and their claims.
    ///
    /// # Errors
    /// When the folder cannot be listed or written to.
    pub fn remove_orphans(&self) -> Result<(), AnalysisError> {
        for folder in self.folders()? {
            self.store.remove_orphans(&folder)?;
        }
        Ok(())
    }

    /// What dead workers left behind, where the results are in a folder: files that they had begun, and
    /// their claims.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn orphans(&self) -> Result<Vec<PathBuf>, AnalysisError> {
        let mut orphans = self.store.dead_claims()?;
        for folder in self.folders()? {
            orphans.extend(self.store.orphans(&folder)?);
        }
        Ok(orphans)
    }

    /// The folders that workers write to: the one of the results, those in it with the plots of narrowed
    /// reports, and those of the cells.
    fn folders(&self) -> Result<Vec<String>, AnalysisError> {
        let mut folders = vec![String::new()];
        for name in self.store.list("")?.into_iter().filter(|name| name != SET_ASIDE) {
            folders.push(format!("{name}/plots"));
            folders.push(name);
        }
        let cells = self.store.list(CELLS)?;
        folders.extend(cells.iter().map(|cell| format!("{CELLS}/{cell}")));
        Ok(folders)
    }
}

/// The name of the cell that is set aside for the first, the second, … time.
fn numbered(name: &str, number: usize) -> String {
    if number == 1 { name.to_owned() } else { format!("{name}-{number}") }
}

/// What was read of a cell, or its damage; other errors are those of the store.
pub(crate) fn sound<T>(
    cell: &str,
    read: Result<T, AnalysisError>,
) -> Result<Result<T, Damage>, AnalysisError> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.is_damage() => {
            Ok(Err(Damage { cell: cell.to_owned(), reason: error.to_string() }))
        }
        Err(error) => Err(error),
    }
}
