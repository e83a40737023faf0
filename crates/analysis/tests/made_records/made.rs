//! Records of runs that never ran, written as thaw writes them.

use std::fmt::Write as _;
use std::path::Path;

use tempfile::TempDir;
use thaw_analysis::{Results, ResultsFolder};
use thaw_spec::{
    CellManifest, ContentHash, DriftSummary, Environment, EpochRecord, Experiment, Inputs, Outcome,
    Prediction, RecordSink as _, Selector, Split, SplitRecord, TensorAudit, TensorDrift,
    TensorRole, TrainingActivations,
};

/// Validation images of a made run.
pub(crate) const IMAGES: u64 = 1000;

/// The tensor that drifts.
const TENSOR: &str = "features.0.weight";

/// Curves of a run: mean losses in nats, and images that are classified correctly.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    pub(crate) losses: Vec<f64>,
    pub(crate) correct: Vec<u64>,
    /// Relative drift of a tensor in each epoch, where it may change.
    pub(crate) drift: Vec<f64>,
    /// What is said of images after the last epoch, where that is recorded.
    pub(crate) predictions: Vec<Prediction>,
}

impl Curve {
    /// A loss that falls, and the same accuracy in every epoch.
    pub(crate) fn steady(epochs: usize, correct: u64) -> Self {
        let losses = (0..epochs).map(|epoch| 0.5 / (1.0 + epoch as f64)).collect();
        let correct = vec![correct; epochs];
        Self { losses, correct, drift: Vec::new(), predictions: Vec::new() }
    }
}

/// A folder of results.
pub(crate) struct Made {
    root: TempDir,
    experiment: Experiment,
    text: String,
    has_validation: bool,
    has_test: bool,
    lists_files: bool,
}

impl Made {
    /// An experiment with a factor `regime` of these levels.
    pub(crate) fn new(levels: &[&str], seeds: usize, epochs: usize) -> Self {
        let mut text = format!(
            "name = 'made'\nseeds = {:?}\n[dataset]\nsource = 'folder'\n[base]\narchitecture = 'squeezenet1_0'\n[procedure]\nepochs = {epochs}\n",
            (0..seeds).collect::<Vec<_>>()
        );
        for (place, level) in levels.iter().enumerate() {
            // Procedures that differ, so that their cells do.
            writeln!(text, "[matrix.regime.{level}]\nhidden_units = {}", place + 1).expect("text");
        }
        Self {
            root: TempDir::new().expect("a folder"),
            experiment: parse(&text),
            text,
            has_validation: true,
            has_test: false,
            lists_files: false,
        }
    }

    /// The same with one more factor, whose levels are values of a setting.
    pub(crate) fn with_factor(mut self, factor: &str, setting: &str, values: &[f64]) -> Self {
        for value in values {
            writeln!(self.text, "[matrix.{factor}.\"{value}\"]\n{setting} = {value:?}")
                .expect("text");
        }
        self.experiment = parse(&self.text);
        self
    }

    /// The same without the procedures that have these levels.
    pub(crate) fn without(mut self, levels: &[(&str, &str)]) -> Self {
        self.text.push_str("[[exclude]]\n");
        for (factor, level) in levels {
            writeln!(self.text, "{factor} = \"{level}\"").expect("text");
        }
        self.experiment = parse(&self.text);
        self
    }

    /// The same, but the procedures of one level have other epochs.
    pub(crate) fn with_epochs(mut self, level: &str, epochs: usize) -> Self {
        let head = format!("[matrix.regime.{level}]\n");
        self.text = self.text.replace(&head, &format!("{head}epochs = {epochs}\n"));
        self.experiment = parse(&self.text);
        self
    }

    /// The same, but nothing is validated.
    pub(crate) fn without_validation(mut self) -> Self {
        self.has_validation = false;
        self
    }

    /// The same, but outcomes list the hashes of the other files, as those of older versions do not.
    pub(crate) fn with_hashes(mut self) -> Self {
        self.lists_files = true;
        self
    }

    /// The same, but there are test images, which the procedures of some levels evaluate after their
    /// last epoch alone.
    pub(crate) fn with_tests(mut self, at_the_end: &[&str]) -> Self {
        self.has_test = true;
        for level in at_the_end {
            let head = format!("[matrix.regime.{level}]\n");
            let line = format!("{head}evaluate_test = 'last_epoch'\n");
            self.text = self.text.replace(&head, &line);
        }
        self.experiment = parse(&self.text);
        self
    }

    /// The same records, but the experiment plans these seeds.
    pub(crate) fn with_seeds(mut self, seeds: usize) -> Self {
        let line = |seeds: usize| format!("seeds = {:?}\n", (0..seeds).collect::<Vec<_>>());
        self.text = self.text.replace(&line(self.experiment.seeds.len()), &line(seeds));
        self.experiment = parse(&self.text);
        self
    }

    /// What was written with some seeds.
    pub(crate) fn narrowed_results(&self, seeds: &[u64]) -> Results {
        let narrowed = self.experiment.clone().shortened(None, Some(seeds), &Selector::default());
        Results::read(&self.folder(), &narrowed).expect("results")
    }

    /// Writes a run of a level, or of levels with a space between.
    pub(crate) fn run(&mut self, level: &str, seed: u64, curve: &Curve) {
        self.ended(level, seed, curve, &Outcome::new(curve.losses.len(), Vec::new(), Vec::new()));
    }

    /// Writes a run that diverged behind its last epoch, and in which a tensor that was declared frozen is
    /// no number any more.
    pub(crate) fn diverged_run(&mut self, level: &str, seed: u64, curve: &Curve) {
        let tensor = TensorAudit {
            name: TENSOR.to_owned(),
            role: TensorRole::Weight,
            elements: 4,
            declared_frozen: true,
            collected: true,
            moved: true,
            relative_drift: f64::INFINITY,
        };
        self.ended(
            level,
            seed,
            curve,
            &Outcome::diverged(curve.losses.len(), vec![tensor], Vec::new()),
        );
    }

    fn ended(&mut self, level: &str, seed: u64, curve: &Curve, outcome: &Outcome) {
        let inputs = Inputs {
            dataset: ContentHash::of_bytes(b"images"),
            weights: ContentHash::of_bytes(b"weights"),
            classes: vec!["cats".to_owned(), "dogs".to_owned()],
        };
        let cell = self
            .experiment
            .cells(&inputs)
            .into_iter()
            .find(|cell| {
                let levels: Vec<&str> = cell.levels.iter().map(|(_, level)| &**level).collect();
                cell.seed == seed && levels.join(" ") == level
            })
            .expect("a cell of the experiment");
        let manifest = CellManifest {
            experiment: "made".to_owned(),
            id: cell.id(),
            procedure_id: cell.procedure_id(),
            cell,
            images: [IMAGES, IMAGES, if self.has_test { IMAGES } else { 0 }],
            skipped_images: Vec::new(),
            passed_over_files: Vec::new(),
            training_activations: TrainingActivations::Computed,
            weights_file: "weights.safetensors".to_owned(),
            weights_origin: None,
            weights_preprocessing: None,
            environment: Environment {
                thaw: "0".to_owned(),
                commit: "0".to_owned(),
                candle: "0".to_owned(),
                platform: "none".to_owned(),
                instruction_sets: String::new(),
                device: "cpu".to_owned(),
                convolution: "direct".to_owned(),
                threads: 1,
                started_unix_seconds: 0,
            },
        };
        let folder = self.folder();
        let mut sink = folder.begin(&manifest).expect("a cell");
        sink.begin(&[]).expect("a sink");
        let is_present = |split: Split| match split {
            Split::Train => true,
            Split::Validation => self.has_validation,
            Split::Test => self.has_test,
        };
        for (epoch, (loss, correct)) in (1..).zip(curve.losses.iter().zip(&curve.correct)) {
            let drift = curve.drift.get(epoch - 1);
            let record = |split| SplitRecord {
                split,
                loss_sum: loss * IMAGES as f64,
                correct: *correct,
                count: IMAGES,
                distinct_images: IMAGES,
            };
            sink.epoch(&EpochRecord {
                epoch,
                splits: Split::ALL
                    .into_iter()
                    .filter(|split| is_present(*split))
                    .filter(|split| manifest.cell.procedure.evaluates_after(*split, epoch - 1))
                    .map(record)
                    .collect(),
                drift: DriftSummary { tensors: 0, moved: 0, maximum: 0.0, mean: 0.0 },
                tensor_drifts: drift
                    .map(|&relative| TensorDrift { tensor: TENSOR.to_owned(), relative })
                    .into_iter()
                    .collect(),
                seconds: 1.0,
                images_per_second: 1.0,
                peak_memory_bytes: None,
            })
            .expect("written");
        }
        if !curve.predictions.is_empty() {
            sink.predictions(&curve.predictions).expect("written");
        }
        let mut outcome = outcome.clone();
        if self.lists_files {
            outcome.records = sink.hashes().clone();
        }
        folder.finish(&manifest.id, &outcome).expect("written");
    }

    /// The folder of its results.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// The experiment.
    pub(crate) fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    fn folder(&self) -> ResultsFolder {
        ResultsFolder::new(self.root.path().to_owned())
    }

    /// What was written, read back.
    pub(crate) fn results(&self) -> Results {
        Results::read(&self.folder(), &self.experiment).expect("results")
    }
}

fn parse(text: &str) -> Experiment {
    Experiment::parse("made.toml", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
