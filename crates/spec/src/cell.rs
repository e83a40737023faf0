//! A cell: one procedure on given data and weights with one seed, and the hash that names it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ContentHash, Procedure};

/// Data and weights of a cell: the part of its identity that an experiment file does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// SHA-256 over the names, labels and contents of the dataset's images.
    pub dataset: ContentHash,
    /// SHA-256 of the weights file.
    pub weights: ContentHash,
    /// Class names in the order of their labels.
    pub classes: Vec<String>,
}

/// Identifier of a cell: 16 hexadecimal digits of the hash of its content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CellId(String);

impl CellId {
    /// The 16 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CellId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Identifier that the cells of one procedure share, whatever their seed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcedureId(String);

impl fmt::Display for ProcedureId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A complete, written-down experiment: nothing that could change its numbers is missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Factor levels of the cell, in the order of the matrix's factors. They name the cell for
    /// people and are not part of its identity.
    pub levels: Vec<(String, String)>,
    /// The procedure by which the cell is trained.
    pub procedure: Procedure,
    /// The data and weights that the cell is trained on.
    pub inputs: Inputs,
    /// Seed of all random streams of the cell.
    pub seed: u64,
}

/// Raised when the meaning of a cell changes, so that old results are not taken for new ones.
const IDENTITY_VERSION: u32 = 1;

impl Cell {
    /// Identifier of the cell.
    ///
    /// The same settings under other names of levels are the same cell:
    ///
    /// ```
    /// use thaw_spec::{Cell, ContentHash, Experiment, Inputs};
    ///
    /// let cells = |matrix: &str| -> Result<Vec<Cell>, thaw_spec::SpecError> {
    ///     let text = format!(
    ///         "name = 'example'\nseeds = [0]\n\
    ///          [dataset]\nsource = 'folder'\n\
    ///          [base]\narchitecture = 'vgg16'\n\
    ///          {matrix}"
    ///     );
    ///     let inputs = Inputs {
    ///         dataset: ContentHash::of_bytes(b"the images"),
    ///         weights: ContentHash::of_bytes(b"the weights"),
    ///         classes: vec!["cats".to_owned(), "dogs".to_owned()],
    ///     };
    ///     Ok(Experiment::parse("example.toml", &text)?.cells(&inputs))
    /// };
    /// let listed = cells("[matrix]\ndropout = [0.5]")?;
    /// let named = cells("[matrix.head]\nbook = { dropout = 0.5 }")?;
    /// assert_eq!(listed[0].label(), "dropout=0.5");
    /// assert_eq!(named[0].label(), "head=book");
    /// assert_eq!(listed[0].id(), named[0].id());
    /// # Ok::<(), thaw_spec::SpecError>(())
    /// ```
    pub fn id(&self) -> CellId {
        let hash =
            ContentHash::of_value(&(IDENTITY_VERSION, &self.procedure, &self.inputs, self.seed));
        CellId(hash.short().to_owned())
    }

    /// Identifier shared with the other seeds of the same procedure.
    pub fn procedure_id(&self) -> ProcedureId {
        let hash = ContentHash::of_value(&(IDENTITY_VERSION, &self.procedure, &self.inputs));
        ProcedureId(hash.short().to_owned())
    }

    /// Factor levels in words, such as `regime=cached dropout=0.5`.
    pub fn label(&self) -> String {
        label(&self.levels)
    }
}

/// Factor levels in words, such as `regime=cached dropout=0.5`.
pub fn label(levels: &[(String, String)]) -> String {
    if levels.is_empty() {
        return "the only cell".to_owned();
    }
    levels.iter().map(|(factor, level)| format!("{factor}={level}")).collect::<Vec<_>>().join(" ")
}
