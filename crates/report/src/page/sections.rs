//! The sections of the report, in the order of reading.

use std::collections::BTreeSet;

use maud::{Markup, html};
use thaw_analysis::{CellRun, MeasuredRung, ProcedureRuns, Sample, smallest_difference};
use thaw_spec::{DatasetSource, Metric, Split, TensorAudit};

use super::{ContactSheet, Page, figure, picture, table};
use crate::drift::{DriftRange, drift_ranges, has_statistics};
use crate::number::{magnitude, percent, points, signed, statistic_in_words};
use crate::table::Entry;
use crate::tables::{audit_in_words, change_of, ladder_table, level, seeds};
use crate::variants::variant_count_in_words;
use crate::{ReportError, curves, decades, forest, overview, variants, waterfall};

const VALIDATION: Metric = Metric::ValidationAccuracy;

/// Suffix of the name of weights that come with the program.
const SHIPPED: &str = "(shipped)";

impl Page<'_> {
    /// The first screen: one sentence, the waterfall, and its numbers.
    pub(super) fn answer(&self) -> Result<Markup, ReportError> {
        if let Some(chart) = waterfall(self.ladder, self.accuracy.statistic()) {
            let caption = "Bars are changes against the line above. Thick whiskers are 95 % confidence intervals over seeds, thin ones over seeds and images.";
            return Ok(html! {
                p class="answer" { (self.headline()) }
                @if let Some(rising) = self.rising() { p { (rising) } }
                (figure(&chart.svg()?, &in_words(self.ladder), caption))
                details { summary { "The same as a table" } (ladder_table(self.ladder, self.accuracy).html()) }
            });
        }
        Ok(html! {
            p class="answer" { (self.range()) }
            @if let Some(division) = self.divisions.first() {
                (self.divided_figure(division)?)
                p { a href="#division" { "The same as tables" } }
            }
        })
    }

    /// The lowest and the highest cell, where there is no ladder.
    fn range(&self) -> String {
        let Some(ends) = self.results.extremes(VALIDATION, self.accuracy.statistic()) else {
            return "No two cells with different accuracies have run.".to_owned();
        };
        let [low, high] = ends.map(|procedure| {
            let accuracy =
                self.accuracy.level(procedure).as_ref().map_or_else(String::new, percent);
            format!("{accuracy} ({})", procedure.label())
        });
        format!(
            "Validation accuracy ({}) lies between {low} and {high}.",
            statistic_in_words(self.accuracy.statistic())
        )
    }

    /// Number of procedures that have run, of which the lowest and the highest are chosen; those that
    /// are equal to the last bit count once.
    pub(super) fn compared(&self) -> usize {
        let ran: Vec<&ProcedureRuns> = self.ran().collect();
        let is_new = |place: &usize| !ran[..*place].iter().any(|known| known.equals(ran[*place]));
        (0..ran.len()).filter(is_new).count()
    }

    /// Which procedures' curves still rise at the end, where a number that is a mean over epochs, or
    /// the last of them, lags behind; nothing where none does.
    fn rising(&self) -> Option<String> {
        let rising: Vec<String> = self
            .ran()
            .filter(|procedure| still_rises(procedure))
            .map(ProcedureRuns::label)
            .collect();
        let (first, others) = rising.split_first()?;
        let others = match others.len() {
            0 => String::new(),
            1 => " and of one more procedure".to_owned(),
            count => format!(" and of {count} more procedures"),
        };
        Some(format!(
            "The validation accuracy of “{first}”{others} still rises at the end: with more epochs the numbers would be others."
        ))
    }

    /// The largest certain change, in a sentence.
    fn headline(&self) -> String {
        let steps = self.ladder;
        let ends = steps.iter().filter_map(|step| step.estimate.as_ref()).collect::<Vec<_>>();
        let (Some(first), Some(last)) = (ends.first(), ends.last()) else {
            return "Nothing on the ladder has run.".to_owned();
        };
        let way = format!("From {} to {}: ", percent(first), percent(last));
        let missing = steps.iter().filter(|step| step.estimate.is_none()).count();
        let missing = if missing == 0 {
            String::new()
        } else {
            format!(" {missing} of {} steps have not run.", steps.len())
        };
        let certain = steps.iter().filter(|step| is_certain(step));
        match certain.max_by(|a, b| size(a).total_cmp(&size(b))) {
            Some(step) => {
                let change = step.change.as_ref();
                let change = change.map_or_else(String::new, |change| points(change, step.p_value));
                let words = statistic_in_words(self.accuracy.statistic());
                format!(
                    "{way}the largest single change is “{}”, {change} points of validation accuracy ({words}).{missing}",
                    step.label
                )
            }
            None => format!(
                "{way}no single change is larger than chance could make it with these seeds and images.{missing}"
            ),
        }
    }

    /// The procedures that have run.
    fn ran(&self) -> impl Iterator<Item = &ProcedureRuns> {
        self.results.procedures.iter().filter(|procedure| !procedure.runs.is_empty())
    }

    /// All runs.
    fn runs(&self) -> impl Iterator<Item = &CellRun> {
        self.results.procedures.iter().flat_map(|procedure| &procedure.runs)
    }

    /// The different descriptions of all runs.
    fn distinct(&self, describe: impl Fn(&CellRun) -> String) -> String {
        let descriptions: BTreeSet<String> = self.runs().map(describe).collect();
        descriptions.into_iter().collect::<Vec<_>>().join("; ")
    }

    pub(super) fn curves(&self) -> Result<Markup, ReportError> {
        let mut folded = Vec::new();
        for (procedure, overlays) in self
            .results
            .procedures
            .iter()
            .zip(&self.overlays)
            .filter(|(procedure, _)| !procedure.runs.is_empty())
        {
            let label = procedure.label();
            let words = format!(
                "Accuracy and loss of {label} by epoch for training, validation and test images, each seed and their mean."
            );
            let phased = procedure
                .runs
                .first()
                .is_some_and(|run| !run.cell().procedure.later_phases.is_empty());
            let upright = if phased { " Upright: a new phase begins." } else { "" };
            let caption = format!(
                "Thin: each seed. Shaded: from the lowest to the highest seed. Bold: their mean. Broken and dotted: published.{upright}"
            );
            folded.push((
                label,
                figure(&curves(procedure, overlays).svg()?, &words, &caption),
                self.epochs(procedure),
            ));
        }
        let all = overview("Mean validation accuracy", self.results)
            .map(|figure| figure.svg())
            .transpose()?;
        let words = "Mean validation accuracy by epoch, a panel for each combination of the later factors and a line for each level of the first. The numbers are in the tables below.";
        Ok(html! {
            @if let Some(svg) = all { (figure(&svg, words, "Means over seeds. Lines that lie on each other are drawn broken over unbroken.")) }
            @for (label, picture, numbers) in folded { details { summary { (label) } (picture) (numbers) } }
        })
    }

    /// The means over seeds by epoch.
    fn epochs(&self, procedure: &ProcedureRuns) -> Markup {
        let metrics = [
            Metric::TrainAccuracy,
            VALIDATION,
            Metric::TestAccuracy,
            Metric::TrainLoss,
            Metric::ValidationLoss,
        ];
        let means = metrics.map(|metric| {
            let seeds: Vec<Vec<f64>> = procedure.runs.iter().map(|run| run.curve(metric)).collect();
            crate::curves::mean_curve(&seeds)
        });
        let epochs = means.iter().map(Vec::len).max().unwrap_or(0);
        let rows = (0..epochs).map(|epoch| {
            let mut row = vec![Entry::whole(epoch + 1)];
            row.extend(metrics.iter().zip(&means).map(|(metric, mean)| {
                Entry::maybe(mean.get(epoch).copied(), |value| plain_value(value, *metric))
            }));
            row
        });
        let headings = [
            "epoch",
            "training accuracy",
            "validation accuracy",
            "test accuracy",
            "training loss",
            "validation loss",
        ];
        html! { details { summary { "Numbers" } (table("Means over seeds; losses in nats", &headings, rows.collect())) } }
    }

    pub(super) fn cells(&self) -> Result<Markup, ReportError> {
        let rows = self.results.procedures.iter().map(|procedure| {
            let sample = procedure.sample(VALIDATION, self.accuracy.statistic());
            let [accuracy, with_images] = level(self.accuracy, procedure);
            vec![
                Entry::text(procedure.label()),
                seeds(procedure),
                accuracy,
                with_images,
                Entry::maybe(sample.as_ref().map(Sample::median), plain_percent),
                Entry::maybe(sample.as_ref().map(Sample::interquartile_mean), plain_percent),
                Entry::maybe(optimism(procedure), |value| signed(value * 100.0, 2)),
                level(self.test_accuracy, procedure)[0].clone(),
            ]
        });
        let words = statistic_in_words(self.accuracy.statistic());
        let headings = [
            "cell",
            "seeds",
            &format!("validation, {words}"),
            "with images",
            "median",
            "interquartile mean",
            "optimism of the best epoch",
            &format!("test, {words}"),
        ];
        let chart = forest(self.accuracy).map(|chart| chart.svg()).transpose()?;
        let words = "The validation accuracy of each cell with its 95 % confidence intervals; the numbers are in the table below.";
        Ok(html! {
            @if let Some(svg) = chart { (figure(&svg, words, "Points are means over seeds. Thick whiskers are 95 % confidence intervals over seeds, thin ones over seeds and images.")) }
            (table("Accuracies; means over seeds with 95 % confidence intervals", &headings, rows.collect()))
            p class="faint" { "Median and interquartile mean are over seeds. Optimism: the best epoch's validation accuracy less the test accuracy of the same epoch, in points, mean over seeds. Who picks the epoch by the validation images overstates by about that much." }
        })
    }

    /// What the seeds and images can tell apart.
    pub(super) fn significance(&self) -> Markup {
        let counts: BTreeSet<usize> = self.ran().map(|procedure| procedure.runs.len()).collect();
        let (fewest, most) =
            (counts.first().copied().unwrap_or(0), counts.last().copied().unwrap_or(0));
        let seeds = if fewest == most { most.to_string() } else { format!("{fewest} to {most}") };
        let images = self.runs().next().map_or(0, |run| run.manifest.images_of(Split::Validation));
        let rows = self.ladder.iter().skip(1).map(|step| {
            let change = step.change.as_ref();
            let [difference, with_images] = match (change, step.equal) {
                (_, true) => [Entry::missing("equal to the last bit"), Entry::missing("")],
                (None, _) => [Entry::missing("–"), Entry::missing("")],
                (Some(change), _) => change_of(change, step.p_value, VALIDATION),
            };
            let seen = change.filter(|_| !step.equal);
            vec![
                Entry::text(step.label.clone()),
                Entry::maybe(seen.map(|change| change.count as f64), |count| format!("{count}")),
                difference,
                with_images,
                Entry::maybe(step.p_value, |p_value| magnitude(p_value).replace('-', "−")),
                Entry::maybe(seen.and_then(smallest_difference), |value| {
                    format!("{:.2}", value * 100.0)
                }),
            ]
        });
        let headings = [
            "step",
            "seeds of both",
            "change in points",
            "with images",
            "p-value (Holm)",
            "smallest change that could be seen",
        ];
        html! {
            p {
                "Each procedure ran with " (seeds) " seed(s) and was measured on " (images) " validation images. "
                "The first ± of a number is over seeds: what other seeds would give on the same images. The second, with images, is over seeds and images: what other seeds and other images of the same kind would give. "
                "Spreads between seeds are moderated by those of all procedures (Smyth 2004). Differences are taken between runs of equal seeds on the same images."
            }
            @if !self.ladder.is_empty() {
                (table("Each step of the ladder", &headings, rows.collect()))
                p class="faint" { "P-values are of the difference over seeds and images, adjusted for the number of steps (Holm 1979); from 0.05 on a change may be chance. Smallest change: what four experiments of five of this size would notice at 5\u{a0}%, in points." }
            }
        }
    }

    pub(super) fn drift(&self) -> Result<Markup, ReportError> {
        let mut parts = Vec::new();
        let decades = decades(&self.drifts);
        for map in &self.drifts {
            let rows = map.rows.iter().map(|row| {
                vec![
                    Entry::text(row.tensor.clone()),
                    Entry::maybe(row.by_epoch.first().copied(), magnitude),
                    Entry::maybe(row.by_epoch.last().copied(), magnitude),
                ]
            });
            let largest = map
                .rows
                .iter()
                .filter_map(|row| Some((row.by_epoch.last()?, &row.tensor)))
                .max_by(|a, b| a.0.total_cmp(b.0));
            let words = largest.map_or_else(String::new, |(drift, tensor)| {
                let (count, drift) = (map.rows.len(), magnitude(*drift));
                format!("Relative drift of {count} tensors by epoch. The largest at the end is {drift}, of {tensor}.")
            });
            let numbers = table(
                "Relative drift, mean over seeds",
                &["tensor", "after the first epoch", "after the last"],
                rows.collect(),
            );
            parts.push(html! {
                (figure(&map.svg(decades)?, &words, "Relative drift is the length of the change divided by the length of the tensor at the start; mean over seeds. All maps have the same shades."))
                details { summary { "Numbers" } (numbers) }
            });
        }
        Ok(html! {
            @if parts.is_empty() { p { "No tensor of any base moved, or the runs are of a version that did not record it." } }
            @for part in parts { (part) }
        })
    }

    pub(super) fn augmentation(&self) -> Markup {
        html! {
            @match &self.sheet {
                Some(ContactSheet { png, stands_in }) => {
                    (picture(png, "Rows of images: first as it is, then as augmentation shows it in the first epochs.", "First as it is, then as in epochs 1, 2, … of training with the first seed."))
                    @if *stands_in {
                        p class="faint" { "Drawn animals stand in for the photographs of the training. " code { (self.command("report")) " --data FOLDER" } " shows the photographs themselves; they become part of this file." }
                    }
                },
                None => p { "Nothing is augmented." },
            }
        }
    }

    /// Empty where no two procedures differ in how many variants they cache.
    pub(super) fn variants(&self) -> Result<Markup, ReportError> {
        let series: Vec<_> = self.variants.iter().map(|(series, _)| series.clone()).collect();
        let Some(chart) = variants(&series, self.accuracy) else { return Ok(Markup::default()) };
        let rows = self.variants.iter().flat_map(|(series, bytes)| {
            series.points.iter().map(move |(count, procedure)| {
                let [accuracy, with_images] = level(self.accuracy, procedure);
                let passes = (*count).max(1);
                let bytes = passes as u64 * bytes;
                vec![
                    Entry::text(series.label()),
                    Entry::Number(variant_count_in_words(*count), *count as f64),
                    Entry::whole(procedure.runs.len()),
                    accuracy,
                    with_images,
                    Entry::whole(passes),
                    Entry::Number(format!("{:.0} MB", bytes as f64 / 1e6), bytes as f64),
                    Entry::maybe(procedure.mean_seconds(), magnitude),
                ]
            })
        });
        let headings = [
            "procedure",
            "cached variants of each image",
            "seeds",
            &format!("validation, {}", statistic_in_words(self.accuracy.statistic())),
            "with images",
            "passes of the training images through the base",
            "disk",
            "seconds to train the head",
        ];
        let words = "Validation accuracy for each number of cached variants, with its 95 % confidence intervals; the numbers are in the table below.";
        let caption = "Epoch e trains on variant e mod K of each image, so that K = epochs is augmentation end to end. Thick whiskers are 95 % confidence intervals over seeds, thin ones over seeds and images.";
        Ok(html! {
            (figure(&chart.svg()?, words, caption))
            (table("What each number of variants costs", &headings, rows.collect()))
        })
    }

    pub(super) fn cost(&self) -> Markup {
        let rows = self.ran().map(|procedure| {
            let seconds: f64 = procedure.runs.iter().map(|run| run.seconds()).sum();
            let per_run = seconds / procedure.runs.len() as f64;
            let epochs = procedure.runs.first().map_or(1, |run| run.outcome.epochs).max(1);
            vec![
                Entry::text(procedure.label()),
                Entry::Number(format!("{per_run:.1}"), per_run),
                Entry::Number(format!("{:.2}", per_run / epochs as f64), per_run / epochs as f64),
                Entry::Number(format!("{seconds:.0}"), seconds),
            ]
        });
        let total: f64 = self.runs().map(|run| run.seconds()).sum();
        html! {
            (table("Seconds, as measured while other cells ran beside", &["cell", "per run", "per epoch", "all seeds"], rows.collect()))
            p class="faint" { "All runs together: " (if total < 3600.0 { format!("{:.0} minutes", total / 60.0) } else { format!("{:.1} hours", total / 3600.0) }) " of training, several at a time. What cells share was computed once and is not counted in any." }
        }
    }

    pub(super) fn audit(&self) -> Markup {
        let has_statistics = has_statistics(self.ran());
        let rows = self.ran().filter_map(|procedure| {
            let tensors = &procedure.runs.first()?.outcome.audit;
            let [declared, collected, moved, alone] = audit_counts(tensors);
            let [kernels, others, statistics] = drift_ranges(procedure);
            let drift = |range: Option<DriftRange>| match range {
                None => Entry::missing("–"),
                Some(range) if range.largest == 0.0 => Entry::Number("0".to_owned(), 0.0),
                Some(range) => Entry::Number(range.in_words(), range.largest),
            };
            let mut row = vec![
                Entry::text(procedure.label()),
                Entry::whole(tensors.len()),
                Entry::whole(declared),
                Entry::whole(collected),
                Entry::whole(moved),
            ];
            if has_statistics {
                row.push(Entry::whole(alone));
            }
            row.extend([drift(kernels), drift(others)]);
            if has_statistics {
                row.push(drift(statistics));
            }
            row.push(Entry::text(audit_in_words(procedure)));
            Some(row)
        });
        let mut headings = vec![
            "cell",
            "tensors of the base",
            "declared frozen",
            "collected by the optimizer",
            "moved",
        ];
        if has_statistics {
            headings.push("moved without the optimizer");
        }
        headings.extend(["relative drift of kernels", "of biases"]);
        if has_statistics {
            headings.push("of moving statistics");
        }
        headings.push("verdict");
        let phases = self.ran().flat_map(|procedure| {
            let phases = procedure.runs.first().map_or(&[][..], |run| &run.outcome.phases);
            phases.iter().enumerate().map(|(number, phase)| {
                let [declared, collected, moved, _] = audit_counts(&phase.audit);
                let thawed = phase.audit.iter().any(TensorAudit::thawed);
                vec![
                    Entry::text(procedure.label()),
                    Entry::whole(number + 1),
                    Entry::whole(phase.epochs),
                    Entry::whole(declared),
                    Entry::whole(collected),
                    Entry::whole(moved),
                    Entry::text(if thawed { "THAWED" } else { "completed" }),
                ]
            })
        });
        let phases: Vec<_> = phases.collect();
        let of_phase = [
            "cell",
            "phase",
            "epochs",
            "declared frozen",
            "collected by the optimizer",
            "moved",
            "verdict",
        ];
        html! {
            (table("Freezing, seen from three sides (first seed; drift: all seeds)", &headings, rows.collect()))
            @if !phases.is_empty() {
                (table("The same for each phase by itself, from its start to its end (first seed)", &of_phase, phases))
            }
        }
    }

    pub(super) fn provenance(&self) -> Markup {
        let facts = [
            (
                "images",
                self.distinct(|run| {
                    let [train, validation, test] = run.manifest.images;
                    format!(
                        "{train} for training, {validation} for validation, {test} for the test, SHA-256 {}",
                        run.cell().inputs.dataset
                    )
                }),
            ),
            (
                "weights",
                self.distinct(|run| {
                    format!("{}, SHA-256 {}", run.manifest.weights_file, run.cell().inputs.weights)
                }),
            ),
            (
                "thaw",
                self.distinct(|run| {
                    format!(
                        "{} at commit {}",
                        run.manifest.environment.thaw, run.manifest.environment.commit
                    )
                }),
            ),
            ("Candle", self.distinct(|run| run.manifest.environment.candle.clone())),
            (
                "machine",
                self.distinct(|run| {
                    format!(
                        "{} ({}), {}",
                        run.manifest.environment.platform,
                        run.manifest.environment.instruction_sets,
                        run.manifest.environment.device
                    )
                }),
            ),
            ("convolution", self.distinct(|run| run.manifest.environment.convolution.clone())),
            (
                "seeds",
                self.runs()
                    .map(|run| run.cell().seed)
                    .collect::<BTreeSet<_>>()
                    .iter()
                    .map(u64::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
        ];
        let cells = self.runs().map(|run| {
            vec![
                Entry::text(run.manifest.id.to_string()),
                Entry::text(run.cell().label()),
                Entry::whole(run.cell().seed as usize),
                Entry::text(run.manifest.environment.commit.clone()),
            ]
        });
        html! {
            table { tbody { @for (name, value) in facts { tr { th scope="row" { (name) } td { (value) } } } } }
            details { summary { "Every run by name" } (table("The folders below cells/", &["run", "cell", "seed", "commit"], cells.collect())) }
        }
    }

    pub(super) fn reproduce(&self) -> Markup {
        let photographs = if matches!(self.experiment.dataset, DatasetSource::Folder {}) {
            " --data FOLDER"
        } else {
            ""
        };
        let weights = self.runs().next().map(|run| &run.manifest.weights_file);
        let weights = weights
            .filter(|name| !name.ends_with(SHIPPED))
            .map_or_else(String::new, |name| format!(" --weights {name}"));
        let report = self.command("report");
        let ways = [
            (
                "the runs themselves: what has not run yet",
                format!("{}{photographs}{weights}", self.command("sweep")),
            ),
            ("every figure and table of this page, from the records", report.clone()),
            (
                "the waterfall alone, all curves, and each cell's",
                format!("{report} # they lie in plots/, as SVG and PNG"),
            ),
            (
                "a gap divided",
                format!("{} --from 'LEVELS' --to 'LEVELS'", self.command("attribute")),
            ),
            ("what differs between two runs, and on which images", "thaw diff RUN RUN".to_owned()),
            (
                "more of the contact sheet",
                format!("{} --augmentation book{photographs}", self.command("preview")),
            ),
            ("the records, for other programs", format!("{} --format csv", self.command("export"))),
            ("whether the numbers are as expected", self.command("check")),
        ];
        html! {
            div class="scroll" tabindex="0" role="group" aria-label="Commands" {
                table { tbody { @for (what, command) in &ways { tr { th scope="row" { (what) } td { code { (command) } } } } } }
            }
        }
    }

    pub(super) fn command(&self, verb: &str) -> String {
        self.file
            .as_ref()
            .map_or_else(|| format!("thaw {verb}"), |file| format!("thaw {verb} {file}"))
    }
}

/// The best epoch's validation accuracy less the same epoch's test accuracy, mean over seeds.
fn optimism(procedure: &ProcedureRuns) -> Option<f64> {
    let values: Option<Vec<f64>> = procedure.runs.iter().map(optimism_of_run).collect();
    Some(Sample::new(values?)?.mean())
}

fn optimism_of_run(run: &CellRun) -> Option<f64> {
    let (validation, test) = (run.curve(VALIDATION), run.curve(Metric::TestAccuracy));
    let best = (0..validation.len())
        .reduce(|best, epoch| if validation[epoch] > validation[best] { epoch } else { best })?;
    Some(validation[best] - test.get(best)?)
}

/// A value of a curve, without an interval.
fn plain_value(value: f64, metric: Metric) -> String {
    if metric.is_accuracy() { plain_percent(value) } else { format!("{value:.4}") }
}

fn plain_percent(accuracy: f64) -> String {
    format!("{:.2} %", accuracy * 100.0)
}

/// Number of tensors that were declared frozen, that the optimizer collected, that moved, and that
/// moved without the optimizer.
fn audit_counts(tensors: &[TensorAudit]) -> [usize; 4] {
    [
        tensors.iter().filter(|tensor| tensor.declared_frozen).count(),
        tensors.iter().filter(|tensor| tensor.collected).count(),
        tensors.iter().filter(|tensor| tensor.moved).count(),
        tensors.iter().filter(|tensor| tensor.moved_without_optimizer()).count(),
    ]
}

/// Whether the change of a rung is more than chance would make.
fn is_certain(step: &MeasuredRung) -> bool {
    !step.equal && step.p_value.is_some_and(|p_value| p_value < 0.05)
}

/// The absolute change of a rung.
fn size(step: &MeasuredRung) -> f64 {
    step.change.as_ref().map_or(0.0, |change| change.mean.abs())
}

/// Whether the mean over the last fifth of the epochs lies above that over the fifth before it, by
/// more than seeds differ: in all seeds, and by half a point on average. Fewer than ten epochs do
/// not tell.
fn still_rises(procedure: &ProcedureRuns) -> bool {
    const RISE: f64 = 0.005;
    let rise = |run: &CellRun| {
        let curve = run.curve(VALIDATION);
        let fifth = curve.len() / 5;
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        (fifth >= 2).then(|| {
            let (before, last) = curve[curve.len() - 2 * fifth..].split_at(fifth);
            mean(last) - mean(before)
        })
    };
    let rises: Option<Vec<f64>> = procedure.runs.iter().map(rise).collect();
    let Some(rises) = rises.and_then(Sample::new) else { return false };
    rises.values().iter().all(|rise| *rise > 0.0) && rises.mean() > RISE
}

fn in_words(steps: &[MeasuredRung]) -> String {
    format!(
        "Waterfall of validation accuracy. {}",
        steps.iter().map(rung_in_words).collect::<Vec<_>>().join(" ")
    )
}

fn rung_in_words(step: &MeasuredRung) -> String {
    let value = step.estimate.as_ref().map_or_else(|| "not run".to_owned(), percent);
    let change = step.change.as_ref().map_or_else(String::new, |change| {
        format!(", change {} points", points(change, step.p_value))
    });
    format!("{}: {value}{change}.", step.label)
}
