//! A procedure: every setting concrete, nothing left to a default elsewhere.

use serde::{Deserialize, Serialize};

use crate::error::Contradiction;
use crate::optimizer;
use crate::phase::{self, LaterPhase};
use crate::settings::{Settings, set};
use crate::{
    Architecture, Augmentation, Cache, Clipping, ConvolutionAlgorithm, EvaluateTest,
    FreezeBoundary, FreezeBy, FrozenStatistics, Initializer, Interpolation, MovingStatistics,
    NestedFreeze, Optimizer, OptimizerCollects, Pooling, Preprocessing, Profile, Resampling,
    Resize, Schedule, TransformCenter, ValidationSampling,
};

/// Complete settings of a training but for its seed: the part of a cell that is compared.
///
/// With several phases the fields are those of the first, and [`Procedure::phases`] lists them all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Procedure {
    /// The convolutional base.
    pub architecture: Architecture,
    /// Side of the square that every image is resized to, in pixels; at least 32.
    pub image_size: usize,
    /// Filter that resizes images.
    pub resize: Resize,
    /// Preprocessing of the pixels.
    pub preprocessing: Preprocessing,
    /// Random transformation of the training images.
    pub augmentation: Augmentation,
    /// Declared freeze boundary.
    pub freeze: FreezeBoundary,
    /// Tensors of the base that the optimizer holds.
    pub optimizer_collects: OptimizerCollects,
    /// Caching of the frozen part's activations.
    pub cache: Cache,
    /// Number of augmented variants of each training image that are kept; 1 unless `cache` is
    /// [`Cache::Variants`].
    pub variants: usize,
    /// Width of the head's hidden layer; 0 for a head without one.
    pub hidden_units: usize,
    /// Probability with which a hidden unit is dropped, in [0, 1).
    pub dropout: f64,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// Number of passes over the training images.
    pub epochs: usize,
    /// Number of images per step; the last step of an epoch takes what is left.
    pub batch_size: usize,
    /// Whether each epoch shows the images in its own random order, instead of class after class.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub shuffle: bool,
    /// Algorithm of 3×3 convolutions.
    #[serde(default = "direct", skip_serializing_if = "is_direct")]
    pub convolution: ConvolutionAlgorithm,
    /// Interpolation between the pixels of a transformed image.
    #[serde(default, skip_serializing_if = "is_default")]
    pub interpolation: Interpolation,
    /// Fixed point of the transformation.
    #[serde(default, skip_serializing_if = "is_default")]
    pub transform_center: TransformCenter,
    /// Distance from 0 and 1 to which probabilities are clipped in the loss, in [0, 0.5); 0 clips
    /// none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub loss_clip: f64,
    /// Distribution of the head's initial weights.
    #[serde(default, skip_serializing_if = "is_default")]
    pub initializer: Initializer,
    /// Sampling of the images of a validation pass.
    #[serde(default, skip_serializing_if = "is_default")]
    pub validation_sampling: ValidationSampling,
    /// Course of the learning rate over the epochs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub schedule: Schedule,
    /// Limits on the gradients.
    #[serde(default, skip_serializing_if = "is_default")]
    pub clipping: Clipping,
    /// What becomes of the base's activations before the head's layers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pooling: Pooling,
    /// What training does with the moving statistics of a frozen batch normalisation.
    #[serde(default, skip_serializing_if = "is_default")]
    pub frozen_statistics: FrozenStatistics,
    /// How moving statistics follow a batch's, where that is not as in the library that the base is
    /// from.
    #[serde(default, skip_serializing_if = "is_default")]
    pub moving_statistics: Option<MovingStatistics>,
    /// When the test images are evaluated. It belongs to the whole procedure: phases after the first
    /// have the default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub evaluate_test: EvaluateTest,
    /// Phases after the first, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later_phases: Vec<LaterPhase>,
}

/// Cells were named before these could be chosen, and keep their names.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn direct() -> ConvolutionAlgorithm {
    ConvolutionAlgorithm::Direct
}

/// Cells that convolve by definition were named before there was a choice, and keep their names.
fn is_direct(value: &ConvolutionAlgorithm) -> bool {
    *value == ConvolutionAlgorithm::Direct
}

fn yes() -> bool {
    true
}

/// Shuffled cells were named before there was a choice, and keep their names.
fn is_yes(value: &bool) -> bool {
    *value
}

impl Procedure {
    /// Resolves settings laid over the defaults, so that each is present.
    pub(crate) fn resolve(
        architecture: Architecture,
        settings: &Settings,
    ) -> Result<Self, Contradiction> {
        if let Some(phases) = settings.phase.as_deref().filter(|phases| !phases.is_empty()) {
            return phase::resolve(architecture, settings, phases);
        }
        let epochs = set("epochs", &settings.epochs)?;
        let cache = set("cache", &settings.cache)?;
        let variants = set("variants", &settings.variants)?;
        if cache != Cache::Variants && variants != 0 {
            return Err(Contradiction::new(format!(
                "variants = {variants} needs cache = \"variants\""
            )));
        }
        let freeze = set("freeze", &settings.freeze)?;
        let freeze_by = set("freeze_by", &settings.freeze_by)?;
        let nested_freeze = set("nested_freeze", &settings.nested_freeze)?;
        if freeze_by == FreezeBy::Container && matches!(freeze, FreezeBoundary::Block(_)) {
            let reason = format!(
                "freeze = \"{freeze}\" cannot be declared on the base as a whole, as freeze_by = \"container\" says"
            );
            return Err(Contradiction::new(reason).remedy("set freeze_by = \"layers\""));
        }
        // Where activations are cached the base is no part of the model that is trained.
        let from_images = cache == Cache::None;
        let freeze_is_ignored = freeze_by == FreezeBy::Container
            && nested_freeze == NestedFreeze::Ignored
            && freeze == FreezeBoundary::All
            && from_images;
        let augmentation = set("augmentation", &settings.augmentation)?
            .resolve(set("shear_unit", &settings.shear_unit)?);
        let augmented = augmentation != Augmentation::None;
        let validation_sampling = set("validation_sampling", &settings.validation_sampling)?;
        let mut procedure = Self {
            architecture,
            image_size: set("image_size", &settings.image_size)?,
            resize: set("resize", &settings.resize)?,
            preprocessing: architecture
                .preprocessing(set("preprocessing", &settings.preprocessing)?),
            augmentation,
            freeze,
            optimizer_collects: if freeze_is_ignored {
                OptimizerCollects::Everything
            } else {
                set("optimizer_collects", &settings.optimizer_collects)?
            },
            cache,
            variants: match (cache, variants) {
                (Cache::Variants, 0) => epochs,
                (Cache::Variants, count) => count,
                (Cache::None | Cache::Features, _) => 1,
            },
            hidden_units: set("hidden_units", &settings.hidden_units)?,
            dropout: set("dropout", &settings.dropout)?,
            optimizer: optimizer::resolve(settings)?,
            schedule: optimizer::resolve_schedule(settings)?,
            pooling: set("pooling", &settings.pooling)?,
            clipping: optimizer::resolve_clipping(settings)?,
            epochs,
            batch_size: set("batch_size", &settings.batch_size)?,
            shuffle: set("shuffle", &settings.shuffle)?,
            convolution: set("convolution", &settings.convolution)?,
            // What cannot matter does not make procedures different.
            interpolation: if augmented {
                set("interpolation", &settings.interpolation)?
            } else {
                Interpolation::default()
            },
            transform_center: if augmented {
                set("transform_center", &settings.transform_center)?
            } else {
                TransformCenter::default()
            },
            loss_clip: set("loss_clip", &settings.loss_clip)?,
            initializer: set("initializer", &settings.initializer)?,
            validation_sampling: if from_images {
                validation_sampling
            } else {
                ValidationSampling::EachOnce
            },
            frozen_statistics: set("frozen_statistics", &settings.frozen_statistics)?
                .resolve(freeze_by, !from_images),
            moving_statistics: MovingStatistics::resolve(architecture, settings)?,
            evaluate_test: if epochs > 1 {
                set("evaluate_test", &settings.evaluate_test)?
            } else {
                EvaluateTest::default()
            },
            later_phases: Vec::new(),
        };
        if !architecture.has_batch_norm() || procedure.blocks_without_gradients() == 0 {
            procedure.frozen_statistics = FrozenStatistics::default();
        }
        if settings.profile == Some(Profile::Keras3)
            && from_images
            && procedure.frozen_statistics != FrozenStatistics::Kept
        {
            let reason = format!(
                "frozen_statistics = \"{}\", but Keras 3 evaluates a frozen BatchNorm whatever else is set",
                procedure.frozen_statistics.name()
            );
            return Err(Contradiction::new(reason).remedy(
                "leave it out with profile = \"keras-3\", or take profile = \"torch\" or an older Keras",
            ));
        }
        if !procedure.moves_statistics() {
            procedure.moving_statistics = None;
        }
        procedure.check()?;
        Ok(procedure)
    }

    /// The freeze boundary that the optimizer knows, whatever was declared.
    pub fn collected_boundary(&self) -> FreezeBoundary {
        match self.optimizer_collects {
            OptimizerCollects::Unfrozen => self.freeze,
            OptimizerCollects::Everything | OptimizerCollects::EverythingWithZeroGradients => {
                FreezeBoundary::None
            }
        }
    }

    /// Number of leading blocks of the base through which no gradient goes, whether the optimizer
    /// holds their tensors or not.
    pub fn blocks_without_gradients(&self) -> usize {
        match self.optimizer_collects {
            OptimizerCollects::Unfrozen | OptimizerCollects::EverythingWithZeroGradients => {
                self.freeze.frozen_blocks(self.architecture.blocks())
            }
            OptimizerCollects::Everything => 0,
        }
    }

    /// Whether training moves statistics of batch normalisation, of trained blocks or of frozen ones.
    pub fn moves_statistics(&self) -> bool {
        let architecture = self.architecture;
        architecture.has_batch_norm()
            && (self.frozen_statistics == FrozenStatistics::Moving
                || self.blocks_without_gradients() < architecture.blocks())
    }

    /// Whether the features are kept of one training pass through a frozen base, in whose batches
    /// they were normalised. They are this cell's alone.
    pub fn keeps_features_of_batches(&self) -> bool {
        self.cache == Cache::Features && self.frozen_statistics == FrozenStatistics::Batch
    }

    /// Numbers that the head is given for an image, of which the base puts out `floats` in
    /// `channels`.
    pub fn head_inputs<N>(&self, floats: N, channels: N) -> N {
        match self.pooling {
            Pooling::Flatten => floats,
            Pooling::Average => channels,
        }
    }

    /// Multiply-adds of the head's largest layer for an image, forward; `floats` and `channels` as
    /// in [`Procedure::head_inputs`].
    pub fn head_multiply_adds(&self, floats: u64, channels: u64) -> u64 {
        self.head_inputs(floats, channels) * self.hidden_units.max(1) as u64
    }

    /// Application of affine maps to images.
    pub fn resampling(&self) -> Resampling {
        Resampling { interpolation: self.interpolation, center: self.transform_center }
    }

    /// Number of leading blocks of the base that no step changes.
    pub fn frozen_blocks(&self) -> usize {
        self.collected_boundary().frozen_blocks(self.architecture.blocks())
    }

    /// Changes the number of epochs of this phase, and of its variants with it.
    pub(crate) fn shorten(&mut self, epochs: usize) {
        if epochs == 1 && self.later_phases.is_empty() {
            self.evaluate_test = EvaluateTest::default();
        }
        if self.cache == Cache::Variants {
            self.variants =
                if self.variants == self.epochs { epochs } else { self.variants.min(epochs) };
        }
        self.epochs = epochs;
    }

    fn check(&self) -> Result<(), Contradiction> {
        let contradiction = |reason: String| Err(Contradiction::new(reason));
        let out_of_range =
            |setting, reason: String| Err(Contradiction::out_of_range(setting, reason));
        let blocks = self.architecture.blocks();
        if let FreezeBoundary::Block(block) = self.freeze
            && block > blocks
        {
            let reason = format!(
                "freeze = \"block_{block}\", but {} has the blocks 1 to {blocks}",
                self.architecture
            );
            return Err(Contradiction::out_of_range("freeze", reason)
                .remedy("name one of these, \"all\" or \"none\""));
        }
        if self.optimizer_collects != OptimizerCollects::Unfrozen
            && self.freeze == FreezeBoundary::None
        {
            let name = match self.optimizer_collects {
                OptimizerCollects::EverythingWithZeroGradients => "everything_with_zero_gradients",
                _ => "everything",
            };
            return contradiction(format!(
                "optimizer_collects = \"{name}\" differs from \"unfrozen\" only when something is frozen"
            ));
        }
        if self.cache != Cache::None && self.frozen_blocks() == 0 {
            return contradiction("activations can be cached only behind frozen blocks, and the optimizer collects all of them".to_owned());
        }
        match (self.cache, self.frozen_statistics) {
            (Cache::Features | Cache::Variants, FrozenStatistics::Moving) => {
                let reason = "with frozen_statistics = \"moving\" the base changes from batch to batch, so that no cached activation would stay right";
                let remedy = "set cache = \"none\", or frozen_statistics = \"batch\" (normalised by the batches of one pass) or \"kept\"";
                return Err(Contradiction::new(reason.to_owned()).remedy(remedy));
            }
            (Cache::Variants, FrozenStatistics::Batch) => {
                let reason = "with frozen_statistics = \"batch\" an image's activations depend on its batch, and cached variants are shown in other ones";
                let remedy = "set cache = \"features\" (one pass, in the batches of the first epoch), cache = \"none\", or frozen_statistics = \"kept\"";
                return Err(Contradiction::new(reason.to_owned()).remedy(remedy));
            }
            _ => {}
        }
        match (self.cache, self.augmentation) {
            (Cache::Features, Augmentation::Affine(_)) => {
                return contradiction(
                    "cached features hold each image once, so augmentation cannot reach them; use cache = \"variants\"".to_owned(),
                );
            }
            (Cache::Variants, Augmentation::None) => {
                return contradiction("without augmentation all variants of an image are the same; use cache = \"features\"".to_owned());
            }
            _ => {}
        }
        if self.cache == Cache::Variants && self.variants > self.epochs {
            let Self { variants, epochs, .. } = self;
            let reason =
                format!("variants = {variants}, but {epochs} epochs show only {epochs} of them");
            let remedy = format!("set `variants` to {epochs} or fewer, or to 0 for one per epoch");
            return Err(Contradiction::new(reason).remedy(&remedy));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return out_of_range("dropout", format!("dropout = {} is not in [0, 1)", self.dropout));
        }
        if !(0.0..0.5).contains(&self.loss_clip) {
            let reason = format!("loss_clip = {} is not in [0, 0.5)", self.loss_clip);
            return out_of_range("loss_clip", reason);
        }
        if self.loss_clip > 0.0 && 1.0 - self.loss_clip as f32 == 1.0 {
            let reason = format!(
                "loss_clip = {} is too small for 32-bit floats, in which 1 less it is 1",
                self.loss_clip
            );
            return out_of_range("loss_clip", reason);
        }
        if let Augmentation::Affine(ranges) = self.augmentation {
            if !(0.0..1.0).contains(&ranges.zoom) {
                let reason = format!("zoom = {} is not in [0, 1)", ranges.zoom);
                return out_of_range("augmentation", reason);
            }
            for (name, value) in [
                ("rotation_degrees", ranges.rotation_degrees),
                ("width_shift", ranges.width_shift),
                ("height_shift", ranges.height_shift),
                ("shear_radians", ranges.shear_radians),
            ] {
                if !value.is_finite() {
                    let reason = format!("{name} = {value} is not a number");
                    return out_of_range("augmentation", reason);
                }
            }
        }
        for (name, value) in [("epochs", self.epochs), ("batch_size", self.batch_size)] {
            if value == 0 {
                return Err(Contradiction::out_of_range(name, format!("{name} = 0"))
                    .remedy(&format!("set `{name}` to 1 or more")));
            }
        }
        // Beyond these no arithmetic of sizes and durations holds.
        for (name, value, most) in [
            ("epochs", self.epochs, 1_000_000),
            ("batch_size", self.batch_size, 10_000_000),
            ("hidden_units", self.hidden_units, 1_000_000),
            ("image_size", self.image_size, 10_000),
        ] {
            if value > most {
                let reason = format!("{name} = {value} is more than {most}");
                return Err(Contradiction::out_of_range(name, reason)
                    .remedy(&format!("set `{name}` to {most} or fewer")));
            }
        }
        let least = self.architecture.smallest_image();
        if self.image_size < least {
            let reason = format!(
                "image_size = {} leaves nothing of an image; {} needs at least {least}",
                self.image_size, self.architecture
            );
            return out_of_range("image_size", reason);
        }
        Ok(())
    }
}
