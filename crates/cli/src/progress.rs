//! Progress: bars on a terminal, lines elsewhere, JSON for machines, nothing when quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;
use thaw_run::{Ending, Event, Observer};
use thaw_spec::{EpochRecord, Split, Step, visible};
use thaw_store::Owner;

use crate::terminal::{LogFormat, log_format, print_event, say_on_stderr};
use crate::words::{duration, verdict};

/// Units of the overall bar; the estimate is scaled to them.
const WHOLE: u64 = 1_000_000;
/// Without a terminal, a task that has said nothing for this long says how far it is.
const SILENCE: Duration = Duration::from_secs(60);
/// Without a terminal, every epoch that takes at least this long has a line.
const LONG_EPOCH: Duration = Duration::from_secs(10);

/// Shows how far a sweep is. The whole is counted in estimated work, so that the time left means
/// something.
pub(crate) struct Progress {
    view: Arc<View>,
    /// The steps under way, by their number in the plan.
    tasks: RwLock<BTreeMap<usize, Arc<Task>>>,
    /// The cells that were begun, by the numbers of their steps.
    begun: Mutex<BTreeSet<usize>>,
}

/// What all steps share.
struct View {
    shown: Shown,
    start: Instant,
    done: Mutex<Done>,
}

/// Finished shares of all work, from 0 to 1.
#[derive(Clone, Copy, Default)]
struct Done {
    all: f64,
    /// The part that was finished before the start, which says nothing of the pace.
    before: f64,
}

/// How progress is shown.
enum Shown {
    Nothing,
    Lines,
    Json,
    Bars { bars: MultiProgress, whole: ProgressBar },
}

impl Progress {
    /// Chooses by the terminal and the log format.
    pub(crate) fn new(quiet: bool) -> Self {
        let shown = if quiet {
            Shown::Nothing
        } else if log_format() == LogFormat::Json {
            Shown::Json
        } else if std::io::stderr().is_terminal() {
            let bars = MultiProgress::new();
            let whole = bars.add(ProgressBar::new(WHOLE));
            whole.set_style(style("{bar:30} {percent:>3} % · {elapsed} passed · about {eta} left"));
            whole.enable_steady_tick(Duration::from_millis(500));
            Shown::Bars { bars, whole }
        } else {
            Shown::Lines
        };
        let view = View { shown, start: Instant::now(), done: Mutex::default() };
        Self { view: Arc::new(view), tasks: RwLock::default(), begun: Mutex::default() }
    }

    /// How many cells were begun so far.
    pub(crate) fn begun_cells(&self) -> usize {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn task(&self, number: usize) -> Option<Arc<Task>> {
        self.tasks.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Started { number, step, images, share } => {
                if let Step::Fit(_) = step {
                    self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(*number);
                }
                let task = Task::begin(&self.view, step, *images, *share);
                let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
                if let Some(before) = tasks.insert(*number, Arc::new(task)) {
                    before.abandon();
                }
            }
            Event::Elsewhere { step, owner, .. } => self.view.elsewhere(step, owner),
            Event::Advanced { number, images } => {
                self.task(*number).iter().for_each(|task| task.advance(*images));
            }
            Event::Remark { number, remark } => {
                let task = self.task(*number);
                let step =
                    task.as_ref().map_or_else(String::new, |task| format!("{} · ", task.name()));
                self.view.remark(&format!("{step}{remark}"));
            }
            Event::Resumed { number, last } => {
                self.task(*number).iter().for_each(|task| task.resumed(last));
            }
            Event::Epoch { number, record } => {
                self.task(*number).iter().for_each(|task| task.epoch(record));
            }
            Event::Ended { number, ending } => {
                let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
                let Some(task) = tasks.remove(number) else { return };
                match ending {
                    Ending::Kept => task.kept(),
                    Ending::Made => task.finish("done"),
                    Ending::Trained(status) => task.finish(verdict(*status)),
                    Ending::Stopped => task.end("stopped"),
                    _ => task.end("failed"),
                }
            }
            _ => {}
        }
    }
}

impl View {
    /// Says that another worker trains a cell.
    fn elsewhere(&self, step: &Step, owner: &Owner) {
        let words = format!("{step} · is trained by {owner}");
        match &self.shown {
            Shown::Nothing => {}
            Shown::Lines => say_on_stderr(&words),
            // A terminal that is gone cannot be told anything.
            Shown::Bars { bars, .. } => drop(bars.println(visible(&words))),
            Shown::Json => {
                let fields =
                    json!({ "step": step.to_string(), "host": owner.host, "pid": owner.pid });
                print_event("trained_elsewhere", fields);
            }
        }
    }

    /// Says what a person should know. That nothing is to be shown of the progress does not silence it.
    fn remark(&self, words: &str) {
        match &self.shown {
            Shown::Bars { bars, .. } => drop(bars.println(visible(&format!("warning: {words}")))),
            Shown::Nothing | Shown::Lines | Shown::Json => {
                say_on_stderr(&format!("warning: {words}"));
            }
        }
    }

    /// Adds to the finished shares.
    fn add(&self, Done { all, before }: Done) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.all += all;
        done.before += before;
    }

    /// The finished share of all work, and the seconds that the rest will take at the same pace;
    /// nothing before anything is done.
    fn left(&self) -> (f64, Option<f64>) {
        let done = *self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let all = done.all.clamp(0.0, 1.0);
        let left = self.start.elapsed().as_secs_f64() * (1.0 - all) / (all - done.before).max(0.0);
        (all, left.is_finite().then_some(left))
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Shown::Bars { whole, .. } = &self.shown {
            whole.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}

/// Words beside a bar.
fn show(bar: &ProgressBar, words: &str) {
    bar.set_message(visible(words).into_owned());
}

/// A step that is under way.
struct Task {
    view: Arc<View>,
    bar: Option<ProgressBar>,
    name: String,
    /// The cell that it trains, if it trains one.
    cell: Option<String>,
    /// Epochs of that cell, over all phases.
    epochs: usize,
    images: u64,
    seen: AtomicU64,
    /// Those of them that an interrupted run had seen, once the step has said how many.
    seen_before: OnceLock<u64>,
    share: f64,
    start: Instant,
    last_line: Mutex<Instant>,
}

impl Task {
    fn name(&self) -> &str {
        &self.name
    }

    /// Begins a step of some images and an estimated share of all work; the shares of a sweep add up
    /// to 1.
    fn begin(view: &Arc<View>, step: &Step, images: u64, share: f64) -> Self {
        let name = step.to_string();
        let cell = match step {
            Step::Fit(cell) => Some(cell),
            _ => None,
        };
        let bar = match &view.shown {
            Shown::Bars { bars, .. } => {
                let bar = bars.insert_from_back(1, ProgressBar::new(images.max(1)));
                bar.set_style(style("  {bar:20} {percent:>3} % {msg}"));
                show(&bar, &name);
                Some(bar)
            }
            Shown::Nothing | Shown::Lines | Shown::Json => None,
        };
        let task = Self {
            view: view.clone(),
            bar,
            name,
            cell: cell.map(|cell| cell.id().to_string()),
            epochs: cell.map_or(0, |cell| cell.procedure.total_epochs()),
            images: images.max(1),
            seen: AtomicU64::new(0),
            seen_before: match step {
                Step::Decode { .. } => OnceLock::from(0),
                Step::Extract(_) | Step::Fit(_) => OnceLock::new(),
            },
            share,
            start: Instant::now(),
            last_line: Mutex::new(Instant::now()),
        };
        task.event("step_started", &json!({}));
        task
    }

    /// Counts images that are done.
    fn advance(&self, images: u64) {
        let seen = self.seen.fetch_add(images, Ordering::Relaxed) + images;
        let share = self.share_of(images);
        let are_from_before = self.seen_before.set(images).is_ok();
        self.view.add(Done { all: share, before: if are_from_before { share } else { 0.0 } });
        match &self.view.shown {
            Shown::Bars { whole, .. } => {
                self.bar.iter().for_each(|bar| bar.inc(images));
                whole.inc((share * WHOLE as f64) as u64);
                if are_from_before && images > 0 {
                    whole.reset_eta();
                }
            }
            Shown::Lines if self.is_due(SILENCE) => {
                self.line(&format!("{:.0} %", 100.0 * seen as f64 / self.images as f64));
            }
            Shown::Nothing | Shown::Lines | Shown::Json => {}
        }
    }

    /// Says that an interrupted run is being resumed; `last` is the last of its epochs. Their images
    /// are counted by [`Task::advance`].
    fn resumed(&self, last: &EpochRecord) {
        match &self.view.shown {
            Shown::Lines => self.line(&format!("resumed after epoch {}", last.epoch)),
            Shown::Json => self.event("resumed", &json!({ "epoch": last.epoch })),
            Shown::Nothing | Shown::Bars { .. } => {}
        }
    }

    /// Shows a finished epoch.
    fn epoch(&self, record: &EpochRecord) {
        let accuracy = |split| {
            record
                .splits
                .iter()
                .find(|record| record.split == split)
                .map(|record| record.accuracy())
        };
        let validation = accuracy(Split::Validation);
        let words = format!(
            "epoch {} of {}{}, {} of {} tensors of the base moved",
            record.epoch,
            self.epochs,
            validation.map_or_else(String::new, |validation| format!(
                ", validation accuracy {:.2} %",
                100.0 * validation
            )),
            record.drift.moved,
            record.drift.tensors
        );
        match &self.view.shown {
            Shown::Bars { .. } => {
                let words = format!("{} · {words}", self.name);
                self.bar.iter().for_each(|bar| show(bar, &words));
            }
            Shown::Lines => {
                if record.seconds >= LONG_EPOCH.as_secs_f64() || self.is_due(SILENCE) {
                    self.line(&words);
                }
            }
            Shown::Json => self.event(
                "epoch",
                &json!({
                    "epoch": record.epoch,
                    "epochs": self.epochs,
                    "train_accuracy": accuracy(Split::Train),
                    "validation_accuracy": validation,
                    "test_accuracy": accuracy(Split::Test),
                    "moved_tensors": record.drift.moved,
                    "tensors": record.drift.tensors,
                    "epoch_seconds": record.seconds,
                }),
            ),
            Shown::Nothing => {}
        }
    }

    /// Ends a task that was done before. People are not told; machines are.
    fn kept(&self) {
        let rest = self.count_rest();
        self.view.add(Done { all: rest, before: rest });
        match &self.view.shown {
            Shown::Json => self.finish("kept from before"),
            Shown::Nothing | Shown::Lines => {}
            Shown::Bars { whole, .. } => {
                self.bar.iter().for_each(ProgressBar::finish_and_clear);
                whole.set_position((self.view.left().0 * WHOLE as f64) as u64);
            }
        }
    }

    /// Takes back what was counted of an attempt that another one follows.
    fn abandon(&self) {
        let seen = self.seen.swap(0, Ordering::Relaxed);
        let before = self.seen_before.get().copied().unwrap_or_default();
        self.view.add(Done { all: -self.share_of(seen), before: -self.share_of(before) });
        if let Shown::Bars { whole, .. } = &self.view.shown {
            self.bar.iter().for_each(ProgressBar::finish_and_clear);
            whole.set_position((self.view.left().0 * WHOLE as f64) as u64);
        }
    }

    /// Counts all images that are not counted yet, and says which share of all work they are.
    fn count_rest(&self) -> f64 {
        self.share_of(self.images.saturating_sub(self.seen.swap(self.images, Ordering::Relaxed)))
    }

    /// The share of all work that some of its images are.
    fn share_of(&self, images: u64) -> f64 {
        self.share * images as f64 / self.images as f64
    }

    /// Ends a task that is done; `result` is a word on how it ended.
    fn finish(&self, result: &str) {
        let rest = self.count_rest();
        self.view.add(Done { all: rest, before: 0.0 });
        self.end(result);
    }

    /// Ends the task where it is.
    fn end(&self, result: &str) {
        match &self.view.shown {
            Shown::Nothing => {}
            Shown::Bars { bars, whole } => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
                whole.set_position((self.view.left().0 * WHOLE as f64) as u64);
                let seconds = duration(self.start.elapsed().as_secs_f64());
                // A terminal that is gone cannot be told anything.
                let line = format!("{} · {result} · {seconds}", self.name);
                let _ = bars.println(visible(&line));
            }
            Shown::Lines => self.line(result),
            Shown::Json => self.event("step_finished", &json!({ "result": result })),
        }
    }

    /// Whether the task has been silent for this long.
    fn is_due(&self, silence: Duration) -> bool {
        self.last_line.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= silence
    }

    fn line(&self, words: &str) {
        let (done, left) = self.view.left();
        let left = left.map_or_else(String::new, |left| format!(", about {} left", duration(left)));
        let seconds = duration(self.start.elapsed().as_secs_f64());
        say_on_stderr(&format!(
            "[{:>3.0} %{left}] {} · {words} · {seconds}",
            100.0 * done,
            self.name
        ));
        *self.last_line.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Prints a JSON event with the fields of `more`, where progress is shown as JSON.
    fn event(&self, event: &str, more: &serde_json::Value) {
        if !matches!(self.view.shown, Shown::Json) {
            return;
        }
        let (done, left) = self.view.left();
        let mut fields = json!({
            "step": self.name,
            "cell": self.cell,
            "step_seconds": self.start.elapsed().as_secs_f64(),
            "done": done,
            "seconds_left": left,
        });
        if let (Some(fields), Some(more)) = (fields.as_object_mut(), more.as_object()) {
            fields.extend(more.clone());
        }
        print_event(event, fields);
    }
}

#[cfg(test)]
mod tests {
    use thaw_spec::{ContentHash, DriftSummary, Experiment, Extraction, Inputs, Split, Variants};

    use super::*;
    use crate::selection::MINIATURE;

    /// A quarter of the work is done already, half of it is a cell of which a third ran before, and a
    /// minute has passed.
    #[test]
    fn what_ran_before_is_counted_once_and_says_nothing_of_the_pace() {
        let experiment = Experiment::parse("miniature.toml", MINIATURE).expect("it is valid");
        let hash = ContentHash::of_bytes(b"");
        let inputs = Inputs { dataset: hash.clone(), weights: hash, classes: Vec::new() };
        let cell = experiment.cells(&inputs).swap_remove(0);
        let epochs = cell.procedure.total_epochs();
        let extraction = Extraction {
            cell: cell.clone(),
            blocks: 1,
            split: Split::Train,
            variants: Variants::Plain,
        };
        let step = Step::Fit(cell);
        let minute = Duration::from_secs(60);
        let start = Instant::now().checked_sub(minute).expect("the machine has run for a minute");
        let view = View { shown: Shown::Nothing, start, done: Mutex::default() };
        let view = Arc::new(view);
        let progress = Progress { view, tasks: RwLock::default(), begun: Mutex::default() };
        let is_at = |done: f64, seconds: Option<f64>| {
            let (share, left) = progress.view.left();
            assert!((share - done).abs() < 1e-9, "{share}, not {done}");
            match (left, seconds) {
                (Some(left), Some(seconds)) => {
                    assert!((left / seconds - 1.0).abs() < 0.1, "{left}")
                }
                (left, seconds) => assert_eq!(left, seconds),
            }
        };
        progress.event(&Event::Started { number: 0, step: &step, images: 300, share: 0.25 });
        progress.event(&Event::Ended { number: 0, ending: Ending::Kept });
        is_at(0.25, None);
        progress.event(&Event::Started { number: 1, step: &step, images: 300, share: 0.5 });
        let last = EpochRecord {
            epoch: epochs / 3,
            splits: Vec::new(),
            drift: DriftSummary::default(),
            tensor_drifts: Vec::new(),
            seconds: 0.0,
            images_per_second: 0.0,
            peak_memory_bytes: None,
        };
        progress.event(&Event::Resumed { number: 1, last: &last });
        progress.event(&Event::Advanced { number: 1, images: 100 });
        is_at(0.25 + 0.5 / 3.0, None);
        progress.event(&Event::Advanced { number: 1, images: 50 });
        // Half of the work is left, and a minute brought a twelfth of it.
        is_at(0.5, Some(60.0 * 6.0));
        // Another attempt takes back what this one counted, and goes on from the same checkpoint.
        progress.event(&Event::Started { number: 1, step: &step, images: 300, share: 0.5 });
        is_at(0.25, None);
        progress.event(&Event::Advanced { number: 1, images: 100 });
        progress.event(&Event::Advanced { number: 1, images: 50 });
        is_at(0.5, Some(60.0 * 6.0));
        // So does an extraction that goes on.
        let extract = Step::Extract(extraction);
        progress.event(&Event::Started { number: 2, step: &extract, images: 300, share: 0.2 });
        progress.event(&Event::Advanced { number: 2, images: 60 });
        is_at(0.54, Some(60.0 * 12.0 * 0.46));
        // What ends before its end is not done.
        progress.event(&Event::Ended { number: 1, ending: Ending::Stopped });
        progress.event(&Event::Ended { number: 2, ending: Ending::Failed });
        is_at(0.54, Some(60.0 * 12.0 * 0.46));
        assert_eq!(progress.begun_cells(), 2, "two attempts are one cell");
    }
}
