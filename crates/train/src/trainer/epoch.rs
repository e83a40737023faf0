//! An epoch of a run: its batches, and its evaluation.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Instant;

use candle_core::Tensor;
use thaw_data::{Purpose, Stream};
use thaw_model::{Gradients, Mode, drift};
use thaw_spec::{EpochRecord, Prediction, Split, SplitRecord, ValidationSampling};

use super::Run;
use crate::TrainError;
use crate::activations::{FeaturesOfBatches, ImageVersion, SplitData};
use crate::checkpoint::BegunEpoch;
use crate::process::peak_memory_bytes;
use crate::validation::seen_in_validation_pass;

/// Is told that a batch has ended, with what has been done of the epoch; may end it by an error.
pub(crate) type AfterBatch<'f> =
    &'f mut dyn FnMut(&Run<'_>, &dyn Fn() -> BegunEpoch) -> Result<(), TrainError>;

/// Images evaluated together.
const EVALUATION_BATCH: usize = 50;

impl Run<'_> {
    /// An epoch of the present phase before its first batch.
    pub(crate) fn begin(&self) -> BegunEpoch {
        let train = empty_record(Split::Train, &self.data().train);
        BegunEpoch { train, training_seconds: 0.0, seconds: 0.0 }
    }

    /// Trains for one epoch, counted from 0, from where it had begun, and evaluates: the record, and
    /// what the model says about each evaluated image.
    pub(crate) fn epoch(
        &mut self,
        epoch: usize,
        begun: BegunEpoch,
        after_batch: AfterBatch<'_>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(EpochRecord, Vec<Prediction>), TrainError> {
        let start = Instant::now();
        let train = self.train(epoch, begun, after_batch, progress)?;
        let training_seconds = begun.training_seconds + start.elapsed().as_secs_f64();
        let so_far = || BegunEpoch {
            train,
            training_seconds,
            seconds: begun.seconds + start.elapsed().as_secs_f64(),
        };
        self.base.give_back_memory();
        let mut splits = vec![train];
        let mut predictions = Vec::new();
        let evaluated = self.data().evaluation.iter();
        let now = |split: Split| self.cell.procedure.evaluates_after(split, epoch);
        for (split, data) in evaluated.filter(|(split, _)| now(*split)) {
            let of_split = self.predict(*split, data, &mut || after_batch(self, &so_far))?;
            splits.push(self.evaluate(epoch, *split, &of_split));
            predictions.extend(of_split);
        }
        self.base.give_back_memory();
        // The last step may have led the weights where the loss has no value.
        if let Some(record) = splits.iter().find(|record| !record.loss_sum.is_finite()) {
            return Err(TrainError::Diverged { epoch: epoch + 1, loss: record.loss_sum });
        }
        let (drift, tensor_drifts) = drift(&self.base)?;
        let record = EpochRecord {
            epoch: epoch + 1,
            images_per_second: train.count as f64 / training_seconds,
            splits,
            drift,
            tensor_drifts,
            seconds: begun.seconds + start.elapsed().as_secs_f64(),
            peak_memory_bytes: peak_memory_bytes(),
        };
        Ok((record, predictions))
    }

    /// Shows every training image once, in batches of a random order; the last batch takes what is
    /// left. Those of the batches that it had begun with were shown before.
    fn train(
        &mut self,
        epoch: usize,
        begun: BegunEpoch,
        after_batch: AfterBatch<'_>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<SplitRecord, TrainError> {
        let (procedure, data) = (self.phase.procedure, &self.data().train);
        if procedure.keeps_features_of_batches() && self.features_of_batches.is_none() {
            let epoch = self.phase.first_epoch;
            let version = ImageVersion::Training { seed: self.cell.seed, epoch };
            let features = FeaturesOfBatches::extract(
                data,
                &self.base,
                procedure,
                &self.order(epoch),
                version,
            )?;
            self.features_of_batches = Some(features);
        }
        let beginning = Instant::now();
        let mut record = begun.train;
        let order = self.order(epoch);
        for images in order[begun.train.count as usize..].chunks(procedure.batch_size) {
            let version = ImageVersion::Training { seed: self.cell.seed, epoch };
            let boundary = match &self.features_of_batches {
                Some(features) => features.batch(images, &self.device)?,
                None => data.boundary(&self.base, procedure, images, version, &self.device)?,
            };
            // Variables may lie below what gradients go through.
            let blocks = self.variable_blocks();
            let start = procedure.blocks_without_gradients().max(blocks.start);
            let boundary = self.base.forward_in_training(&boundary, blocks.start..start)?;
            let (features, tape) = self.base.forward_on_tape(&boundary, start..blocks.end)?;
            let (logits, head_tape) =
                self.head.forward_on_tape(&features, self.dropout_mask(images, epoch)?.as_ref())?;
            let labels = labels(data, images);
            let losses = self.loss.per_image(&logits, &labels, procedure.loss_clip)?;
            let mut gradients = Gradients::of(&losses.mean_all()?)?;
            head_tape.backward(&mut gradients)?;
            tape.backward(&mut gradients)?;
            for parameter in self.base.parameters().iter().filter(|known| known.block < start) {
                if let Some(variable) = parameter.trained() {
                    gradients.insert_zeros(variable)?;
                }
            }
            self.optimizer.apply(&gradients)?;
            add(&mut record, &losses.to_vec1()?, &self.loss.predicted(&logits)?, &labels);
            progress(images.len() as u64);
            // No checkpoint holds what no run can go on from.
            if !record.loss_sum.is_finite() {
                return Err(TrainError::Diverged { epoch: epoch + 1, loss: record.loss_sum });
            }
            after_batch(self, &|| {
                let seconds = beginning.elapsed().as_secs_f64();
                BegunEpoch {
                    train: record,
                    training_seconds: begun.training_seconds + seconds,
                    seconds: begun.seconds + seconds,
                }
            })?;
        }
        Ok(record)
    }

    /// The order in which an epoch shows the training images.
    fn order(&self, epoch: usize) -> Vec<usize> {
        let images = self.data().train.pixels.len();
        order(self.phase.procedure.shuffle, self.cell.seed, epoch, images)
    }

    /// Predictions of the present model for each image of a split.
    fn predict(
        &self,
        split: Split,
        data: &SplitData,
        after_batch: &mut dyn FnMut() -> Result<(), TrainError>,
    ) -> Result<Vec<Prediction>, TrainError> {
        let mut predictions = Vec::with_capacity(data.pixels.len());
        let all: Vec<usize> = (0..data.pixels.len()).collect();
        for images in all.chunks(EVALUATION_BATCH) {
            let boundary = data.boundary(
                &self.base,
                self.phase.procedure,
                images,
                ImageVersion::Plain,
                &self.device,
            )?;
            let features = self.base.forward(&boundary, self.variable_blocks())?;
            let logits = self.head.forward(&features, None, Mode::Evaluation)?;
            let labels = labels(data, images);
            let losses: Vec<f32> =
                self.loss.per_image(&logits, &labels, self.phase.procedure.loss_clip)?.to_vec1()?;
            let predicted = images
                .iter()
                .zip(labels)
                .zip(self.loss.predicted(&logits)?.into_iter().zip(losses));
            predictions.extend(predicted.map(|((&image, label), (predicted, loss))| Prediction {
                split,
                image: image as u32,
                label,
                predicted,
                loss,
            }));
            after_batch()?;
        }
        Ok(predictions)
    }

    /// The record of a split from what is said about each of its images; the procedure may look at
    /// some of them twice and at others not.
    fn evaluate(&self, epoch: usize, split: Split, predictions: &[Prediction]) -> SplitRecord {
        let procedure = self.phase.procedure;
        let seen = match (split, procedure.validation_sampling) {
            (Split::Validation, ValidationSampling::PrefetchedAway) => seen_in_validation_pass(
                predictions.len(),
                procedure.batch_size,
                self.cell.seed,
                epoch,
            ),
            _ => (0..predictions.len()).collect(),
        };
        let of_seen = || seen.iter().map(|&image| &predictions[image]);
        SplitRecord {
            split,
            loss_sum: of_seen().map(|prediction| f64::from(prediction.loss)).sum(),
            correct: of_seen().filter(|prediction| prediction.is_correct()).count() as u64,
            count: seen.len() as u64,
            distinct_images: seen.iter().collect::<BTreeSet<_>>().len() as u64,
        }
    }

    /// The blocks behind the freeze boundary.
    fn variable_blocks(&self) -> Range<usize> {
        let procedure = self.phase.procedure;
        procedure.frozen_blocks()..procedure.architecture.blocks()
    }

    /// `[images, units]` of 0 for dropped units and 1 / (1 − rate) for the others. Each
    /// image has a stream of its own, so its mask does not depend on the batch it is in.
    fn dropout_mask(&self, images: &[usize], epoch: usize) -> Result<Option<Tensor>, TrainError> {
        let (rate, units) = (self.phase.procedure.dropout, self.head.units());
        if rate == 0.0 {
            return Ok(None);
        }
        let kept = (1.0 / (1.0 - rate)) as f32;
        let mask: Vec<f32> = images
            .iter()
            .flat_map(|&image| {
                let mut stream = Stream::new(self.cell.seed, Purpose::Dropout, epoch, image);
                (0..units).map(move |_| if stream.unit() < rate { 0.0 } else { kept })
            })
            .collect();
        Ok(Some(Tensor::from_vec(mask, (images.len(), units), &self.device)?))
    }
}

/// Adds a batch to a record.
fn add(record: &mut SplitRecord, losses: &[f32], predicted: &[u32], labels: &[u32]) {
    record.loss_sum += losses.iter().copied().map(f64::from).sum::<f64>();
    record.correct +=
        predicted.iter().zip(labels).filter(|(predicted, label)| predicted == label).count() as u64;
    record.count += labels.len() as u64;
}

fn empty_record(split: Split, data: &SplitData) -> SplitRecord {
    SplitRecord {
        split,
        loss_sum: 0.0,
        correct: 0,
        count: 0,
        distinct_images: data.pixels.len() as u64,
    }
}

fn labels(data: &SplitData, images: &[usize]) -> Vec<u32> {
    images.iter().map(|&image| data.pixels.labels()[image]).collect()
}

/// Images by number in the order in which an epoch shows them: shuffled by the seed, or that of the
/// folder, class after class.
fn order(shuffle: bool, seed: u64, epoch: usize, images: usize) -> Vec<usize> {
    if shuffle {
        Stream::new(seed, Purpose::Shuffle, epoch, 0).permutation(images)
    } else {
        (0..images).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_shuffling_images_come_in_the_order_of_the_folder() {
        assert_eq!(order(false, 5, 3, 4), [0, 1, 2, 3]);
        let shuffled = order(true, 5, 3, 100);
        assert!(shuffled != order(true, 5, 4, 100) && shuffled != order(true, 6, 3, 100));
        let mut sorted = shuffled;
        sorted.sort_unstable();
        assert_eq!(sorted, order(false, 5, 3, 100), "each image once");
    }
}
