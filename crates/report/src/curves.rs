//! The curves of one procedure: every seed thin, their mean bold, published curves over them.

use plotters::style::RGBColor;
use thaw_analysis::{CellRun, ProcedureRuns};
use thaw_spec::{Metric, TrainingLog};

use crate::figure::{Figure, LegendEntry, Line, Panel, ShadedArea, Stroke};
use crate::palette::{BLACK, BLUE, GREEN, ORANGE};

/// A published run to draw over measured ones.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// Name in the legend.
    pub label: String,
    /// The run's metrics by epoch.
    pub run: TrainingLog,
}

/// Strokes of the published curves, in turn.
const STROKES: [Stroke; 2] = [Stroke::Dashed, Stroke::Dotted];

/// Whether a figure has a thin line for each seed, beside the band between the lowest and the highest
/// and the mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedLines {
    /// It has.
    Drawn,
    /// It has not, which makes it small.
    LeftOut,
}

/// Draws accuracy and loss by epoch, side by side.
pub fn curves(procedure: &ProcedureRuns, overlays: &[Overlay], seeds: SeedLines) -> Figure {
    let accuracy = [
        (Metric::TrainAccuracy, ORANGE),
        (Metric::TestAccuracy, GREEN),
        (Metric::ValidationAccuracy, BLUE),
    ];
    let loss =
        [(Metric::TrainLoss, ORANGE), (Metric::TestLoss, GREEN), (Metric::ValidationLoss, BLUE)];
    let mut legend = Vec::new();
    for (metric, color) in accuracy {
        if procedure.runs.iter().any(|run| !run.curve(metric).is_empty()) {
            let when =
                if last_epoch_only(procedure, metric) { " after the last epoch" } else { "" };
            let split = metric.split();
            let label = format!("{split}{when}, mean of {} seed(s)", procedure.runs.len());
            legend.push(LegendEntry { label, color, stroke: Stroke::Solid });
        }
    }
    let published = overlays.iter().zip(STROKES.into_iter().cycle());
    legend.extend(published.map(|(overlay, stroke)| LegendEntry {
        label: overlay.label.clone(),
        color: BLACK,
        stroke,
    }));
    let thawed = match () {
        () if procedure.has_diverged() => "  [diverged]",
        () if procedure.thawed() => "  [thawed: the frozen base moved]",
        () => "",
    };
    Figure {
        title: format!("{}{thawed}", procedure.label()),
        panels: vec![
            panel("accuracy", procedure, &accuracy, overlays, seeds),
            panel("loss in nats", procedure, &loss, overlays, seeds),
        ],
        columns: 2,
        panel_size: (600, 400),
        legend,
    }
}

fn panel(
    name: &str,
    procedure: &ProcedureRuns,
    metrics: &[(Metric, RGBColor)],
    overlays: &[Overlay],
    drawn: SeedLines,
) -> Panel {
    // What others published is mostly of validation images, the last here.
    let published = metrics[metrics.len() - 1].0;
    let (mut lines, mut shaded_areas) = (Vec::new(), Vec::new());
    for (metric, color) in metrics {
        let seeds: Vec<Points> = procedure.runs.iter().map(|run| points(run, *metric)).collect();
        let mean = mean_curve(procedure, *metric);
        if seeds.len() > 1 {
            shaded_areas.push(ShadedArea { outline: outline(&seeds), color: *color });
            if drawn == SeedLines::Drawn {
                lines.extend(seeds.iter().map(|seed| line(seed, *color, 0.35, 1, Stroke::Solid)));
            }
        }
        lines.push(line(&mean, *color, 1.0, 3, Stroke::Solid));
    }
    let overlays = overlays.iter().zip(STROKES.into_iter().cycle());
    lines.extend(overlays.map(|(Overlay { run, .. }, stroke)| {
        let epochs = run.epochs_of(published).iter().map(|epoch| *epoch as f64);
        let points = epochs.zip(run.curve(published).iter().copied()).collect();
        Line { points, color: BLACK, opacity: 0.85, width: 2, stroke }
    }));
    // A phase begins between two epochs.
    let phases =
        procedure.runs.first().map(|run| run.cell().procedure.phases()).unwrap_or_default();
    let marks = phases.iter().skip(1).map(|phase| phase.first_epoch as f64 + 0.5).collect();
    Panel {
        title: String::new(),
        y_label: name.to_owned(),
        y_range: y_range(&lines, published.is_accuracy()),
        lines,
        shaded_areas,
        marks,
    }
}

/// Whether the runs of a procedure evaluated the images of a metric after the last epoch alone.
pub(crate) fn last_epoch_only(procedure: &ProcedureRuns, metric: Metric) -> bool {
    let alone = |run: &CellRun| {
        let procedure = &run.cell().procedure;
        procedure.evaluates_last_epoch_only(metric.split()) && !run.curve(metric).is_empty()
    };
    procedure.runs.iter().any(alone)
}

/// Numbers of epochs, counted from 1, with the values of a curve.
pub(crate) type Points = Vec<(usize, f64)>;

fn points(run: &CellRun, metric: Metric) -> Points {
    run.epochs_of(metric).into_iter().zip(run.curve(metric)).collect()
}

/// Outline of the area between the lowest and the highest seed at each epoch.
fn outline(curves: &[Points]) -> Vec<(f64, f64)> {
    let finite = |curve: &Points| curve.iter().take_while(|(_, value)| value.is_finite()).count();
    let count = curves.iter().map(finite).min().unwrap_or(0);
    let extreme = |place: usize, choose: fn(f64, f64) -> f64| {
        let values = curves.iter().map(|curve| curve[place].1);
        (curves[0][place].0 as f64, values.reduce(choose).unwrap_or_default())
    };
    let low = (0..count).map(|place| extreme(place, f64::min));
    low.chain((0..count).rev().map(|place| extreme(place, f64::max))).collect()
}

/// A line through a curve, as far as its values are numbers.
pub(crate) fn line(
    curve: &[(usize, f64)],
    color: RGBColor,
    opacity: f64,
    width: u32,
    stroke: Stroke,
) -> Line {
    let points = curve.iter().take_while(|(_, value)| value.is_finite());
    let points = points.map(|(epoch, value)| (*epoch as f64, *value)).collect();
    Line { points, color, opacity, width, stroke }
}

/// The mean over the runs of a procedure by epoch, as far as all curves reach.
pub(crate) fn mean_curve(procedure: &ProcedureRuns, metric: Metric) -> Points {
    let seeds: Vec<Points> = procedure.runs.iter().map(|run| points(run, metric)).collect();
    let count = seeds.iter().map(Vec::len).min().unwrap_or(0);
    let mean = |place: usize| {
        let sum = seeds.iter().map(|curve| curve[place].1).sum::<f64>();
        (seeds[0][place].0, sum / seeds.len() as f64)
    };
    (0..count).map(mean).collect()
}

/// Range of the y axis: all values of an accuracy up to 1, all values of a loss from 0.
pub(crate) fn y_range(lines: &[Line], is_accuracy: bool) -> (f64, f64) {
    let values = || lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y);
    if is_accuracy {
        let lowest = values().fold(0.95, f64::min);
        ((lowest * 20.0).floor() / 20.0, 1.0)
    } else {
        (0.0, values().fold(0.1, f64::max) * 1.05)
    }
}
