//! One number of every run of an experiment, and how uncertain its means and their differences are.
//!
//! Three runs say little about their spread. So each variance between seeds is moderated by those
//! of all procedures (Smyth 2004): it counts as if it came with `d₀` more degrees of freedom, which
//! the variances themselves give, at the variance that is typical of the experiment. A variance is
//! never made smaller than it was measured: a procedure may really spread more than the others, and
//! intervals of such procedures would hold the truth too seldom (`docs/certainty.md`).
//!
//! Seeds are not all that a number hangs on: other validation images would give another. With the
//! predictions of each run for each image, a mean over seeds and images has the variance
//! σ²ₛ ÷ S + σ²ᵢ ÷ I + σ²ₛᵢ ÷ SI, where seeds and images are crossed (Searle, Casella, McCulloch,
//! *Variance Components*, 1992, chapter 4; Owen 2007 treats the same layout by resampling). The
//! first and the third term together are the variance between seeds, which is moderated; the second
//! is estimated from the mean squares of images and of the rest, and is 0 where that is negative.

use std::collections::BTreeMap;

use thaw_spec::{Metric, Prediction, Statistic};

use crate::estimate::{Estimate, Sample, Uncertainty};
use crate::mcnemar::of_split;
use crate::precision::SeedForecast;
use crate::prior::VariancePrior;
use crate::results::{CellRun, ProcedureRuns, Results};
use crate::{AnalysisError, ResultsFolder};

/// The standard deviation of rounding to whole steps, in steps.
const ROUNDING: f64 = 0.288_675_134_594_812_9;

/// The step of a printed loss, in nats.
const LOSS_STEP: f64 = 1e-4;

/// One number of every run of an experiment, with what its uncertainty is judged by.
#[derive(Clone, Debug)]
pub struct Measurements<'a> {
    results: &'a Results,
    metric: Metric,
    statistic: Statistic,
    levels: Spread,
    differences: Spread,
    /// Number of each image and what a run says of it after its last epoch, by the id of the cell.
    outcomes: BTreeMap<String, Vec<(u32, f32)>>,
    damaged: Vec<String>,
}

/// What the variances of all procedures between seeds say of each one's.
#[derive(Clone, Debug, Default)]
struct Spread(Option<VariancePrior>);

impl Spread {
    /// Learns from variances and their degrees of freedom, of which `independent` are independent.
    fn learn(variances: impl Iterator<Item = (f64, f64)>, independent: f64) -> Self {
        let (rows, degrees): (Vec<_>, Vec<_>) =
            variances.map(|(variance, degrees)| (vec![variance], degrees)).unzip();
        if rows.len() < 2 {
            return Self(None);
        }
        let mut prior = VariancePrior::of(&rows, &degrees);
        prior.freedom = prior.freedom.min(independent);
        Self(Some(prior))
    }

    /// A variance and its degrees of freedom, moderated upwards only.
    fn moderate(&self, variance: f64, degrees: f64) -> (f64, f64) {
        match &self.0 {
            Some(prior) => {
                (prior.moderate(0, variance, degrees).max(variance), prior.freedom + degrees)
            }
            None => (variance, degrees),
        }
    }
}

impl<'a> Measurements<'a> {
    /// Takes a number of every run and learns how much it differs between seeds.
    pub fn new(results: &'a Results, metric: Metric, statistic: Statistic) -> Self {
        let mut measurements = Self {
            results,
            metric,
            statistic,
            levels: Spread::default(),
            differences: Spread::default(),
            outcomes: BTreeMap::new(),
            damaged: Vec::new(),
        };
        // Of procedures that are equal to the last bit the one with most seeds counts, and of
        // differences between equal procedures the one with most seeds that both have.
        let classes = results.classes();
        let mut levels: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        let mut differences: BTreeMap<[usize; 2], (f64, f64)> = BTreeMap::new();
        for (second, to) in results.procedures.iter().enumerate() {
            if let Some(own) = measurements.shared_variance(&[(to, 1.0)]) {
                keep_with_most_seeds(&mut levels, classes[second], own);
            }
            for (first, from) in results.procedures[..second].iter().enumerate() {
                let mut key = [classes[first], classes[second]];
                key.sort_unstable();
                if key[0] < key[1] && from.differs_in_one_factor(to) {
                    let own = measurements.shared_variance(&[(from, -1.0), (to, 1.0)]);
                    if let Some(own) = own {
                        keep_with_most_seeds(&mut differences, key, own);
                    }
                }
            }
        }
        let independent = levels.values().map(|(_, degrees)| degrees).sum();
        measurements.levels = Spread::learn(levels.into_values(), independent);
        // Two procedures have one difference, which can borrow from their own spreads alone.
        measurements.differences = match differences.len() {
            0 | 1 => measurements.levels.clone(),
            _ => Spread::learn(differences.into_values(), independent),
        };
        measurements
    }

    /// Takes what each run says of each image as well, where that was recorded and is not
    /// [damaged](Self::damaged).
    ///
    /// # Errors
    /// When the store of the records cannot be reached.
    pub fn with_images(mut self, folder: &ResultsFolder) -> Result<Self, AnalysisError> {
        for run in self.results.procedures.iter().flat_map(|procedure| &procedure.runs) {
            let predictions = match folder.predictions_of(run) {
                Ok(Some(predictions)) => predictions,
                Ok(None) => continue,
                Err(error) if error.is_damage() => {
                    self.damaged.push(error.to_string());
                    continue;
                }
                Err(error) => return Err(error),
            };
            let outcome = |prediction: &Prediction| {
                let value = if self.metric.is_accuracy() {
                    f32::from(u8::from(prediction.is_correct()))
                } else {
                    prediction.loss
                };
                (prediction.image, value)
            };
            let of_split = of_split(&predictions, self.metric.split());
            let outcomes: Vec<(u32, f32)> = of_split.iter().map(outcome).collect();
            if !outcomes.is_empty() {
                self.outcomes.insert(run.manifest.id.to_string(), outcomes);
            }
        }
        Ok(self)
    }

    /// Number of each image and what a run says of it after its last epoch: for an accuracy 1 where it is
    /// right and 0 where not, for a loss the loss in nats. Nothing where that was not recorded.
    pub fn outcomes(&self, run: &CellRun) -> Option<&[(u32, f32)]> {
        self.outcomes.get(run.manifest.id.as_str()).map(Vec::as_slice)
    }

    /// What is wrong with files of what runs say of images that cannot be read, in sentences.
    pub fn damaged(&self) -> &[String] {
        &self.damaged
    }

    /// The results that are measured.
    pub fn results(&self) -> &'a Results {
        self.results
    }

    /// The metric of the number.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// The statistic of the number.
    pub fn statistic(&self) -> Statistic {
        self.statistic
    }

    /// Whether this is the number of a metric and a statistic.
    pub(crate) fn is_of(&self, metric: Metric, statistic: Statistic) -> bool {
        (self.metric, self.statistic) == (metric, statistic)
    }

    /// The mean over the seeds of a procedure; nothing when it has not run, lacks the metric, or a
    /// run diverged.
    pub fn level(&self, procedure: &ProcedureRuns) -> Option<Estimate> {
        self.level_over(procedure, &shared_seeds(&[(procedure, 1.0)]))
    }

    /// The same over these seeds alone.
    pub(crate) fn level_over(&self, procedure: &ProcedureRuns, seeds: &[u64]) -> Option<Estimate> {
        let mut estimate = self.contrast_over(&[(procedure, 1.0)], seeds)?;
        estimate.bounds = if self.metric.is_accuracy() { (0.0, 1.0) } else { (0.0, f64::INFINITY) };
        Some(estimate)
    }

    /// The mean difference `to − from` between runs of equal seeds; nothing when they share none.
    pub fn difference(&self, from: &ProcedureRuns, to: &ProcedureRuns) -> Option<Estimate> {
        self.contrast(&[(from, -1.0), (to, 1.0)])
    }

    /// The mean of a weighted sum of procedures over the seeds that all of them share; nothing when
    /// there is none, or a number is missing or not finite.
    pub fn contrast(&self, terms: &[(&ProcedureRuns, f64)]) -> Option<Estimate> {
        self.contrast_over(terms, &shared_seeds(terms))
    }

    /// The same over these seeds alone, with which all procedures have run.
    pub(crate) fn contrast_over(
        &self,
        terms: &[(&ProcedureRuns, f64)],
        seeds: &[u64],
    ) -> Option<Estimate> {
        let sample = self.sample(terms, seeds)?;
        let mean = sample.mean();
        let uncertainties = self.own_variance(terms, seeds).map(|(own, degrees)| {
            let spread = if terms.len() == 1 { &self.levels } else { &self.differences };
            let norm = squared_norm(terms);
            let (variance, freedom) = spread.moderate(own, degrees);
            let (variance, count) = (variance * norm, seeds.len() as f64);
            let over_seeds = Uncertainty { standard_error: (variance / count).sqrt(), freedom };
            let images = self.image_component(terms, seeds);
            (over_seeds, images.map(|images| images.added_to(over_seeds)))
        });
        Some(Estimate {
            mean,
            count: seeds.len(),
            over_seeds: uncertainties.map(|(over_seeds, _)| over_seeds),
            over_seeds_and_images: uncertainties.and_then(|(_, both)| both),
            bounds: (f64::NEG_INFINITY, f64::INFINITY),
            sample,
        })
    }

    /// How the interval of the difference `to − from` narrows with seeds: by the spread of the
    /// difference, or where the two share fewer than two seeds by that of the other differences.
    pub(crate) fn forecast(
        &self,
        from: &ProcedureRuns,
        to: &ProcedureRuns,
    ) -> Option<SeedForecast> {
        let measured = self.difference(from, to);
        if let Some(forecast) = measured.as_ref().and_then(SeedForecast::of) {
            return Some(forecast);
        }
        let prior = self.differences.0.as_ref()?;
        let variance = prior.variances[0] * squared_norm(&[(from, -1.0), (to, 1.0)]);
        Some(SeedForecast { variance, lent: prior.freedom })
    }

    /// Half of the width of the 95 % interval over seeds of the difference `to − from`, if the last
    /// seed that they share had not run.
    pub(crate) fn half_width_before(
        &self,
        from: &ProcedureRuns,
        to: &ProcedureRuns,
    ) -> Option<f64> {
        let terms = [(from, -1.0), (to, 1.0)];
        let seeds = shared_seeds(&terms);
        let before = self.contrast_over(&terms, seeds.split_last()?.1)?;
        before.over_seeds.map(|uncertainty| uncertainty.half_width())
    }

    /// A weighted sum of procedures by seed.
    fn sample(&self, terms: &[(&ProcedureRuns, f64)], seeds: &[u64]) -> Option<Sample> {
        let value = |seed: &u64| {
            terms.iter().try_fold(0.0, |sum, (procedure, weight)| {
                let value = procedure.value_with_seed(*seed, self.metric, self.statistic)?;
                Some(sum + weight * value)
            })
        };
        Sample::new(seeds.iter().map(value).collect::<Option<_>>()?)
    }

    /// The variance of a weighted sum between seeds, divided by the sum of the squared weights, with
    /// its degrees of freedom. It has at least the variance that rounding to whole images has, so
    /// that equal values are no certainty. From two shared seeds on.
    fn own_variance(&self, terms: &[(&ProcedureRuns, f64)], seeds: &[u64]) -> Option<(f64, f64)> {
        let variance = self.sample(terms, seeds)?.variance()?;
        let step = if self.metric.is_accuracy() {
            let run = terms.first()?.0.run_with_seed(*seeds.first()?)?;
            1.0 / run.images(self.metric.split()) as f64
        } else {
            LOSS_STEP
        };
        let rounding = (ROUNDING * step).powi(2);
        Some((variance / squared_norm(terms) + rounding, seeds.len() as f64 - 1.0))
    }

    /// The same over the seeds that all procedures share.
    fn shared_variance(&self, terms: &[(&ProcedureRuns, f64)]) -> Option<(f64, f64)> {
        self.own_variance(terms, &shared_seeds(terms))
    }

    /// What the choice of images adds to the variance of a mean; nothing where predictions are
    /// missing, or not of the same images.
    fn image_component(
        &self,
        terms: &[(&ProcedureRuns, f64)],
        seeds: &[u64],
    ) -> Option<ImageComponent> {
        let of_run = |procedure: &ProcedureRuns, seed| {
            self.outcomes.get(procedure.run_with_seed(seed)?.manifest.id.as_str())
        };
        let images = of_run(terms.first()?.0, *seeds.first()?)?;
        let mut table = Vec::new();
        for seed in seeds {
            let mut row = vec![0.0; images.len()];
            for (procedure, weight) in terms {
                let outcomes = of_run(procedure, *seed)?;
                let same = outcomes.iter().map(|(image, _)| image);
                if !same.eq(images.iter().map(|(image, _)| image)) {
                    return None;
                }
                for (sum, (_, outcome)) in row.iter_mut().zip(outcomes) {
                    *sum += weight * f64::from(*outcome);
                }
            }
            table.push(row);
        }
        ImageComponent::of(&table)
    }
}

/// The mean squares of seeds × images that the choice of images shows in.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ImageComponent {
    /// Mean square of images and of the rest, each divided by the number of values.
    images: f64,
    rest: f64,
    freedom_of_images: f64,
    freedom_of_rest: f64,
}

impl ImageComponent {
    /// From a row for each seed, at least two, with a value for each image, at least two.
    fn of(table: &[Vec<f64>]) -> Option<Self> {
        let (seeds, images) = (table.len(), table.first()?.len());
        if seeds < 2 || images < 2 || table.iter().any(|row| row.len() != images) {
            return None;
        }
        let (seeds, images) = (seeds as f64, images as f64);
        let by_seed: Vec<f64> = table.iter().map(|row| row.iter().sum::<f64>() / images).collect();
        let by_image: Vec<f64> = (0..table[0].len())
            .map(|image| table.iter().map(|row| row[image]).sum::<f64>() / seeds)
            .collect();
        let mean = by_seed.iter().sum::<f64>() / seeds;
        let squares_of_images: f64 =
            by_image.iter().map(|value| (value - mean).powi(2)).sum::<f64>() * seeds;
        let squares_of_rest: f64 = table
            .iter()
            .zip(&by_seed)
            .flat_map(|(row, seed)| {
                row.iter().zip(&by_image).map(move |(value, image)| value - seed - image + mean)
            })
            .map(|rest| rest * rest)
            .sum();
        let (freedom_of_images, freedom_of_rest) = (images - 1.0, (seeds - 1.0) * (images - 1.0));
        let values = seeds * images;
        Some(Self {
            images: squares_of_images / freedom_of_images / values,
            rest: squares_of_rest / freedom_of_rest / values,
            freedom_of_images,
            freedom_of_rest,
        })
    }

    /// The uncertainty over seeds and images, with degrees of freedom by Satterthwaite (1946).
    fn added_to(self, over_seeds: Uncertainty) -> Uncertainty {
        let between_images = self.images - self.rest;
        if between_images <= 0.0 {
            return over_seeds;
        }
        let seeds = over_seeds.standard_error.powi(2);
        let variance = seeds + between_images;
        let spread = seeds.powi(2) / over_seeds.freedom
            + self.images.powi(2) / self.freedom_of_images
            + self.rest.powi(2) / self.freedom_of_rest;
        Uncertainty { standard_error: variance.sqrt(), freedom: variance.powi(2) / spread }
    }
}

/// Keeps a variance for a key, unless one with more degrees of freedom is there.
fn keep_with_most_seeds<K: Ord>(
    variances: &mut BTreeMap<K, (f64, f64)>,
    key: K,
    (variance, degrees): (f64, f64),
) {
    let kept = variances.entry(key).or_insert((variance, degrees));
    if degrees > kept.1 {
        *kept = (variance, degrees);
    }
}

/// The seeds that all procedures have run with, in the order of the first one's runs.
fn shared_seeds(terms: &[(&ProcedureRuns, f64)]) -> Vec<u64> {
    let Some(((first, _), others)) = terms.split_first() else { return Vec::new() };
    let seeds = first.runs.iter().map(|run| run.cell().seed);
    seeds
        .filter(|seed| others.iter().all(|(other, _)| other.run_with_seed(*seed).is_some()))
        .collect()
}

fn squared_norm(terms: &[(&ProcedureRuns, f64)]) -> f64 {
    terms.iter().map(|(_, weight)| weight * weight).sum()
}
