//! Pictures that nobody has to download: procedural creatures, drawn from a seed.
//!
//! A picture is a [`Scene`]: a figure made of painted forms, placed with a random pose before a
//! cluttered background, lit from a random side, partly hidden by other forms, exposed and grained
//! at random. Everything but the figure is drawn from the same distributions for every class, and
//! so are the figure's colours, textures, size, position and attitude: classes differ by shape
//! alone.
//!
//! Each picture is drawn from a random stream of its own, addressed by the dataset's seed, the
//! split, the class and its number, so any picture of any size of dataset can be had alone. All
//! arithmetic is in 64-bit floats with the `libm` crate's functions, which are the same on every
//! machine.

mod cats_and_dogs;
mod form;
mod menagerie;
mod paint;
mod scene;
mod sketch;

use image::RgbImage;
use thaw_spec::{ContentHash, Split, SplitCounts, SyntheticDataset, SyntheticTask};

use crate::{DataError, Dataset, Purpose, Stream};
use scene::Scene;

/// Raised when the pictures change, so that old results are not taken for new ones.
const GENERATOR_VERSION: u32 = 1;

/// A dataset whose images are drawn on demand.
#[derive(Clone, Debug)]
pub struct Synthetic {
    dataset: SyntheticDataset,
    classes: Vec<String>,
}

impl Synthetic {
    /// The dataset that an experiment describes.
    pub fn new(dataset: SyntheticDataset) -> Self {
        let classes = match dataset.task {
            SyntheticTask::CatsAndDogs => cats_and_dogs::CLASSES.map(str::to_owned).to_vec(),
            SyntheticTask::Menagerie => menagerie::classes(),
        };
        Self { dataset, classes }
    }

    /// Images of a class in a split: equal shares, the first classes taking what is left over.
    fn of_class(&self, split: Split, class: u64) -> u64 {
        let (count, classes) = (self.counts().of(split), self.classes.len() as u64);
        count / classes + u64::from(class < count % classes)
    }

    /// The class of an image and its number within the class. As in a folder, each class follows
    /// the one before it.
    fn address(&self, split: Split, index: usize) -> (u32, u64) {
        let mut number = index as u64;
        for class in 0..self.classes.len() as u64 {
            let count = self.of_class(split, class);
            if number < count {
                return (class as u32, number);
            }
            number -= count;
        }
        panic!("the {split} split has no image {index}");
    }
}

impl Dataset for Synthetic {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn counts(&self) -> SplitCounts {
        SplitCounts {
            train: self.dataset.train,
            validation: self.dataset.validation,
            test: self.dataset.test,
        }
    }

    fn label(&self, split: Split, index: usize) -> u32 {
        self.address(split, index).0
    }

    fn name(&self, split: Split, index: usize) -> String {
        let (label, number) = self.address(split, index);
        format!("{split}/{}/{number}", self.classes[label as usize])
    }

    fn image(&self, split: Split, index: usize) -> Result<RgbImage, DataError> {
        let (label, number) = self.address(split, index);
        let number = number as usize * self.classes.len() + label as usize;
        let mut stream = Stream::new(self.dataset.seed, Purpose::Draw, split as usize, number);
        let figure = match self.dataset.task {
            SyntheticTask::CatsAndDogs => cats_and_dogs::draw(label, &mut stream),
            SyntheticTask::Menagerie => menagerie::draw(label, &mut stream),
        };
        let side = self.dataset.size as u32;
        let bytes = Scene::around(figure, &mut stream).render(self.dataset.size);
        Ok(RgbImage::from_raw(side, side, bytes).expect("a scene fills its picture"))
    }

    fn content_hash(&self) -> Result<ContentHash, DataError> {
        Ok(ContentHash::of_value(&("synthetic", GENERATOR_VERSION, &self.dataset)))
    }
}
