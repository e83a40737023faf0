//! From images to pixels: folders, synthetic pictures, decoding, resizing, augmentation and
//! preprocessing, the artifacts they are kept in, and the addressed random streams from which
//! everything random in a training is drawn.
//!
//! In the order in which one meets them:
//!
//! - [`Dataset`]: labelled images by split and number; a [`Folder`] of photographs, or
//!   [`Synthetic`] pictures that are drawn.
//! - [`decode()`] gives red, green and blue bytes, [`resize()`] a square of them, as Pillow does.
//! - [`Pixels`]: a split, decoded and resized once, `[images, size, size, 3]` bytes in an
//!   [`Artifact`] that is mapped into memory. One that takes long is resumed by
//!   [`ArtifactWriter::resume`]; [`Begun`] is the note on how far it is.
//! - [`Stream`]: random numbers by address.
//! - [`Transform`]: one random affine transformation, as Keras' generator draws and applies it.
//! - [`preprocess()`]: bytes to the 32-bit floats that a base sees, channels last.
//!
//! Nothing here knows a tensor library or a base.
//!
//! ```
//! use thaw_data::{Dataset, Purpose, Stream, Synthetic, Transform, preprocess, resize};
//! use thaw_spec::{
//!     AffineRanges, Architecture, PreprocessingName, Resize, Split, SyntheticDataset,
//!     SyntheticTask, TransformCenter,
//! };
//!
//! let animals = Synthetic::new(SyntheticDataset {
//!     task: SyntheticTask::CatsAndDogs,
//!     seed: 5,
//!     size: 32,
//!     train: 8,
//!     validation: 4,
//!     test: 0,
//! });
//! let square = resize(&animals.image(Split::Train, 0)?, 48, Resize::Nearest);
//! assert_eq!(square.len(), 48 * 48 * 3);
//!
//! // What image 0 looks like in the first epoch of a training with seed 7.
//! let mut draws = Stream::new(7, Purpose::Augment, 0, 0);
//! let transform = Transform::draw(&AffineRanges::KERAS_2_0_8, 48, &mut draws);
//! let mut transformed = vec![0; square.len()];
//! transform.apply(&square, 48, 48, TransformCenter::PlusHalf, &mut transformed);
//! assert_ne!(transformed, square);
//!
//! let caffe = Architecture::Vgg16.preprocessing(PreprocessingName::Caffe);
//! let mut input = vec![0.0; square.len()];
//! preprocess(&transformed, &caffe, &mut input);
//! // Blue comes first, less its mean.
//! assert_eq!(input[0], f32::from(transformed[2]) - 103.939);
//! # Ok::<(), thaw_data::DataError>(())
//! ```

mod artifact;
mod augment;
mod begun;
mod dataset;
mod decode;
mod error;
mod folder;
mod mapped;
mod pixels;
mod preprocess;
mod resize;
mod stream;
mod synthetic;

pub use artifact::{Artifact, ArtifactWriter, Element, examine};
pub use augment::Transform;
pub use begun::Begun;
pub use dataset::Dataset;
pub use decode::{decode, write_png};
pub use error::DataError;
pub use folder::{Folder, ImageFile};
pub use pixels::{OnUnreadable, Pixels};
pub use preprocess::{preprocess, preprocess_interpolated};
pub use resize::resize;
pub use stream::{Purpose, Stream};
pub use synthetic::Synthetic;
