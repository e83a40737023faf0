//! The numbers of the page as its scripts read them: JSON, compressed, in the page itself.

use std::collections::BTreeMap;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use serde_json::Number;
use thaw_analysis::{CellRun, Estimate, ProcedureRuns, attribute};
use thaw_spec::{Metric, Selector, Statistic, TensorAudit, TensorRole, TrainingLog, shell_word};

use super::{Page, PageImages, block_in_words};
use crate::curves::last_epoch_only;
use crate::number::statistic_in_words;

/// The unit of accuracies and losses in curves.
const UNIT: f64 = 1e-4;

/// Cells of which each pair is compared; of more, pairs would take minutes and most of the page.
const MOST_PAIRED: usize = 100;

/// The metrics in the order in which they are offered.
const METRICS: [Metric; 6] = [
    Metric::ValidationAccuracy,
    Metric::TestAccuracy,
    Metric::TrainAccuracy,
    Metric::ValidationLoss,
    Metric::TestLoss,
    Metric::TrainLoss,
];

/// Mean, interval over seeds, and interval over seeds and images. Fractions of 1.
type Interval = [Option<f64>; 5];
/// Curves by the name of their metric, in units; nothing where a value is not finite.
type Curves<T> = BTreeMap<String, T>;
type Curve = Vec<Option<Number>>;

#[derive(Serialize)]
struct Data<'a> {
    experiment: ExperimentFacts<'a>,
    commands: Commands,
    metrics: Vec<MetricFacts>,
    factors: Vec<Factor>,
    cells: Vec<Cell>,
    tensors: Vec<Tensor>,
    /// Of all cells that have run, each with each; of none where there are too many.
    pairs: Vec<Pair>,
    published: Vec<Published>,
    images: Option<Images<'a>>,
    /// The two cells that the experiment is about: the ends of its ladder.
    question: Option<[usize; 2]>,
}

#[derive(Serialize)]
struct ExperimentFacts<'a> {
    name: &'a str,
    title: &'a str,
    statistic: String,
    /// Number of last epochs of which the statistic is the mean; nothing for the best epoch.
    last_epochs: Option<usize>,
}

/// How the commands begin that a reader may copy.
#[derive(Serialize)]
struct Commands {
    attribute: String,
    diagnose: &'static str,
}

#[derive(Serialize)]
struct MetricFacts {
    name: String,
    label: String,
    accuracy: bool,
}

#[derive(Serialize)]
struct Factor {
    name: String,
    label: String,
    levels: Vec<Level>,
}

#[derive(Serialize)]
struct Level {
    name: String,
    label: String,
}

/// A procedure with all its seeds.
#[derive(Serialize)]
struct Cell {
    /// Place of the level of each factor.
    levels: Vec<usize>,
    label: String,
    name: String,
    /// The name as a word of a shell.
    selector: String,
    seeds: Vec<u64>,
    runs: Vec<String>,
    /// Epochs, from 1, at which a later phase begins.
    phases: Vec<usize>,
    curves: Curves<Vec<Curve>>,
    /// Names of the metrics whose images were evaluated after the last epoch alone.
    last_epoch_only: Vec<String>,
    /// For each seed a digit for each validation image: 1 where it was classified rightly at the end.
    right: Vec<Option<String>>,
    /// For each tensor what the first seed's audit says, as the sum of 1 (declared frozen), 2 (collected
    /// by the optimizer) and 4 (moved); and its relative drift, the largest of all seeds, `null` in JSON
    /// where it is not finite.
    audit: Vec<(u8, f64)>,
}

#[derive(Serialize)]
struct Tensor {
    name: String,
    block: String,
    role: &'static str,
}

/// Two cells, of which the first has the lower place. Numbers are of the second less the first.
#[derive(Serialize)]
struct Pair {
    cells: [usize; 2],
    gap: Option<Interval>,
    p: Option<f64>,
    seeds: usize,
    equal: bool,
    shares: Vec<FactorShare>,
    interactions: Vec<FactorInteraction>,
    /// Why there are no shares.
    why: Option<String>,
}

#[derive(Serialize)]
struct FactorShare {
    factor: usize,
    share: Interval,
    p: Option<f64>,
}

#[derive(Serialize)]
struct FactorInteraction {
    factors: [usize; 2],
    effect: Interval,
}

#[derive(Serialize)]
struct Published {
    label: String,
    cells: Vec<usize>,
    curves: Curves<PublishedCurve>,
}

#[derive(Serialize)]
struct PublishedCurve {
    epochs: Vec<usize>,
    values: Curve,
}

/// The validation images.
#[derive(Serialize)]
struct Images<'a> {
    count: usize,
    #[serde(flatten)]
    shown: &'a PageImages,
}

impl Page<'_> {
    /// The numbers of the page: Base64 of the raw deflate format (RFC 1951) of JSON.
    pub(super) fn data(&self) -> String {
        let json = serde_json::to_vec(&self.facts()).expect("numbers and texts are JSON");
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        let written = encoder.write_all(&json).and_then(|()| encoder.finish());
        STANDARD.encode(written.expect("memory takes everything"))
    }

    fn facts(&self) -> Data<'_> {
        let factors = self.factors();
        let place = |factor: usize, level: &str| {
            factors[factor].levels.iter().position(|known| known.name == level).unwrap_or(0)
        };
        let procedures = &self.results.procedures;
        let cells = procedures.iter().map(|procedure| {
            let levels = procedure.levels.iter().enumerate();
            self.cell(procedure, levels.map(|(factor, (_, level))| place(factor, level)).collect())
        });
        let metric = |metric: &Metric| MetricFacts {
            name: metric.to_string(),
            label: format!(
                "{} {}",
                metric.split(),
                if metric.is_accuracy() { "accuracy" } else { "loss" }
            ),
            accuracy: metric.is_accuracy(),
        };
        let images = self
            .ran()
            .flat_map(|procedure| &procedure.runs)
            .find_map(|run| self.accuracy.outcomes(run));
        Data {
            experiment: ExperimentFacts {
                name: &self.experiment.name,
                title: &self.experiment.title,
                statistic: statistic_in_words(self.accuracy.statistic()),
                last_epochs: last_epochs(self.accuracy.statistic()),
            },
            commands: Commands { attribute: self.command("attribute"), diagnose: "thaw diagnose" },
            metrics: METRICS.iter().map(metric).collect(),
            cells: cells.collect(),
            tensors: self.tensors(),
            pairs: self.pairs(),
            published: self.published(),
            images: images.map(|outcomes| Images { count: outcomes.len(), shown: &self.images }),
            question: self.question(),
            factors,
        }
    }

    fn factors(&self) -> Vec<Factor> {
        let labels = &self.experiment.labels;
        let mut factors: Vec<Factor> = Vec::new();
        for procedure in &self.results.procedures {
            for (place, (factor, level)) in procedure.levels.iter().enumerate() {
                if factors.len() == place {
                    let label = labels.factor(factor).to_owned();
                    factors.push(Factor { name: factor.clone(), label, levels: Vec::new() });
                }
                let levels = &mut factors[place].levels;
                if !levels.iter().any(|known| known.name == *level) {
                    levels.push(Level { name: level.clone(), label: labels.level(factor, level) });
                }
            }
        }
        factors
    }

    fn cell(&self, procedure: &ProcedureRuns, levels: Vec<usize>) -> Cell {
        let runs = &procedure.runs;
        let curves = METRICS.iter().filter_map(|metric| {
            let units = |value| units_of(value, *metric);
            let curve = |run: &CellRun| run.by_epoch(*metric).into_iter().map(units).collect();
            let seeds: Vec<Curve> = runs.iter().map(curve).collect();
            let known = seeds.iter().any(|curve| !curve.is_empty());
            known.then(|| (metric.to_string(), seeds))
        });
        let phases = runs.first().map(|run| run.cell().procedure.phases()).unwrap_or_default();
        Cell {
            levels,
            label: self.label(procedure),
            name: procedure.label(),
            selector: shell_word(&procedure.label()).into_owned(),
            seeds: runs.iter().map(|run| run.cell().seed).collect(),
            runs: runs.iter().map(|run| run.manifest.id.to_string()).collect(),
            phases: phases.iter().skip(1).map(|phase| phase.first_epoch + 1).collect(),
            curves: curves.collect(),
            last_epoch_only: METRICS
                .iter()
                .filter(|metric| last_epoch_only(procedure, **metric))
                .map(Metric::to_string)
                .collect(),
            right: runs.iter().map(|run| self.right(run)).collect(),
            audit: audit_of(runs),
        }
    }

    /// A digit for each validation image.
    fn right(&self, run: &CellRun) -> Option<String> {
        let outcomes = self.accuracy.outcomes(run)?;
        let mut digits = vec![b'0'; outcomes.len()];
        for (image, right) in outcomes {
            let digit = digits.get_mut(*image as usize)?;
            *digit = if *right > 0.5 { b'1' } else { b'0' };
        }
        String::from_utf8(digits).ok()
    }

    fn tensors(&self) -> Vec<Tensor> {
        let first = self.runs().next().map_or(&[][..], |run| &run.outcome.audit);
        let tensors = first.iter().map(|tensor| Tensor {
            block: block_in_words(self.block_of(tensor)),
            role: role_in_words(tensor),
            name: tensor.name.clone(),
        });
        tensors.collect()
    }

    fn pairs(&self) -> Vec<Pair> {
        let procedures = self.results.procedures.iter().enumerate();
        let ran: Vec<(usize, &ProcedureRuns)> =
            procedures.filter(|(_, procedure)| !procedure.runs.is_empty()).collect();
        if ran.len() > MOST_PAIRED {
            return Vec::new();
        }
        let pairs = ran
            .iter()
            .enumerate()
            .flat_map(|(place, one)| ran[place + 1..].iter().map(move |other| (*one, *other)));
        pairs.map(|(one, other)| self.pair(one, other)).collect()
    }

    fn pair(
        &self,
        (one, from): (usize, &ProcedureRuns),
        (other, to): (usize, &ProcedureRuns),
    ) -> Pair {
        let gap = self.accuracy.difference(from, to);
        let selector = |procedure: &ProcedureRuns| Selector::exactly(&procedure.levels);
        let (attribution, why) = match attribute(self.accuracy, &selector(from), &selector(to)) {
            Ok(attribution) => (Some(attribution), None),
            Err(reason) => (None, Some(reason.to_string())),
        };
        let factor = |name: &str| self.experiment.factors.iter().position(|known| known == name);
        let parts = attribution.as_ref();
        let shares = parts.into_iter().flat_map(|parts| &parts.shares).filter_map(|share| {
            let p = share.p_value.map(significant);
            Some(FactorShare { factor: factor(&share.factor)?, share: interval(&share.share), p })
        });
        let interactions = parts.into_iter().flat_map(|parts| &parts.interactions);
        let interactions = interactions.filter_map(|interaction| {
            let [first, second] = &interaction.factors;
            let factors = [factor(first)?, factor(second)?];
            Some(FactorInteraction { factors, effect: interval(&interaction.effect) })
        });
        Pair {
            cells: [one, other],
            seeds: gap.as_ref().map_or(0, |gap| gap.count),
            p: gap.as_ref().and_then(Estimate::p_value).map(significant),
            gap: gap.as_ref().map(interval),
            equal: from.equals(to),
            shares: shares.collect(),
            interactions: interactions.collect(),
            why,
        }
    }

    fn published(&self) -> Vec<Published> {
        let mut published: Vec<(Published, &TrainingLog)> = Vec::new();
        for (cell, overlay) in self
            .overlays
            .iter()
            .enumerate()
            .flat_map(|(cell, overlays)| overlays.iter().map(move |overlay| (cell, overlay)))
        {
            if let Some((known, _)) = published.iter_mut().find(|(_, run)| **run == overlay.run) {
                known.cells.push(cell);
                continue;
            }
            // Two that go by one label are told apart by the cells that they belong to.
            let taken = published.iter().any(|(known, _)| known.label == overlay.label);
            let label = match taken {
                true => {
                    format!("{} · {}", overlay.label, self.label(&self.results.procedures[cell]))
                }
                false => overlay.label.clone(),
            };
            let curves = published_curves(&overlay.run);
            published.push((Published { label, cells: vec![cell], curves }, &overlay.run));
        }
        published.into_iter().map(|(published, _)| published).collect()
    }
}

fn published_curves(run: &TrainingLog) -> Curves<PublishedCurve> {
    let curves = METRICS.iter().filter(|metric| !run.curve(**metric).is_empty());
    let curve = |metric: &Metric| PublishedCurve {
        epochs: run.epochs_of(*metric).to_vec(),
        values: run.curve(*metric).iter().map(|value| units_of(Some(*value), *metric)).collect(),
    };
    curves.map(|metric| (metric.to_string(), curve(metric))).collect()
}

/// What the first seed's audit says of each tensor, with the largest drift of all seeds.
fn audit_of(runs: &[CellRun]) -> Vec<(u8, f64)> {
    let first = runs.first().map_or(&[][..], |run| &run.outcome.audit);
    let drift = |place: usize| {
        let drifts = runs.iter().filter_map(|run| run.outcome.audit.get(place));
        drifts.map(|tensor| tensor.relative_drift).fold(0.0, f64::max)
    };
    let said = |tensor: &TensorAudit| {
        u8::from(tensor.declared_frozen)
            + 2 * u8::from(tensor.collected)
            + 4 * u8::from(tensor.moved)
    };
    first
        .iter()
        .enumerate()
        .map(|(place, tensor)| (said(tensor), significant(drift(place))))
        .collect()
}

fn role_in_words(tensor: &TensorAudit) -> &'static str {
    match tensor.role {
        TensorRole::Statistic => "statistic",
        TensorRole::Weight if tensor.name.ends_with(".bias") => "bias",
        TensorRole::Weight => "weight",
    }
}

/// Number of last epochs of which a statistic is the mean.
fn last_epochs(statistic: Statistic) -> Option<usize> {
    match statistic {
        Statistic::Final => Some(1),
        Statistic::Last(epochs) => Some(epochs),
        Statistic::Best => None,
    }
}

/// A value of a curve in units: a whole number, but three significant digits of a small loss, which
/// a logarithmic scale shows.
fn units_of(value: Option<f64>, metric: Metric) -> Option<Number> {
    let units = value? / UNIT;
    let is_small = !metric.is_accuracy() && units.abs() < 100.0;
    let kept = if is_small { significant(units) } else { units.round() };
    let whole = kept as i64;
    if whole as f64 == kept { Some(whole.into()) } else { Number::from_f64(kept) }
}

fn interval(estimate: &Estimate) -> Interval {
    let [narrow, wide] = [estimate.interval(), estimate.widest_interval()];
    let [low, high] = [narrow.map(|ends| ends.0), narrow.map(|ends| ends.1)];
    let [wide_low, wide_high] = [wide.map(|ends| ends.0), wide.map(|ends| ends.1)];
    let [low, high, wide_low, wide_high] =
        [low, high, wide_low, wide_high].map(|end| end.map(|end| rounded(end, 1e-6)));
    [Some(as_shown(estimate.mean)), low, high, wide_low, wide_high]
        .map(|value| value.filter(|value| value.is_finite()))
}

/// A difference of accuracies in the digits in which the page shows it: what is rounded twice may
/// become another number.
fn as_shown(difference: f64) -> f64 {
    let points = format!("{:.2}", difference * 100.0);
    points.parse().map_or(difference, |points: f64| rounded(points / 100.0, 1e-4))
}

fn rounded(value: f64, step: f64) -> f64 {
    // Divided by a whole number, it prints with the fewest digits.
    (value / step).round() / (1.0 / step).round()
}

/// Three significant digits.
fn significant(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_loss_keeps_three_digits_and_an_accuracy_is_a_whole_number() {
        let written = |value, metric| {
            serde_json::to_string(&units_of(Some(value), metric)).expect("a number is JSON")
        };
        let losses = [0.65314718, 0.0123, 0.00456789, 1.3456e-5, 0.0, f64::NAN];
        assert_eq!(
            losses.map(|loss| written(loss, Metric::TrainLoss)),
            ["6531", "123", "45.7", "0.135", "0", "null"]
        );
        assert_eq!(written(0.00456789, Metric::TrainAccuracy), "46");
        // What diverged is more than a whole number holds.
        assert_eq!(units_of(Some(1e30), Metric::TrainLoss), Number::from_f64(1e34));
    }

    #[test]
    fn a_difference_is_rounded_once() {
        // As `number::difference` rounds them; the scripts would take 0.125 for 0.13.
        assert_eq!([0.006_650_000_1, 0.00125, -0.1].map(as_shown), [0.0067, 0.0012, -0.1]);
        let shown = crate::number::difference(0.006_650_000_1, Metric::ValidationAccuracy);
        assert_eq!(shown, "+0.67");
    }
}
