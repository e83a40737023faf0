//! Cross-entropy on logits: binary for two classes, categorical for more.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// Cross-entropy of logits, in nats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Binary cross-entropy of one logit z per image; `max(z, 0) − z·y + ln(1 + e^−|z|)`.
    Binary,
    /// Categorical cross-entropy of one logit per class; `ln Σ e^z − z_y`.
    Categorical {
        /// Number of classes.
        classes: usize,
    },
}

impl Loss {
    /// The loss for this number of classes.
    pub fn for_classes(classes: usize) -> Self {
        if classes == 2 { Self::Binary } else { Self::Categorical { classes } }
    }

    /// Number of logits per image.
    pub fn outputs(self) -> usize {
        match self {
            Self::Binary => 1,
            Self::Categorical { classes } => classes,
        }
    }

    /// The loss of each image, `[batch]`, in nats, from `[batch, outputs]` logits. Probabilities
    /// closer to 0 or 1 than `clip` are clipped, as Keras 2 does; then their gradient is zero. With
    /// 0 none is.
    ///
    /// # Errors
    /// When the number of labels is not that of the logits' rows.
    pub fn per_image(self, logits: &Tensor, labels: &[u32], clip: f64) -> Result<Tensor> {
        let (batch, outputs) = logits.dims2()?;
        if batch != labels.len() || outputs != self.outputs() {
            candle_core::bail!(
                "{batch}×{outputs} logits for {} labels and {} outputs",
                labels.len(),
                self.outputs()
            );
        }
        logits.contiguous()?.apply_op1(CrossEntropy {
            loss: self,
            labels: labels.to_vec(),
            clip: clip as f32,
        })
    }

    /// The class that each image is given. A probability of exactly one half counts as the first
    /// class, as in Keras.
    ///
    /// # Errors
    /// When the logits cannot be read.
    pub fn predicted(self, logits: &Tensor) -> Result<Vec<u32>> {
        let logits = logits.flatten_all()?.to_vec1::<f32>()?;
        let predicted = |row: &[f32]| match self {
            Self::Binary => u32::from(row[0] > 0.0),
            Self::Categorical { .. } => {
                let best = row
                    .iter()
                    .enumerate()
                    .fold(0, |best, (class, logit)| if *logit > row[best] { class } else { best });
                best as u32
            }
        };
        Ok(logits.chunks_exact(self.outputs()).map(predicted).collect())
    }
}

/// Written as an operation of its own because Candle's ReLU and absolute value have no usable
/// gradient at zero, where a head with dead hidden units puts its logits.
struct CrossEntropy {
    loss: Loss,
    labels: Vec<u32>,
    clip: f32,
}

impl CrossEntropy {
    fn loss(&self, row: &[f32], label: u32) -> f32 {
        match self.loss {
            Loss::Binary => {
                let mut logit = row[0];
                if self.clip > 0.0 {
                    // Keras 2 goes from the probability back to a logit, and so rounds it.
                    let probability = sigmoid(logit).clamp(self.clip, 1.0 - self.clip);
                    logit = (probability / (1.0 - probability)).ln();
                }
                logit.max(0.0) - logit * label as f32 + (-logit.abs()).exp().ln_1p()
            }
            Loss::Categorical { .. } => {
                let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f32 = row.iter().map(|logit| (logit - largest).exp()).sum();
                let loss = sum.ln() + largest - row[label as usize];
                if self.clip > 0.0 {
                    loss.clamp(-(1.0 - self.clip).ln(), -self.clip.ln())
                } else {
                    loss
                }
            }
        }
    }

    /// The loss's derivative by each logit: probability minus target, or zero where the probability
    /// was clipped.
    fn gradient(&self, row: &[f32], label: u32, gradient: &mut [f32]) {
        let clipped = |probability: f32| !(self.clip..=1.0 - self.clip).contains(&probability);
        match self.loss {
            Loss::Binary => {
                let probability = sigmoid(row[0]);
                gradient[0] = if clipped(probability) { 0.0 } else { probability - label as f32 };
            }
            Loss::Categorical { .. } => {
                let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f32 = row.iter().map(|logit| (logit - largest).exp()).sum();
                for (class, (gradient, logit)) in gradient.iter_mut().zip(row).enumerate() {
                    *gradient = (logit - largest).exp() / sum
                        - f32::from(u8::from(class == label as usize));
                }
                if clipped((row[label as usize] - largest).exp() / sum) {
                    gradient.fill(0.0);
                }
            }
        }
    }
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("logits must be contiguous")
        };
        let rows = logits.as_slice::<f32>()?[start..end].chunks_exact(self.loss.outputs());
        let losses: Vec<f32> =
            rows.zip(&self.labels).map(|(row, label)| self.loss(row, *label)).collect();
        Ok((CpuStorage::F32(losses), self.labels.len().into()))
    }

    fn bwd(&self, logits: &Tensor, _losses: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let values = logits.flatten_all()?.to_vec1::<f32>()?;
        let incoming = gradient.to_vec1::<f32>()?;
        let mut result = vec![0f32; values.len()];
        let outputs = self.loss.outputs();
        for (image, result) in result.chunks_exact_mut(outputs).enumerate() {
            self.gradient(&values[image * outputs..][..outputs], self.labels[image], result);
            result.iter_mut().for_each(|value| *value *= incoming[image]);
        }
        Ok(Some(Tensor::from_vec(result, logits.shape(), logits.device())?))
    }
}
