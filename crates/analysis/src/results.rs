//! All cells of an experiment that have run, as curves grouped by procedure.

use std::collections::BTreeMap;

use thaw_spec::{
    Cell, CellManifest, Experiment, Metric, Outcome, RunStatus, Selector, Split, Statistic,
    TrainingLog,
};

use crate::estimate::Sample;
use crate::schema::Row;
use crate::{AnalysisError, CellState, Damage, ResultsFolder};

/// One cell that has run to its end.
#[derive(Clone, Debug)]
pub struct CellRun {
    /// What was run, on which machine.
    pub manifest: CellManifest,
    /// How it ended.
    pub outcome: Outcome,
    curves: BTreeMap<Split, Vec<Row>>,
}

impl CellRun {
    /// The resolved cell.
    pub fn cell(&self) -> &Cell {
        &self.manifest.cell
    }

    /// A metric at its [`epochs`](Self::epochs_of); empty when its split was not evaluated. From the
    /// epoch on in which a run diverged it is no number.
    pub fn curve(&self, metric: Metric) -> Vec<f64> {
        let split = metric.split();
        let rows = self.curves.get(&split).map_or(&[][..], Vec::as_slice);
        let value = |row: &Row| if metric.is_accuracy() { row.correct as f64 } else { row.loss_sum } / row.count as f64;
        let mut curve: Vec<f64> = rows.iter().map(value).collect();
        if let Some(planned) = self.planned_epochs(split) {
            curve.resize(planned.len(), f64::NAN);
        }
        curve
    }

    /// Numbers of the epochs that have a value of a metric, counted from 1, in ascending order. Test
    /// images may be evaluated after the last epoch alone.
    pub fn epochs_of(&self, metric: Metric) -> Vec<usize> {
        let split = metric.split();
        self.planned_epochs(split).unwrap_or_else(|| {
            let rows = self.curves.get(&split).map_or(&[][..], Vec::as_slice);
            rows.iter().map(|row| row.epoch as usize).collect()
        })
    }

    /// A metric by epoch, the first first; nothing where its split was not evaluated.
    pub fn by_epoch(&self, metric: Metric) -> Vec<Option<f64>> {
        let epochs = self.epochs_of(metric);
        let mut values = vec![None; epochs.last().copied().unwrap_or(0)];
        for (epoch, value) in epochs.into_iter().zip(self.curve(metric)) {
            if let Some(place) = epoch.checked_sub(1).and_then(|place| values.get_mut(place)) {
                *place = Some(value);
            }
        }
        values
    }

    /// The epochs, from 1, of which a run that diverged was to record a split.
    fn planned_epochs(&self, split: Split) -> Option<Vec<usize>> {
        if self.outcome.status != RunStatus::Diverged || self.manifest.images_of(split) == 0 {
            return None;
        }
        let procedure = &self.cell().procedure;
        let all = 0..procedure.total_epochs();
        let evaluated = all.filter(|epoch| procedure.evaluates_after(split, *epoch));
        Some(evaluated.map(|epoch| epoch + 1).collect())
    }

    /// The epochs that the run recorded as a training log; nothing for a run without an epoch.
    pub fn log(&self) -> Option<TrainingLog> {
        let curve = |metric| {
            let epochs = self.epochs_of(metric).into_iter().zip(self.curve(metric));
            (metric, epochs.filter(|(epoch, _)| *epoch <= self.outcome.epochs).collect())
        };
        let curves = Metric::ALL.into_iter().map(curve).collect();
        let rows = self.curves.get(&Split::Train)?;
        TrainingLog::by_epoch(curves, rows.iter().map(|row| row.seconds).collect()).ok()
    }

    /// Largest relative L2 drift of a tensor of the base, by epoch.
    pub fn drift(&self) -> Vec<f64> {
        self.curves
            .get(&Split::Train)
            .map_or_else(Vec::new, |rows| rows.iter().map(|row| row.drift_maximum).collect())
    }

    /// Images of a split, as counted in the last epoch.
    pub(crate) fn images(&self, split: Split) -> u64 {
        self.curves.get(&split).and_then(|rows| rows.last()).map_or(1, |row| row.count)
    }

    /// Duration of all epochs, in seconds.
    pub fn seconds(&self) -> f64 {
        self.curves.get(&Split::Train).map_or(0.0, |rows| rows.iter().map(|row| row.seconds).sum())
    }

    /// Largest relative L2 drift of a tensor of the base at the end.
    pub fn final_drift(&self) -> f64 {
        self.drift().last().copied().unwrap_or(0.0)
    }
}

/// The runs of one procedure, one per seed.
#[derive(Clone, Debug)]
pub struct ProcedureRuns {
    /// The factor levels as the experiment names them now.
    pub levels: Vec<(String, String)>,
    /// Seeds the experiment asks for.
    pub planned_seeds: Vec<u64>,
    /// The runs that are complete, in the order of their seeds.
    pub runs: Vec<CellRun>,
}

impl ProcedureRuns {
    /// The levels in words.
    pub fn label(&self) -> String {
        Selector::exactly(&self.levels).to_string()
    }

    /// Planned seeds that have not run.
    pub fn missing_seeds(&self) -> Vec<u64> {
        let has_run = |seed: &u64| self.runs.iter().any(|run| run.cell().seed == *seed);
        self.planned_seeds.iter().copied().filter(|seed| !has_run(seed)).collect()
    }

    /// Whether every planned seed has run.
    pub fn is_complete(&self) -> bool {
        self.missing_seeds().is_empty()
    }

    /// One number per seed; nothing where a run does not have it.
    pub fn sample(&self, metric: Metric, statistic: Statistic) -> Option<Sample> {
        let values: Option<Vec<f64>> =
            self.runs.iter().map(|run| run.value(metric, statistic)).collect();
        Sample::new(values?)
    }

    /// The mean duration of a run, in seconds.
    pub fn mean_seconds(&self) -> Option<f64> {
        let total: f64 = self.runs.iter().map(CellRun::seconds).sum();
        (!self.runs.is_empty()).then(|| total / self.runs.len() as f64)
    }

    /// Whether any seed's frozen base moved, in a run that diverged as well.
    pub fn thawed(&self) -> bool {
        self.runs.iter().any(|run| run.outcome.thawed_tensors() > 0)
    }

    /// Whether any seed diverged.
    pub fn has_diverged(&self) -> bool {
        self.runs.iter().any(|run| run.outcome.status == RunStatus::Diverged)
    }
}

/// What has come of an experiment so far.
#[derive(Clone, Debug)]
pub struct Results {
    /// The procedures in the order of the matrix, those without a run included.
    pub procedures: Vec<ProcedureRuns>,
    /// Cells that are damaged, of whatever procedure; they are left out.
    pub damaged: Vec<Damage>,
}

impl Results {
    /// The same without the runs that diverged.
    #[must_use]
    pub fn without_diverged(&self) -> Self {
        let mut results = self.clone();
        for procedure in &mut results.procedures {
            procedure.runs.retain(|run| run.outcome.status != RunStatus::Diverged);
        }
        results
    }

    /// Reads the results of an experiment's procedures: runs with every seed that there are, planned
    /// or not, unless the experiment was narrowed to some seeds. Other cells in the folder, of an
    /// earlier version of the experiment or of a trial with fewer epochs, are passed over.
    ///
    /// Damaged cells are left out and named.
    ///
    /// # Errors
    /// When the folder cannot be listed, or holds runs of the same procedure on different data or
    /// weights.
    pub fn read(folder: &ResultsFolder, experiment: &Experiment) -> Result<Self, AnalysisError> {
        let mut procedures: Vec<(ProcedureRuns, Vec<CellManifest>)> = Vec::new();
        let (manifests, mut damaged) = folder.manifests()?;
        for (levels, procedure) in experiment.procedures() {
            let mut wanted = Vec::new();
            for manifest in &manifests {
                let fits = manifest.cell.procedure == *procedure
                    && experiment.counts_seed(levels, manifest.cell.seed);
                if !fits {
                    continue;
                }
                match folder.state(&manifest.cell) {
                    Ok(CellState::Complete) => wanted.push(manifest.clone()),
                    Ok(_) => {}
                    Err(error) => damaged.push(damage(manifest, error)?),
                }
            }
            wanted.sort_by_key(|manifest| manifest.cell.seed);
            let runs = ProcedureRuns {
                levels: levels.to_vec(),
                planned_seeds: experiment.seeds_of(levels).to_vec(),
                runs: Vec::new(),
            };
            procedures.push((runs, wanted));
        }
        let all: Vec<&CellManifest> = procedures.iter().flat_map(|(_, wanted)| wanted).collect();
        if let Some(other) = all.iter().find(|manifest| manifest.cell.inputs != all[0].cell.inputs)
        {
            let reason = format!(
                "the cells {} and {} were run on different data or weights; keep their results in different folders",
                all[0].id, other.id
            );
            return Err(AnalysisError::Malformed { path: folder.root().to_owned(), reason });
        }
        let mut result = Vec::new();
        for (mut procedure, wanted) in procedures {
            for manifest in wanted {
                match read_run(folder, &manifest) {
                    Ok(Some((outcome, curves))) => {
                        procedure.runs.push(CellRun { manifest, outcome, curves });
                    }
                    Ok(None) => {}
                    Err(error) => damaged.push(damage(&manifest, error)?),
                }
            }
            result.push(procedure);
        }
        Ok(Self { procedures: result, damaged })
    }

    /// The procedures with the lowest and the highest mean over seeds; nothing with fewer than two
    /// that have run, or when all means are the same.
    pub fn extremes(&self, metric: Metric, statistic: Statistic) -> Option<[&ProcedureRuns; 2]> {
        let mean = |procedure: &ProcedureRuns| Some(procedure.sample(metric, statistic)?.mean());
        let means =
            || self.procedures.iter().filter_map(|procedure| Some((mean(procedure)?, procedure)));
        let lowest = means().min_by(|a, b| a.0.total_cmp(&b.0))?;
        let highest = means().max_by(|a, b| a.0.total_cmp(&b.0))?;
        (lowest.0 < highest.0).then_some([lowest.1, highest.1])
    }

    /// The procedures that a selector chooses.
    pub fn select<'a, 's>(
        &'a self,
        selector: &'s Selector,
    ) -> impl Iterator<Item = &'a ProcedureRuns> + use<'a, 's> {
        self.procedures.iter().filter(|procedure| selector.matches(&procedure.levels))
    }
}

type Curves = BTreeMap<Split, Vec<Row>>;

/// The outcome and the records of a cell that has ended.
fn read_run(
    folder: &ResultsFolder,
    manifest: &CellManifest,
) -> Result<Option<(Outcome, Curves)>, AnalysisError> {
    let Some(outcome) = folder.outcome(&manifest.id)? else { return Ok(None) };
    let mut curves = Curves::new();
    for row in folder.read_epochs(&manifest.id, &outcome)? {
        // Rows of another cell do not count.
        if row.cell == manifest.id.as_str() {
            curves.entry(row.split).or_default().push(row);
        }
    }
    curves.values_mut().for_each(|rows| rows.sort_by_key(|row| row.epoch));
    match curves.get(&Split::Train).map_or(0, Vec::len) {
        epochs if epochs == outcome.epochs => Ok(Some((outcome, curves))),
        epochs => Err(folder.other_number(&manifest.id, epochs, &outcome)),
    }
}

/// The damage of a cell; other errors are those of the store.
fn damage(manifest: &CellManifest, error: AnalysisError) -> Result<Damage, AnalysisError> {
    match error.is_damage() {
        true => Ok(Damage { cell: manifest.id.to_string(), reason: error.to_string() }),
        false => Err(error),
    }
}
