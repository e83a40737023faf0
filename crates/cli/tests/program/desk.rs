//! A folder with a small experiment, and the program within it.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use tempfile::TempDir;
use thaw_analysis::{CellRun, Results, ResultsFolder};
use thaw_spec::{Architecture, Experiment, Metric};

use crate::thaw::thaw_in;

/// An experiment of six cells.
pub(crate) const EXPERIMENT: &str = r#"
name = "tiny"
seeds = [0, 1]
[dataset]
source = "folder"
[base]
architecture = "squeezenet1_0"
[procedure]
image_size = 64
epochs = 2
batch_size = 4
hidden_units = 8
[matrix.regime]
cached = { cache = "features" }
end_to_end = {}
thawed = { optimizer_collects = "everything" }
[[published]]
label = "a published curve"
file = "published.csv"
run = "theirs"
where = { regime = "cached" }
"#;

const EXPECTED: &str = r#"
[[relation]]
kind = "equal_curve"
left = { regime = "cached" }
right = { regime = "end_to_end" }
metric = "validation_loss"
[[audit]]
where = { regime = "thawed" }
status = "thawed"
"#;

/// Where the desk has images and weights.
pub(crate) const INPUTS: [&str; 4] = ["--data", "images", "--weights", "weights.safetensors"];

/// A folder with an experiment, images and weights.
pub(crate) struct Desk {
    pub(crate) root: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let root = TempDir::new().expect("a folder");
        for (split, count) in [("train", 5), ("validation", 3), ("test", 2)] {
            for class in ["cats", "dogs"] {
                let folder = root.path().join("images").join(split).join(class);
                fs::create_dir_all(&folder).expect("a folder");
                for number in 0..count {
                    let shade = |x: u32, y: u32| {
                        image::Rgb([
                            (x * 3 + number) as u8,
                            (y * class.len() as u32) as u8,
                            if class == "cats" { 20 } else { 200 },
                        ])
                    };
                    image::RgbImage::from_fn(72, 60, shade)
                        .save(folder.join(format!("{number}.png")))
                        .expect("an image");
                }
            }
        }
        fs::write(root.path().join("weights.safetensors"), weights()).expect("written");
        fs::write(root.path().join("tiny.toml"), EXPERIMENT).expect("written");
        fs::write(root.path().join("tiny.expected.toml"), EXPECTED).expect("written");
        fs::write(
            root.path().join("published.csv"),
            "run,epoch,loss,acc,val_loss,val_acc\ntheirs,1,0.6,0.6,0.6,0.7\ntheirs,2,0.5,0.7,0.5,0.8\n",
        )
        .expect("written");
        Self { root }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn thaw(&self, arguments: &[&str]) -> Output {
        thaw_in(self.root.path()).args(arguments).output().expect("it runs")
    }

    /// A command on the experiment, its images and its weights.
    pub(crate) fn on_inputs(&self, command: &str, more: &[&str]) -> Output {
        self.thaw(&[&[command, "tiny.toml"], &INPUTS[..], more].concat())
    }

    pub(crate) fn sweep(&self, more: &[&str]) -> Output {
        self.on_inputs("sweep", &[&["--cache", "cache"], more].concat())
    }

    /// Every measured curve in a folder of results, to the last bit.
    pub(crate) fn curves(&self, results: &str) -> Vec<BitCurve> {
        self.curves_in(&ResultsFolder::new(self.path(results).join("tiny")))
    }

    /// The same in a store.
    pub(crate) fn curves_in(&self, results: &ResultsFolder) -> Vec<BitCurve> {
        let text = fs::read_to_string(self.path("tiny.toml")).expect("the experiment");
        let experiment = Experiment::parse("tiny.toml", &text).expect("an experiment");
        let results = Results::read(results, &experiment).expect("results");
        let runs = results.procedures.iter().flat_map(|procedure| &procedure.runs);
        let metrics = [
            Metric::TrainAccuracy,
            Metric::TrainLoss,
            Metric::ValidationAccuracy,
            Metric::ValidationLoss,
        ];
        let curve = |run: &CellRun, metric: Metric| {
            let name = format!("{} seed={}", run.cell().label(), run.cell().seed);
            (name, metric, run.curve(metric).into_iter().map(f64::to_bits).collect())
        };
        runs.flat_map(|run| metrics.map(|metric| curve(run, metric))).collect()
    }

    /// Names and contents of all records, which must not change when they are not run again.
    pub(crate) fn records(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut records: Vec<_> = fs::read_dir(self.path("runs/tiny/cells"))
            .expect("cells")
            .map(|cell| cell.expect("a cell").path().join("epochs.parquet"))
            .map(|path| (path.clone(), fs::read(path).expect("records")))
            .collect();
        records.sort();
        records
    }
}

/// A metric of a cell: levels and seed, what was measured, and the bits of each epoch's value.
pub(crate) type BitCurve = (String, Metric, Vec<u64>);

/// Weights for SqueezeNet, made from an integer hash.
fn weights() -> Vec<u8> {
    let values = |number: usize, thaw_model::TensorSpec { shape, .. }: &thaw_model::TensorSpec| {
        let bound = (24.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
        let hash = |index: u64| {
            ((index * 2_654_435_761 + number as u64 * 40_503) % (1 << 32)) as f64
                / (1u64 << 32) as f64
                - 0.5
        };
        (1..=shape.iter().product::<usize>() as u64)
            .map(|index| (hash(index) * bound) as f32)
            .collect()
    };
    thaw_model::weights_file(Architecture::Squeezenet1_0, values).expect("values fill their shapes")
}
