//! The whole matrix in one figure: a panel for each combination of the later factors, a line for
//! each level of the first.

use plotters::style::{RGBColor, WHITE};
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
    let level_of = |procedure: &ProcedureRuns| {
        levels.iter().position(|level| *level == first(procedure)).unwrap_or(0)
    };
    let members = |facet: &Vec<(String, String)>| -> Vec<&ProcedureRuns> {
        run.iter().copied().filter(|procedure| others(procedure) == *facet).collect()
    };
    let together: Vec<Vec<usize>> =
        facets.iter().map(|facet| members(facet).into_iter().map(level_of).collect()).collect();
    let styles = styles(levels.len(), &together);
    let lines_of = |facet: &Vec<(String, String)>| -> Vec<Line> {
        members(facet)
            .into_iter()
            .flat_map(|procedure| {
                let (color, stroke, width) = styles[level_of(procedure)];
                let mean = mean_curve(procedure, Metric::ValidationAccuracy);
                // Dots would be lost on a broad line below them.
                let below = (stroke == Stroke::Dotted)
                    .then(|| line(&mean, WHITE, 1.0, width + 1, Stroke::Solid));
                below.into_iter().chain([line(&mean, color, 1.0, width, stroke)])
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
        let (color, stroke, _) = styles[index];
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

/// Colour, stroke and width of each level's line, given the levels of each panel. Equal lines lie on
/// each other: the later are thinner and every second of them broken, so that all can be seen. There
/// are fewer colours than a matrix may have levels: in a panel none comes twice where that can be, and
/// nowhere with the same stroke.
fn styles(levels: usize, panels: &[Vec<usize>]) -> Vec<(RGBColor, Stroke, u32)> {
    let meet = |one: usize, other: usize| {
        one != other && panels.iter().any(|panel| panel.contains(&one) && panel.contains(&other))
    };
    let company = |level: usize| (0..levels).filter(|other| meet(level, *other)).count();
    // Those that meet the most others choose first.
    let mut order: Vec<usize> = (0..levels).collect();
    order.sort_by_key(|level| std::cmp::Reverse(company(*level)));
    let mut chosen: Vec<Option<usize>> = vec![None; levels];
    for level in order {
        let known = &chosen;
        let usual = level % LEVELS.len();
        let others = |color: usize| (0..levels).filter(move |other| known[*other] == Some(color));
        // Of fewer levels than there are colours and strokes together, one is always left.
        let has_no_twin =
            |color: &usize| others(*color).all(|other| stroke(level) != stroke(other));
        let is_free =
            |color: &usize| has_no_twin(color) && others(*color).all(|other| !meet(level, other));
        let colors = || [usual].into_iter().chain(0..LEVELS.len());
        let free = colors().find(is_free).or_else(|| colors().find(has_no_twin));
        chosen[level] = Some(free.unwrap_or(usual));
    }
    let width = |level: usize| [6, 6, 3].get(level).copied().unwrap_or(2);
    let style = |(level, color): (usize, Option<usize>)| {
        (LEVELS[color.unwrap_or_default()], stroke(level), width(level))
    };
    chosen.into_iter().enumerate().map(style).collect()
}

/// Where the colours begin again, lines are dotted.
fn stroke(level: usize) -> Stroke {
    if level >= LEVELS.len() {
        Stroke::Dotted
    } else if level >= 2 && level.is_multiple_of(2) {
        Stroke::Dashed
    } else {
        Stroke::Solid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_as_many_levels_as_colours_have_lines_of_their_own() {
        let together: Vec<usize> = (0..2 * LEVELS.len()).collect();
        let styles = styles(together.len(), &[together]);
        for (number, (color, stroke, _)) in styles.iter().enumerate() {
            let is_same = |(other, other_stroke, _): &&(RGBColor, Stroke, u32)| {
                (other, other_stroke) == (color, stroke)
            };
            assert_eq!(styles.iter().filter(is_same).count(), 1, "level {number}");
        }
    }

    #[test]
    fn no_colour_comes_twice_in_a_panel() {
        // Plain features; variants of them; and what meets both.
        let panels = [vec![0, 6, 7], vec![1, 2, 3, 4, 5, 6, 7], vec![0, 7, 8]];
        let styles = styles(9, &panels);
        for panel in &panels {
            for (place, one) in panel.iter().enumerate() {
                assert!(panel[..place].iter().all(|other| styles[*other].0 != styles[*one].0));
            }
        }
        let alike = |one: usize, other: usize| {
            styles[one].0 == styles[other].0 && styles[one].1 == styles[other].1
        };
        assert!((0..9).all(|one| (0..one).all(|other| !alike(one, other))));
        // Where a panel has to share colours, strokes tell lines apart.
        let crowded = self::styles(8, &[vec![0, 1, 2, 4, 6, 7], vec![2, 3, 4, 5, 6, 7]]);
        for (place, one) in crowded.iter().enumerate() {
            let is_twin = |other: &&(RGBColor, Stroke, u32)| (one.0, one.1) == (other.0, other.1);
            assert!(crowded[..place].iter().find(is_twin).is_none(), "level {place}");
        }
        // Fewer levels than colours have their own, in order.
        let few = self::styles(3, &[vec![0, 1], vec![2]]);
        assert!(few.iter().zip(LEVELS).all(|(style, color)| style.0 == color));
    }
}
