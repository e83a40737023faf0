//! Pictures, a summary, and the page that holds them all, of what has run.

use std::path::Path;

use thaw_analysis::{
    AttributionError, Estimate, MeasuredRung, Measurements, ProcedureRuns, Results, ResultsFolder,
    VariantSeries, attribute, evaluate_ladder, variant_series,
};
use thaw_exchange::read_log;
use thaw_report::{
    ContactSheet, Division, DriftMap, Figure, Overlay, Page, SeedLines, Undivided, curves, decades,
    judged_over, ladder_table, markdown_text, overview, procedures_table,
};
use thaw_spec::{Experiment, Metric, PublishedCurve, Rung, Selector, Statistic};

use crate::error::CliError;
use crate::files::file_stems;
use crate::selection::CellSelection;
use crate::sheets::augmented_sheet;
use crate::summary::last_screen;
use crate::terminal::{say, say_on_stderr};
use crate::thumbnails::page_images;

/// What has run, at least one cell.
pub(crate) fn read(
    selection: &CellSelection,
    experiment: &Experiment,
    folder: &ResultsFolder,
) -> Result<Results, CliError> {
    let results = Results::read(folder, experiment)?;
    if results.procedures.iter().all(|procedure| procedure.runs.is_empty()) {
        if !results.damaged.is_empty() {
            return Err(CliError::Damaged(damage(&results, &[])));
        }
        let message = format!(
            "{}: no cell of `{}` has run; run `{}` first",
            folder.root().display(),
            experiment.name,
            selection.command_for_these("sweep")
        );
        return Err(CliError::Usage { message });
    }
    Ok(results)
}

/// Says which cells are damaged and left out.
pub(crate) fn say_damage(results: &Results) {
    for line in damage(results, &[]) {
        say_on_stderr(&format!("warning: {line}"));
    }
}

/// What is damaged of cells and of what they say about each image, in sentences.
pub(crate) fn damage(results: &Results, measured: &[Measurements<'_>]) -> Vec<String> {
    let of_cells = results.damaged.iter().map(|damage| damage.reason.clone());
    of_cells.chain(measured.iter().flat_map(Measurements::damaged).cloned()).collect()
}

/// The validation accuracy and the test accuracy of every run, by the experiment's statistic of each. The
/// report shows intervals over images of the one alone, so only its predictions are read.
pub(crate) fn accuracies<'a>(
    experiment: &Experiment,
    results: &'a Results,
    folder: &ResultsFolder,
) -> Result<[Measurements<'a>; 2], CliError> {
    let measure = |metric| Measurements::new(results, metric, experiment.statistic_of(metric));
    let validation = measure(Metric::ValidationAccuracy).with_images(folder)?;
    Ok([validation, measure(Metric::TestAccuracy)])
}

/// Writes `plots/`, `summary.md` and `report.html` beside the cells, and says the answer.
/// Photographs become part of the report only when they are named: results are published more often
/// than photographs may be.
pub(crate) fn report(
    selection: &CellSelection,
    experiment: &Experiment,
    folder: &ResultsFolder,
    [accuracy, test_accuracy]: &[Measurements<'_>; 2],
    data: Option<&Path>,
) -> Result<(), CliError> {
    let results = accuracy.results();
    // Before anything is written.
    let published = published_curves(selection, experiment)?;
    let place = selection.report_place(experiment)?;
    let put = |stem: &str, figure: &Figure| -> Result<(), CliError> {
        place.put(&format!("plots/{stem}.png"), &figure.png()?)?;
        place.put(&format!("plots/{stem}.svg"), figure.svg()?.as_bytes())
    };
    let mut all_overlays = Vec::new();
    let stems = file_stems(results.procedures.iter().map(|procedure| procedure.levels.as_slice()));
    for (procedure, stem) in results.procedures.iter().zip(&stems) {
        let its_own = published.iter().filter(|(selector, _)| selector.matches(&procedure.levels));
        let overlays: Vec<Overlay> = its_own.map(|(_, overlay)| overlay.clone()).collect();
        if !procedure.runs.is_empty() {
            put(stem, &curves(procedure, &overlays, SeedLines::Drawn))?;
        }
        all_overlays.push(overlays);
    }
    let drifts = drifts(results, &stems, folder)?;
    let shades = decades(drifts.iter().map(|(_, map)| map));
    for (stem, map) in &drifts {
        place.put(&format!("plots/{stem}_drift.svg"), map.svg(shades)?.as_bytes())?;
    }
    if let Some(figure) = overview(&experiment.title, results, &experiment.labels) {
        put("overview", &figure)?;
    }
    let steps = evaluate_ladder(&experiment.ladder, accuracy);
    let charts = [
        ("waterfall.svg", thaw_report::waterfall(&steps, experiment.statistic)),
        (
            "variants.svg",
            thaw_report::variants(&variant_series(results), accuracy, &experiment.labels),
        ),
    ];
    for (name, chart) in charts {
        if let Some(chart) = chart {
            place.put(&format!("plots/{name}"), chart.svg()?.as_bytes())?;
        }
    }
    let heading = "Where does the gap come from?";
    let section = if steps.is_empty() {
        String::new()
    } else {
        format!(
            "## {heading}\n\nEach line changes one thing in the line above; changes are means of the differences between runs of equal seeds.{}\n\n{}\n\n## Every cell\n\n",
            judged_in_words(&steps),
            ladder_table(&steps, accuracy).markdown().join("\n")
        )
    };
    let text = format!(
        "# {}\n\n![validation accuracy by epoch](plots/overview.svg)\n\nAccuracies are means over seeds of the {} (`statistic = \"{}\"`). The first ± is the 95 % confidence interval over seeds: what other seeds would give on these images. The second, with images, is over seeds and other images of the same kind. Seconds are as measured, beside whatever else the machine did.{}\n\n{section}{}\n",
        markdown_text(&experiment.title),
        match experiment.statistic {
            Statistic::Final => "last epoch".to_owned(),
            Statistic::Best => "best epoch".to_owned(),
            Statistic::Last(epochs) => format!("last {epochs} epochs"),
        },
        experiment.statistic,
        if test_accuracy.statistic() == experiment.statistic {
            ""
        } else {
            " Test accuracies are of the last epoch, after which alone some cells evaluate their test images (`evaluate_test`)."
        },
        procedures_table(accuracy, test_accuracy).markdown().join("\n")
    );
    place.put("summary.md", text.as_bytes())?;
    let (divisions, undivided) = divisions(experiment, accuracy);
    let page = Page {
        experiment,
        file: selection.experiment.as_ref().map(|path| path.display().to_string()),
        options: selection.options(),
        results,
        accuracy,
        test_accuracy,
        divisions,
        undivided,
        ladder: &steps,
        overlays: all_overlays,
        blocks: thaw_model::blocks_of_tensors(experiment.architecture).into_iter().collect(),
        images: page_images(selection, experiment, folder, accuracy, data)?,
        variants: variant_series(results)
            .into_iter()
            .map(|series| Ok((series.clone(), variant_bytes(&series)?)))
            .collect::<Result<_, CliError>>()?,
        sheet: match augmented_sheet(selection, experiment, data)? {
            Some((drawn, stands_in)) => {
                place.put("plots/augmentation.png", &drawn.png()?)?;
                Some(ContactSheet { jpeg: drawn.jpeg()?, stands_in })
            }
            None => None,
        },
    };
    place.put("report.html", page.html()?.as_bytes())?;
    let entry = serde_json::to_vec_pretty(&page.index_entry()).expect("texts and numbers are JSON");
    place.put("report.json", &entry)?;
    last_screen(&experiment.title, &steps, accuracy).iter().for_each(|line| say(line));
    say(&format!("the report: {}", place.of("report.html").display()));
    Ok(())
}

/// The published curves that are drawn over procedures of an experiment, each with the selector of these.
pub(crate) fn published_curves(
    selection: &CellSelection,
    experiment: &Experiment,
) -> Result<Vec<(Selector, Overlay)>, CliError> {
    let is_drawn = |published: &&PublishedCurve| {
        experiment.procedures().any(|(levels, _)| published.selector.matches(levels))
    };
    let read = |published: &PublishedCurve| {
        let run = read_log(&selection.folder().join(&published.file), &published.run)?;
        Ok((published.selector.clone(), Overlay { label: published.label.clone(), run }))
    };
    experiment.published.iter().filter(is_drawn).map(read).collect()
}

/// The gaps from the ladder's first rung to each that differs in several factors, or without a ladder
/// from the lowest procedure to the highest: those that can be divided, and those that cannot.
fn divisions(
    experiment: &Experiment,
    accuracy: &Measurements<'_>,
) -> (Vec<Division>, Vec<Undivided>) {
    let gaps: Vec<(Rung, Rung)> = match experiment.ladder.split_first() {
        Some((from, others)) => others.iter().map(|to| (from.clone(), to.clone())).collect(),
        None => accuracy
            .results()
            .extremes(accuracy.metric(), accuracy.statistic())
            .map(|ends| ends.map(|procedure| rung(experiment, procedure)))
            .into_iter()
            .map(|[low, high]| (low, high))
            .collect(),
    };
    let procedure = |rung: &Rung| accuracy.results().select(&rung.selector).next();
    let differ_in_several = |from: &Rung, to: &Rung| {
        procedure(from).zip(procedure(to)).is_some_and(|(from, to)| {
            from.levels.iter().zip(&to.levels).filter(|(one, other)| one != other).count() > 1
        })
    };
    let (mut divisions, mut undivided) = (Vec::new(), Vec::new());
    for (from, to) in gaps {
        match attribute(accuracy, &from.selector, &to.selector) {
            // The waterfall shows a ladder's single changes.
            Ok(attribution) if experiment.ladder.is_empty() || attribution.shares.len() > 1 => {
                divisions.push(Division { from, to, attribution });
            }
            Ok(_) | Err(AttributionError::Same | AttributionError::Equal) => {}
            Err(reason) if differ_in_several(&from, &to) => {
                undivided.push(Undivided { from, to, reason: reason.to_string() });
            }
            Err(_) => {}
        }
    }
    (divisions, undivided)
}

/// Bytes that one variant of all training images takes behind the frozen blocks.
fn variant_bytes(series: &VariantSeries<'_>) -> Result<u64, CliError> {
    let procedure = &series.procedure;
    let shapes = thaw_model::shapes(procedure.architecture, procedure.image_size)?;
    let floats = shapes[procedure.frozen_blocks() - 1].floats() as u64;
    let images = series
        .points
        .iter()
        .find_map(|(_, procedure)| Some(procedure.runs.first()?.manifest.images[0]));
    Ok(4 * floats * images.unwrap_or(0))
}

fn rung(experiment: &Experiment, procedure: &ProcedureRuns) -> Rung {
    let selector = Selector::exactly(&procedure.levels);
    Rung { label: experiment.labels.procedure(&procedure.levels), selector, gap_ends: false }
}

/// How each procedure's base drifted, with the stem of its files; nothing for a base that stayed.
fn drifts(
    results: &Results,
    stems: &[String],
    folder: &ResultsFolder,
) -> Result<Vec<(String, DriftMap)>, CliError> {
    let mut maps = Vec::new();
    for (procedure, stem) in results.procedures.iter().zip(stems) {
        let rows = match folder.mean_drift(procedure) {
            // A map of some seeds would be another.
            Err(error) if error.is_damage() => {
                say_on_stderr(&format!("warning: {error}"));
                continue;
            }
            rows => rows?,
        };
        if rows.iter().flat_map(|row| &row.by_epoch).any(|drift| *drift > 0.0) {
            maps.push((stem.clone(), DriftMap { procedure: procedure.label(), rows }));
        }
    }
    Ok(maps)
}

/// How the changes of a ladder are judged, as a sentence with a blank before it; nothing where one seed does
/// not tell.
fn judged_in_words(steps: &[MeasuredRung]) -> String {
    let tested: Vec<&Estimate> = steps
        .iter()
        .filter(|step| step.p_value.is_some())
        .filter_map(|step| step.change.as_ref())
        .collect();
    match (judged_over(&tested), tested.len()) {
        (None, _) => String::new(),
        (Some(over), 1) => format!(
            " Whether the one that more than one seed tells may be chance is judged over {over}."
        ),
        (Some(over), count) => format!(
            " Whether one may be chance is judged over {over}, and for the {count} that can be tested together (Holm)."
        ),
    }
}
