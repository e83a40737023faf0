//! What the design promises of regimes: procedures that ought to be equal are equal to the last
//! bit, frozen bases do not move, and neither threads nor interruptions change a result. On small
//! made-up images with made-up weights, so that nothing but the promise is tested.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use thaw_data::{Dataset, Folder, OnUnreadable, Pixels, Purpose, Stream};
use thaw_model::{Base, Initial, TensorSpec, Weights, weights_file};
use thaw_spec::{
    ARITHMETIC, Architecture, Cell, EpochRecord, Experiment, Extraction, Inputs, Outcome, Phase,
    Prediction, RecordSink, RunStatus, Sharing, SinkError, Split, TensorRole,
};
use thaw_train::{
    CheckpointPolicy, ExtractionPolicy, FitData, PhaseData, SplitData, Stop, StoredActivations,
    TrainError, extract, fit,
};

/// A folder of random images in which each class has a colour of its own, weights for a base, and a
/// place for artifacts.
struct Workshop {
    architecture: Architecture,
    root: TempDir,
    folder: Folder,
    weights: Weights,
}

impl Workshop {
    fn new(classes: &[&str]) -> Self {
        Self::of(Architecture::Squeezenet1_0, classes)
    }

    fn of(architecture: Architecture, classes: &[&str]) -> Self {
        let root = TempDir::new().expect("a folder");
        for (split, count) in [("train", 9), ("validation", 5), ("test", 3)] {
            for (label, class) in classes.iter().enumerate() {
                let folder = root.path().join("images").join(split).join(class);
                std::fs::create_dir_all(&folder).expect("a folder");
                for number in 0..count {
                    let mut noise = Stream::new(label as u64, Purpose::Augment, count, number);
                    let pixel = |_, _| {
                        image::Rgb([0, 1, 2].map(|channel| {
                            (noise.unit() * if channel == label { 255.0 } else { 150.0 }) as u8
                        }))
                    };
                    image::RgbImage::from_fn(70, 66, pixel)
                        .save(folder.join(format!("{number:02}.png")))
                        .expect("an image");
                }
            }
        }
        let folder = Folder::scan(&root.path().join("images")).expect("a dataset");
        Self { architecture, root, folder, weights: random_weights(architecture) }
    }

    /// The cells of an experiment whose `[procedure]` and `[matrix]` are given.
    fn cells(&self, text: &str) -> Vec<Cell> {
        let text = format!(
            "name = \"test\"\nseeds = [5]\n[dataset]\nsource = \"folder\"\n[base]\narchitecture = \"{}\"\n\
             [procedure]\nimage_size = 64\nepochs = 3\nbatch_size = 4\nhidden_units = 16\nlearning_rate = 1e-3\n{text}",
            self.architecture
        );
        let inputs = Inputs {
            dataset: self.folder.content_hash().expect("readable"),
            weights: self.weights.hash.clone(),
            classes: self.folder.classes.clone(),
        };
        Experiment::parse("test.toml", &text).expect("an experiment").cells(&inputs)
    }

    fn artifact(&self, name: &str) -> PathBuf {
        self.root.path().join("cache").join(name)
    }

    fn split(&self, cell: &Cell, phase: &Phase<'_>, split: Split, sharing: Sharing) -> SplitData {
        let open = || {
            let path = self.artifact(&format!("pixels-{split}"));
            if !path.exists() {
                let procedure = &cell.procedure;
                Pixels::prepare(
                    &self.folder,
                    split,
                    procedure.image_size,
                    procedure.resize,
                    OnUnreadable::Refuse,
                    &path,
                    &|_| {},
                )
                .expect("readable images");
            }
            Pixels::open(&path, OnUnreadable::Refuse).expect("pixels")
        };
        let stored = Extraction::of(cell, phase, split, sharing).map(|extraction| {
            let path = self.artifact(extraction.key().short());
            if !path.exists() {
                let frozen = extraction.blocks;
                let convolution = extraction.cell.procedure.convolution;
                let base = Base::new(
                    self.architecture,
                    convolution,
                    &self.weights,
                    frozen,
                    &candle_core::Device::Cpu,
                )
                .expect("a base");
                extract(&extraction, &base, &open(), &path, None, &|_| {}).expect("activations");
            }
            StoredActivations::open(&extraction, &path).expect("activations")
        });
        SplitData { pixels: open(), stored }
    }

    /// What a cell sees when its procedure is executed as it is written.
    fn data(&self, cell: &Cell) -> FitData {
        self.shared_data(cell, Sharing::Literal)
    }

    fn shared_data(&self, cell: &Cell, sharing: Sharing) -> FitData {
        let of_phase = |phase: &Phase<'_>| PhaseData {
            train: self.split(cell, phase, Split::Train, sharing),
            evaluation: [Split::Validation, Split::Test]
                .map(|split| (split, self.split(cell, phase, split, sharing)))
                .into(),
        };
        FitData {
            phases: cell.procedure.phases().iter().map(of_phase).collect(),
            device: candle_core::Device::Cpu,
        }
    }

    fn run(&self, cell: &Cell) -> (Outcome, Curve) {
        let mut sink = Memory::default();
        let outcome = fit(cell, &self.weights, &self.data(cell), None, &mut sink, &|_| {})
            .expect("a finished run");
        sink.predictions_are_those_of_the_last_epoch();
        (outcome, sink.curve())
    }

    /// A cell that was interrupted when so many epochs were recorded, and went on from the checkpoint
    /// of the epoch before.
    fn resumed(&self, cell: &Cell, data: &FitData, stop_after: usize) -> (Outcome, Curve) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("checkpoint");
        let policy = CheckpointPolicy::new(path, Duration::ZERO);
        let mut interrupted = Memory { stop_after: Some(stop_after), ..Memory::default() };
        fit(cell, &self.weights, data, Some(&policy), &mut interrupted, &|_| {})
            .expect_err("interrupted");
        let mut resumed = Memory::default();
        let outcome = fit(cell, &self.weights, data, Some(&policy), &mut resumed, &|_| {})
            .expect("a finished run");
        resumed.went_on_behind(stop_after - 1);
        (outcome, resumed.curve())
    }
}

impl Workshop {
    /// A cell that was stopped again and again, at the end of a batch of training or evaluation; each
    /// time another run went on from its checkpoint.
    fn stopped_again_and_again(&self, cell: &Cell, data: &FitData) -> (Outcome, Curve) {
        let folder = tempfile::tempdir().expect("a folder");
        for stops in 0.. {
            let policy =
                CheckpointPolicy::new(folder.path().join("checkpoint"), Duration::from_secs(3600));
            // Before the first batch, whatever it is, or after two or four of training.
            let batches = [0, 2, 4][stops % 3];
            let seen = AtomicUsize::new(0);
            // What a checkpoint brings along is told first.
            let progress = |_| {
                if seen.fetch_add(1, Ordering::Relaxed) == batches {
                    policy.stop.request();
                }
            };
            let mut sink = Memory::default();
            match fit(cell, &self.weights, data, Some(&policy), &mut sink, &progress) {
                Ok(outcome) => {
                    assert!(stops > 3, "it was stopped {stops} times");
                    return (outcome, sink.curve());
                }
                Err(TrainError::Stopped) => {}
                Err(error) => panic!("{error}"),
            }
        }
        unreachable!("it ends")
    }
}

fn random_weights(architecture: Architecture) -> Weights {
    let values = |number: usize, TensorSpec { shape, initial, .. }: &TensorSpec| {
        let length: usize = shape.iter().product();
        if let Initial::Constant(1.0) = initial {
            return vec![1.0; length];
        }
        let fan_in: usize = if shape.len() == 4 { shape[1..].iter().product() } else { 100 };
        let bound = (6.0 / fan_in as f64).sqrt();
        let mut stream = Stream::new(0, Purpose::Initialize, 1, number);
        (0..length).map(|_| stream.uniform(-bound, bound) as f32).collect()
    };
    let bytes = weights_file(architecture, values).expect("values fill their shapes");
    Weights::from_bytes(Path::new("random.safetensors"), &bytes, architecture)
        .expect("weights for the base")
}

/// Everything an epoch measures, times aside, to the last bit.
type Curve = Vec<Vec<(Split, u64, u64, u64)>>;

#[derive(Default)]
struct Memory {
    records: Vec<EpochRecord>,
    stop_after: Option<usize>,
    predictions: Vec<Prediction>,
    remarks: Vec<String>,
    /// Epochs that a checkpoint brought along.
    begun_with: usize,
}

impl Memory {
    /// The run went on from a checkpoint behind so many epochs.
    #[track_caller]
    fn went_on_behind(&self, epochs: usize) {
        assert_eq!(self.begun_with, epochs, "{:?}", self.remarks);
        assert!(!self.remarks.iter().any(|remark| remark.contains("starts over")));
    }

    fn curve(&self) -> Curve {
        let measures = |record: &EpochRecord| {
            record
                .splits
                .iter()
                .map(|split| (split.split, split.loss_sum.to_bits(), split.correct, split.count))
                .collect()
        };
        self.records.iter().map(measures).collect()
    }
}

impl Memory {
    fn predictions_are_those_of_the_last_epoch(&self) {
        for record in self
            .records
            .last()
            .expect("an epoch")
            .splits
            .iter()
            .filter(|record| record.split != Split::Train)
        {
            let of_split: Vec<_> = self
                .predictions
                .iter()
                .filter(|prediction| prediction.split == record.split)
                .collect();
            assert!(
                of_split.iter().map(|prediction| u64::from(prediction.image)).eq(0..record.count)
            );
            assert_eq!(
                of_split
                    .iter()
                    .filter(|prediction| prediction.predicted == prediction.label)
                    .count() as u64,
                record.correct
            );
            let loss: f64 = of_split.iter().map(|prediction| f64::from(prediction.loss)).sum();
            assert!((loss - record.loss_sum).abs() <= 1e-9 * record.loss_sum);
        }
    }
}

impl RecordSink for Memory {
    fn remark(&mut self, remark: &str) {
        self.remarks.push(remark.to_owned());
    }

    fn predictions(&mut self, predictions: &[Prediction]) -> Result<(), SinkError> {
        self.predictions = predictions.to_vec();
        Ok(())
    }

    fn begin(&mut self, resumed: &[EpochRecord]) -> Result<(), SinkError> {
        self.records = resumed.to_vec();
        self.begun_with = resumed.len();
        Ok(())
    }

    fn epoch(&mut self, record: &EpochRecord) -> Result<(), SinkError> {
        self.records.push(record.clone());
        match self.stop_after {
            Some(epochs) if self.records.len() >= epochs => {
                Err(SinkError("pulled the plug".into()))
            }
            _ => Ok(()),
        }
    }
}

#[test]
fn cached_features_and_the_frozen_base_end_to_end_are_the_same_procedure() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let cells = workshop.cells("dropout = 0.5\n[matrix]\ncache = [\"features\", \"none\"]");
    let [(_, cached), (_, end_to_end)] = [workshop.run(&cells[0]), workshop.run(&cells[1])];
    assert_eq!(cached, end_to_end);
    assert_eq!(cached.len(), 3);
    assert_ne!(cached[0], cached[2], "something is learned");
}

#[test]
fn cached_variants_one_per_epoch_are_augmentation_end_to_end() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let cells = workshop.cells(
        "dropout = 0.5\naugmentation = \"keras-2.0.8\"\n[matrix]\ncache = [\"variants\", \"none\"]",
    );
    let [(_, variants), (_, end_to_end)] = [workshop.run(&cells[0]), workshop.run(&cells[1])];
    assert_eq!(variants, end_to_end);
    let plain = workshop.cells("dropout = 0.5\ncache = \"features\"");
    assert_ne!(workshop.run(&plain[0]).1, variants, "augmentation does something");
    let two = workshop
        .cells("dropout = 0.5\naugmentation = \"keras-2.0.8\"\ncache = \"variants\"\nvariants = 2");
    let two = workshop.run(&two[0]).1;
    assert_eq!(two[..2], variants[..2], "the first two epochs see the same variants");
    assert_ne!(two[2], variants[2], "the third sees the first variants again");
}

#[test]
fn caching_at_any_boundary_changes_nothing() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let cells = workshop.cells("freeze = \"block_4\"\n[matrix]\ncache = [\"features\", \"none\"]");
    let [(cached, cached_curve), (computed, computed_curve)] =
        [workshop.run(&cells[0]), workshop.run(&cells[1])];
    assert_eq!(cached_curve, computed_curve);
    assert_eq!(cached, computed);
    let moved: Vec<&str> = cached
        .audit
        .iter()
        .filter(|tensor| tensor.moved)
        .map(|tensor| tensor.name.as_str())
        .collect();
    assert!(
        moved.iter().all(|name| name.starts_with("features.12.")) && moved.len() == 6,
        "{moved:?}"
    );
    assert_eq!(cached.status, RunStatus::Completed, "what moved had not been declared frozen");
}

#[test]
fn an_honest_freeze_moves_nothing_and_an_accidental_thaw_is_reported() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let cells = workshop.cells("[matrix]\noptimizer_collects = [\"unfrozen\", \"everything\"]");
    let (honest, _) = workshop.run(&cells[0]);
    assert_eq!(honest.status, RunStatus::Completed);
    assert!(honest.audit.iter().all(|tensor| tensor.declared_frozen
        && !tensor.collected
        && !tensor.moved
        && tensor.relative_drift == 0.0));
    let (thawed, _) = workshop.run(&cells[1]);
    assert_eq!(thawed.status, RunStatus::Thawed);
    assert_eq!(thawed.audit.len(), 50);
    for tensor in &thawed.audit {
        assert!(
            tensor.declared_frozen
                && tensor.collected
                && tensor.moved
                && tensor.relative_drift > 0.0,
            "{tensor:?}"
        );
    }
}

#[test]
fn an_accidental_thaw_and_an_open_one_differ_only_in_what_was_declared() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let accidental = workshop.cells("optimizer_collects = \"everything\"");
    let open = workshop.cells("freeze = \"none\"");
    let [(accidental, accidental_curve), (open, open_curve)] =
        [workshop.run(&accidental[0]), workshop.run(&open[0])];
    assert_eq!(accidental_curve, open_curve);
    assert_eq!((accidental.status, open.status), (RunStatus::Thawed, RunStatus::Completed));
}

#[test]
fn neither_threads_nor_interruptions_change_a_result() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    for text in [
        "dropout = 0.5\naugmentation = \"keras-2.0.8\"\noptimizer_collects = \"everything\"",
        "dropout = 0.5\ncache = \"features\"",
    ] {
        let cell = &workshop.cells(text)[0];
        let data = workshop.data(cell);
        let on_threads = |threads: usize| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            let mut sink = Memory::default();
            pool.install(|| fit(cell, &workshop.weights, &data, None, &mut sink, &|_| {}))
                .expect("a finished run");
            sink.curve()
        };
        let expected = on_threads(1);
        assert_eq!(expected, on_threads(2));
        assert_eq!(expected, on_threads(3));

        let policy = CheckpointPolicy::new(
            workshop.artifact(&format!("{}.checkpoint", cell.id())),
            Duration::ZERO,
        );
        for epochs in [1, 2] {
            let mut interrupted = Memory { stop_after: Some(epochs + 1), ..Memory::default() };
            let error =
                fit(cell, &workshop.weights, &data, Some(&policy), &mut interrupted, &|_| {})
                    .expect_err("interrupted");
            assert!(matches!(error, TrainError::Sink(_)), "{error}");
        }
        let mut resumed = Memory::default();
        let outcome = fit(cell, &workshop.weights, &data, Some(&policy), &mut resumed, &|_| {})
            .expect("a finished run");
        resumed.went_on_behind(2);
        assert_eq!(expected, resumed.curve());
        assert_eq!(outcome.epochs, 3);
        assert_eq!(workshop.stopped_again_and_again(cell, &data), (outcome, expected));
    }
}

#[test]
fn a_checkpoint_that_is_damaged_or_of_another_cell_is_named_and_the_cell_starts_over() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let cells = workshop.cells("cache = \"features\"\n[matrix]\ndropout = [0.0, 0.5]");
    let policy = CheckpointPolicy::new(workshop.artifact("checkpoint"), Duration::ZERO);
    let data = workshop.data(&cells[0]);
    let mut expected = Memory::default();
    fit(&cells[0], &workshop.weights, &data, Some(&policy), &mut expected, &|_| {})
        .expect("a finished run");
    let whole = std::fs::read(&policy.path).expect("a checkpoint");
    let flipped = {
        let mut bytes = whole.clone();
        *bytes.last_mut().expect("values") ^= 1;
        bytes
    };
    // Of another version, and without a checksum, as those of before.
    let replaced = |bytes: &[u8], from: &str, to: &str| {
        let place = bytes.windows(from.len()).position(|window| window == from.as_bytes());
        let place = place.unwrap_or_else(|| panic!("{from} in the header"));
        [&bytes[..place], to.as_bytes(), &bytes[place + from.len()..]].concat()
    };
    let of_before = replaced(&whole, "\"checksum\"", "\"checksun\"");
    let number = ARITHMETIC.to_string();
    let of_another = replaced(
        &of_before,
        &format!("\"arithmetic\":\"{number}\""),
        &format!("\"arithmetic\":\"{}\"", "0".repeat(number.len())),
    );
    let damaged: [(&[u8], &str); 5] = [
        (&of_another, "whose numbers differ from this one's"),
        (b"torn", "checkpoint cannot be used"),
        (b"", "checkpoint cannot be used"),
        (&whole[..whole.len() - 4], "checkpoint cannot be used"),
        (&flipped, "do not add up to its checksum"),
    ];
    for (bytes, reason) in damaged {
        std::fs::write(&policy.path, bytes).expect("written");
        let mut again = Memory::default();
        fit(&cells[0], &workshop.weights, &data, Some(&policy), &mut again, &|_| {})
            .expect("a finished run");
        assert_eq!(again.curve(), expected.curve());
        let [remark] = &again.remarks[..] else { panic!("one remark") };
        assert!(remark.contains(reason) && remark.contains("starts over"), "{remark}");
    }
    let mut other = Memory::default();
    fit(&cells[1], &workshop.weights, &data, Some(&policy), &mut other, &|_| {})
        .expect("a finished run");
    assert!(other.remarks[0].contains("belongs to another cell"), "{:?}", other.remarks);
    assert_eq!(other.records.len(), expected.records.len());
}

#[test]
fn three_classes_are_learned_with_a_softmax_head() {
    let workshop = Workshop::new(&["blue", "green", "red"]);
    let cells =
        workshop.cells("cache = \"features\"\n[matrix]\nepochs = [40]\nhidden_units = [64]");
    let (_, curve) = workshop.run(&cells[0]);
    let [first, last] = [&curve[0], &curve[39]].map(|epoch| f64::from_bits(epoch[0].1));
    assert!(last < 0.5 * first, "the loss falls from {first} to {last}");
    let (split, _, correct, count) = curve[39][0];
    assert_eq!((split, count), (Split::Train, 27));
    assert!(correct >= 18, "{correct} of 27, where 9 are chance");
}

#[test]
fn a_diverging_loss_ends_the_run_and_is_no_curve() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let cells = workshop.cells("cache = \"features\"\n[matrix]\nlearning_rate = [1e30]");
    let mut sink = Memory::default();
    let outcome =
        fit(&cells[0], &workshop.weights, &workshop.data(&cells[0]), None, &mut sink, &|_| {})
            .expect("a result");
    assert_eq!(outcome.status, RunStatus::Diverged);
    assert!(outcome.epochs < cells[0].procedure.epochs);
    assert_eq!(
        sink.records.len(),
        outcome.epochs,
        "of the epoch in which it diverged there is no record"
    );
    let finite =
        |record: &EpochRecord| record.splits.iter().all(|split| split.loss_sum.is_finite());
    assert!(sink.records.iter().all(finite));
}

#[test]
fn a_base_that_is_no_number_any_more_is_no_run_that_goes_on() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let cells =
        workshop.cells("optimizer_collects = \"everything\"\n[matrix]\nlearning_rate = [1e12]");
    let mut sink = Memory::default();
    let outcome =
        fit(&cells[0], &workshop.weights, &workshop.data(&cells[0]), None, &mut sink, &|_| {})
            .expect("a result");
    assert_eq!(outcome.status, RunStatus::Diverged, "{:?}", sink.records);
    assert!(outcome.thawed_tensors() > 0, "{:?}", outcome.audit);
    let json = serde_json::to_string(&outcome).expect("JSON");
    assert_eq!(serde_json::from_str::<Outcome>(&json).expect("the same"), outcome);
}

#[test]
fn shuffling_changes_a_run_and_without_it_the_seed_still_does() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let [ordered] = &workshop.cells("shuffle = false\ncache = \"features\"\n")[..] else {
        panic!("one cell")
    };
    let [shuffled] = &workshop.cells("cache = \"features\"\n")[..] else { panic!("one cell") };
    assert_ne!(workshop.run(ordered).1, workshop.run(shuffled).1);
    let mut other_seed = ordered.clone();
    other_seed.seed = 6;
    assert_ne!(
        workshop.run(ordered).1,
        workshop.run(&other_seed).1,
        "the seed still decides the initial weights"
    );
}

#[test]
fn a_validation_set_that_is_only_partly_seen_shows_in_the_records_and_nowhere_else() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let cells = workshop.cells("validation_sampling = \"prefetched_away\"\n[matrix]\nbatch_size = [3]\ncache = [\"features\", \"none\"]");
    let [cached, from_images] = [0, 1].map(|number| {
        let mut sink = Memory::default();
        fit(
            &cells[number],
            &workshop.weights,
            &workshop.data(&cells[number]),
            None,
            &mut sink,
            &|_| {},
        )
        .expect("a finished run");
        sink
    });
    let of = |sink: &Memory, split: Split| -> Vec<(u64, u64, u64)> {
        let records = sink
            .records
            .iter()
            .flat_map(|record| &record.splits)
            .filter(|record| record.split == split);
        records
            .map(|record| (record.count, record.distinct_images, record.loss_sum.to_bits()))
            .collect()
    };
    let whole =
        |records: &[(u64, u64, u64)]| records.iter().all(|(count, distinct, _)| count == distinct);
    assert!(whole(&of(&cached, Split::Validation)), "Keras' fit on arrays sees each image once");
    assert!(
        !whole(&of(&from_images, Split::Validation)),
        "{:?}",
        of(&from_images, Split::Validation)
    );
    assert_eq!(of(&cached, Split::Train), of(&from_images, Split::Train));
    assert_eq!(of(&cached, Split::Test), of(&from_images, Split::Test));
    assert_eq!(
        cached.predictions, from_images.predictions,
        "each image is predicted once, whatever the record counts"
    );
}

/// The section's third procedure in small: the head on a frozen base, then the last block with it.
const FINE_TUNING: &str =
    "dropout = 0.5\n[[phase]]\nepochs = 2\n[[phase]]\nfreeze = \"block_4\"\nlearning_rate = 1e-4\n";

/// The same epochs without what was measured on test images, but in the last.
fn without_tests_before_the_last(curve: &Curve) -> Curve {
    let mut kept = curve.clone();
    if let Some((_, before)) = kept.split_last_mut() {
        before.iter_mut().for_each(|epoch| epoch.retain(|(split, ..)| *split != Split::Test));
    }
    kept
}

#[test]
fn evaluating_the_test_images_after_the_last_epoch_alone_changes_no_other_number() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    for settings in [
        "dropout = 0.5\ncache = \"features\"",
        "optimizer_collects = \"everything\"\naugmentation = \"keras-2.0.8\"",
        "validation_sampling = \"prefetched_away\"\nshuffle = false",
        FINE_TUNING,
    ] {
        let every = &workshop.cells(settings)[0];
        let last = &workshop.cells(&format!("evaluate_test = \"last_epoch\"\n{settings}"))[0];
        assert_ne!(every.id(), last.id(), "{settings}");
        let ran = |cell: &Cell| {
            let mut sink = Memory::default();
            let data = workshop.data(cell);
            let outcome = fit(cell, &workshop.weights, &data, None, &mut sink, &|_| {})
                .expect("a finished run");
            (outcome, sink)
        };
        let ((outcome, whole), (same, short)) = (ran(every), ran(last));
        assert_eq!(outcome, same, "{settings}");
        assert_eq!(short.curve(), without_tests_before_the_last(&whole.curve()), "{settings}");
        assert!(whole.curve().iter().all(|epoch| epoch.len() == 3), "{settings}");
        assert_eq!(short.predictions, whole.predictions, "{settings}");
        assert!(short.predictions.iter().any(|prediction| prediction.split == Split::Test));
    }
}

#[test]
fn a_run_that_evaluates_its_test_images_at_the_end_goes_on_from_its_checkpoint() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let cell = &workshop.cells(&format!("evaluate_test = \"last_epoch\"\n{FINE_TUNING}"))[0];
    let expected = workshop.run(cell);
    for stop_after in [2, 4] {
        let resumed = workshop.resumed(cell, &workshop.data(cell), stop_after);
        assert_eq!(resumed, expected, "stopped after {stop_after} epochs");
    }
    assert_eq!(workshop.stopped_again_and_again(cell, &workshop.data(cell)), expected);
}

#[test]
fn fine_tuning_goes_on_from_the_trained_head_and_moves_what_it_unfreezes() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let tuned = &workshop.cells(FINE_TUNING)[0];
    assert_eq!(tuned.procedure.total_epochs(), 2 + 3);
    let head_alone = &workshop.cells("dropout = 0.5\n[matrix]\nepochs = [2]")[0];
    let ([(outcome, curve), (_, head_curve)], frozen) =
        ([workshop.run(tuned), workshop.run(head_alone)], "features.12.");
    assert_eq!(curve[..2], head_curve, "the first phase is the procedure alone");
    assert_eq!(
        (outcome.status, outcome.epochs, outcome.phases.len()),
        (RunStatus::Completed, 5, 2)
    );
    assert!(
        outcome.phases[0]
            .audit
            .iter()
            .all(|tensor| tensor.declared_frozen && !tensor.collected && !tensor.moved)
    );
    for tensor in outcome.phases[1].audit.iter().chain(&outcome.audit) {
        let tuned = tensor.name.starts_with(frozen);
        assert_eq!(
            (!tensor.declared_frozen, tensor.collected, tensor.moved),
            (tuned, tuned, tuned),
            "{tensor:?}"
        );
    }
    // Nothing of the first phase is lost: with a step size too small to be seen, the second goes on
    // where the first stopped.
    let resting = &workshop.cells(&FINE_TUNING.replace("1e-4", "1e-30"))[0];
    let (_, resting) = workshop.run(resting);
    let validation = |epoch: &Vec<(Split, u64, u64, u64)>| epoch[1];
    assert!(resting[2..].iter().all(|epoch| validation(epoch) == validation(&resting[1])));
    // A fresh head forgets it.
    let text = FINE_TUNING.replace("1e-4", "1e-30\nhead = \"fresh\"");
    let (_, fresh) = workshop.run(&workshop.cells(&text)[0]);
    assert_ne!(validation(&fresh[2]), validation(&resting[1]));
}

#[test]
fn kept_optimizer_state_makes_smaller_first_steps_than_zeros() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    // The same training in two halves. With the state of the first half it is the same to the last
    // bit; from zeros it is not.
    let halves = |state: &str| {
        format!(
            "cache = \"features\"\n[[phase]]\nepochs = 2\n[[phase]]\nepochs = 2\noptimizer_state = \"{state}\"\n"
        )
    };
    let whole = workshop.run(&workshop.cells("cache = \"features\"\n[matrix]\nepochs = [4]")[0]).1;
    assert_eq!(workshop.run(&workshop.cells(&halves("kept"))[0]).1, whole);
    let fresh = workshop.run(&workshop.cells(&halves("fresh"))[0]).1;
    assert_eq!(fresh[..2], whole[..2]);
    assert_ne!(fresh[2], whole[2]);
}

#[test]
fn an_accident_in_the_first_phase_is_reported_after_the_second() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    // Keras 2.0.8 does not hear of a flag on the nested base, but of flags on layers.
    let text = "optimizer_collects = \"everything\"\n[[phase]]\nepochs = 1\n[[phase]]\nepochs = 1\nfreeze = \"block_4\"\noptimizer_collects = \"unfrozen\"\n";
    let (outcome, _) = workshop.run(&workshop.cells(text)[0]);
    assert_eq!(outcome.status, RunStatus::Thawed);
    assert!(outcome.phases[0].audit.iter().all(|tensor| tensor.thawed()));
    let second = &outcome.phases[1].audit;
    assert_eq!(second.iter().filter(|tensor| tensor.collected).count(), 6);
    assert_eq!(
        second.iter().filter(|tensor| tensor.moved).count(),
        6,
        "what the first phase moved rests in the second"
    );
    assert!(outcome.audit.iter().all(|tensor| tensor.moved && tensor.collected));
    assert!(
        outcome
            .audit
            .iter()
            .all(|tensor| tensor.declared_frozen != tensor.name.starts_with("features.12."))
    );
}

#[test]
fn neither_caching_nor_sharing_nor_interruptions_change_a_procedure_of_phases() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    for text in [
        // A cached head, then the last block; then a block more, which makes block 4 computed from
        // what block 3 left.
        "dropout = 0.5\naugmentation = \"keras-2.0.8\"\n[[phase]]\nepochs = 2\n[[phase]]\nepochs = 2\nfreeze = \"block_3\"\n[[phase]]\nepochs = 2\nfreeze = \"block_4\"\n",
        "dropout = 0.5\ncache = \"features\"\n[[phase]]\nepochs = 2\n[[phase]]\nepochs = 4\ncache = \"none\"\nfreeze = \"block_4\"\noptimizer_state = \"kept\"\n",
        "optimizer_collects = \"everything\"\n[[phase]]\nepochs = 2\n[[phase]]\nepochs = 4\nfreeze = \"block_4\"\noptimizer_collects = \"unfrozen\"\nhead = \"fresh\"\n",
    ] {
        let cell = &workshop.cells(text)[0];
        let data = workshop.data(cell);
        let expected = workshop.run(cell);
        let mut shared = Memory::default();
        let outcome = fit(
            cell,
            &workshop.weights,
            &workshop.shared_data(cell, Sharing::ByContent),
            None,
            &mut shared,
            &|_| {},
        )
        .expect("a finished run");
        assert_eq!((&outcome, &shared.curve()), (&expected.0, &expected.1));

        let policy = CheckpointPolicy::new(
            workshop.artifact(&format!("{}.checkpoint", cell.id())),
            Duration::ZERO,
        );
        for epochs in 1..5 {
            let mut interrupted = Memory { stop_after: Some(epochs + 1), ..Memory::default() };
            fit(cell, &workshop.weights, &data, Some(&policy), &mut interrupted, &|_| {})
                .expect_err("interrupted");
        }
        let mut resumed = Memory::default();
        let outcome = fit(cell, &workshop.weights, &data, Some(&policy), &mut resumed, &|_| {})
            .expect("a finished run");
        resumed.went_on_behind(4);
        assert_eq!((outcome, resumed.curve()), expected);
        assert_eq!(workshop.stopped_again_and_again(cell, &data), expected);
        let drifting = |sink: &Memory| {
            sink.records.iter().map(|record| record.tensor_drifts.clone()).collect::<Vec<_>>()
        };
        assert_eq!(drifting(&resumed), drifting(&shared));
    }
}

#[test]
fn fewer_variants_are_the_beginning_of_more() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let cell = |variants: usize| {
        let text = format!(
            "dropout = 0.5\naugmentation = \"keras-2.0.8\"\ncache = \"variants\"\nvariants = {variants}"
        );
        workshop.cells(&text).remove(0)
    };
    let (two, three) = (cell(2), cell(3));
    let [of_two, of_three] = [&two, &three].map(|cell| {
        Extraction::of(cell, &cell.procedure.phases()[0], Split::Train, Sharing::Literal)
            .expect("variants")
    });
    assert!(of_two.covering().any(|covering| covering.key() == of_three.key()));
    let expected = workshop.run(&two).1;
    workshop.run(&three);
    let mut data = workshop.data(&two);
    data.phases[0].train.stored = Some(
        StoredActivations::open(&of_two, &workshop.artifact(of_three.key().short()))
            .expect("more variants"),
    );
    let mut sink = Memory::default();
    fit(&two, &workshop.weights, &data, None, &mut sink, &|_| {}).expect("a finished run");
    assert_eq!(sink.curve(), expected);
    let refused = StoredActivations::open(&of_three, &workshop.artifact(of_two.key().short()))
        .expect_err("fewer")
        .to_string();
    assert!(refused.contains("it has 2 variants instead of 3"), "{refused}");
}

#[test]
fn activations_in_the_place_of_others_are_refused() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let cell = workshop.cells("cache = \"features\"").remove(0);
    workshop.data(&cell);
    let phase = &cell.procedure.phases()[0];
    let [of_validation, of_test] = [Split::Validation, Split::Test].map(|split| {
        Extraction::of(&cell, phase, split, Sharing::Literal).expect("it is evaluated")
    });
    let place = workshop.artifact(of_validation.key().short());
    std::fs::rename(workshop.artifact(of_test.key().short()), &place).expect("renamed");
    let refused = StoredActivations::open(&of_validation, &place).expect_err("others").to_string();
    let named = format!("it is another artifact, `{}`", of_test.key().short());
    assert!(refused.contains(&named), "{refused}");
}

/// The bytes of an extraction's artifact, and the images that each of its attempts was told of.
fn extracted(
    workshop: &Workshop,
    cell: &Cell,
    policy: &ExtractionPolicy,
) -> (Vec<u8>, Vec<Vec<u64>>) {
    let phase = &cell.procedure.phases()[0];
    let extraction =
        Extraction::of(cell, phase, Split::Train, Sharing::Literal).expect("it is cached");
    let data = workshop.data(cell);
    let base = Base::new(
        workshop.architecture,
        cell.procedure.convolution,
        &workshop.weights,
        extraction.blocks,
        &candle_core::Device::Cpu,
    )
    .expect("a base");
    let path = policy.note.with_extension("safetensors");
    let mut told = Vec::new();
    loop {
        let policy = ExtractionPolicy { stop: Stop::default(), ..policy.clone() };
        let images = std::sync::Mutex::new(Vec::new());
        // What was done before is told first; then each batch.
        let progress = |count| {
            let mut images = images.lock().expect("no panic");
            images.push(count);
            if images.len() > 1 && policy.interval.is_zero() {
                policy.stop.request();
            }
        };
        let pixels = &data.phases[0].train.pixels;
        let ended = extract(&extraction, &base, pixels, &path, Some(&policy), &progress);
        told.push(images.into_inner().expect("no panic"));
        match ended {
            Ok(damage) => {
                assert_eq!(damage, None);
                return (std::fs::read(path).expect("an artifact"), told);
            }
            Err(TrainError::Stopped) => assert!(policy.note.exists() && !path.exists()),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn an_extraction_that_is_stopped_at_every_batch_ends_with_the_same_bytes() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let text = "augmentation = \"keras-2.0.8\"\ncache = \"variants\"\nvariants = 3";
    let cell = workshop.cells(text).remove(0);
    let folder = tempfile::tempdir().expect("a folder");
    let policy = |name: &str, seconds: u64| ExtractionPolicy {
        note: folder.path().join(name).join("note.json"),
        interval: Duration::from_secs(seconds),
        stop: Stop::default(),
    };
    let (whole, told) = extracted(&workshop, &cell, &policy("whole", 3600));
    let images = told[0][1];
    assert_eq!(told, [vec![0, images, images, images]]);
    let (stopped, told) = extracted(&workshop, &cell, &policy("stopped", 0));
    let of_attempt = |before: u64| vec![before * images, images];
    assert_eq!(told, [of_attempt(0), of_attempt(1), of_attempt(2), vec![3 * images]]);
    assert!(stopped == whole, "other bytes");
    for name in ["whole", "stopped"] {
        let left: Vec<_> = std::fs::read_dir(folder.path().join(name))
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert_eq!(left, ["note.safetensors"], "the artifact alone");
    }
}

#[test]
fn zero_gradients_do_not_keep_frozen_weights_where_they_are() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let outcome = |lines: &str| {
        let cells = workshop.cells(&format!(
            "optimizer_collects = \"everything_with_zero_gradients\"\noptimizer = \"sgd\"\n{lines}"
        ));
        workshop.run(&cells[0])
    };
    // Without momentum and decay a gradient of zeros moves nothing, and the run is the honest one.
    let (still, curve) = outcome("");
    assert_eq!(still.status, RunStatus::Completed);
    assert!(still.audit.iter().all(|tensor| tensor.collected && !tensor.moved));
    let honest = workshop.cells("optimizer = \"sgd\"");
    assert_eq!(workshop.run(&honest[0]).1, curve);
    // Decay shrinks what was declared frozen.
    let (decayed, _) = outcome("weight_decay = 0.1\n");
    assert_eq!(decayed.status, RunStatus::Thawed);
    // And momentum of a phase in which it was trained carries it on.
    let phases = "momentum = 0.9\n[[procedure.phase]]\nfreeze = \"none\"\noptimizer_collects = \"unfrozen\"\n[[procedure.phase]]\nepochs = 1\n";
    for (state, moves) in [("kept", true), ("fresh", false)] {
        let (outcome, _) = outcome(&format!("{phases}optimizer_state = \"{state}\"\n"));
        let last = outcome.phases.last().expect("two phases");
        let moved = last.audit.iter().any(|tensor| tensor.moved);
        assert_eq!(moved, moves, "{state}");
    }
}

#[test]
fn every_optimizer_goes_on_from_a_checkpoint_as_if_nothing_had_happened() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let cells = workshop.cells(
        "clip_norm = 0.5\nschedule = \"cosine\"\nfreeze = \"block_4\"\nmomentum = 0.0\n[matrix.optimizer]\n\
         rmsprop = {}\nsgd = { optimizer = \"sgd\", momentum = 0.9, nesterov = true }\nadam = { optimizer = \"adam\" }\n\
         adamw = { optimizer = \"adamw\", weight_decay = 0.01 }\n",
    );
    let mut curves = Vec::new();
    for cell in &cells {
        let (_, whole) = workshop.run(cell);
        let policy = CheckpointPolicy::new(
            workshop.artifact(&format!("checkpoint-{}", cell.id())),
            Duration::ZERO,
        );
        let mut interrupted = Memory { stop_after: Some(2), ..Memory::default() };
        let data = workshop.data(cell);
        fit(cell, &workshop.weights, &data, Some(&policy), &mut interrupted, &|_| {})
            .expect_err("interrupted");
        let mut resumed = Memory::default();
        fit(cell, &workshop.weights, &data, Some(&policy), &mut resumed, &|_| {})
            .expect("a finished run");
        resumed.went_on_behind(1);
        assert_eq!(resumed.curve(), whole, "{}", cell.label());
        assert_eq!(workshop.stopped_again_and_again(cell, &data).1, whole, "{}", cell.label());
        curves.push(whole);
    }
    for (place, curve) in curves.iter().enumerate() {
        assert!(!curves[..place].contains(curve), "each optimizer is one of its own");
    }
}

#[test]
fn cached_features_are_end_to_end_training_under_every_head() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let cells = workshop.cells(
        "dropout = 0.5\n[matrix.regime]\ncached = { cache = \"features\" }\nend_to_end = {}\n[matrix.head]\n\
         linear = { hidden_units = 0 }\npooled = { pooling = \"average\" }\n\
         tutorial = { pooling = \"average\", hidden_units = 0 }\n",
    );
    let curves: Vec<Curve> = cells.iter().map(|cell| workshop.run(cell).1).collect();
    let (cached, end_to_end) = curves.split_at(3);
    assert_eq!(cached, end_to_end);
    assert!(cached[0] != cached[1] && cached[1] != cached[2], "each head is one of its own");
}

#[test]
fn a_frozen_base_with_batch_norm_is_its_cached_features_to_the_last_bit() {
    for architecture in [Architecture::Resnet18, Architecture::MobilenetV2] {
        let workshop = Workshop::of(architecture, &["cats", "dogs"]);
        let cells = workshop.cells("dropout = 0.5\n[matrix]\ncache = [\"features\", \"none\"]");
        let [(cached, cached_curve), (end_to_end, end_to_end_curve)] =
            [workshop.run(&cells[0]), workshop.run(&cells[1])];
        assert_eq!(cached_curve, end_to_end_curve);
        assert_ne!(cached_curve[0], cached_curve[2], "something is learned");
        for outcome in [cached, end_to_end] {
            assert_eq!(outcome.status, RunStatus::Completed);
            assert!(outcome.audit.iter().all(|tensor| !tensor.moved && !tensor.collected));
        }
    }
}

#[test]
fn moving_statistics_are_audited_and_go_on_from_a_checkpoint() {
    let workshop = Workshop::of(Architecture::Resnet18, &["cats", "dogs"]);
    let cell = &workshop.cells("freeze = \"block_5\"")[0];
    let (whole, expected) = workshop.run(cell);
    for tensor in &whole.audit {
        let is_weight = tensor.role == TensorRole::Weight;
        let is_trained = tensor.name.starts_with("layer4.");
        assert_eq!(tensor.declared_frozen, !is_trained, "{}", tensor.name);
        assert_eq!(tensor.collected, is_trained && is_weight, "{}", tensor.name);
        assert_eq!(tensor.moved, is_trained, "{}", tensor.name);
    }
    let statistics = whole.audit.iter().filter(|tensor| tensor.role == TensorRole::Statistic);
    assert_eq!(statistics.count(), 2 * 20, "a mean and a variance of twenty normalisations");

    let (outcome, resumed) = workshop.resumed(cell, &workshop.data(cell), 2);
    assert_eq!(resumed, expected);
    assert_eq!(outcome, whole);
    let (outcome, stopped) = workshop.stopped_again_and_again(cell, &workshop.data(cell));
    assert_eq!((outcome, stopped), (whole.clone(), expected.clone()));
    let policy = CheckpointPolicy::new(workshop.artifact("checkpoint"), Duration::ZERO);
    let data = workshop.data(cell);
    let mut interrupted = Memory { stop_after: Some(2), ..Memory::default() };
    fit(cell, &workshop.weights, &data, Some(&policy), &mut interrupted, &|_| {})
        .expect_err("interrupted");
    let mut resumed = Memory::default();
    let outcome = fit(cell, &workshop.weights, &data, Some(&policy), &mut resumed, &|_| {})
        .expect("a finished run");
    resumed.went_on_behind(1);
    assert_eq!(resumed.curve(), expected);
    assert_eq!(outcome, whole);
}

#[test]
fn an_accident_moves_statistics_that_were_declared_frozen() {
    let workshop = Workshop::of(Architecture::MobilenetV2, &["cats", "dogs"]);
    let cell = &workshop.cells("optimizer_collects = \"everything\"")[0];
    let (outcome, _) = workshop.run(cell);
    assert_eq!(outcome.status, RunStatus::Thawed);
    let of_role = |role| outcome.audit.iter().filter(move |tensor| tensor.role == role);
    assert!(of_role(TensorRole::Statistic).all(|tensor| tensor.moved && !tensor.collected));
    assert!(of_role(TensorRole::Weight).all(|tensor| tensor.collected));
}

#[test]
fn statistics_of_a_frozen_base_move_only_where_a_cell_says_so() {
    let workshop = Workshop::of(Architecture::Resnet18, &["cats", "dogs"]);
    let cells = workshop.cells("[matrix]\nfrozen_statistics = [\"kept\", \"batch\", \"moving\"]");
    let mut curves = Vec::new();
    for (cell, moves) in cells.iter().zip([false, false, true]) {
        let (outcome, curve) = workshop.run(cell);
        let status = if moves { RunStatus::Thawed } else { RunStatus::Completed };
        assert_eq!(outcome.status, status, "{}", cell.label());
        for tensor in &outcome.audit {
            assert!(tensor.declared_frozen && !tensor.collected);
            assert_eq!(tensor.moved, moves && tensor.role == TensorRole::Statistic);
        }
        // What is shared changes nothing, and what depends on a batch is not shared.
        let mut sink = Memory::default();
        let data = workshop.shared_data(cell, Sharing::ByContent);
        let is_stored = data.phases[0].train.stored.is_some();
        assert_eq!(is_stored, curves.is_empty(), "{}", cell.label());
        fit(cell, &workshop.weights, &data, None, &mut sink, &|_| {}).expect("a finished run");
        assert_eq!(sink.curve(), curve, "{}", cell.label());

        let resumed = workshop.resumed(cell, &workshop.data(cell), 2).1;
        assert_eq!(resumed, curve, "{}", cell.label());
        let stopped = workshop.stopped_again_and_again(cell, &workshop.data(cell)).1;
        assert_eq!(stopped, curve, "{}", cell.label());
        curves.push(curve);
    }
    assert!(curves[0] != curves[1] && curves[1] != curves[2], "each is a procedure of its own");
}

/// Features of one training pass are those that the end-to-end procedure shows in its first epoch,
/// and later epochs show them again.
#[test]
fn features_of_batches_are_those_of_the_first_epoch_end_to_end() {
    let workshop = Workshop::of(Architecture::MiniResnet, &["cats", "dogs"]);
    let cells = workshop.cells(
        "frozen_statistics = \"batch\"\n[matrix]\ncache = [\"features\", \"none\"]\nepochs = [1, 3]",
    );
    let [one_cached, three_cached, one_live, three_live] = &cells[..] else { panic!("four cells") };
    assert_eq!(workshop.run(one_cached).1, workshop.run(one_live).1);
    let (outcome, cached) = workshop.run(three_cached);
    assert!(outcome.audit.iter().all(|tensor| !tensor.moved), "nothing moves");
    let (_, live) = workshop.run(three_live);
    assert_eq!(cached[0], live[0]);
    assert_ne!(cached, live, "later batches are others");
    // They are this cell's alone, and a resumed cell makes the same again.
    for sharing in [Sharing::Literal, Sharing::ByContent] {
        let data = workshop.shared_data(three_cached, sharing);
        assert!(data.phases[0].train.stored.is_none());
        assert_eq!(workshop.resumed(three_cached, &data, 2).1, cached);
        assert_eq!(workshop.stopped_again_and_again(three_cached, &data).1, cached);
    }
}

/// Where gradients are zeros instead of none, a batch normalisation is as frozen as where there are
/// none.
#[test]
fn statistics_below_zero_gradients_are_treated_as_frozen_ones() {
    let workshop = Workshop::of(Architecture::MiniResnet, &["cats", "dogs"]);
    let cells = workshop.cells(
        "optimizer_collects = \"everything_with_zero_gradients\"\n[matrix]\nfrozen_statistics = [\"kept\", \"batch\", \"moving\"]",
    );
    let mut curves = Vec::new();
    for (cell, moves) in cells.iter().zip([false, false, true]) {
        let (outcome, curve) = workshop.run(cell);
        for tensor in &outcome.audit {
            let is_statistic = tensor.role == TensorRole::Statistic;
            assert_eq!(tensor.moved, moves && is_statistic, "{}: {}", cell.label(), tensor.name);
            assert_eq!(tensor.collected, !is_statistic);
        }
        curves.push(curve);
    }
    assert!(curves[0] != curves[1] && curves[1] != curves[2]);
}

/// A phase may treat frozen statistics as the one before it did not; a zero-debiased average goes on
/// counting, over phases and over an interruption.
#[test]
fn each_phase_treats_frozen_statistics_in_its_own_way() {
    let workshop = Workshop::of(Architecture::MiniResnet, &["cats", "dogs"]);
    let phases = "[[procedure.phase]]\nepochs = 2\nfrozen_statistics = \"moving\"\n[[procedure.phase]]\nfrozen_statistics = \"batch\"\nepochs = 1\n[[procedure.phase]]\nfreeze = \"block_3\"\nepochs = 2";
    let cells = workshop
        .cells(&format!("[matrix]\nmoving_average = [\"zero_debiased\", \"plain\"]\n{phases}"));
    let mut curves = Vec::new();
    for cell in &cells {
        let (outcome, curve) = workshop.run(cell);
        let moved = |phase: usize, block: &str| {
            let tensors = outcome.phases[phase].audit.iter();
            tensors.filter(|tensor| tensor.moved && tensor.name.starts_with(block)).count()
        };
        assert_eq!((moved(0, "bn1"), moved(0, "layer3")), (2, 6));
        assert_eq!((moved(1, "bn1"), moved(1, "layer3")), (0, 0));
        assert_eq!(
            (moved(2, "bn1"), moved(2, "layer3")),
            (0, 15),
            "three convolutions with theirs"
        );
        for stop_after in [2, 3, 4] {
            let (again, resumed) = workshop.resumed(cell, &workshop.data(cell), stop_after);
            assert_eq!(resumed, curve, "{} after {stop_after}", cell.label());
            assert_eq!(again, outcome);
        }
        let stopped = workshop.stopped_again_and_again(cell, &workshop.data(cell));
        assert_eq!(stopped, (outcome, curve.clone()), "{}", cell.label());
        curves.push(curve);
    }
    assert_ne!(curves[0], curves[1]);
}

/// A store that could not be reached for a while has less than the folder, and another machine may have
/// gone further.
#[test]
fn a_run_goes_on_from_the_further_of_its_checkpoint_and_the_shared_one() {
    let workshop = Workshop::new(&["cats", "dogs"]);
    let cell = &workshop.cells("cache = \"features\"")[0];
    let data = workshop.data(cell);
    let store = thaw_store::FolderStore::new(workshop.artifact("store"));
    let shared = thaw_train::SharedCheckpoint {
        store: std::sync::Arc::new(store),
        key: "checkpoint".to_owned(),
    };
    let policy = CheckpointPolicy {
        shared: Some(shared),
        ..CheckpointPolicy::new(workshop.artifact("checkpoint"), Duration::ZERO)
    };
    let fit = |sink: &mut Memory| {
        fit(cell, &workshop.weights, &data, Some(&policy), sink, &|_| {}).map(drop)
    };
    let after = |epochs: usize| {
        let mut interrupted = Memory { stop_after: Some(epochs + 1), ..Memory::default() };
        fit(&mut interrupted).expect_err("interrupted");
        std::fs::read(&policy.path).expect("a checkpoint")
    };
    let [first, second] = [1, 2].map(after);
    let (first, second, torn) = (&first[..], &second[..], &b"torn"[..]);
    for (own, shared, behind) in [
        (Some(second), Some(first), 2),
        (Some(first), Some(second), 2),
        (Some(second), None, 2),
        (None, Some(first), 1),
        (Some(torn), Some(first), 1),
        (Some(first), Some(torn), 1),
    ] {
        let places = [policy.path.clone(), workshop.artifact("store/checkpoint")];
        for (place, bytes) in places.iter().zip([own, shared]) {
            match bytes {
                Some(bytes) => std::fs::write(place, bytes).expect("written"),
                None => std::fs::remove_file(place).expect("removed"),
            }
        }
        let mut resumed = Memory::default();
        fit(&mut resumed).expect("a finished run");
        resumed.went_on_behind(behind);
        assert_eq!(resumed.remarks, Vec::<String>::new());
    }
}
