//! The whole matrix in one figure: a panel for each combination of the later factors, a line for
//! each level of the first.

use plotters::style::RGBColor;
use thaw_analysis::{ProcedureRuns, Results};
use thaw_spec::{Labels, Metric};

use crate::curves::{line, mean_curve, y_range};
use crate::figure::{Figure, LegendEntry, Line, Panel, Stroke};
use crate::palette::LEVELS;

/// Mean validation accuracy by epoch of every procedure that has run; nothing when none has.
pub fn overview(title: &str, results: &Results, labels: &Labels) -> Option<Figure> {
    let run: Vec<&ProcedureRuns> =
        results.procedures.iter().filter(|procedure| !procedure.runs.is_empty()).collect();
    let first = |procedure: &ProcedureRuns| {
        procedure.levels.first().map_or_else(String::new, |(_, level)| level.clone())
    };
    let others = |procedure: &ProcedureRuns| procedure.levels.get(1..).unwrap_or_default().to_vec();
    let mut levels: Vec<String> = Vec::new();
    let mut facets: Vec<Vec<(String, String)>> = Vec::new();
    for procedure in &run {
        if !levels.contains(&first(procedure)) {
            levels.push(first(procedure));
        }
        if !facets.contains(&others(procedure)) {
            facets.push(others(procedure));
        }
    }
    if run.is_empty() {
        return None;
    }
    let lines_of = |facet: &Vec<(String, String)>| -> Vec<Line> {
        let members = run.iter().filter(|procedure| others(procedure) == *facet);
        members
            .map(|procedure| {
                let level = levels.iter().position(|level| *level == first(procedure)).unwrap_or(0);
                let (color, stroke, width) = style(level);
                let mean = mean_curve(procedure, Metric::ValidationAccuracy);
                line(&mean, color, 1.0, width, stroke)
            })
            .collect()
    };
    let all: Vec<Line> = facets.iter().flat_map(&lines_of).collect();
    let range = y_range(&all, true);
    let panels = facets.iter().map(|facet| Panel {
        title: if facet.is_empty() { String::new() } else { labels.procedure(facet) },
        y_label: "validation accuracy".to_owned(),
        y_range: range,
        lines: lines_of(facet),
        shaded_areas: Vec::new(),
        marks: Vec::new(),
    });
    let legend = levels.iter().enumerate().map(|(index, level)| {
        let (color, stroke, _) = style(index);
        let factor = run[0].levels.first().map_or("", |(factor, _)| factor);
        LegendEntry { label: labels.level(factor, level), color, stroke }
    });
    let columns = facets.len().min(2);
    Some(Figure {
        title: title.to_owned(),
        panels: panels.collect(),
        columns,
        panel_size: (600, 300),
        legend: legend.collect(),
    })
}

/// Colour, stroke and width of a level's line. Equal lines lie on each other: the later are thinner
/// and every second of them broken, so that all can be seen. Where the colours begin again, lines are
/// dotted.
fn style(level: usize) -> (RGBColor, Stroke, u32) {
    let stroke = if level >= LEVELS.len() {
        Stroke::Dotted
    } else if level >= 2 && level.is_multiple_of(2) {
        Stroke::Dashed
    } else {
        Stroke::Solid
    };
    (LEVELS[level % LEVELS.len()], stroke, [6, 6, 3].get(level).copied().unwrap_or(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_as_many_levels_as_colours_have_lines_of_their_own() {
        let styles: Vec<_> = (0..2 * LEVELS.len()).map(style).collect();
        for (number, (color, stroke, _)) in styles.iter().enumerate() {
            let is_same = |(other, other_stroke, _): &&(RGBColor, Stroke, u32)| {
                (other, other_stroke) == (color, stroke)
            };
            assert_eq!(styles.iter().filter(is_same).count(), 1, "level {number}");
        }
    }
}
