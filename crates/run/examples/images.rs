//! How long an experiment of many images takes, and how much memory: scan and hash, decode, extract, and
//! train a head on cached features for one epoch.
//!
//! `cargo build --release --workspace --examples`, then `target/release/examples/images COUNT...`: so many
//! training images, and a tenth for validation, drawn and then as a folder of JPEG files of 32×32 pixels.
//! Prints rows of Markdown: seconds of each part, and the most memory that is the process's own (pages of
//! files that it maps belong to the system, which takes them back when it needs them).

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;
use tempfile::TempDir;
use thaw_analysis::ResultsFolder;
use thaw_data::{Dataset, Folder, Synthetic};
use thaw_model::Weights;
use thaw_run::{Cache, Event, Limits, Observer, RealExecutor, RunInputs, execute};
use thaw_spec::{Architecture, Experiment, Split, Step, SyntheticDataset, SyntheticTask};

const HEADING: &str =
    "| images | training images | scan and hash | decode | extract | train | most memory |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |";

fn main() -> Result<(), Box<dyn Error>> {
    let mut output = std::io::stdout();
    writeln!(output, "{HEADING}")?;
    for count in std::env::args().skip(1) {
        let drawn = SyntheticDataset {
            task: SyntheticTask::CatsAndDogs,
            seed: 0,
            size: 32,
            train: count.parse()?,
            validation: count.parse::<u64>()? / 10,
            test: 0,
        };
        let desk = TempDir::new()?;
        writeln!(output, "{}", row("drawn", &drawn, None, desk.path())?)?;
        let folder = desk.path().join("images");
        write_files(&Synthetic::new(drawn), &folder)?;
        writeln!(output, "{}", row("JPEG files", &drawn, Some(&folder), desk.path())?)?;
    }
    Ok(())
}

/// Writes the images of a dataset as `split/class/number.jpeg`.
fn write_files(dataset: &Synthetic, folder: &Path) -> Result<(), Box<dyn Error>> {
    for split in [Split::Train, Split::Validation] {
        for class in dataset.classes() {
            std::fs::create_dir_all(folder.join(split.name()).join(class))?;
        }
        let write = |index: usize| -> Result<(), String> {
            let class = &dataset.classes()[dataset.label(split, index) as usize];
            let path = folder.join(split.name()).join(class).join(format!("{index}.jpeg"));
            let picture = dataset.image(split, index).map_err(|error| error.to_string())?;
            let mut bytes = Vec::new();
            JpegEncoder::new(&mut bytes)
                .encode_image(&picture)
                .map_err(|error| error.to_string())?;
            std::fs::write(path, bytes).map_err(|error| error.to_string())
        };
        (0..dataset.counts().of(split) as usize).into_par_iter().try_for_each(write)?;
    }
    Ok(())
}

fn row(
    name: &str,
    drawn: &SyntheticDataset,
    folder: Option<&Path>,
    desk: &Path,
) -> Result<String, Box<dyn Error>> {
    let memory = Memory::default();
    let durations = std::thread::scope(|scope| {
        scope.spawn(|| memory.watch());
        let durations = run(drawn, folder, &desk.join(name));
        memory.ended.store(true, Ordering::Relaxed);
        durations
    })?;
    let kinds = ["open", "decode", "extract", "train"];
    let cells = kinds.map(|kind| format!("{:.1} s", durations.get(kind).unwrap_or(&0.0)));
    let most = memory.most_kibibytes.load(Ordering::Relaxed) / 1024;
    Ok(format!("| {name} | {} | {} | {most} MiB |", drawn.train, cells.join(" | ")))
}

/// Runs one cell; seconds by kind of step.
fn run(
    drawn: &SyntheticDataset,
    folder: Option<&Path>,
    desk: &Path,
) -> Result<BTreeMap<&'static str, f64>, Box<dyn Error>> {
    let source = match folder {
        Some(_) => "source = \"folder\"".to_owned(),
        None => format!(
            "source = \"synthetic\"\ntrain = {}\nvalidation = {}\ntest = 0",
            drawn.train, drawn.validation
        ),
    };
    let text = format!(
        "name = \"images\"\nseeds = [0]\n[dataset]\n{source}\n[base]\narchitecture = \"mini_vgg\"\n[procedure]\nimage_size = 32\nepochs = 1\ncache = \"features\"\n"
    );
    let experiment = Experiment::parse("images.toml", &text)?;
    let start = Instant::now();
    let dataset: Box<dyn Dataset> = match folder {
        Some(folder) => Box::new(Folder::scan(folder)?),
        None => Box::new(Synthetic::new(*drawn)),
    };
    let weights = Weights::shipped(Architecture::MiniVgg).ok_or("thaw brings its weights")??;
    let inputs =
        RunInputs::new(&experiment, dataset, weights, Cache::in_folder(&desk.join("cache")))?;
    let watch = Watch::default();
    watch.add("open", start.elapsed());
    let results = ResultsFolder::new(desk.join("results"));
    let facts = inputs.cost_facts()?;
    let plan = inputs.plan(&facts, &inputs.finished(&results)?.left_out())?;
    let limits = Limits::of_this_machine();
    let executor = RealExecutor::new(&inputs, limits.threads);
    let failures = execute(&plan, &facts, &executor, &results, &limits, &watch)?;
    match failures.first() {
        Some(failure) => Err(failure.error.to_string().into()),
        None => Ok(watch.seconds.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// Adds up how long steps take, by kind.
#[derive(Default)]
struct Watch {
    begun: Mutex<BTreeMap<usize, (&'static str, Instant)>>,
    seconds: Mutex<BTreeMap<&'static str, f64>>,
}

impl Watch {
    fn add(&self, kind: &'static str, passed: Duration) {
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        *seconds.entry(kind).or_default() += passed.as_secs_f64();
    }
}

impl Observer for Watch {
    fn event(&self, event: &Event<'_>) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { number, step, .. } => {
                let kind = match step {
                    Step::Decode { .. } => "decode",
                    Step::Extract(_) => "extract",
                    Step::Fit(_) => "train",
                };
                begun.insert(*number, (kind, Instant::now()));
            }
            Event::Ended { number, .. } => {
                let step = begun.remove(number);
                step.into_iter().for_each(|(kind, start)| self.add(kind, start.elapsed()));
            }
            _ => {}
        }
    }
}

/// The most memory of the process's own, looked at again and again.
#[derive(Default)]
struct Memory {
    most_kibibytes: AtomicU64,
    ended: AtomicBool,
}

impl Memory {
    fn watch(&self) {
        while !self.ended.load(Ordering::Relaxed) {
            let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
            let now = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            self.most_kibibytes.fetch_max(now.unwrap_or(0), Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
