//! The screen of `thaw watch`.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph, Row, Table, TableState};

use thaw_spec::visible;

use crate::matrix::{Entry, Matrix, State};

/// Frozen bases that moved are named up to so many.
const ALARMS: usize = 3;
/// A narrower screen shows no curve.
const NARROW: u16 = 90;

/// What is shown, and which cell is chosen.
pub(crate) struct View {
    pub(crate) matrix: Matrix,
    /// Why what is shown is not the newest.
    pub(crate) trouble: Option<String>,
    table: TableState,
    /// Whether a person has chosen a cell; the first that runs is shown before.
    chosen: bool,
}

impl View {
    pub(crate) fn new(matrix: Matrix) -> Self {
        Self { matrix, trouble: None, table: TableState::default(), chosen: false }
    }

    /// Chooses the cell so many places further down.
    pub(crate) fn choose(&mut self, further: isize) {
        self.chosen = true;
        let last = self.matrix.entries.len().saturating_sub(1);
        let now = self.table.selected().unwrap_or(0);
        self.table.select(Some(now.saturating_add_signed(further).min(last)));
    }

    fn selected(&self) -> Option<&Entry> {
        self.matrix.entries.get(self.table.selected()?)
    }
}

/// Draws everything.
pub(crate) fn draw(view: &mut View, frame: &mut Frame<'_>) {
    if !view.chosen {
        let running = view.matrix.entries.iter().position(Entry::is_running);
        view.table.select(running.or(view.table.selected()).or(Some(0)));
    }
    let mut alarms: Vec<Line<'_>> = alarms(&view.matrix);
    alarms.extend(view.trouble.as_deref().map(|trouble| Line::raw(visible(trouble))));
    let [head, body, foot, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(4),
        Constraint::Length(alarms.len() as u16),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let heading = format!("{}; {}", view.matrix.heading(), view.matrix.left().words());
    frame.render_widget(Line::styled(visible(&heading), Modifier::BOLD), head);
    let alarms = Paragraph::new(alarms).style(Color::Red);
    let cells = if body.width < NARROW {
        body
    } else {
        let [cells, curve] =
            Layout::horizontal([Constraint::Percentage(62), Constraint::Percentage(38)])
                .areas(body);
        if let Some(entry) = view.selected() {
            draw_curve(entry, frame, curve);
        }
        cells
    };
    let rows: Vec<Row<'_>> = view.matrix.entries.iter().map(row).collect();
    let widths = [
        Constraint::Length(11),
        Constraint::Min(20),
        Constraint::Length(5),
        Constraint::Length(9),
        Constraint::Length(8),
    ];
    let heading = Row::new(["state", "cell", "seed", "epochs", "accuracy"]);
    let table = Table::new(rows, widths)
        .header(heading.style(Modifier::UNDERLINED))
        .row_highlight_style(Modifier::REVERSED);
    frame.render_stateful_widget(table, cells, &mut view.table);
    frame.render_widget(alarms, foot);
    let chosen = view.selected().map_or_else(String::new, |entry| {
        let words = entry.words().map_or_else(String::new, |words| format!(" · {words}"));
        format!("{}{words}", entry.name())
    });
    let [keys, name] = Layout::horizontal([Constraint::Length(24), Constraint::Min(0)]).areas(keys);
    frame.render_widget(Line::styled("↑ ↓ choose · q ends", Modifier::DIM), keys);
    frame.render_widget(Line::raw(visible(&chosen)), name);
}

fn row(entry: &Entry) -> Row<'_> {
    let style = match entry.state {
        State::Done { .. } if entry.thawed() => Style::from(Color::Red),
        State::Done { .. } => Style::from(Color::Green),
        State::Running { .. } => Style::from(Color::Cyan).add_modifier(Modifier::BOLD),
        State::Failed { .. } | State::Unreadable { .. } => Style::from(Color::Red),
        State::Interrupted => Style::from(Color::Yellow),
        State::Waiting => Style::from(Modifier::DIM),
    };
    let accuracy = entry.recorded.validation_accuracy.last();
    Row::new([
        entry.state.name().to_owned(),
        visible(&entry.levels).into_owned(),
        entry.seed.to_string(),
        format!("{}/{}", entry.recorded.epochs, entry.epochs),
        accuracy.map_or_else(String::new, |value| format!("{:.2} %", 100.0 * value)),
    ])
    .style(style)
}

/// The frozen bases that moved.
fn alarms(matrix: &Matrix) -> Vec<Line<'_>> {
    let thawed: Vec<&Entry> = matrix.entries.iter().filter(|entry| entry.thawed()).collect();
    let line = |entry: &&Entry| {
        let line = format!("THAWED: {}: the base was declared frozen and moved", entry.name());
        Line::raw(visible(&line).into_owned())
    };
    let mut lines: Vec<Line<'_>> = thawed.iter().take(ALARMS).map(line).collect();
    if thawed.len() > ALARMS {
        lines.push(Line::raw(format!("THAWED: and {} more cells", thawed.len() - ALARMS)));
    }
    lines
}

/// The validation accuracy of a cell by epoch.
fn draw_curve(entry: &Entry, frame: &mut Frame<'_>, area: Rect) {
    let points: Vec<(f64, f64)> = (1_u32..)
        .zip(&entry.recorded.validation_accuracy)
        .map(|(epoch, value)| (f64::from(epoch), 100.0 * value))
        .collect();
    let values = || points.iter().map(|(_, value)| *value);
    let low = values().fold(f64::INFINITY, f64::min).min(99.0).floor().max(0.0);
    let high = values().fold(0.0, f64::max).ceil().clamp(low + 1.0, 101.0);
    let title = format!("validation accuracy, % · seed {}", entry.seed);
    let block = Block::bordered().title(title);
    if points.is_empty() {
        frame.render_widget(Paragraph::new("no epoch yet").block(block).centered(), area);
        return;
    }
    let last = entry.epochs.max(2) as f64;
    let dataset = Dataset::default()
        .marker(Marker::Braille)
        .graph_type(GraphType::Line)
        .style(Color::Cyan)
        .data(&points);
    let labels = |ends: [String; 2]| ends.map(Span::raw);
    let chart = Chart::new(vec![dataset])
        .block(block)
        .x_axis(
            Axis::default()
                .title("epoch")
                .bounds([1.0, last])
                .labels(labels(["1".to_owned(), format!("{last}")])),
        )
        .y_axis(
            Axis::default()
                .bounds([low, high])
                .labels(labels([format!("{low}"), format!("{high}")])),
        );
    frame.render_widget(chart, area);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use thaw_analysis::Recorded;
    use thaw_spec::RunStatus;

    use super::*;
    use crate::matrix::Left;

    fn entry(level: &str, seed: u64, state: State, accuracies: &[f64], drift: f64) -> Entry {
        Entry {
            label: format!("regime={level} dropout=0.5"),
            levels: format!("{level} 0.5"),
            seed,
            epochs: 10,
            state,
            recorded: Recorded {
                epochs: accuracies.len(),
                validation_accuracy: accuracies.to_vec(),
                seconds: vec![60.0; accuracies.len()],
                drift,
            },
            declared_frozen: level != "tuned",
        }
    }

    fn matrix() -> Matrix {
        let rising: Vec<f64> = (0..10).map(|epoch| 0.9 - 0.2 / f64::from(epoch + 1)).collect();
        let done = |status| State::Done { status };
        let owner = r#"{"host":"node1","pid":7,"since_unix_seconds":0,"beat_unix_seconds":0,"space":"","started":"","token":""}"#;
        let owner = serde_json::from_str(owner).expect("an owner");
        let failed = State::Failed { reason: "the training diverged in epoch 3".to_owned() };
        Matrix {
            experiment: "tiny".to_owned(),
            damaged: Vec::new(),
            entries: vec![
                entry("cached", 0, done(RunStatus::Completed), &rising, 0.0),
                entry("thawed", 0, done(RunStatus::Thawed), &rising, 0.1),
                entry("thawed", 1, State::Running { owner }, &rising[..6], 0.1),
                entry("tuned", 0, failed, &rising[..2], 0.1),
                entry("cached", 1, State::Waiting, &[], 0.0),
            ],
        }
    }

    fn drawn(view: &mut View, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(view, frame)).expect("drawn");
        let text = terminal.backend().to_string();
        // How long ago 1970 was is not the point.
        text.find(", for ").map_or(text.clone(), |end| text[..end].to_owned())
    }

    #[test]
    fn a_wide_screen_shows_cells_alarms_and_the_curve_of_the_running_one() {
        insta::assert_snapshot!(drawn(&mut View::new(matrix()), 120, 14));
    }

    #[test]
    fn a_narrow_screen_shows_the_cells_and_keys_choose_one() {
        let mut view = View::new(matrix());
        drawn(&mut view, 60, 10);
        view.choose(1);
        view.choose(10);
        view.choose(-1);
        insta::assert_snapshot!(drawn(&mut view, 60, 10));
    }

    #[test]
    fn names_and_reasons_of_any_characters_are_shown_as_escapes() {
        let reason = "worse\u{9b}2J\nthan \u{1b}]52;c;aGk=\u{7}".to_owned();
        let failed = entry("\u{202e}lived\u{1b}[2J", 0, State::Failed { reason }, &[], 0.0);
        let matrix =
            Matrix { experiment: "tiny".to_owned(), entries: vec![failed], damaged: Vec::new() };
        let mut view = View::new(matrix);
        view.trouble = Some("node\u{1b}[31m\n".to_owned());
        let screen = drawn(&mut view, 200, 10);
        for shown in
            [r"\u{202e}lived\u{1b}[2J", r"worse\u{9b}2J\nthan \u{1b}]52", r"node\u{1b}[31m\n"]
        {
            assert!(screen.contains(shown), "{shown}: {screen}");
        }
        let hidden = |character: char| character != '\n' && thaw_spec::is_hidden(character);
        assert!(!screen.contains(hidden), "{screen}");
    }

    #[test]
    fn the_smallest_screen_is_no_panic() {
        for (width, height) in [(1, 1), (5, 3), (200, 2)] {
            drawn(&mut View::new(matrix()), width, height);
        }
        let none = Matrix { experiment: String::new(), entries: Vec::new(), damaged: Vec::new() };
        drawn(&mut View::new(none), 80, 24);
    }

    #[test]
    fn what_is_left_follows_from_the_pace_of_the_same_procedure() {
        let matrix = matrix();
        // Ten epochs of the waiting cell and four of the running one, a minute each.
        let left = Left { seconds: Some(14.0 * 60.0), unknown: 0 };
        assert_eq!(matrix.left(), left);
        assert!(!matrix.is_over());
    }
}
