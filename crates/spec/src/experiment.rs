//! An experiment as a person types it, and the way from there to cells.

use serde::Deserialize;
use toml::Spanned;

use crate::cell::label;
use crate::error::Contradiction;
use crate::labels::{Labels, LabelsTable};
use crate::matrix::{Combination, Matrix, MatrixTable};
use crate::phase::PhaseSettings;
use crate::place::place_of_setting;
use crate::settings::{DEFAULTS, Settings};
use crate::text::visible;
use crate::{
    Architecture, Cell, DatasetSource, Inputs, LauncherSettings, Location, Metric,
    PreprocessingName, Procedure, Selector, SpecError, Statistic,
};

/// Cells that an experiment may have.
const MOST_CELLS: usize = 100_000;

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
    /// Whether the gap in question ends here.
    #[serde(default)]
    pub gap_ends: bool,
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
    name: Spanned<String>,
    #[serde(default)]
    title: String,
    seeds: Spanned<Vec<u64>>,
    #[serde(default)]
    seeds_for: Vec<Spanned<SeedsFor>>,
    statistic: Option<Statistic>,
    dataset: Spanned<DatasetSource>,
    base: BaseSpec,
    procedure: Option<Spanned<Settings>>,
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
    #[serde(default)]
    labels: LabelsTable,
    #[serde(default)]
    launcher: LauncherSettings,
}

/// Characters of an experiment's name: a folder may have 255, and Slurm puts more around it.
const LONGEST_NAME: usize = 200;

/// A procedure with the factor levels that name it.
type NamedProcedure = (Vec<(String, String)>, Procedure);

/// The text of an experiment, in which byte offsets are places.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn at(&self, offset: usize) -> Location {
        Location::in_text(self.file, self.text, offset)
    }

    fn syntax_error(&self, offset: usize, message: String) -> SpecError {
        SpecError::Syntax { location: self.at(offset), message }
    }

    /// An error in the `where` of a table.
    fn selector_error(&self, offset: usize, table: &str, message: String) -> SpecError {
        SpecError::Matrix { location: self.at(offset), key: format!("{table}.where"), message }
    }

    fn check_selector(
        &self,
        selector: &Selector,
        known: &[(String, Vec<String>)],
        offset: usize,
        table: &str,
    ) -> Result<(), SpecError> {
        selector.check(known).map_err(|error| self.selector_error(offset, table, error.to_string()))
    }

    /// Refuses names that no folder can have.
    fn check_name(&self, typed: &Spanned<String>) -> Result<(), SpecError> {
        let name = typed.get_ref();
        let is_valid =
            |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        let message = if name.is_empty() || name.starts_with('.') || !name.chars().all(is_valid) {
            format!(
                "name: `{}` cannot name a folder; use letters, digits, `-`, `_` and `.`",
                visible(name)
            )
        } else if name.len() > LONGEST_NAME {
            format!(
                "name: {} characters are too many for the name of a folder; use at most {LONGEST_NAME}",
                name.len()
            )
        } else {
            return Ok(());
        };
        Err(self.syntax_error(typed.span().start, message))
    }

    /// Seeds in ascending order, of which there is at least one and none twice.
    fn sorted_seeds(&self, typed: &[u64], offset: usize) -> Result<Vec<u64>, SpecError> {
        let mut seeds = typed.to_vec();
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.is_empty() || seeds.len() != typed.len() {
            let message = "seeds: give at least one seed, and each only once";
            return Err(self.syntax_error(offset, message.to_owned()));
        }
        Ok(seeds)
    }

    /// The procedure of each combination of levels: its settings laid over those of the file, and
    /// these over the defaults, in whose place a profile stands.
    fn resolve_procedures(
        &self,
        architecture: Architecture,
        combinations: Vec<Combination>,
        procedure_settings: &Settings,
        phases: &[Spanned<PhaseSettings>],
        matrix_offset: usize,
    ) -> Result<Vec<NamedProcedure>, SpecError> {
        let defaults: Settings =
            toml::from_str(DEFAULTS).expect("the embedded defaults are tested");
        let mut procedures: Vec<NamedProcedure> = Vec::with_capacity(combinations.len());
        let mut profiles = Vec::with_capacity(combinations.len());
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
            let procedure = Procedure::resolve(architecture, &settings)
                .map_err(|found| self.contradiction(found, &combination, phases, matrix_offset))?;
            // Profiles may agree in all that matters to a procedure, which is then run once;
            // otherwise twins are a mistake.
            let twin = procedures
                .iter()
                .zip(&profiles)
                .find(|((_, other), profile)| *other == procedure && **profile == settings.profile);
            if let Some(((twin, _), _)) = twin {
                return Err(SpecError::Duplicate {
                    location: self.at(matrix_offset),
                    first: label(twin),
                    second: label(&combination.levels),
                });
            }
            procedures.push((combination.levels, procedure));
            profiles.push(settings.profile);
        }
        Ok(procedures)
    }

    /// The error of settings that cannot be: at the one that is out of its range, or else at what makes
    /// them meet.
    fn contradiction(
        &self,
        found: Contradiction,
        combination: &Combination,
        phases: &[Spanned<PhaseSettings>],
        matrix_offset: usize,
    ) -> SpecError {
        let levels = &combination.levels;
        let place = |setting| place_of_setting(self.text, setting, found.phase, levels);
        if let Some(offset) = found.setting.and_then(place) {
            return self.syntax_error(offset, found.to_string());
        }
        // Those of a level stand in the matrix.
        let phases = if combination.settings.phase.is_none() { phases } else { &[] };
        let phase = found.phase.and_then(|phase| phases.get(phase));
        let remedy = if levels.is_empty() {
            "change one of these settings"
        } else {
            "exclude it with an [[exclude]] entry or change the levels"
        };
        SpecError::Contradiction {
            location: self.at(phase.map_or(matrix_offset, |phase| phase.span().start)),
            cell: label(levels),
            reason: found.or_remedy(remedy).to_string(),
        }
    }
}

/// The levels of the matrix's factors, with those that an inclusion brings.
fn known_levels(
    mut known: Vec<(String, Vec<String>)>,
    procedures: &[NamedProcedure],
) -> Vec<(String, Vec<String>)> {
    for (factor, level) in procedures.iter().flat_map(|(levels, _)| levels) {
        let levels = known.iter_mut().find(|(name, _)| name == factor).map(|(_, levels)| levels);
        if let Some(levels) = levels.filter(|levels| !levels.contains(level)) {
            levels.push(level.clone());
        }
    }
    known
}

/// The statistic of an experiment that chooses none: the mean over the last third of the epochs of its
/// shortest procedure, at most ten.
fn usual_statistic(procedures: &[NamedProcedure]) -> Statistic {
    let epochs = procedures.iter().map(|(_, procedure)| procedure.total_epochs()).min();
    match epochs.unwrap_or(1) / 3 {
        0 | 1 => Statistic::Final,
        third => Statistic::Last(third.min(10)),
    }
}

/// Number of procedures that a selector chooses.
fn count_chosen(selector: &Selector, procedures: &[NamedProcedure]) -> usize {
    procedures.iter().filter(|(levels, _)| selector.matches(levels)).count()
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
    /// What makes a number of a curve, in every table, picture and sentence. Unless it is chosen,
    /// the mean over the last third of the epochs, at most ten.
    pub statistic: Statistic,
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
    /// Words for the factors and levels, for people. They decide nothing about what is computed.
    pub labels: Labels,
    /// How its steps are handed to a scheduler; it decides nothing about what they compute.
    pub launcher: LauncherSettings,
    /// Whether its file chooses the statistic.
    chooses_statistic: bool,
    /// Whether runs with other seeds than those planned count for nothing.
    planned_seeds_only: bool,
    procedures: Vec<NamedProcedure>,
    /// The last entry that chooses a procedure gives its seeds.
    seeds_for: Vec<SeedsFor>,
}

impl Experiment {
    /// Reads an experiment. `file` is only used in messages.
    ///
    /// # Errors
    /// Names the file, the line, the key and what is allowed there.
    ///
    /// # Example
    /// ```
    /// use thaw_spec::Experiment;
    ///
    /// let text = r#"
    /// name = "dropout"
    /// seeds = [0, 1]
    ///
    /// [dataset]
    /// source = "folder"
    ///
    /// [base]
    /// architecture = "vgg16"
    ///
    /// [procedure]
    /// cache = "features"
    ///
    /// [matrix]
    /// dropout = [0.0, 0.5]
    /// "#;
    /// let experiment = Experiment::parse("dropout.toml", text)?;
    /// let dropouts: Vec<f64> =
    ///     experiment.procedures().map(|(_, procedure)| procedure.dropout).collect();
    /// assert_eq!(dropouts, [0.0, 0.5]);
    ///
    /// let misprint = text.replace("dropout =", "dropuot =");
    /// let error = Experiment::parse("dropout.toml", &misprint).expect_err("misprint").to_string();
    /// assert!(error.starts_with("dropout.toml:15: matrix.dropuot: unknown field"), "{error}");
    /// # Ok::<(), thaw_spec::SpecError>(())
    /// ```
    pub fn parse(file: &str, text: &str) -> Result<Self, SpecError> {
        let source = Source { file, text };
        let table: ExperimentTable =
            toml::from_str(text).map_err(|error| SpecError::from_toml(file, text, &error))?;
        source.check_name(&table.name)?;
        let seeds = source.sorted_seeds(table.seeds.get_ref(), table.seeds.span().start)?;
        table.dataset.get_ref().check().map_err(|message| {
            source.syntax_error(table.dataset.span().start, format!("dataset: {message}"))
        })?;
        // Without a matrix the only cell is that of `[procedure]`.
        let procedure_offset = table.procedure.as_ref().map_or(0, |typed| typed.span().start);
        let matrix_offset =
            table.matrix.as_ref().map_or(procedure_offset, |matrix| matrix.span().start);
        let matrix_table = table.matrix.map(Spanned::into_inner).unwrap_or_default();
        let at = |offset: usize| source.at(offset);
        let matrix = Matrix::understand(&matrix_table, &at)?;
        let combinations = matrix.combinations(&at, &table.exclude, &table.include)?;
        if combinations.is_empty() {
            return Err(SpecError::EmptyMatrix { location: source.at(matrix_offset) });
        }
        let mut settings = table.procedure.map(Spanned::into_inner).unwrap_or_default();
        if let Some(first) = table.phase.first() {
            if settings.phase.is_some() {
                let message = "phase: [procedure] has a `phase` as well; keep one of them";
                return Err(source.syntax_error(first.span().start, message.to_owned()));
            }
            settings.phase =
                Some(table.phase.iter().map(|phase| phase.get_ref().clone()).collect());
        }
        let procedures = source.resolve_procedures(
            table.base.architecture,
            combinations,
            &settings,
            &table.phase,
            matrix_offset,
        )?;

        let known = known_levels(matrix.known(), &procedures);
        for published in &table.published {
            let offset = published.span().start;
            source.check_selector(&published.get_ref().selector, &known, offset, "published")?;
        }
        for entry in &table.seeds_for {
            let (selector, offset) = (&entry.get_ref().selector, entry.span().start);
            source.check_selector(selector, &known, offset, "seeds_for")?;
            if count_chosen(selector, &procedures) == 0 {
                let message = format!(
                    "`{selector}` chooses no procedure; remove the entry or change its levels"
                );
                return Err(source.selector_error(offset, "seeds_for", message));
            }
        }
        let mut seeds_for = Vec::with_capacity(table.seeds_for.len());
        for entry in table.seeds_for {
            let seeds = source.sorted_seeds(&entry.get_ref().seeds, entry.span().start)?;
            seeds_for.push(SeedsFor { seeds, ..entry.into_inner() });
        }
        let seeds_of = |levels: &[(String, String)]| {
            let chosen = seeds_for.iter().rfind(|entry| entry.selector.matches(levels));
            chosen.map_or(seeds.len(), |entry| entry.seeds.len())
        };
        let cells: usize = procedures.iter().map(|(levels, _)| seeds_of(levels)).sum();
        if cells > MOST_CELLS {
            let message = format!(
                "seeds: {cells} cells, each a procedure with a seed, are more than the {MOST_CELLS} that an experiment may have; list fewer seeds or levels, or divide the experiment into several"
            );
            return Err(source.syntax_error(table.seeds.span().start, message));
        }
        let mut gap_has_ended = false;
        for (place, rung) in table.ladder.iter().enumerate() {
            let (selector, offset) = (&rung.get_ref().selector, rung.span().start);
            if rung.get_ref().gap_ends && (place == 0 || gap_has_ended) {
                let message = "ladder: `gap_ends` is for one step behind the first, where the gap begins; remove it here";
                return Err(source.syntax_error(offset, message.to_owned()));
            }
            gap_has_ended |= rung.get_ref().gap_ends;
            source.check_selector(selector, &known, offset, "ladder")?;
            let chosen = count_chosen(selector, &procedures);
            if chosen != 1 {
                let message = format!(
                    "`{selector}` chooses {chosen} procedures; name the levels of exactly one"
                );
                return Err(source.selector_error(offset, "ladder", message));
            }
        }
        Ok(Self {
            statistic: table.statistic.unwrap_or_else(|| usual_statistic(&procedures)),
            chooses_statistic: table.statistic.is_some(),
            planned_seeds_only: false,
            title: if table.title.is_empty() { table.name.get_ref().clone() } else { table.title },
            name: table.name.into_inner(),
            seeds,
            dataset: table.dataset.into_inner(),
            architecture: table.base.architecture,
            trained_with: table.base.trained_with,
            factors: matrix.factor_names(),
            published: table.published.into_iter().map(Spanned::into_inner).collect(),
            ladder: table.ladder.into_iter().map(Spanned::into_inner).collect(),
            labels: Labels::understand(&table.labels, &known, &at)?,
            launcher: table.launcher,
            procedures,
            seeds_for,
        })
    }

    /// The steps of the ladder between the ends of the gap in question: up to the one that says
    /// `gap_ends`, or all.
    pub fn gap(&self) -> &[Rung] {
        let end = self.ladder.iter().position(|rung| rung.gap_ends);
        &self.ladder[..end.map_or(self.ladder.len(), |end| end + 1)]
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

    /// What makes a number of a metric's curve: the experiment's statistic, or `final` where a
    /// procedure evaluates the metric's images after the last epoch alone. So all procedures are
    /// compared by the same number.
    pub fn statistic_of(&self, metric: Metric) -> Statistic {
        let has = |(_, procedure): (_, &Procedure)| procedure.has_statistic(metric, self.statistic);
        if self.procedures().all(has) { self.statistic } else { Statistic::Final }
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
        for (number, (levels, procedure)) in self.procedures.iter().enumerate() {
            let before: Vec<&[u64]> = self.procedures[..number]
                .iter()
                .filter(|(_, earlier)| earlier == procedure)
                .map(|(levels, _)| self.seeds_of(levels))
                .collect();
            for &seed in self.seeds_of(levels) {
                if !before.iter().any(|seeds| seeds.binary_search(&seed).is_ok()) {
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
            self.statistic = match self.statistic {
                _ if !self.chooses_statistic => usual_statistic(&self.procedures),
                Statistic::Last(last) => Statistic::Last(last.min(epochs)),
                other => other,
            };
        }
        if let Some(seeds) = seeds {
            self.seeds = seeds.to_vec();
            self.seeds.sort_unstable();
            self.seeds.dedup();
            self.seeds_for.clear();
            self.planned_seeds_only = true;
        }
        self.procedures.retain(|(levels, _)| only.matches(levels));
        self
    }

    /// The same experiment, for which runs with other seeds than those planned count for nothing.
    #[must_use]
    pub fn with_planned_seeds_only(mut self) -> Self {
        self.planned_seeds_only = true;
        self
    }

    /// Whether a run of a procedure counts: with any seed, unless the seeds were narrowed.
    pub fn counts_seed(&self, levels: &[(String, String)], seed: u64) -> bool {
        !self.planned_seeds_only || self.seeds_of(levels).contains(&seed)
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
