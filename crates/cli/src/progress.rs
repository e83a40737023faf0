//! Progress: bars on a terminal, lines elsewhere, nothing when quiet.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::error::say_on_stderr;

/// Shows how far a sweep is. The whole is counted in estimated work, so that the time left means
/// something.
pub(crate) enum Progress {
    Quiet,
    Lines { done: Mutex<f64>, start: Instant },
    Bars { bars: MultiProgress, whole: ProgressBar },
}

/// Units of the overall bar; the estimate is scaled to them.
const WHOLE: u64 = 1_000_000;

impl Progress {
    /// Chooses by the terminal.
    pub(crate) fn new(quiet: bool) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { done: Mutex::new(0.0), start: Instant::now() };
        }
        let bars = MultiProgress::new();
        let whole = bars.add(ProgressBar::new(WHOLE));
        whole.set_style(style("{bar:30} {percent:>3} % · {elapsed} passed · about {eta} left"));
        whole.enable_steady_tick(std::time::Duration::from_millis(500));
        Self::Bars { bars, whole }
    }

    /// Begins a task of some images and an estimated share of all work; the shares of a sweep add
    /// up to 1.
    pub(crate) fn task(&self, name: &str, images: u64, share: f64) -> Task<'_> {
        let bar = match self {
            Self::Bars { bars, .. } => {
                let bar = bars.insert_from_back(1, ProgressBar::new(images.max(1)));
                bar.set_style(style("  {bar:20} {percent:>3} % {msg}"));
                bar.set_message(name.to_owned());
                Some(bar)
            }
            Self::Quiet | Self::Lines { .. } => None,
        };
        Task {
            progress: self,
            bar,
            name: name.to_owned(),
            images: images.max(1),
            share,
            start: Instant::now(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Self::Bars { whole, .. } = self {
            whole.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}

/// A task that is under way.
pub(crate) struct Task<'a> {
    progress: &'a Progress,
    bar: Option<ProgressBar>,
    name: String,
    images: u64,
    share: f64,
    start: Instant,
}

impl Task<'_> {
    /// Some more images are done.
    pub(crate) fn advance(&self, images: u64) {
        if let (Progress::Bars { whole, .. }, Some(bar)) = (self.progress, &self.bar) {
            bar.inc(images);
            whole.inc((self.share * WHOLE as f64 * images as f64 / self.images as f64) as u64);
        }
    }

    /// The task is over; `what` came of it.
    pub(crate) fn finish(self, what: &str) {
        let line = format!("{} · {what} · {:.1} s", self.name, self.start.elapsed().as_secs_f64());
        match self.progress {
            Progress::Quiet => {}
            Progress::Bars { bars, .. } => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
                // A terminal that is gone cannot be told anything.
                let _ = bars.println(line);
            }
            Progress::Lines { done, start } => {
                let Ok(mut done) = done.lock() else { return };
                *done += self.share;
                let fraction = done.min(1.0);
                let left = start.elapsed().as_secs_f64() * (1.0 - fraction) / fraction.max(1e-9);
                say_on_stderr(&format!(
                    "[{:>3.0} %, about {left:.0} s left] {line}",
                    fraction * 100.0
                ));
            }
        }
    }
}
