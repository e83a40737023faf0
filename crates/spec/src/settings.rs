//! The settings of a procedure as a person types them: any subset, to be laid over the defaults.

use serde::Deserialize;

use crate::batch_norm::{FrozenStatisticsSetting, MovingVarianceName};
use crate::error::Contradiction;
use crate::optimizer::{OptimizerName, ScheduleName};
use crate::phase::PhaseSettings;
use crate::{
    AugmentationSetting, BiasCorrection, Cache, ClipNormOf, ConvolutionAlgorithm, EpsilonPosition,
    EvaluateTest, FreezeBoundary, FreezeBy, Initializer, Interpolation, MomentumForm,
    MovingAverage, NestedFreeze, OptimizerCollects, Pooling, PreprocessingName, Profile, Resize,
    ShearUnit, TransformCenter, ValidationSampling, WeightDecayForm,
};

/// The defaults, with a comment on each.
pub(crate) const DEFAULTS: &str = include_str!("defaults.toml");

macro_rules! settings {
    ($($(#[$doc:meta])* $field:ident: $kind:ty,)*) => {
        /// Settings of a procedure. Each is a key of `[procedure]`, and each can be a factor of
        /// `[matrix]`.
        #[derive(Clone, Debug, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct Settings {
            $($(#[$doc])* pub(crate) $field: Option<$kind>,)*
        }

        impl Settings {
            /// Lets what `upper` sets replace what is set here.
            pub(crate) fn overlay(&mut self, upper: &Settings) {
                $(if upper.$field.is_some() { self.$field = upper.$field.clone(); })*
            }
        }
    };
}

settings! {
    /// Library whose habits take the place of the defaults.
    profile: Profile,
    /// Side of the square that every image is resized to, in pixels.
    image_size: usize,
    /// Filter that resizes images.
    resize: Resize,
    /// Preprocessing of the pixels.
    preprocessing: PreprocessingName,
    /// Random transformation of the training images.
    augmentation: AugmentationSetting,
    /// The unit of the book's shear.
    shear_unit: ShearUnit,
    /// Interpolation between the pixels of a transformed image.
    interpolation: Interpolation,
    /// The fixed point of the transformation.
    transform_center: TransformCenter,
    /// The declared freeze boundary.
    freeze: FreezeBoundary,
    /// Object on which the freeze is declared.
    freeze_by: FreezeBy,
    /// Treatment of a freeze that is declared on a nested base.
    nested_freeze: NestedFreeze,
    /// Tensors of the base that the optimizer holds.
    optimizer_collects: OptimizerCollects,
    /// What training does with the moving statistics of a frozen batch normalisation.
    frozen_statistics: FrozenStatisticsSetting,
    /// Share of a batch's statistics in the moving ones; 0 stands for the base's own.
    statistics_share: f64,
    /// The variance of a batch that the moving one follows.
    moving_variance: MovingVarianceName,
    /// How a moving average begins.
    moving_average: MovingAverage,
    /// Caching of the frozen part's activations.
    cache: Cache,
    /// Number of augmented variants of each image that are kept when `cache = "variants"`; 0 stands
    /// for one per epoch.
    variants: usize,
    /// Width of the head's hidden layer.
    hidden_units: usize,
    /// What becomes of the base's activations before the head's layers.
    pooling: Pooling,
    /// Probability with which a hidden unit is dropped.
    dropout: f64,
    /// Step size η of RMSprop.
    learning_rate: f64,
    /// The optimizer.
    optimizer: OptimizerName,
    /// Decay ρ of RMSprop's running mean of squared gradients.
    rho: f64,
    /// The ε of RMSprop and Adam.
    epsilon: f64,
    /// Position of RMSprop's ε, outside or inside the root.
    epsilon_position: EpsilonPosition,
    /// Momentum μ of SGD.
    momentum: f64,
    /// Whether SGD's gradient is looked at where momentum leads.
    nesterov: bool,
    /// What momentum accumulates.
    momentum_form: MomentumForm,
    /// Decay β₁ of Adam's running mean of gradients.
    beta_1: f64,
    /// Decay β₂ of Adam's running mean of squared gradients.
    beta_2: f64,
    /// What Adam's bias correction corrects.
    bias_correction: BiasCorrection,
    /// Weight decay λ of SGD, Adam and AdamW.
    weight_decay: f64,
    /// How weights decay, with SGD and Adam.
    weight_decay_form: WeightDecayForm,
    /// Course of the learning rate over the epochs.
    schedule: ScheduleName,
    /// Epochs in which the learning rate grows to the whole.
    warmup_epochs: usize,
    /// Epochs between the steps of the learning rate, or without progress before one.
    step_epochs: usize,
    /// Factor of a step of the learning rate.
    step_factor: f64,
    /// Largest norm of the gradients; 0 is none.
    clip_norm: f64,
    /// Gradients of which the norm is meant.
    clip_norm_of: ClipNormOf,
    /// Largest absolute value of a number of the gradients; 0 is none.
    clip_value: f64,
    /// Probabilities closer to 0 or 1 than this are clipped in the loss; 0 clips none.
    loss_clip: f64,
    /// Distribution of the head's initial weights.
    initializer: Initializer,
    /// Sampling of the images of a validation pass, where training is from images.
    validation_sampling: ValidationSampling,
    /// When the test images are evaluated.
    evaluate_test: EvaluateTest,
    /// Number of passes over the training images.
    epochs: usize,
    /// Number of images per step.
    batch_size: usize,
    /// Whether each epoch has its own random order.
    shuffle: bool,
    /// Algorithm of 3×3 convolutions.
    convolution: ConvolutionAlgorithm,
    /// Trainings that follow each other, each of which starts from what the one before it left.
    phase: Vec<PhaseSettings>,
}

/// A setting that must have a value.
pub(crate) fn set<T: Clone>(name: &str, value: &Option<T>) -> Result<T, Contradiction> {
    value.clone().ok_or_else(|| Contradiction::new(format!("`{name}` is not set")))
}
