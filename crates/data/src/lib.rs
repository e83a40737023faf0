//! From images to pixels: folders, synthetic pictures, decoding, resizing, augmentation and
//! preprocessing, the artifacts they are kept in, and the addressed random streams from which
//! everything random in thaw is drawn.

mod artifact;
mod augment;
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

pub use artifact::{Artifact, ArtifactWriter, Element};
pub use augment::Transform;
pub use dataset::Dataset;
pub use decode::{decode, write_png};
pub use error::DataError;
pub use folder::{Folder, ImageFile};
pub use pixels::{OnUnreadable, Pixels};
pub use preprocess::{preprocess, preprocess_interpolated};
pub use resize::resize;
pub use stream::{Purpose, Stream};
pub use synthetic::Synthetic;
