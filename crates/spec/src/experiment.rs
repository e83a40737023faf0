//! An experiment as a person types it, and the way from there to cells.

use serde::Deserialize;
use toml::Spanned;

use crate::cell::label;
use crate::matrix::{Matrix, MatrixTable};
use crate::phase::PhaseSettings;
use crate::settings::{DEFAULTS, Settings};
use crate::{
    Architecture, Cell, DatasetSource, Inputs, Location, PreprocessingName, Procedure, Selector,
    SpecError,
};

/// The `[base]` table.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BaseSpec {
    architecture: Architecture,
    /// The preprocessing that the weights were trained on.
    trained_with: Option<PreprocessingName>,
}

/// A published curve that is drawn over the cells it speaks about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedCurve {
    /// Name in the legend.
    pub label: String,
    /// Path of a CSV file with the columns `run, epoch, loss, acc, val_loss, val_acc`, relative to
    /// the experiment's file.
    pub file: String,
    /// Value of the `run` column that selects the curve.
    pub run: String,
    /// Cells over which the curve is drawn.
    #[serde(rename = "where", default)]
    pub selector: Selector,
}

/// A rung of the ladder from one procedure to another: a change, and the procedure that it leads
/// to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// The change, in a few words.
    pub label: String,
    /// Selector of exactly one procedure.
    #[serde(rename = "where")]
    pub selector: Selector,
}

/// Other seeds for some procedures: fewer for those that take hours.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedsFor {
    #[serde(rename = "where")]
    selector: Selector,
    seeds: Vec<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExperimentTable {
    name: String,
    #[serde(default)]
    title: String,
    seeds: Spanned<Vec<u64>>,
    #[serde(default)]
    seeds_for: Vec<Spanned<SeedsFor>>,
    dataset: Spanned<DatasetSource>,
    base: BaseSpec,
    #[serde(default)]
    procedure: Settings,
    #[serde(default)]
    phase: Vec<Spanned<PhaseSettings>>,
    matrix: Option<Spanned<MatrixTable>>,
    #[serde(default)]
    exclude: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    include: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    published: Vec<Spanned<PublishedCurve>>,
    #[serde(default)]
    ladder: Vec<Spanned<Rung>>,
}

/// An experiment: a matrix of procedures over seeds.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Short name; also the name of the experiment's folder under `results/`.
    pub name: String,
    /// Title in one line, for headings.
    pub title: String,
    /// Seeds that procedures run with, unless a `[[seeds_for]]` gives them others.
    pub seeds: Vec<u64>,
    /// Source of the images.
    pub dataset: DatasetSource,
    /// The convolutional base.
    pub architecture: Architecture,
    /// Preprocessing that the weights were trained on, if the author knows it.
    pub trained_with: Option<PreprocessingName>,
    /// Names of the factors, in the order of the file.
    pub factors: Vec<String>,
    /// Published curves, drawn for comparison.
    pub published: Vec<PublishedCurve>,
    /// The ladder from one procedure to another, one change at a time.
    pub ladder: Vec<Rung>,
    procedures: Vec<(Vec<(String, String)>, Procedure)>,
    /// The last entry that chooses a procedure gives its seeds.
    seeds_for: Vec<SeedsFor>,
}

impl Experiment {
    /// Reads an experiment. `file` is only used in messages.
    ///
    /// # Errors
    /// Names the file, the line, the key and what is allowed there.
    pub fn parse(file: &str, text: &str) -> Result<Self, SpecError> {
        let typed: ExperimentTable =
            toml::from_str(text).map_err(|error| SpecError::from_toml(file, text, &error))?;
        let defaults: Settings =
            toml::from_str(DEFAULTS).expect("the embedded defaults are tested");
        let at = |offset: usize| Location::in_text(file, text, offset);
        let matrix_location = at(typed.matrix.as_ref().map_or(0, |matrix| matrix.span().start));

        let valid =
            |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        if typed.name.is_empty() || typed.name.starts_with('.') || !typed.name.chars().all(valid) {
            let message = format!(
                "name: `{}` cannot name a folder; use letters, digits, `-`, `_` and `.`",
                typed.name
            );
            return Err(SpecError::Syntax { location: at(0), message });
        }
        let sorted = |typed: &[u64], place: usize| {
            let mut seeds = typed.to_vec();
            seeds.sort_unstable();
            seeds.dedup();
            let message = "seeds: give at least one seed, and each only once".to_owned();
            let is_right = !seeds.is_empty() && seeds.len() == typed.len();
            is_right
                .then_some(seeds)
                .ok_or_else(|| SpecError::Syntax { location: at(place), message })
        };
        let seeds = sorted(typed.seeds.get_ref(), typed.seeds.span().start)?;

        typed.dataset.get_ref().check().map_err(|message| SpecError::Syntax {
            location: at(typed.dataset.span().start),
            message: format!("dataset: {message}"),
        })?;

        let typed_matrix = typed.matrix.map(Spanned::into_inner).unwrap_or_default();
        let matrix = Matrix::understand(&typed_matrix, &at)?;
        let combinations = matrix.combinations(&at, &typed.exclude, &typed.include)?;
        if combinations.is_empty() {
            return Err(SpecError::EmptyMatrix { location: matrix_location });
        }
        let mut procedures: Vec<(Vec<(String, String)>, Procedure)> =
            Vec::with_capacity(combinations.len());
        let mut profiles = Vec::with_capacity(combinations.len());
        let mut procedure_settings = typed.procedure;
        if let Some(first) = typed.phase.first() {
            if procedure_settings.phase.is_some() {
                let message =
                    "phase: [procedure] has a `phase` as well; keep one of them".to_owned();
                return Err(SpecError::Syntax { location: at(first.span().start), message });
            }
            procedure_settings.phase =
                Some(typed.phase.iter().map(|phase| phase.get_ref().clone()).collect());
        }
        for combination in combinations {
            // A profile takes the place of the defaults, wherever it was chosen: what is set by
            // name stands above it.
            let mut typed_settings = procedure_settings.clone();
            typed_settings.overlay(&combination.settings);
            let mut settings = defaults.clone();
            if let Some(profile) = typed_settings.profile {
                settings.overlay(profile.settings());
            }
            settings.overlay(&typed_settings);
            let procedure =
                Procedure::resolve(typed.base.architecture, &settings).map_err(|reason| {
                    SpecError::Contradiction {
                        location: reason
                            .phase
                            .and_then(|phase| typed.phase.get(phase))
                            .map_or(matrix_location.clone(), |phase| at(phase.span().start)),
                        cell: label(&combination.levels),
                        reason: reason.to_string(),
                    }
                })?;
            // Profiles may agree in all that matters to a procedure, which is then run once;
            // otherwise twins are a mistake.
            let twin = procedures
                .iter()
                .zip(&profiles)
                .find(|((_, other), profile)| *other == procedure && **profile == settings.profile);
            if let Some(((twin, _), _)) = twin {
                return Err(SpecError::Duplicate {
                    location: matrix_location,
                    first: label(twin),
                    second: label(&combination.levels),
                });
            }
            procedures.push((combination.levels, procedure));
            profiles.push(settings.profile);
        }

        let known = matrix.known();
        for published in &typed.published {
            published.get_ref().selector.check(&known).map_err(|error| SpecError::Matrix {
                location: at(published.span().start),
                key: "published.where".to_owned(),
                message: error.to_string(),
            })?;
        }
        for entry in &typed.seeds_for {
            let refused = |message| SpecError::Matrix {
                location: at(entry.span().start),
                key: "seeds_for.where".to_owned(),
                message,
            };
            let selector = &entry.get_ref().selector;
            selector.check(&known).map_err(|error| refused(error.to_string()))?;
            if !procedures.iter().any(|(levels, _)| selector.matches(levels)) {
                return Err(refused(format!(
                    "`{selector}` chooses no procedure; remove the entry or change its levels"
                )));
            }
        }
        let seeds_for = typed.seeds_for.into_iter().map(|entry| {
            let seeds = sorted(&entry.get_ref().seeds, entry.span().start)?;
            Ok(SeedsFor { seeds, ..entry.into_inner() })
        });
        let seeds_for = seeds_for.collect::<Result<_, SpecError>>()?;
        for rung in &typed.ladder {
            let refused = |message| SpecError::Matrix {
                location: at(rung.span().start),
                key: "ladder.where".to_owned(),
                message,
            };
            let selector = &rung.get_ref().selector;
            selector.check(&known).map_err(|error| refused(error.to_string()))?;
            let chosen = procedures.iter().filter(|(levels, _)| selector.matches(levels)).count();
            if chosen != 1 {
                return Err(refused(format!(
                    "`{selector}` chooses {chosen} procedures; name the levels of exactly one"
                )));
            }
        }
        Ok(Self {
            title: if typed.title.is_empty() { typed.name.clone() } else { typed.title },
            name: typed.name,
            seeds,
            dataset: typed.dataset.into_inner(),
            architecture: typed.base.architecture,
            trained_with: typed.base.trained_with,
            factors: matrix.factor_names(),
            published: typed.published.into_iter().map(Spanned::into_inner).collect(),
            ladder: typed.ladder.into_iter().map(Spanned::into_inner).collect(),
            procedures,
            seeds_for,
        })
    }

    /// The seeds that the procedure with these levels runs with, ascending.
    pub fn seeds_of(&self, levels: &[(String, String)]) -> &[u64] {
        let chosen = self.seeds_for.iter().rfind(|entry| entry.selector.matches(levels));
        chosen.map_or(&self.seeds, |entry| &entry.seeds)
    }

    /// The procedures with their levels, in the order of the matrix.
    pub fn procedures(&self) -> impl ExactSizeIterator<Item = (&[(String, String)], &Procedure)> {
        self.procedures.iter().map(|(levels, procedure)| (levels.as_slice(), procedure))
    }

    /// Each factor with the levels that occur.
    pub fn known_levels(&self) -> Vec<(String, Vec<String>)> {
        let levels = |factor: &String| {
            let mut levels: Vec<String> = Vec::new();
            for (_, level) in self
                .procedures
                .iter()
                .flat_map(|(levels, _)| levels)
                .filter(|(name, _)| name == factor)
            {
                if !levels.contains(level) {
                    levels.push(level.clone());
                }
            }
            (factor.clone(), levels)
        };
        self.factors.iter().map(levels).collect()
    }

    /// Every procedure with each of its seeds, on the given inputs. A procedure that goes by
    /// several names (under profiles that agree in it) is there once, by the first.
    pub fn cells(&self, inputs: &Inputs) -> Vec<Cell> {
        let mut cells: Vec<Cell> = Vec::new();
        for (levels, procedure) in &self.procedures {
            let before = cells.len();
            for &seed in self.seeds_of(levels) {
                if !cells[..before]
                    .iter()
                    .any(|cell| cell.seed == seed && cell.procedure == *procedure)
                {
                    cells.push(Cell {
                        levels: levels.clone(),
                        procedure: procedure.clone(),
                        inputs: inputs.clone(),
                        seed,
                    });
                }
            }
        }
        cells
    }

    /// A shorter experiment of the same procedures: fewer epochs (in every phase), other seeds,
    /// only some cells. For trying out and for CI.
    pub fn shortened(
        mut self,
        epochs: Option<usize>,
        seeds: Option<&[u64]>,
        only: &Selector,
    ) -> Self {
        if let Some(epochs) = epochs {
            for (_, procedure) in &mut self.procedures {
                procedure.shorten(epochs);
                procedure.later_phases.iter_mut().for_each(|later| later.procedure.shorten(epochs));
            }
        }
        if let Some(seeds) = seeds {
            self.seeds = seeds.to_vec();
            self.seeds.sort_unstable();
            self.seeds.dedup();
            self.seeds_for.clear();
        }
        self.procedures.retain(|(levels, _)| only.matches(levels));
        self
    }

    /// Whether every run of a narrowed form of this experiment is also one of this.
    pub fn contains(&self, narrowed: &Self) -> bool {
        narrowed.procedures.iter().all(|(levels, procedure)| {
            let planned = self.seeds_of(levels);
            self.procedures.iter().any(|known| known.1 == *procedure)
                && narrowed.seeds_of(levels).iter().all(|seed| planned.contains(seed))
        })
    }
}
