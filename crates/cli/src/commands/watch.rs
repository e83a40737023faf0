//! `thaw watch`: a sweep that runs elsewhere on the same results, as it goes on.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use thaw_analysis::ResultsFolder;
use thaw_spec::Experiment;

use crate::error::{CliError, SOFTWARE, SUCCESS};
use crate::matrix::{Entry, Matrix, State};
use crate::screen::{self, View};
use crate::selection::CellSelection;
use crate::terminal::{is_heard, say};

#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    selection: CellSelection,
    /// Look this often
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = interval)]
    every: Duration,
}

/// Shows the cells until a key ends it, or without a terminal until all of them have ended.
pub(crate) fn run(options: &Watch) -> Result<ExitCode, CliError> {
    let experiment = options.selection.load()?;
    options.selection.results.refuse_file()?;
    let folder = options.selection.written_folder(&experiment)?;
    if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() {
        on_a_terminal(options, &experiment, &folder)?;
        Ok(ExitCode::from(SUCCESS))
    } else {
        in_lines(options, &experiment, &folder)
    }
}

fn on_a_terminal(
    options: &Watch,
    experiment: &Experiment,
    folder: &ResultsFolder,
) -> Result<(), CliError> {
    let refused = |error: std::io::Error| CliError::Usage {
        message: format!(
            "the terminal cannot be drawn on ({error}); pipe the output, as in `thaw watch | cat`"
        ),
    };
    let mut view = View::new(Matrix::read(experiment, folder)?);
    let mut terminal = ratatui::try_init().map_err(refused)?;
    let mut read = Instant::now();
    let outcome = loop {
        if let Err(error) = terminal.draw(|frame| screen::draw(&mut view, frame)) {
            break Err(refused(error));
        }
        let wait = options.every.saturating_sub(read.elapsed());
        match event::poll(wait).and_then(|is_there| is_there.then(event::read).transpose()) {
            Err(error) => break Err(refused(error)),
            Ok(Some(Event::Key(key))) if key.kind != KeyEventKind::Release => match key.code {
                KeyCode::Char('q') | KeyCode::Esc => break Ok(()),
                // In this mode the terminal passes it on.
                KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                    break Ok(());
                }
                KeyCode::Down | KeyCode::Char('j') => view.choose(1),
                KeyCode::Up | KeyCode::Char('k') => view.choose(-1),
                _ => {}
            },
            Ok(_) => {}
        }
        if read.elapsed() >= options.every {
            match Matrix::read(experiment, folder) {
                Ok(matrix) => (view.matrix, view.trouble) = (matrix, None),
                // It may be mended, or be half a copy; what was seen last stays.
                Err(error) => view.trouble = Some(error.message()),
            }
            read = Instant::now();
        }
    };
    ratatui::restore();
    outcome
}

/// A failed cell that nobody tries again in so many looks has ended.
const LOOKS: usize = 5;

/// After so many looks in which nothing changed, how far the cells are is said again: it shows that the
/// watch lives, and it is how a watch whose reader has left finds out.
const SILENT_LOOKS: usize = 30;

/// A time above 0.
fn interval(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.is_zero() { Err("expected a time above 0".to_owned()) } else { Ok(time) }
}

/// Without a terminal: a line for whatever changes, and how much is left.
fn in_lines(
    options: &Watch,
    experiment: &Experiment,
    folder: &ResultsFolder,
) -> Result<ExitCode, CliError> {
    let mut over = 0;
    let mut silent = 0;
    let mut before: BTreeMap<String, String> = BTreeMap::new();
    let mut heading = String::new();
    loop {
        match Matrix::read(experiment, folder) {
            Ok(matrix) => {
                for entry in &matrix.entries {
                    let line = line(entry);
                    if before.get(&entry.name()) != Some(&line) {
                        if !matches!(entry.state, State::Waiting) {
                            say(&line);
                            silent = 0;
                        }
                        before.insert(entry.name(), line);
                    }
                }
                let now = matrix.heading();
                if now != heading || silent >= SILENT_LOOKS {
                    say(&format!("{now}; {}", matrix.left().words()));
                    heading = now;
                    silent = 0;
                }
                // A cell that failed may be tried again at once.
                over = if matrix.is_over() { over + 1 } else { 0 };
                let has_failed = matrix.has_failed();
                if over >= if has_failed { LOOKS } else { 1 } {
                    return Ok(ExitCode::from(if has_failed { SOFTWARE } else { SUCCESS }));
                }
            }
            // It may be mended, or be half a copy.
            Err(error) => {
                let now = error.message();
                if now != heading || silent >= SILENT_LOOKS {
                    say(&now);
                    heading = now;
                    silent = 0;
                }
            }
        }
        if !is_heard() {
            return Ok(ExitCode::from(SUCCESS));
        }
        silent += 1;
        std::thread::sleep(options.every);
    }
}

/// A cell in a line that changes when an epoch ends or the cell does.
fn line(entry: &Entry) -> String {
    let accuracy = entry.recorded.validation_accuracy.last();
    let accuracy = accuracy
        .map_or_else(String::new, |value| format!(", validation accuracy {:.2} %", 100.0 * value));
    let epoch = format!("epoch {} of {}{accuracy}", entry.recorded.epochs, entry.epochs);
    let words = match &entry.state {
        State::Failed { reason } | State::Unreadable { reason } => reason.clone(),
        State::Running { owner } => format!("{epoch} · {owner}"),
        State::Done { .. } | State::Interrupted | State::Waiting => epoch,
    };
    let thawed =
        if entry.thawed() { " · THAWED: the base was declared frozen and moved" } else { "" };
    format!("{:<11}  {} · {words}{thawed}", entry.state.name(), entry.name())
}
